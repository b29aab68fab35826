"""Forms of which no item is recorded, written by hand from the descriptions of the providers."""

import copy

import pytest

from anyband.catalog.items.dialects import parse_item
from anyband.catalog.items.sentinel2 import BANDS
from anyband.products import collection_of
from anyband.raster.asset import UnusableItemError
from make_items import LPDAAC, earth_search, lpdaac, make_item


@pytest.mark.parametrize(
    ("flag", "baseline", "offset", "shift"),
    [(True, "05.09", 0.0, 1000), (False, "05.09", -0.1, 0), (False, "02.14", 0.0, 1000), (True, "02.14", 0.0, 1000)],
)
def test_the_flag_of_earth_search_decides_and_never_the_offset_it_publishes(flag, baseline, offset, shift):
    """Tools that believe `raster:bands` take the offset off twice: every surface 0.1 too dark."""
    item = earth_search(flag=flag, baseline=baseline, offset=-0.1)
    band = parse_item(item).bands["B04"]
    assert (band.scale, band.offset, band.nodata, band.store_shift) == (1e-4, offset, 0, shift)


def test_earth_search_must_say_what_it_did_to_pixels_that_had_an_offset():
    with pytest.raises(UnusableItemError, match="property earthsearch:boa_offset_applied is missing"):
        parse_item(earth_search(flag=None))
    with pytest.raises(UnusableItemError, match="earthsearch:boa_offset_applied is 'yes', not true or false"):
        parse_item(earth_search(flag="yes"))
    assert parse_item(earth_search(flag=None, baseline="03.01", offset=0)).bands["B04"].offset == 0.0


def test_collection_1_of_earth_search_publishes_an_offset_that_holds():
    item = earth_search(collection="sentinel-2-c1-l2a", flag=None)
    assert parse_item(item).bands["B04"].offset == -0.1
    item["assets"]["red"]["raster:bands"][0]["offset"] = 0
    with pytest.raises(UnusableItemError, match="asset red publishes offset 0, expected -0.1"):
        parse_item(item)


def test_earth_search_comes_to_the_same_terms_as_the_planetary_computer():
    scene = parse_item(earth_search())
    assert (scene.platform, scene.tile, scene.epsg, scene.baseline) == ("sentinel-2a", "31UFU", 32631, "05.09")
    assert scene.datetime.isoformat() == "2023-07-01T10:36:31+00:00", "start of the datatake, not the tile's sensing"
    assert scene.sun_zenith == 29.5
    assert scene.cloud_cover is None
    assert scene.bands.keys() == BANDS.keys()
    assert [(scene.bands[b].asset, scene.bands[b].pixel_m) for b in ("B8A", "B08", "B09")] == [
        ("nir08", 20), ("nir", 10), ("nir09", 60),
    ]  # fmt: skip
    assert scene.bands["B02"].transform == (10, 0, 600_000, 0, -10, 5_800_020), "nine numbers"
    assert scene.bands["B02"].href.endswith("/B02.tif"), "not the JP2 that costs"


def test_one_collection_id_of_two_providers_is_told_apart_by_the_item():
    there, here = earth_search(), make_item("sentinel2")
    assert there["collection"] == here["collection"] == collection_of("sentinel2")
    assert parse_item(there).bands["B02"].asset == "blue"
    assert parse_item(here).bands["B02"].asset == "B02"


def test_mgrs_tiles_have_zones_of_two_digits():
    item = earth_search()
    item["properties"]["grid:code"] = "MGRS-1KAB"
    assert parse_item(item).tile == "01KAB"
    item["properties"]["grid:code"] = "WRS2-028030"
    with pytest.raises(UnusableItemError, match="grid:code is 'WRS2-028030'"):
        parse_item(item)


def test_the_datatake_may_be_named_by_the_product_only():
    item = earth_search()
    del item["properties"]["s2:datatake_id"]
    with pytest.raises(UnusableItemError, match="neither s2:datatake_id nor s2:product_uri"):
        parse_item(item)
    item["properties"]["s2:product_uri"] = "S2A_MSIL2A_20230701T103631_N0509_R008_T31UFU_20230701T200058.SAFE"
    assert parse_item(item).datetime.isoformat() == "2023-07-01T10:36:31+00:00"


def test_a_band_of_another_pixel_size_is_named():
    item = earth_search()
    item["assets"]["blue"] = copy.deepcopy(item["assets"]["rededge1"])
    with pytest.raises(UnusableItemError, match="asset blue has pixels of 20 m, expected 10"):
        parse_item(item)


def test_landsat_of_earth_search_keeps_its_bucket():
    item = make_item("landsat")
    item["assets"]["red"] |= {
        "href": "s3://usgs-landsat/collection02/B4.TIF",
        "alternate": {"s3": {"href": "s3://elsewhere/B4.TIF"}},
    }
    assert parse_item(item).bands["red"].href == "s3://usgs-landsat/collection02/B4.TIF"


@pytest.mark.parametrize("cover", [None, -1, "absent"])
def test_an_absent_cloud_cover_is_none(cover):
    item = make_item("landsat")
    item["properties"]["eo:cloud_cover"] = cover
    if cover == "absent":
        del item["properties"]["eo:cloud_cover"]
    assert parse_item(item).cloud_cover is None


@pytest.mark.parametrize(("kind", "bands"), [("L30", 7), ("S30", 11)])
def test_hls_of_lpdaac_is_placed_by_its_tile(kind, bands):
    scene = parse_item(lpdaac(kind))
    assert (scene.product, scene.collection) == (f"hls_{kind.lower()}", f"HLS{kind}_2.0")
    assert (scene.epsg, scene.tile) == (32655, "55HDT"), "north, with negative northings"
    assert scene.platform == "", "only the files know the satellite"
    assert len(scene.bands) == bands
    band = scene.bands["B04"]
    assert (band.scale, band.offset, band.nodata, band.transform) == (1e-4, 0.0, -9999, None)
    assert band.href == f"{LPDAAC}/HLS{kind}.020/{scene.item_id}/{scene.item_id}.B04.tif"
    assert (scene.qa.asset, scene.qa.decoder) == ("Fmask", "fmask")
    assert (scene.cloud_cover, scene.sun_zenith, scene.baseline) == (12, None, None)


def test_a_satellite_that_lpdaac_may_name_one_day_is_taken():
    item = lpdaac()
    item["properties"]["platform"] = "LANDSAT-9"
    assert parse_item(item).platform == "landsat-9"


@pytest.mark.parametrize("product", ["sentinel2", "landsat", "hls_s30", "hls_l30", "label"])
def test_the_form_to_come(product):
    """STAC 1.1: `bands` for both `eo:bands` and `raster:bands`, `proj:code` for `proj:epsg`."""
    item = make_item(product)
    today = parse_item(item)
    item["stac_version"] = "1.1.0"
    item["properties"]["proj:code"] = f"EPSG:{item['properties'].pop('proj:epsg')}"
    for described in item["assets"].values():
        described.pop("eo:bands", None)
        for band in described.pop("raster:bands", []):
            renamed = {f"raster:{k}" if k in ("scale", "offset") else k: v for k, v in band.items()}
            described["bands"] = [renamed | {"eo:center_wavelength": 9.9}]
    assert parse_item(item) == today


def test_the_form_to_come_of_earth_search():
    item = earth_search(collection="sentinel-2-c1-l2a", flag=None)
    today = parse_item(item)
    item["properties"]["proj:code"] = f"EPSG:{item['properties'].pop('proj:epsg')}"
    for described in item["assets"].values():
        for band in described.pop("raster:bands", []):
            described |= {"nodata": 0, "data_type": "uint16", "raster:scale": 1e-4, "raster:offset": band["offset"]}
    assert parse_item(item) == today


def test_a_footprint_that_is_cut_elsewhere_stays_as_it_is():
    item = make_item("hls_s30")
    parts = [[[[0, 0], [1, 0], [1, 1], [0, 0]]], [[[2, 0], [3, 0], [3, 1], [2, 0]]]]
    item["geometry"] = {"type": "MultiPolygon", "coordinates": parts}
    assert parse_item(item).footprint == item["geometry"]
    item["geometry"] = None
    with pytest.raises(UnusableItemError, match="geometry is missing"):
        parse_item(item)
