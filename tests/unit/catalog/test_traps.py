"""Traps of real catalogues by their numbers in the list of the STAC reference, section 6.4, from server to pixels.

A small archive is served over HTTP with the trap in it, searched, paired and read: the red band shows a reflectance of
`RED` everywhere, whatever the dialect and the encoding.
"""

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import rasterio

from anyband.archive.item_properties import AssetFile
from anyband.archive.stac_items import build_item
from anyband.catalog.api import Catalogue
from anyband.catalog.items.dialects import parse_item
from anyband.catalog.manifests import site_query
from anyband.catalog.pairs.coverage import near, project
from anyband.catalog.pairs.site_pairs import pair_site
from anyband.catalog.sites import Site
from anyband.products import CATALOGUED
from anyband.providers import sources
from anyband.raster import access
from anyband.raster.access import gdal_env, read_raster
from anyband.raster.asset import UnusableItemError
from anyband.raster.write import epsg_crs, hls_crs
from anyband.testing.faults import CALM, Faults
from anyband.testing.provider_server import ProviderServer
from anyband.testing.traps import NAMES
from make_items import NOON, make_scene, square, write_items

RED = 0.0789
LATER = NOON + timedelta(days=16)
NORTH = Site("aspen", 10.32, 46.02, 960)
SOUTH = Site("elder", 148.862, -34.958, 960)
BORDER = Site("birch", 11.99, 46.02, 960)  # zones 32 and 33
WEST = Site("dogwood", -70.3, 46.02, 960)
OPTICAL = CATALOGUED[:4]
HALF_M = 600  # of the files, around the site
# band, pixel (m), corner's phase (m), data type, nodata tag, DN of RED, layer, its data type and fill, its clear value
FILES = {
    "sentinel2": ("B04", 10, 0, "uint16", 0, 789, "SCL", "uint8", 0, 4),
    "landsat": ("red", 30, 15, "uint16", 0, 10_142, "qa_pixel", "uint16", 1, 21_824),
    "hls_s30": ("B04", 30, 0, "int16", -9999, 789, "Fmask", "uint8", 255, 0),
    "hls_l30": ("B04", 30, 0, "int16", -9999, 789, "Fmask", "uint8", 255, 0),
}
TAGS = {
    "hls_s30": {"PRODUCT_URI": "S2A_MSIL1C_20220510T101531_N0400_R065_T32TPR_20220510T121500.SAFE"},
    "hls_l30": {"LANDSAT_PRODUCT_ID": "LC09_L1TP_193028_20220510_20220512_02_T1"},
}


class Archive:
    """A folder of scenes that a server can publish."""

    def __init__(self, root):
        self.root = root

    def add(self, site, product, epsg=None, values=None, edit=None, **changes):
        """One scene; `values` are DN of the band (a list of columns from west to east), `edit` changes the item."""
        epsg = 4326 if product == "label" else epsg or (site.utm_epsg if product == "sentinel2" else utm_north(site))
        # The archive names tiles after the middle of the footprint, which must be in the zone.
        aside = 0 if epsg in (4326, site.utm_epsg, utm_north(site)) else 0.02 if site.longitude < 12 else 0.001
        ring = square(site.longitude + aside, site.latitude, 0.04)
        assets = {} if product == "label" else self._files(site, product, epsg, values, changes)
        scene = make_scene(product, site=site.name, epsg=epsg, **({"footprint": ring, "assets": assets} | changes))
        if product == "label":
            scene = replace(scene, assets=make_scene("label").assets)
        item = build_item(scene)
        if edit:
            edit(item)
        write_items(self.root, site.name, [item])
        return item

    def add_pair(self, site, when=NOON, **changes):
        """All products of one day."""
        for product in OPTICAL:
            more = changes if product == "sentinel2" else {}
            self.add(site, product, datetime=when, **more)
        self.add(site, "label")
        return self

    def _files(self, site, product, epsg, values, changes):
        band, pixel, phase, dtype, nodata, red, layer, layer_type, fill, clear = FILES[product]
        if product == "sentinel2" and changes.get("baseline", "04.00") >= "04.00":
            red += 1000
        name = f"{product}-{epsg}-{changes.get('datetime', NOON):%Y%m%d}-{changes.get('baseline', '')}"
        x, y = (value[0] for value in project((np.array([site.longitude]), np.array([site.latitude])), 4326, epsg))
        crs = hls_crs(epsg % 100) if product.startswith("hls") else epsg_crs(epsg)
        files = {}
        for key, size, kind, empty, value in (
            (band, pixel, dtype, nodata, red if values is None else values),
            (layer, 20 if product == "sentinel2" else pixel, layer_type, fill, clear),
        ):
            left, top = (x - HALF_M) // 60 * 60 + phase, (y + HALF_M) // 60 * 60 + phase
            count = 2 * HALF_M // size
            columns = np.resize(np.repeat(value, count // np.size(value)), count).astype(kind)
            path = self.root / site.name / "files" / f"{name}-{key}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            grid = {"transform": rasterio.Affine(size, 0, left, 0, -size, top), "crs": crs, "nodata": empty}
            form = {"driver": "GTiff", "count": 1, "width": count, "height": count, "dtype": kind}
            tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
            with rasterio.open(path, "w", **form, **grid, **tiles) as target:
                target.write(np.broadcast_to(columns, (count, count)), 1)
                target.update_tags(**TAGS.get(product, {}))
            files[key] = AssetFile(path.name, epsg, tuple(grid["transform"])[:6], (count, count))
        return files


def utm_north(site):
    return 32_600 + site.utm_epsg % 100


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Three days in the north, one in the south and one in the west."""
    archive = Archive(tmp_path_factory.mktemp("world"))
    for days in range(0, 48, 16):
        archive.add_pair(NORTH, NOON + timedelta(days=days))
    return archive.add_pair(SOUTH).add_pair(WEST)


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "archive")


@pytest.fixture
def serve(world, monkeypatch):
    """Publishes an archive with some traps and gives the raw items of a site by product, as a search finds them."""

    def start(site, *traps, days=1, archive=world, api="stac", change=None, faults=CALM):
        server = servers.enter_context(ProviderServer(archive.root, traps=traps, faults=faults))
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        catalogue = Catalogue(f"http://archive.anyband.test/{api}")
        interval = NOON.date(), NOON.date() + timedelta(days=16 * (days - 1))
        found = {}
        for product, source in sources(catalogue.endpoint, lambda url: catalogue.collections()).items():
            query = site_query(site, source.collection, None if product == "label" else interval)
            found[product] = catalogue.search(query, source.page)
            for item in found[product] if change else ():
                change(product, item)
        return found

    with ExitStack() as servers:
        yield start


def reflectance(item, band="B04"):
    """The middle row of a band in physical units, NaN where there are no data."""
    scene = parse_item(item)
    asset = scene.bands[band]
    with rasterio.Env(**gdal_env()):
        stored = read_raster(asset.href, lambda source: source.read(1), item["id"])
    stored = stored[len(stored) // 2]
    return np.where(stored == asset.nodata, np.nan, stored * asset.scale + asset.offset)


def pair(site, items, **settings):
    rows, drops, _ = pair_site(site, items, **({"max_day_gap": 3, "min_clear": 0.5} | settings))
    known = {item["id"] for listed in items.values() for item in listed}
    named = {entry for drop in drops for entry in (drop.sentinel2, drop.landsat)}
    named |= {entry for row in rows for product in CATALOGUED for entry in row[product].split()}
    assert known <= named, "every item is in a pair or dropped"
    return rows, drops


def reasons(drops):
    return Counter(drop.reason for drop in drops if drop.reason not in ("not needed", "no partner"))


def first_ids(items):
    """Ids of the earliest scene by product."""
    return {product: min(items[product], key=lambda item: item["properties"]["datetime"])["id"] for product in OPTICAL}


# 1 ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def baselines(tmp_path_factory):
    """Two days whose scenes are of the last baseline without the offset and of the first with it."""
    archive = Archive(tmp_path_factory.mktemp("baselines"))
    return archive.add_pair(NORTH, baseline="03.01").add_pair(NORTH, LATER, baseline="04.00")


@pytest.mark.parametrize("api", ["stac", "earth-search", "stac-1.1"])
def test_trap_1_offset_by_baseline(baselines, serve, api):
    """DN of baselines from 04.00 on hold 1000 more at ESA; Earth Search has taken it off and goes on to publish it."""
    items = serve(NORTH, days=2, archive=baselines, api=api)
    for item in items["sentinel2"]:
        assert reflectance(item) == pytest.approx(RED, abs=1e-6)
        if api == "earth-search" and item["properties"]["s2:processing_baseline"] == "04.00":
            assert item["properties"]["earthsearch:boa_offset_applied"] is True
            assert item["assets"]["red"]["raster:bands"][0]["offset"] == -0.1, "the bait"
    rows, _ = pair(NORTH, items)
    assert [row["baseline"] for row in rows] == ["03.01", "04.00"]


def test_trap_1_offset_published_by_collection_1(serve):
    (item,) = serve(NORTH, api="earth-search-c1")["sentinel2"]
    assert item["assets"]["red"]["raster:bands"][0]["offset"] == -0.1
    assert reflectance(item) == pytest.approx(RED, abs=1e-6)


def test_trap_1_flag_that_is_wrong_shows_in_the_pixels(serve):
    """No item tells that its flag is wrong: values come out 0.1 too low, below what a surface has.

    That is for the audit of the chips to see, which compares with Landsat.
    """
    (item,) = serve(NORTH, "earth-search-71", api="earth-search")["sentinel2"]
    assert item["properties"]["earthsearch:boa_offset_applied"] is False
    assert reflectance(item) == pytest.approx(RED - 0.1, abs=1e-6)


# 2 ------------------------------------------------------------------------------------------------------------------


def test_trap_2_no_nodata_tag(archive, serve):
    """DN 0 is no data whatever the file says; taken for a value it would be a reflectance of -0.1."""
    archive.add_pair(NORTH, values=[0, 1789])
    (item,) = serve(NORTH, "no-nodata-tag", archive=archive)["sentinel2"]
    with rasterio.Env(**gdal_env()), rasterio.open(parse_item(item).bands["B04"].href) as source:
        assert source.nodata is None
    values = reflectance(item)
    assert np.isnan(values[:60]).all()
    assert values[60:] == pytest.approx(RED, abs=1e-6)


# 3 ------------------------------------------------------------------------------------------------------------------


def test_trap_3_southern_hemisphere(serve):
    """Sentinel-2 in EPSG:327xx, Landsat and HLS in 326xx with negative northings: one place."""
    items = serve(SOUTH)
    ((row,), drops) = pair(SOUTH, items)
    assert (row["epsg_sentinel2"], row["epsg_landsat"]) == (32755, 32655)
    assert row["clear_joint"] == "1.0000"
    assert reasons(drops) == {}
    assert parse_item(items["landsat"][0]).bands["red"].transform[5] < 0


# 4 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("landsat", "tile", "lost"), [(32632, "32TQS", "33TTM"), (32633, "33TTM", "32TQS")])
def test_trap_4_zone_border(archive, serve, landsat, tile, lost):
    """The tile in the zone of the Landsat scene is taken, since no grid is resampled."""
    for epsg in (32632, 32633):
        for product in ("sentinel2", "hls_s30", "hls_l30"):
            archive.add(BORDER, product, epsg)
    archive.add(BORDER, "landsat", landsat)
    archive.add(BORDER, "label")
    items = serve(BORDER, archive=archive)
    for listed in (items["sentinel2"], items["sentinel2"][::-1]):
        ((row,), drops) = pair(BORDER, items | {"sentinel2": listed})
        assert f"_T{tile}_" in row["sentinel2"]
        assert (row["epsg_sentinel2"], row["epsg_landsat"], row["clear_joint"]) == (landsat, landsat, "1.0000")
        assert f".T{tile}." in row["hls_s30"]
        assert [drop.sentinel2.split("_")[4] for drop in drops if drop.reason == "zone"] == [f"T{lost}"]


# 5 ------------------------------------------------------------------------------------------------------------------


def test_trap_5_mgrs_overlap(serve):
    """Tiles overlap by 10 km: one datatake shows the same ground two to four times."""
    items = serve(NORTH, "mgrs-overlap")
    assert len(items["sentinel2"]) == len(items["hls_s30"]) == 2
    (l30,) = items["hls_l30"]
    twin = l30 | {"id": l30["id"].replace("T32TPR", "T32TQR")}
    for tiles, taken, reason in (
        ([l30, twin], "32TPR", "same pass"),
        ([l30], "32TPR", "same pass"),
        ([twin], "32TQR", "no HLS"),
    ):
        outcomes = []
        for turn in (1, -1):
            listed = {product: entries[::turn] for product, entries in (items | {"hls_l30": tiles}).items()}
            ((row,), drops) = pair(NORTH, listed)
            outcomes.append((row, sorted(drops, key=str)))
            assert reasons(drops) == {reason: 1}
            assert [row["sentinel2"].split("_")[4], row["hls_s30"].split(".")[2]] == 2 * [f"T{taken}"]
        assert outcomes[0] == outcomes[1]


# 6 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trap", "products"),
    [
        ("partial-sentinel2", ["sentinel2"]),
        ("partial-landsat", ["landsat"]),
        ("partial-hls", ["hls_s30", "hls_l30"]),
    ],
)
def test_trap_6_partial_footprints(serve, trap, products):
    """The first scenes show half of the site, the later ones all of it."""
    items = serve(NORTH, trap, days=2)
    first = first_ids(items)
    ((row,), drops) = pair(NORTH, items)
    assert row["datetime_sentinel2"][:10] == f"{LATER:%Y-%m-%d}"
    partial = {drop.sentinel2 or drop.landsat for drop in drops if drop.reason == "partial"}
    assert partial == {first[product] for product in products}


def test_trap_6_footprint_that_promises_more_than_the_file_has(serve):
    """A scene edge inside of the footprint is not a cloud."""
    whole = serve(NORTH)["landsat"][0]["geometry"]
    items = serve(NORTH, "partial-landsat")
    items["landsat"][0]["geometry"] = whole
    rows, drops = pair(NORTH, items, min_clear=0.6)
    assert rows == []
    assert reasons(drops) == {"no data": 1}


# 7 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "longitude"), [("beyond 180", 179.9995), ("cut in two", -179.9995), ("jump", 179.9995)]
)
def test_trap_7_antimeridian(archive, serve, form, longitude):
    """Longitudes go on beyond 180 degrees at the Planetary Computer; others cut footprints, or jump within a ring."""

    site = Site("cedar", longitude, -16.8, 960)

    def write(item):
        geometry, box = {
            "beyond 180": ({"type": "Polygon", "coordinates": [rectangle(179.9, 180.1)]}, (179.9, 180.1)),
            "cut in two": (
                {"type": "MultiPolygon", "coordinates": [[rectangle(179.9, 180)], [rectangle(-180, -179.9)]]},
                (179.9, -179.9),
            ),
            "jump": ({"type": "Polygon", "coordinates": [rectangle(179.9, -179.9)]}, (179.9, -179.9)),
        }[form]
        item |= {"geometry": geometry, "bbox": [box[0], -17.0, box[1], -16.6]}

    for product in CATALOGUED:
        archive.add(site, product, edit=None if form == "jump" else write)
    items = serve(
        site, archive=archive, change=lambda product, item: write(item)
    )  # the server cannot find items that jump
    assert all(items.values()), "the search finds scenes on both sides"
    ((row,), drops) = pair(site, items)
    assert (row["clear_joint"], reasons(drops)) == ("1.0000", {})
    footprint = parse_item(items["sentinel2"][0]).footprint
    xs = [x for x, _ in np.reshape(footprint["coordinates"], (-1, 2))]
    assert max(xs) - min(xs) == pytest.approx(0.2)


def rectangle(west, east, south=-17.0, north=-16.6):
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def test_trap_7_western_longitudes_beyond_180(serve):
    items = serve(WEST, "beyond-180")
    assert items["sentinel2"][0]["bbox"][0] > 180
    ((row,), _) = pair(WEST, items)
    assert row["clear_joint"] == "1.0000"
    assert near(289.7, WEST.longitude) == pytest.approx(-70.3)


# 8 ------------------------------------------------------------------------------------------------------------------


def test_trap_8_l2sr_without_temperature_is_as_good(serve):
    items = serve(NORTH, "l2sr-without-lwir11")
    assert "lwir11" not in items["landsat"][0]["assets"]
    ((row,), _) = pair(NORTH, items)
    assert "_L2SR_" in row["landsat"]
    assert reflectance(items["landsat"][0], "red") == pytest.approx(RED, abs=3e-5)


# 9 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("site", [NORTH, SOUTH], ids=["north", "south"])
def test_trap_9_hls_wrong_hemisphere(serve, site):
    """Files are in UTM north, and the tile's name tells the zone; the code of the item is not believed."""
    items = serve(site, "hls-wrong-hemisphere")
    assert items["hls_s30"][0]["properties"]["proj:epsg"] // 100 == 327
    scene = parse_item(items["hls_s30"][0])
    assert scene.epsg == utm_north(site)
    ((row,), _) = pair(site, items)
    assert row["hls_s30"] == scene.item_id


# 10 -----------------------------------------------------------------------------------------------------------------


def test_trap_10_reprocessed(baselines, serve):
    items = serve(NORTH, "reprocessed", archive=baselines)
    assert len(items["sentinel2"]) == 2
    for listed in (items["sentinel2"], items["sentinel2"][::-1]):
        ((row,), drops) = pair(NORTH, items | {"sentinel2": listed})
        assert row["baseline"] == "05.10"
        (old,) = (drop for drop in drops if drop.reason == "reprocessed")
        assert old.detail == f"{row['sentinel2']} is used instead"
    for item in items["sentinel2"]:
        assert reflectance(item) == pytest.approx(RED, abs=1e-6)


# 12 -----------------------------------------------------------------------------------------------------------------


def test_trap_12_asset_404_of_the_quality_layer(serve):
    def lose(product, item):
        if product == "landsat" and item["properties"]["datetime"][:10] == f"{NOON:%Y-%m-%d}":
            item["assets"]["qa_pixel"]["href"] += ".gone.tif"

    items = serve(NORTH, days=2, change=lose)
    ((row,), drops) = pair(NORTH, items)
    assert row["datetime_landsat"][:10] == f"{LATER:%Y-%m-%d}"
    (gone,) = (drop for drop in drops if drop.reason == "unusable")
    assert gone.landsat == first_ids(items)["landsat"]
    assert "asset qa_pixel: " in gone.detail
    assert gone.detail.endswith("does not exist: search the catalogue again, or drop the item")


def test_trap_12_asset_404_of_a_band(serve):
    """Pairing opens quality layers only; who reads the band is told to drop the item."""
    items = serve(NORTH, "asset-404")
    assert len(pair(NORTH, items)[0]) == 1
    with pytest.raises(UnusableItemError, match="^LC09_.*: .* does not exist: search the catalogue again"):
        reflectance(items["landsat"][0], "red")


def test_trap_12_header_that_is_gone(serve):
    """HLS without a satellite needs its first file, B01, which this archive does not have."""
    rows, drops = pair(NORTH, serve(NORTH, "hls-without-platform"))
    assert rows == []
    assert reasons(drops) == {"unusable": 2, "no HLS": 1}


def test_trap_12_satellite_in_the_header(serve):
    def name_first_file(product, item):
        if product.startswith("hls_"):
            item["assets"]["B01"]["href"] = item["assets"]["B04"]["href"]

    for api in ("stac", "lpcloud"):
        items = serve(NORTH, "hls-without-platform", api=api, change=name_first_file)
        assert parse_item(items["hls_l30"][0]).platform == ""
        ((row,), _) = pair(NORTH, items)
        assert row["hls_s30"] == items["hls_s30"][0]["id"]


# 14 -----------------------------------------------------------------------------------------------------------------


def test_trap_14_more_than_one_page(serve):
    whole, pages = serve(NORTH, days=3), serve(NORTH, "small-pages", days=3)
    assert len(whole["landsat"]) == 3
    assert pages == whole


# all together -------------------------------------------------------------------------------------------------------


def test_every_item_is_in_a_pair_or_dropped_whatever_the_traps_and_the_order(serve):
    items = serve(NORTH, *NAMES, days=2)
    outcomes = [pair(NORTH, {product: listed[::turn] for product, listed in items.items()}) for turn in (1, -1)]
    assert outcomes[0][0] == outcomes[1][0]
    assert sorted(map(str, outcomes[0][1])) == sorted(map(str, outcomes[1][1]))
    assert outcomes[0][0], "the later scenes are as they should be"


def test_pairs_in_a_storm_are_those_of_a_calm_day(serve, monkeypatch, tmp_path):
    """Tokens expire, files are pages of HTML, cut or unavailable at first."""
    calm = pair(NORTH, serve(NORTH, days=3))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(access, "RETRY_WAITS_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(access, "gdal_env", lambda href: gdal_env(href) | {"GDAL_HTTP_RETRY_DELAY": 0.01})
    seen, find_trouble = set(), access.find_trouble
    monkeypatch.setattr(access, "find_trouble", lambda *said: seen.add(find_trouble(*said)) or find_trouble(*said))
    faults = Faults(tokens=True, token_requests=6, unavailable=0.4, html=0.3, truncated=0.3)
    items = serve(NORTH, days=3, faults=faults)
    assert ".blob.core.windows.net/" in items["landsat"][0]["assets"]["red"]["href"]
    assert pair(NORTH, items) == calm
    assert seen == {"refused", "damaged"}
