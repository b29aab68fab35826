"""The traps do what their names say, and nothing else."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import requests

from anyband.archive.stac_api import ItemIndex
from anyband.catalog.items.dialects import parse_item
from anyband.raster.asset import UnusableItemError
from anyband.runtime import UserError
from anyband.testing import traps
from anyband.testing.provider_apis import APIS
from anyband.testing.provider_server import ProviderServer
from make_items import make_item, write_items


@pytest.fixture(scope="module")
def items(full_item):
    return [full_item(product, day) for product in ("sentinel2", "landsat", "hls_s30", "hls_l30") for day in (0, 20)]


def sprung(items, name):
    return traps.apply_traps([name], copy.deepcopy(items), traps.STORED)


def of(items, collection):
    return [item for item in items if item["collection"] == collection]


def test_unknown_traps_are_named():
    with pytest.raises(UserError, match="unknown trap 'tier-3', known: mgrs-overlap"):
        traps.check(["tier-2", "tier-3"])
    assert {*traps.STORED, *traps.EMITTED, traps.SMALL_PAGES} == set(traps.NAMES)


@pytest.mark.parametrize("name", traps.STORED)
def test_every_trap_changes_something_and_leaves_the_later_scenes_usable(items, name):
    changed = sprung(items, name)
    if name != "beyond-180":  # these items lie in the east
        assert changed != items
    ids = [(item["collection"], item["id"]) for item in changed]
    assert len(set(ids)) == len(ids)
    for item in of(changed, "landsat-c2-l2")[1:2] + of(changed, "sentinel-2-l2a")[1:2]:
        parse_item(item)


@pytest.mark.parametrize("baseline", ["03.01", "04.00"])
def test_reprocessed(full_item, baseline):
    old, new = sprung([full_item("sentinel2", baseline=baseline)], "reprocessed")
    first, second = parse_item(old), parse_item(new)
    assert second.baseline == "05.10"
    assert "_N0510_" in new["properties"]["s2:product_uri"]
    assert second.produced > first.produced
    assert (second.datetime, second.tile) == (first.datetime, first.tile)
    assert ("made/with-offset/" in second.bands["B02"].href) == (baseline == "03.01")
    assert "made/" not in second.qa.href


def published(api, items, *names):
    """Items of an API after some traps, newest first, and the files that they name."""
    trapped = replace(APIS[api], traps=names)
    return ItemIndex(trapped.publish(items)).items, trapped.files


@pytest.fixture
def server(tmp_path):
    """One file of one site, with a hole, and its changed forms."""
    write_items(tmp_path, "aspen", [make_item("sentinel2")])
    path = tmp_path / "aspen/files/a.tif"
    path.parent.mkdir()
    values = np.array([[0, 1, 999, 1000], [1001, 5000, 65_000, 65_535]], np.uint16).repeat(32, 0).repeat(32, 1)
    profile = {"driver": "GTiff", "count": 1, "height": 64, "width": 128, "dtype": "uint16", "crs": "EPSG:32632"}
    grid = {"transform": rasterio.Affine(10, 0, 600_000, 0, -10, 5_100_000), "nodata": 0}
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "zstd", "predictor": 2}
    with rasterio.open(path, "w", **profile, **grid, **tiles) as target:
        target.write(values, 1)
        target.update_tags(PRODUCT_URI="S2A")
        target.scales = (1e-4,)
    with ProviderServer(tmp_path) as running:
        yield running


def pixels(content):
    with rasterio.MemoryFile(content) as memory, memory.open() as source:
        corner = source.read(1)[::32, ::32]
        return corner.ravel().tolist(), source.profile, source.tags(), source.scales


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("without-offset", [0, 0, 0, 0, 1, 4000, 64_000, 64_535]),
        ("with-offset", [0, 1001, 1999, 2000, 2001, 6000, 65_535, 65_535]),
        ("untagged", [0, 1, 999, 1000, 1001, 5000, 65_000, 65_535]),
        ("west", [0, 1, 0, 0, 1001, 5000, 0, 0]),
        ("west+with-offset", [0, 1001, 0, 0, 2001, 6000, 0, 0]),
    ],
)
def test_files_are_made_on_the_fly(server, change, expected):
    url, proxies = f"http://archive.anyband.test/made/{change}/aspen/a.tif", {"http": server.proxy_url}
    content = requests.get(url, proxies=proxies, timeout=10).content
    values, profile, tags, scales = pixels(content)
    assert values == expected
    assert (profile["blockxsize"], profile["compress"], profile["crs"].to_epsg()) == (32, "zstd", 32632)
    assert profile["nodata"] == (None if change == "untagged" else 0)
    assert (tags["PRODUCT_URI"], scales) == ("S2A", (1e-4,))
    assert server._made(f"made/{change}/aspen/a.tif") == content
    assert server._made.cache_info().misses == 1, "kept"


def test_changes_add_up_in_the_address():
    assert traps.made(traps.made("files/aspen/a.tif", "west"), "untagged") == "made/west+untagged/aspen/a.tif"


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("names", [(), ("small-pages",), traps.NAMES], ids=len)
def test_traps_in_every_dialect(items, api, names):
    """Each API writes the changed items, those of all traps at once included, and knows every file that they name."""
    found, files = published(api, items, *names)
    assert len({(item["collection"], item["id"]) for item in found}) == len(found)
    for item in found:
        try:
            scene = parse_item(item)
        except UnusableItemError:
            assert names, f"{item['id']} is unusable without any trap"
            continue
        for band in scene.bands.values():
            if band.href.startswith("s3://"):
                assert band.href.removeprefix("s3://") in files
    if names in ((), ("small-pages",)):
        assert len(found) == len(items)


def test_the_flag_of_earth_search_issue_71(items):
    flags = []
    for names in ((), ("earth-search-71",)):
        scenes = [item for item in published("earth-search", items, *names)[0] if traps.FLAG in item["properties"]]
        flags.append([item["properties"][traps.FLAG] for item in scenes])
    assert flags == [[True, True], [True, False]], "newest first: the first scene lies"
    assert parse_item(scenes[1]).bands["B04"].offset == -0.1, "what the item says, and the pixels contradict"


def test_a_reprocessed_scene_of_each_provider(full_item):
    stored = [full_item("sentinel2", baseline="03.01")]
    ids = {
        name: [item["id"] for item in published(name, stored, "reprocessed")[0]]
        for name in ("stac", "earth-search", "earth-search-c1")
    }
    assert len(ids["stac"]) == 2
    assert ids["earth-search"] == ["S2A_32TPR_20220510_0_L2A", "S2A_32TPR_20220510_1_L2A"]
    assert len(ids["earth-search-c1"]) == 1, "Collection 1 holds the newest one only"
