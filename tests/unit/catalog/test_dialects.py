import copy
from datetime import UTC, datetime

import pytest

from anyband.catalog.items.dialects import parse_item
from anyband.products import collection_of
from anyband.raster.asset import UnusableItemError
from anyband.runtime import UserError
from anyband.sensors import get_sensor, platforms
from make_items import NOON, make_item

BANDS = {"sentinel2": 12, "landsat": 7, "hls_s30": 11, "hls_l30": 7, "label": 1}


@pytest.mark.parametrize("product", BANDS)
def test_every_product_of_the_archive_has_a_dialect(product):
    scene = parse_item(make_item(product))
    assert (scene.product, scene.collection) == (product, collection_of(product))
    assert len(scene.bands) == BANDS[product]
    assert scene.simulated == "test"
    assert all(asset.href.startswith("http://archive.anyband.test/files/aspen/") for asset in scene.bands.values())


@pytest.mark.parametrize("product", ["sentinel2", "landsat", "hls_s30", "hls_l30"])
def test_band_tables_agree_with_the_sensor_registry(product):
    """Wavelengths come from the registry by band name, so every asset must be a band there, on the same pixels."""
    scene = parse_item(make_item(product))
    for platform in platforms(product):
        sensor = get_sensor(platform, product)
        for name, asset in scene.bands.items():
            assert sensor.band(name).pixel_m == asset.pixel_m
            assert sensor.band(name).quantity == "surface_reflectance"


def test_sentinel2_offset_starts_with_baseline_4():
    """The added 1000 came on 25 January 2022; read without it, every later pixel is 0.1 too bright."""
    old, new = (parse_item(make_item("sentinel2", baseline=b)).bands["B04"] for b in ("03.01", "04.00"))
    assert (old.scale, old.offset, old.nodata, old.store_shift) == (1e-4, 0.0, 0, 1000)
    assert (new.scale, new.offset, new.nodata, new.store_shift) == (1e-4, -0.1, 0, 0)
    stored = 1500 + old.store_shift, 2500 + new.store_shift
    assert stored[0] == stored[1], "both come to one encoding"
    assert 1500 * old.scale + old.offset == pytest.approx(2500 * new.scale + new.offset)


@pytest.mark.parametrize(("baseline", "offset"), [("02.12", 0.0), ("03.01", 0.0), ("04.00", -0.1), ("05.11", -0.1)])
def test_baselines_are_compared_as_numbers(baseline, offset):
    assert parse_item(make_item("sentinel2", baseline=baseline)).bands["B8A"].offset == offset


def test_platform_time_and_angles_are_in_one_form():
    sentinel2, landsat = parse_item(make_item("sentinel2")), parse_item(make_item("landsat"))
    assert sentinel2.platform == "sentinel-2a"
    assert landsat.platform == "landsat-9"
    assert sentinel2.datetime == landsat.datetime == NOON
    assert sentinel2.sun_zenith == pytest.approx(33.0)
    assert landsat.sun_zenith == pytest.approx(33.0)
    assert (landsat.tier, landsat.tile) == ("T1", "193028")
    assert sentinel2.tile == "32TPR"


def test_landsat_and_hls_grids_come_from_the_item_and_sentinel2_grids_from_the_asset():
    assert parse_item(make_item("sentinel2")).bands["B01"].transform == (60.0, 0.0, 600_000.0, 0.0, -60.0, 5_100_000.0)
    assert parse_item(make_item("landsat")).bands["red"].shape == (408, 408)
    assert parse_item(make_item("hls_s30")).bands["B04"].transform == (30.0, 0.0, 600_000.0, 0.0, -30.0, 5_100_000.0)
    label = parse_item(make_item("label"))
    assert label.bands["map"].transform[0] == pytest.approx(1 / 12_000)
    assert label.datetime == datetime(2021, 1, 1, tzinfo=UTC)


def test_an_item_without_a_grid_leaves_it_to_the_file():
    item = make_item("landsat")
    del item["properties"]["proj:shape"], item["properties"]["proj:transform"]
    assert parse_item(item).bands["red"].transform is None


@pytest.mark.parametrize("product", ["sentinel2", "landsat", "label"])
def test_projection_code_in_old_and_new_form(product):
    """pystac rewrites proj:epsg to proj:code, and catalogues will follow."""
    item = make_item(product)
    epsg = item["properties"].pop("proj:epsg")
    with pytest.raises(UnusableItemError, match="neither proj:epsg nor proj:code"):
        parse_item(item)
    item["properties"]["proj:code"] = f"EPSG:{epsg}"
    assert parse_item(item).epsg == epsg


PUBLISHED = {"raster:bands": [{"scale": 1e-4, "offset": -0.1}]}


@pytest.mark.parametrize(
    ("product", "place", "changes", "message"),
    [
        *((product, "assets", {asset: None}, f"asset {asset} is missing") for product, asset in (
            ("sentinel2", "B8A"), ("sentinel2", "SCL"), ("landsat", "qa_pixel"), ("landsat", "swir22"),
            ("hls_s30", "B8A"), ("hls_l30", "Fmask"), ("label", "map"),
        )),
        *((product, "properties", {name: None}, f"property {name} is missing") for product, name in (
            ("sentinel2", "s2:processing_baseline"), ("sentinel2", "platform"), ("sentinel2", "datetime"),
            ("landsat", "landsat:collection_category"), ("label", "start_datetime"),
        )),
        ("landsat", "properties", {"platform": "landsat-7"}, "platform 'landsat-7'"),
        ("hls_s30", "properties", {"platform": "landsat-9"}, "platform 'landsat-9'"),
        ("sentinel2", "properties", {"s2:processing_baseline": "new"}, "baseline 'new'"),
        ("sentinel2", "properties", {"datetime": "2022-05-10"}, "datetime is '2022-05-10'"),
        # One provider takes the Sentinel-2 offset off the pixels and still publishes it: it would be taken off twice.
        ("sentinel2", "B04", PUBLISHED, "asset B04 publishes offset -0.1, expected 0.0"),
        ("landsat", "red", PUBLISHED, "asset red publishes scale"),
        ("landsat", "red", {"bands": [{"raster:offset": 0.0}]}, "asset red publishes offset"),  # STAC 1.1
        ("landsat", "red", {"nodata": -9999}, "asset red publishes nodata -9999, expected 0"),
    ],
)  # fmt: skip
def test_what_is_missing_or_contradicts_is_named_with_its_item(product, place, changes, message):
    item = make_item(product, **({"baseline": "03.01"} if product == "sentinel2" else {}))
    (item[place] if place in item else item["assets"][place]).update(changes)
    with pytest.raises(UnusableItemError, match=f"^item {item['id']}: .*{message}"):
        parse_item(item)


def test_an_unknown_collection_is_named():
    with pytest.raises(UserError, match="no dialect for collection 'modis'"):
        parse_item({"id": "a", "collection": "modis"})


def test_a_wrong_hls_id_is_named():
    with pytest.raises(UnusableItemError, match="not of the form HLS.L30"):
        parse_item(make_item("hls_s30") | {"collection": "hls2-l30"})


def test_parsing_leaves_the_item_as_it_was():
    item = make_item("sentinel2")
    before = copy.deepcopy(item)
    parse_item(item)
    assert item == before
