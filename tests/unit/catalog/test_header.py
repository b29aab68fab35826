import pytest
import rasterio

from anyband.catalog.access import gdal_env
from anyband.catalog.acquisition import UnusableItemError
from anyband.catalog.dialects import parse_item
from anyband.catalog.header import platform_of, with_platform
from anyband.runtime import UserError
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
    with rasterio.Env(**gdal_env()):
        assert with_platform(scene).platform == "landsat-9"


def test_what_the_item_says_needs_no_file():
    scene = parse_item(make_item("hls_s30"))
    assert with_platform(scene) is scene


def test_a_missing_file_is_named(provider):
    with rasterio.Env(**gdal_env()), pytest.raises(UnusableItemError, match="asset B01: .* does not exist"):
        with_platform(silent("hls_l30", f"{provider.url}/nothing.tif"))
    with rasterio.Env(**gdal_env()), pytest.raises(UserError, match="asset B01: .* is not an image"):
        with_platform(silent("hls_l30", f"{provider.url}/login/x.tif"))
