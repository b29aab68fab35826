"""Items in the dialects of all APIs: the keys of real ones, and the same meaning as the stored form."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pystac
import pytest

from anyband.archive.item_properties import SIMULATED
from anyband.catalog.items.dialects import parse_item
from anyband.catalog.items.raw_item import RawItem
from anyband.catalog.items.sentinel2 import has_offset
from anyband.testing.provider_apis import APIS
from anyband.testing.provider_dialects import as_stactools, within_180
from make_items import NOON

PRODUCTS = ("sentinel2", "landsat", "hls_s30", "hls_l30", "label")


@pytest.fixture(params=[(name, product) for name in APIS for product in PRODUCTS], ids="-".join)
def case(request, full_item):
    """One product of one API: its name, the stored item, what is published with which files."""
    name, product = request.param
    stored = full_item(product)
    return (name, product), stored, *publish(name, stored)


def publish(name, stored):
    """The item and the files behind its addresses."""
    api = replace(APIS[name])
    (item,) = api.publish([stored])
    return item, api.files


def published(full_item, name, product, **changes):
    return publish(name, full_item(product, **changes))[0]


@pytest.mark.filterwarnings("ignore:Could not parse bucket")  # the archive's own host is no bucket of AWS
def test_items_mean_the_same_in_every_dialect(case, full_item):
    (name, product), stored, item, _ = case
    assert stored == full_item(product), "the stored item is not changed"
    assert SIMULATED in item["properties"], "nobody may take it for a real one"
    assert item["collection"] == APIS[name].collections[product]
    assert pystac.Item.from_dict(item).id == item["id"]
    ours, there = parse_item(stored), parse_item(item)
    assert there.product == ours.product
    for field in ("datetime", "tile", "epsg", "tier", "simulated"):
        assert getattr(there, field) == getattr(ours, field), field
    assert there.platform == ("" if name == "lpcloud" and product.startswith("hls") else ours.platform)
    assert there.bands.keys() == ours.bands.keys()
    assert there.sun_zenith in (None, pytest.approx(ours.sun_zenith))
    for band, asset in there.bands.items():
        assert (asset.pixel_m, asset.scale, asset.nodata) == (
            ours.bands[band].pixel_m,
            ours.bands[band].scale,
            ours.bands[band].nodata,
        )
        assert asset.transform in (None, ours.bands[band].transform)


def test_every_address_of_a_provider_has_its_file(case):
    """Files that the archive holds are either under their own path or in the list of what is published."""
    _, stored, item, files = case
    held = {asset["href"].removeprefix("http://archive.anyband.test/") for asset in stored["assets"].values()}
    for key, band in parse_item(item).bands.items():
        address = re.sub(r"^(s3://|http://archive.anyband.test/)", "", band.href)
        path = files.get(address, address)
        assert re.sub(r"^made/[^/]+/", "files/", path) in held, key


@pytest.mark.parametrize(
    ("name", "baseline", "offset", "change"),
    [
        ("earth-search", "03.01", 0, None),
        ("earth-search", "04.00", -0.1, "without-offset"),  # published, and wrong
        ("earth-search-c1", "03.01", -0.1, "with-offset"),
        ("earth-search-c1", "04.00", -0.1, None),
        ("earth-search-c1", "05.09", -0.1, None),
        ("stac-1.1", "03.01", 0, None),
        ("stac-1.1", "04.00", -0.1, None),
    ],
)
def test_offsets_of_sentinel2(full_item, name, baseline, offset, change):
    item, files = publish(name, full_item("sentinel2", baseline=baseline))
    red = item["assets"]["red"]
    said = red["raster:bands"][0]["offset"] if "raster:bands" in red else red["bands"][0]["raster:offset"]
    assert said == offset
    paths = [path for path in files.values() if path.endswith("B04.tif")]
    assert all(path.startswith(f"made/{change}/" if change else "files/") for path in paths)
    quality = [path for path in files.values() if path.endswith("SCL.tif")]
    assert all(path.startswith("files/") for path in quality), "classes have no offset"
    scene = parse_item(item)
    assert scene.baseline == ("05.00" if name == "earth-search-c1" and baseline < "05.00" else baseline)
    assert has_offset(RawItem(item)) == (baseline >= "04.00" or name == "earth-search-c1")


def test_names_of_earth_search(full_item):
    item = published(full_item, "earth-search", "sentinel2")
    assert item["id"] == "S2A_32TPR_20220510_0_L2A"
    properties = item["properties"]
    assert properties["platform"] == "sentinel-2a"
    assert properties["grid:code"] == "MGRS-32TPR"
    assert properties["earthsearch:boa_offset_applied"] is True
    assert properties["datetime"].startswith("2022-05-10T10:27:31"), "the tile, twelve minutes into the datatake"
    assert item["assets"]["blue-jp2"]["href"] == "s3://sentinel-s2-l2a/tiles/32/T/PR/2022/5/10/0/B02.jp2"
    again = published(full_item, "earth-search", "sentinel2", generation_time=NOON + timedelta(days=400))
    assert again["id"] == "S2A_32TPR_20220510_1_L2A"
    landsat = published(full_item, "earth-search", "landsat")
    place = "s3://usgs-landsat/collection02/level-2/standard/oli-tirs/2022/193/028"
    product = "LC09_L2SP_193028_20220510_20220510_02_T1"
    assert landsat["assets"]["red"]["href"] == f"{place}/{product}/{product}_SR_B4.TIF"


def test_collection_1_of_earth_search(full_item):
    item = published(full_item, "earth-search-c1", "sentinel2", baseline="03.01")
    assert item["id"] == "S2A_T32TPR_20220510T101530_L2A"
    assert "_N0500_" in item["properties"]["s2:product_uri"]
    assert item["properties"]["s2:datatake_id"].endswith("_N05.00")
    assert "earthsearch:boa_offset_applied" not in item["properties"]


def test_names_of_usgs(full_item):
    item = published(full_item, "earth-search-c1", "landsat")
    assert item["id"] == "LC09_L2SP_193028_20220510_20220510_02_T1_SR"
    assert item["properties"]["platform"] == "LANDSAT_9"
    red = item["assets"]["red"]
    assert red["href"].startswith("https://landsatlook.usgs.gov/data/collection02/")
    assert red["alternate"]["s3"]["href"] == red["href"].replace(
        "https://landsatlook.usgs.gov/data/", "s3://usgs-landsat/"
    )


def test_what_lp_daac_does_not_say(full_item):
    item = published(full_item, "lpcloud", "hls_s30")
    assert item["stac_version"] == "1.1.0"
    assert item["geometry"]["type"] == "Polygon"
    for asset in (asset for key, asset in item["assets"].items() if key != "metadata"):
        assert not {"type", "gsd", "eo:bands", "bands", "raster:bands"} & asset.keys()
    assert item["assets"]["s3_B8A"]["storage:refs"] == ["aws"]
    relations = ["self", "parent", "collection", "root", "provider", "via", "via"]
    assert [link["rel"] for link in item["links"]] == relations


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_form_to_come_has_nothing_of_the_old_one(full_item, product):
    item = published(full_item, "stac-1.1", product)
    assert item["stac_version"] == "1.1.0"
    for fields in (item["properties"], *item["assets"].values()):
        assert not {"proj:epsg", "eo:bands", "raster:bands"} & fields.keys()
    assert re.fullmatch(r"EPSG:\d+", item["properties"]["proj:code"])
    assert not any("/v1." in url for url in item["stac_extensions"] if re.search("/(eo|raster|projection)/", url))


def test_footprints_across_the_antimeridian_are_cut_but_at_the_planetary_computer(full_item):
    ring = [(179.9, 46.0), (180.1, 46.0), (180.1, 46.1), (179.9, 46.1)]
    stored = full_item("landsat", footprint=ring)
    cut = within_180(stored)
    assert cut["geometry"]["type"] == "MultiPolygon"
    assert cut["bbox"] == pytest.approx([179.9, 46.0, -179.9, 46.1])
    assert publish("stac", stored)[0]["bbox"][2] > 180
    assert within_180(full_item("landsat")) == full_item("landsat")


def recorded(realdata, name):
    return json.loads((realdata / "stac-items" / name).read_text())


def test_usgs_against_a_recorded_item(realdata, full_item):
    real = recorded(realdata, "odc-stac/LC08_L2SP_028030_20200114_20200824_02_T1_SR.json")
    ours = published(full_item, "earth-search-c1", "landsat")
    assert set(ours) == set(real)
    assert ours["stac_extensions"] == real["stac_extensions"]
    assert set(ours["properties"]) - {SIMULATED} == set(real["properties"])
    assert ours["assets"].keys() == real["assets"].keys()
    for key, asset in real["assets"].items():
        assert ours["assets"][key].keys() == asset.keys(), key
        for name in ("type", "title", "description", "roles", "eo:bands"):
            assert ours["assets"][key].get(name) == asset.get(name), (key, name)
    pattern = real["assets"]["red"]["href"].replace("028/030", "193/028").replace("2020/", "2022/", 1)
    assert ours["assets"]["red"]["href"].rsplit("/", 2)[0] == pattern.rsplit("/", 2)[0]


def test_stactools_sentinel2_against_a_recorded_item(realdata, full_item):
    """Of the angles of view, the stored form knows nothing."""
    real = recorded(realdata, "stactools-sentinel2/S2A_T01KAB_20230821T221944_L2A_N0509.json")
    ours = as_stactools(full_item("sentinel2"))
    unknown = {"view:azimuth", "view:incidence_angle"}
    assert set(ours["properties"]) - {SIMULATED} == set(real["properties"]) - unknown
    assert ours["assets"].keys() == real["assets"].keys()
    for key, asset in real["assets"].items():
        if key != "preview":
            assert ours["assets"][key].keys() == asset.keys(), key
        for name in ("title", "roles", "eo:bands", "raster:bands", "gsd"):
            assert ours["assets"][key].get(name) == asset.get(name), (key, name)


def test_landsat_of_earth_search_against_an_item_of_stactools(realdata, full_item):
    real = recorded(realdata, "stactools-landsat/LC09_L2SP_010065_20220129_02_T1.json")
    ours = published(full_item, "earth-search", "landsat")
    assert set(real["properties"]) <= set(ours["properties"])
    assert set(real["stac_extensions"]) <= set(ours["stac_extensions"])
    assert ours["assets"].keys() == real["assets"].keys()
    for key, asset in real["assets"].items():
        assert ours["assets"][key].keys() == asset.keys(), key
        for mine, its in zip(ours["assets"][key].get("raster:bands", []), asset.get("raster:bands", []), strict=True):
            assert its.items() <= mine.items(), key
