import json
import re
from collections import Counter
from dataclasses import replace

import pystac
import pytest

from anyband.archive.item_properties import SIMULATED, AssetFile, hls_tags
from anyband.archive.stac_items import build_item, item_id
from anyband.catalog.items.dialects import parse_item
from anyband.catalog.items.hls import BANDS, platform_of
from make_items import FILES, make_item, make_scene

PRODUCTS = list(FILES)


@pytest.mark.parametrize("product", PRODUCTS)
def test_items_are_valid_stac(product):
    item = pystac.Item.from_dict(make_item(product))
    assert item.id == item_id(make_scene(product))


def _shapes(value):
    """Form of a JSON value: types of leaves, keys of objects; lists by length and first element."""
    if isinstance(value, dict):
        return {key: _shapes(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [len(value), _shapes(value[0])] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


def _compare_with(ours, real):
    assert set(ours) == set(real)
    assert _shapes({k: v for k, v in ours["properties"].items() if k != SIMULATED}) == _shapes(real["properties"])
    assert _shapes(ours["assets"]) == _shapes(real["assets"])
    assert ours["geometry"]["type"] == real["geometry"]["type"]
    for key, asset in real["assets"].items():
        for name in ("eo:bands", "raster:bands", "classification:bitfields", "classification:classes", "type", "roles"):
            assert ours["assets"][key].get(name) == asset.get(name), (key, name)
        assert ours["assets"][key].get("gsd") == asset.get("gsd"), key
        assert ours["assets"][key].get("title") == asset.get("title"), key


def test_sentinel2_against_recorded_items(realdata):
    folder = realdata / "stac-items"
    items = json.loads((folder / "odc-stac/site1-20200606-tall-strip-africa.geojson").read_text())["features"]
    ours = make_item("sentinel2")
    for real in items:
        _compare_with(ours, real)
        assert ours["stac_extensions"] == real["stac_extensions"]
    newer = json.loads((folder / "stac-geoparquet-pc/sentinel-2-l2a-pc.json").read_text())
    for real in newer:
        _compare_with(ours, real)
        rels = [link["rel"] for link in real["links"]]
        assert [link["rel"] for link in ours["links"]] == rels


def test_landsat_against_recorded_items(realdata):
    items = json.loads((realdata / "stac-items/stac-geoparquet-pc/landsat-c2-l2-pc.json").read_text())
    ours = make_item("landsat")
    for real in items:
        _compare_with(ours, real)
        assert [link["rel"] for link in ours["links"]] == [link["rel"] for link in real["links"]]


def test_worldcover_against_a_recorded_item(realdata):
    real = json.loads((realdata / "stac-items/esa-worldcover/ESA_WorldCover_10m_2021_v200_N00E006.json").read_text())
    _compare_with(make_item("label"), real)


@pytest.mark.parametrize("product", ["hls_s30", "hls_l30"])
def test_hls_against_the_collection_template(realdata, product):
    name = f"hls2-{product[-3:]}"
    template = json.loads((realdata / f"stac-items/pc-collection-templates/{name}.json").read_text())["item_assets"]
    ours = make_item(product)["assets"]
    assert set(ours) - {"thumbnail"} == set(template)
    for key, asset in template.items():
        assert ours[key]["eo:bands"] == asset["eo:bands"]
        assert set(ours[key]) == {"href", "type", "eo:bands", "roles"}


def test_l30_keeps_the_exchanged_wavelengths_of_the_provider():
    assets = make_item("hls_l30")["assets"]
    assert [assets[key]["eo:bands"][0]["center_wavelength"] for key in ("B01", "B02")] == [0.48, 0.44]


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ("sentinel2", r"S2A_MSIL2A_20220510T101530_R\d{3}_T32TPR_20220510T171530"),
        ("landsat", "LC09_L2SP_193028_20220510_02_T1"),
        ("hls_s30", "HLS.S30.T32TPR.2022130T101530.v2.0"),
        ("hls_l30", "HLS.L30.T32TPR.2022130T101530.v2.0"),
        ("label", "ESA_WorldCover_10m_2021_v200_N45E009_aspen"),
    ],
)
def test_ids_have_the_provider_s_form(product, expected):
    assert re.fullmatch(expected, make_item(product)["id"])
    if product == "landsat":
        assert make_item(product)["properties"]["landsat:scene_id"] == "LC91930282022130LGN00"


def test_orbits_agree_with_recorded_items():
    later = make_scene("sentinel2", platform="sentinel-2b").datetime.replace(
        year=2024, month=4, day=19, hour=9, minute=55
    )
    item = make_item("sentinel2", platform="sentinel-2b", datetime=later)
    assert item["properties"]["sat:relative_orbit"] == 122
    assert "_A037185_" in item["properties"]["s2:granule_id"]


def test_assets_without_a_file_still_have_the_grid_of_their_pixel_size():
    assets = make_item("sentinel2")["assets"]
    assert assets["B05"]["proj:shape"] == [204, 204]
    assert assets["B05"]["proj:transform"] == [20.0, 0.0, 600_000.0, 0.0, -20.0, 5_100_000.0]
    assert assets["B01"]["proj:bbox"] == assets["B02"]["proj:bbox"] == [600_000.0, 5_095_920.0, 604_080.0, 5_100_000.0]
    assert assets["B02"]["href"] == "http://archive.anyband.test/files/aspen/sentinel2/20220510T101530_B02.tif"
    assert assets["AOT"]["href"].startswith("http://archive.anyband.test/files/aspen/S2A_MSIL2A_20220510T101530_N0400_")


def test_what_the_dialect_does_not_know_is_refused():
    scene = make_scene("landsat")
    with pytest.raises(ValueError, match="asset 'B04'"):
        make_item("landsat", assets={"B04": next(iter(scene.assets.values()))})
    with pytest.raises(ValueError, match="percentage 'cloud'"):
        make_item("sentinel2", percentages={"cloud": 3.0})
    with pytest.raises(ValueError, match="file"):
        make_item("hls_s30", assets={})
    with pytest.raises(ValueError, match="EPSG:32633"):
        make_item("sentinel2", epsg=32633)


def test_places_of_the_archive_have_ids_of_their_own():
    """Two places in one 3 degree tile once shared the id of their label."""
    near = make_scene("label", site="birch")
    ids = Counter(item_id(scene) for scene in (make_scene("label"), near))
    assert max(ids.values()) == 1


def test_southern_files_keep_their_own_crs():
    ring = [(148.8, -35.0), (148.9, -35.0), (148.9, -34.9), (148.8, -34.9)]
    grid = AssetFile("a.tif", 32655, (30.0, 0.0, 670_005.0, 0.0, -30.0, -3_870_015.0), (136, 136))
    item = build_item(make_scene("landsat", footprint=ring, epsg=32655, assets={"red": grid}))
    assert item["properties"]["proj:epsg"] == 32655
    assert item["properties"]["proj:transform"][5] < 0


@pytest.mark.parametrize(("product", "platform"), [("hls_s30", "sentinel-2b"), ("hls_l30", "landsat-8")])
def test_headers_of_hls_files_name_the_satellite(product, platform):
    """Items of LP DAAC do not, so this is where the reading side finds it."""
    scene = make_scene(product, platform=platform, baseline="04.00")
    nameless = replace(parse_item(build_item(full_hls(scene))), platform="")
    assert platform_of(nameless, hls_tags(scene)) == platform


def full_hls(scene):
    """The scene with a file for every band."""
    grid = next(iter(scene.assets.values()))
    return replace(scene, assets=dict.fromkeys((*BANDS[scene.product[-3:].upper()], "Fmask"), grid))
