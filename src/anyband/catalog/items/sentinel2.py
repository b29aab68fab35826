"""Sentinel-2 Level-2A of the Planetary Computer, and what all Sentinel-2 dialects share.

Items of the Planetary Computer publish no scale, offset or nodata. Pixels are DN / 10000 with 0 for no data; from
processing baseline 04.00 (25 January 2022) on they hold 1000 more (BOA_ADD_OFFSET = -1000 in ESA's product metadata),
which the Planetary Computer does not take off.
"""

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.fields import (
    Encoding,
    RawItem,
    band_asset,
    check_wavelengths,
    cloud_cover,
    epsg,
    footprint,
    moment,
    number,
    platform,
    quality_asset,
    require,
    simulated,
    view_zenith,
)
from anyband.raster.asset import UnusableItemError

PLATFORMS = ("sentinel-2a", "sentinel-2b", "sentinel-2c")
PIXEL_M = {
    "B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10, "B8A": 20, "B09": 60,
    "B11": 20, "B12": 20,
}  # fmt: skip
KEYS = {band: band for band in PIXEL_M}
SCALE = 1e-4
NODATA = 0
ADDED_DN = 1000  # in the pixels of baselines 04.00 and later
WITHOUT_ADDED = Encoding(SCALE, 0.0, NODATA)
WITH_ADDED = Encoding(SCALE, -ADDED_DN * SCALE, NODATA)
FIRST_BASELINE_WITH_OFFSET = (4, 0)


def parse(item: RawItem) -> Acquisition:
    """Turn a raw item of the Planetary Computer into an acquisition.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    check_level(item)
    satellite = platform(item, PLATFORMS)
    check_wavelengths(item, "sentinel2", satellite, KEYS)
    baseline = str(require(item, "s2:processing_baseline"))
    encoding = WITH_ADDED if has_offset(item, baseline) else WITHOUT_ADDED
    shift, code = store_shift(encoding), epsg(item, "B02")
    bands = {
        band: band_asset(item, band, key, PIXEL_M[band], encoding, code, shift=shift) for band, key in KEYS.items()
    }
    return Acquisition(
        product="sentinel2",
        platform=satellite,
        collection=str(item.get("collection") or ""),
        item_id=item["id"],
        datetime=moment(item),
        footprint=footprint(item),
        epsg=code,
        bands=bands,
        qa=quality_asset(item, "SCL", "scl", 20, code),
        sun_zenith=number(item, "s2:mean_solar_zenith"),
        sun_azimuth=number(item, "s2:mean_solar_azimuth"),
        view_zenith=view_zenith(item),
        baseline=baseline,
        cloud_cover=cloud_cover(item),
        tile=str(require(item, "s2:mgrs_tile")),
        produced=str(require(item, "s2:generation_time")),
        simulated=simulated(item),
    )


def check_level(item: RawItem) -> None:
    """Refuse top-of-atmosphere products (Level-1C).

    Raises:
        UnusableItemError: the product type is not that of Level-2A.
    """
    kind = str(item["properties"].get("s2:product_type") or "S2MSI2A")
    if kind != "S2MSI2A":
        raise UnusableItemError(f"item {item['id']}: product type {kind}, surface reflectance (S2MSI2A) is needed")


def has_offset(item: RawItem, baseline: str) -> bool:
    """Whether ESA's pixels of a processing baseline ("03.01", "04.00") hold the added 1000.

    Raises:
        UnusableItemError: not a baseline.
    """
    try:
        major, minor = (int(part) for part in baseline.split("."))
    except ValueError:
        message = f"item {item['id']}: processing baseline {baseline!r} is not of the form 04.00"
        raise UnusableItemError(message) from None
    return (major, minor) >= FIRST_BASELINE_WITH_OFFSET


def store_shift(encoding: Encoding) -> int:
    """DN to add so that all Sentinel-2 pixels have the encoding of baseline 04.00 and later."""
    return 0 if encoding == WITH_ADDED else ADDED_DN
