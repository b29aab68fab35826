from dataclasses import replace
from types import SimpleNamespace

import pytest
from rasterio import Affine
from rasterio.crs import CRS

from anyband.catalog.items.dialects import parse_item
from anyband.catalog.items.hls import platform_of, with_platform
from anyband.raster import access
from anyband.raster.asset import ContradictionError, QualityAsset, UnusableItemError
from anyband.raster.header import check_header
from anyband.raster.write import hls_crs
from make_items import make_item


def silent(product, href="unused"):
    """An HLS acquisition as LP DAAC describes it, without a satellite."""
    item = make_item(product)
    item["properties"] = {k: v for k, v in item["properties"].items() if k != "platform" and not k.startswith("proj:")}
    item["assets"]["B01"]["href"] = href
    return parse_item(item)


@pytest.mark.parametrize(
    ("product", "tags", "platform"),
    [
        ("hls_l30", {"LANDSAT_PRODUCT_ID": "LC08_L1TP_010065_20220129_20220131_02_T1"}, "landsat-8"),
        ("hls_l30", {"LANDSAT_PRODUCT_ID": "LC09_L1TP_010065_20220129_x; LC09_L1TP_010066_20220129_x"}, "landsat-9"),
        (
            "hls_s30",
            {"PRODUCT_URI": "S2C_MSIL1C_20250210T100601_N0511_R022_T35VLJ_20250210T120000.SAFE"},
            "sentinel-2c",
        ),
    ],
)
def test_files_name_their_satellite(product, tags, platform):
    assert platform_of(silent(product), tags) == platform


@pytest.mark.parametrize(
    ("product", "tags", "named"),
    [
        ("hls_l30", {}, "none"),
        ("hls_l30", {"PRODUCT_URI": "S2A_MSIL1C_20250210"}, "none"),
        ("hls_l30", {"LANDSAT_PRODUCT_ID": "LC08_L1TP_1; LC09_L1TP_2"}, "landsat-8, landsat-9"),
    ],
)
def test_a_file_that_names_none_or_two_cannot_be_used(product, tags, named):
    with pytest.raises(UnusableItemError, match=f"^item HLS.L30.*: its files name {named} as satellite"):
        platform_of(silent(product), tags)


def test_the_satellite_is_read_from_the_header(provider):
    provider.file = provider.make_file(LANDSAT_PRODUCT_ID="LC09_L1TP_010065_20220129_20220131_02_T1")
    scene = silent("hls_l30", f"{provider.url}/cdn/x.tif")
    assert scene.platform == ""
    assert with_platform(scene).platform == "landsat-9"


def test_what_the_item_says_needs_no_file():
    scene = parse_item(make_item("hls_s30"))
    assert with_platform(scene) is scene


def test_a_file_that_cannot_be_read_is_named(provider, monkeypatch):
    monkeypatch.setattr(access, "RETRY_WAITS_S", ())
    with pytest.raises(UnusableItemError, match="asset B01: .* does not exist"):
        with_platform(silent("hls_l30", f"{provider.url}/nothing.tif"))
    with pytest.raises(UnusableItemError, match="asset B01: .* is not an image"):
        with_platform(silent("hls_l30", f"{provider.url}/login/x.tif"))


GRID = Affine(30, 0, 600_000, 0, -30, 5_100_000)


def opened(epsg=32632, transform=GRID, shape=(64, 64)):
    """What rasterio knows of an open file."""
    crs = CRS.from_epsg(epsg) if isinstance(epsg, int) else epsg and CRS.from_user_input(epsg)
    blocks = {"count": 1, "dtypes": ("uint8",), "block_shapes": [(64, 64)], "scales": (1.0,), "offsets": (0.0,)}
    return SimpleNamespace(crs=crs, transform=transform, shape=shape, nodata=255, **blocks)


GRID_SAID = (30.0, 0.0, 600_000.0, 0.0, -30.0, 5_100_000.0)
LAYER = QualityAsset("X", "Fmask", "x.tif", 32632, 30, GRID_SAID, (64, 64), "uint8", 255, decoder="fmask")


@pytest.mark.parametrize(
    ("source", "layer", "said"),
    [
        (opened(), LAYER, None),
        (opened(hls_crs(32)), LAYER, None),
        (opened(None), LAYER, None),
        (opened(32632, Affine(30, 0, 0, 0, -30, 0), (9, 9)), replace(LAYER, transform=None, shape=None), None),
        (opened(32732), LAYER, "the item says EPSG:32632, its file EPSG:32732"),
        (opened(hls_crs(33)), LAYER, r"the item says EPSG:32632, its file \+proj=utm \+zone=33"),
        (opened(32632, Affine(30, 0, 600_015, 0, -30, 5_100_000)), LAYER, r"the item says transform \(30.0, 0.0, 6000"),
        (opened(32632, shape=(64, 65)), LAYER, r"the item says shape \(64, 64\), its file \(64, 65\)"),
    ],
    ids=["same", "without code", "without crs", "item is silent", "hemisphere", "zone", "half a pixel", "shape"],
)
def test_files_must_lie_where_their_items_say(source, layer, said):
    """Codes are not compared but positions, because HLS files have none."""
    if said is None:
        check_header(source, layer)
        return
    with pytest.raises(ContradictionError, match=f"^item X: asset Fmask: {said}") as error:
        check_header(source, layer)
    assert error.value.reason == "contradiction"
