"""Items as providers really publish them, against values read off their JSON by hand."""

import json

import pytest
from shapely.geometry import Point, shape

from anyband.catalog.items.dialects import parse_item
from anyband.raster.asset import UnusableItemError
from anyband.runtime import UserError

AZURE_S2 = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2"
AZURE_LANDSAT = "https://landsateuwest.blob.core.windows.net/landsat-c2/level-2/standard/oli-tirs"
USGS = "s3://usgs-landsat/collection02/level-2/standard/oli-tirs"
STACTOOLS = "../../../tests/data-files"


@pytest.fixture
def recorded(realdata):
    """Reads the recorded items of one file, by id."""

    def read(name):
        content = json.loads((realdata / "stac-items" / name).read_text())
        items = content if isinstance(content, list) else content.get("features", [content])
        return {item["id"]: item for item in items}

    return read


def only(items):
    """The single item of a file."""
    (item,) = items.values()
    return item


def corner(band):
    """Easting and northing of a raster's corner, m."""
    return band.transform[2], band.transform[5]


@pytest.mark.parametrize("name", ["", "_raster_ext"])
def test_sentinel2_of_the_planetary_computer_before_the_offset(recorded, name):
    item = only(recorded(f"odc-stac/S2B_MSIL2A_20190629T212529_R043_T06VVN_20201006T080531{name}.json"))
    scene = parse_item(item)
    assert (scene.product, scene.platform, scene.collection) == ("sentinel2", "sentinel-2b", "sentinel-2-l2a")
    assert scene.datetime.isoformat() == "2019-06-29T21:25:29.024000+00:00"
    assert (scene.epsg, scene.tile, scene.baseline, scene.tier) == (32606, "06VVN", "02.12", None)
    assert scene.produced == "2020-10-06T08:05:31.830Z"
    assert (scene.sun_zenith, scene.sun_azimuth) == pytest.approx((37.91288, 170.14804), abs=1e-5)
    assert scene.cloud_cover == 0.314306
    red, narrow, vapour = (scene.bands[band] for band in ("B04", "B8A", "B09"))
    assert (red.scale, red.offset, red.nodata, red.store_shift) == (1e-4, 0.0, 0, 1000)
    assert red.transform == (10.0, 0.0, 399_960.0, 0.0, -10.0, 6_800_040.0)
    assert [band.shape for band in (red, narrow, vapour)] == [(10980, 10980), (5490, 5490), (1830, 1830)]
    assert [band.pixel_m for band in (red, narrow, vapour)] == [10, 20, 60]
    folder = "06/V/VN/2019/06/29/S2B_MSIL2A_20190629T212529_N0212_R043_T06VVN_20201006T080531.SAFE"
    data = f"{AZURE_S2}/{folder}/GRANULE/L2A_T06VVN_A012081_20190629T212530/IMG_DATA"
    assert red.href == f"{data}/R10m/T06VVN_20190629T212529_B04_10m.tif"
    assert narrow.href == f"{data}/R20m/T06VVN_20190629T212529_B8A_20m.tif"
    assert scene.qa.href == f"{data}/R20m/T06VVN_20190629T212529_SCL_20m.tif"
    assert (scene.qa.asset, scene.qa.decoder, scene.qa.pixel_m, scene.qa.shape) == ("SCL", "scl", 20, (5490, 5490))
    assert scene.footprint == item["geometry"]
    assert scene.footprint["coordinates"][0][0] == [-148.86876, 61.32159126]


def test_sentinel2_of_the_planetary_computer_with_the_offset(recorded):
    items = recorded("stac-geoparquet-pc/sentinel-2-l2a-pc.json")
    scenes = {name: parse_item(item) for name, item in items.items()}
    assert [(s.tile, s.epsg, corner(s.bands["B02"])) for s in scenes.values()] == [
        ("47XML", 32647, (399_960.0, 9_100_020.0)),
        ("47XMJ", 32647, (399_960.0, 8_900_040.0)),
        ("46XES", 32646, (499_980.0, 9_200_040.0)),
        ("46XER", 32646, (499_980.0, 9_100_020.0)),
    ]
    for scene in scenes.values():
        assert (scene.platform, scene.baseline) == ("sentinel-2b", "05.10")
        assert scene.datetime.isoformat() == "2024-04-19T09:55:49.024000+00:00"
        assert {(b.scale, b.offset, b.nodata, b.store_shift) for b in scene.bands.values()} == {(1e-4, -0.1, 0, 0)}
    first = scenes["S2B_MSIL2A_20240419T095549_R122_T47XML_20240419T123458"]
    assert (first.sun_zenith, first.sun_azimuth) == pytest.approx((75.16447, 247.34703), abs=1e-5)
    assert first.bands["B12"].href == (
        f"{AZURE_S2}/47/X/ML/2024/04/19/S2B_MSIL2A_20240419T095549_N0510_R122_T47XML_20240419T123458.SAFE"
        "/GRANULE/L2A_T47XML_A037185_20240419T095549/IMG_DATA/R20m/T47XML_20240419T095549_B12_20m.tif"
    )


def test_landsat_of_the_planetary_computer(recorded):
    items = recorded("stac-geoparquet-pc/landsat-c2-l2-pc.json")
    scenes = [parse_item(item) for item in items.values()]
    assert [(s.tile, s.tier, s.epsg, corner(s.bands["red"]), s.bands["red"].shape) for s in scenes] == [
        ("089090", "T1", 32655, (520_185.0, -4_663_485.0), (7971, 7971)),
        ("089089", "T1", 32655, (563_085.0, -4_505_985.0), (7981, 7971)),
        ("089088", "T2", 32655, (606_285.0, -4_348_485.0), (7991, 7971)),
        ("089087", "T2", 32656, (134_085.0, -4_194_885.0), (7691, 7661)),
    ]
    scene = scenes[0]
    assert (scene.product, scene.platform, scene.collection) == ("landsat", "landsat-9", "landsat-c2-l2")
    assert scene.datetime.isoformat() == "2024-04-17T23:46:20.477296+00:00"
    assert (scene.sun_zenith, scene.sun_azimuth) == pytest.approx((90 - 27.39594529, 38.82027909))
    assert (scene.cloud_cover, scene.produced) == (97.54, "2024-04-19T09:18:13.395668Z")
    assert {(b.scale, b.offset, b.nodata, b.store_shift) for b in scene.bands.values()} == {(2.75e-5, -0.2, 0, 0)}
    name = "LC09_L2SP_089090_20240417_20240418_02_T1"
    assert scene.bands["red"].href == f"{AZURE_LANDSAT}/2024/089/090/{name}/{name}_SR_B4.TIF"
    assert scene.qa.href == f"{AZURE_LANDSAT}/2024/089/090/{name}/{name}_QA_PIXEL.TIF"
    assert (scene.qa.decoder, scene.qa.transform[:3]) == ("qa_pixel", (30.0, 0.0, 520_185.0))
    assert scene.footprint["coordinates"][0][0] == [147.89427252263684, -42.126468761320254]


def test_landsat_of_stactools_south_of_the_equator(recorded):
    scene = parse_item(only(recorded("stactools-landsat/LC09_L2SP_010065_20220129_02_T1.json")))
    assert (scene.platform, scene.epsg, scene.tile, scene.tier) == ("landsat-9", 32617, "010065", "T1")
    band = scene.bands["swir22"]
    assert (band.transform, band.shape) == ((30.0, 0.0, 491_985.0, 0.0, -30.0, -683_685.0), (7741, 7611))
    assert (band.scale, band.offset, band.nodata) == (2.75e-5, -0.2, 0)
    assert band.href == f"{STACTOOLS}/oli-tirs/LC09_L2SP_010065_20220129_20220131_02_T1_SR_B7.TIF"
    assert scene.sun_zenith == pytest.approx(90 - 57.84396063)


def test_landsat_of_usgs_is_read_from_the_bucket(recorded):
    """Its https addresses lead to a login page; the same files lie in a bucket where the reader pays."""
    scene = parse_item(only(recorded("odc-stac/LC08_L2SP_028030_20200114_20200824_02_T1_SR.json")))
    assert (scene.platform, scene.collection, scene.tier) == ("landsat-8", "landsat-c2l2-sr", "T1")
    assert (scene.epsg, scene.tile, scene.cloud_cover) == (32615, "028030", 8.18)
    assert scene.datetime.isoformat() == "2020-01-14T17:05:46.732651+00:00"
    assert (scene.sun_zenith, scene.sun_azimuth) == pytest.approx((90 - 22.57988462, 158.45194309))
    name = "LC08_L2SP_028030_20200114_20200824_02_T1"
    band = scene.bands["swir22"]
    assert band.href == f"{USGS}/2020/028/030/{name}/{name}_SR_B7.TIF"
    assert scene.qa.href == f"{USGS}/2020/028/030/{name}/{name}_QA_PIXEL.TIF"
    assert (band.scale, band.offset, band.nodata) == (2.75e-5, -0.2, 0), "published nowhere in the item"
    assert (band.transform, band.shape) == ((30.0, 0.0, 173_085.0, 0.0, -30.0, 4_904_715.0), (8041, 7931))


def test_sentinel2_of_stactools_across_the_antimeridian(recorded):
    scene = parse_item(only(recorded("stactools-sentinel2/S2A_T01KAB_20230821T221944_L2A_N0509.json")))
    assert (scene.platform, scene.collection, scene.tile) == ("sentinel-2a", "", "01KAB")
    assert (scene.epsg, scene.baseline) == (32701, "05.09")
    assert scene.datetime.isoformat() == "2023-08-21T22:19:41+00:00", "start of the datatake"
    assert (scene.sun_zenith, scene.sun_azimuth) == pytest.approx((90 - 51.58256, 43.3009), abs=1e-5)
    assert scene.view_zenith == pytest.approx(2.77522, abs=1e-5)
    broad, narrow = scene.bands["B08"], scene.bands["B8A"]
    assert (broad.asset, narrow.asset) == ("nir", "nir08")
    assert (broad.scale, broad.offset, broad.nodata, broad.store_shift) == (1e-4, -0.1, 0, 0)
    assert broad.transform == (10.0, 0.0, 99_960.0, 0.0, -10.0, 8_200_000.0)
    assert narrow.href.endswith("/IMG_DATA/R20m/T01KAB_20230821T221941_B8A_20m.jp2")
    assert scene.qa.shape == (5490, 5490)
    footprint = shape(scene.footprint)
    assert footprint.is_valid
    assert footprint.bounds == pytest.approx((179.23921, -17.25485, 180.28455, -16.247763))
    assert footprint.covers(Point(180.0, -16.8)), "one piece, where it was cut"


def test_worldcover(recorded):
    item = only(recorded("esa-worldcover/ESA_WorldCover_10m_2021_v200_N00E006.json"))
    scene = parse_item(item)
    assert (scene.product, scene.platform, scene.qa) == ("label", "", None)
    assert scene.datetime.isoformat() == "2021-01-01T00:00:00+00:00"
    assert (scene.epsg, scene.produced) == (4326, "2.0.0")
    assert scene.bands["map"].href.endswith("/ESA_WorldCover_10m_2021_v200_N00E006_Map.tif")
    degrees = 1 / 12_000
    assert scene.bands["map"].transform == pytest.approx((degrees, 0, 6, 0, -degrees, 3)), "3 degrees north of N00"
    assert (scene.bands["map"].nodata, scene.bands["map"].shape) == (0, (36_000, 36_000))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "stactools-sentinel2/S2A_T01LAC_20200717T221944_L1C.json",
            "^item S2A_T01LAC_20200717T221944_L1C: product type S2MSI1C, surface reflectance",
        ),
        (
            "odc-stac/LC08_L2SR_081119_20200101_20200823_02_T2.json",
            "^item LC08_L2SR_081119_20200101_20200823_02_T2: STAC version 1.0.0-beta.2, items of release",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(recorded, file, message):
    with pytest.raises(UnusableItemError, match=message):
        parse_item(only(recorded(file)))


def test_level_1_landsat_is_refused_by_name(recorded):
    """Same asset keys as Level-2, other pixels."""
    items = recorded("stac-geoparquet-pc/landsat-c2-l1-pc.json")
    for name, item in items.items():
        with pytest.raises(UnusableItemError, match=rf"^item {name}: Level-1 \(L1(TP|GS)\), surface reflectance"):
            parse_item(item)


def test_another_label_product_is_refused_by_name(recorded):
    for item in recorded("stac-geoparquet-pc/io-lulc-annual-v02-pc.json").values():
        with pytest.raises(UserError, match="no dialect for collection 'io-lulc-annual-v02'"):
            parse_item(item)
