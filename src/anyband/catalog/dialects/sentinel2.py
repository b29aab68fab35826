"""Sentinel-2 Level-2A of the Planetary Computer.

Its items publish no scale, offset or nodata. Pixels are DN / 10000 with 0 for no data; from processing baseline 04.00
(25 January 2022) on they hold 1000 more (BOA_ADD_OFFSET = -1000 in ESA's product metadata), which the Planetary
Computer does not take off.
"""

from anyband.catalog.acquisition import Acquisition, BandAsset, QualityAsset, UnusableItemError
from anyband.catalog.dialects.common import (
    RawItem,
    asset,
    check_encoding,
    epsg,
    grid,
    moment,
    number,
    require,
    simulated,
)

PLATFORMS = ("sentinel-2a", "sentinel-2b", "sentinel-2c")
PIXEL_M = {
    "B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10, "B8A": 20, "B09": 60,
    "B11": 20, "B12": 20,
}  # fmt: skip
SCALE = 1e-4
NODATA = 0
ADDED_DN = 1000  # in the pixels of baselines 04.00 and later
FIRST_BASELINE_WITH_OFFSET = (4, 0)


def parse(item: RawItem) -> Acquisition:
    """Turn a raw item into an acquisition.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    platform = str(require(item, "platform")).lower()
    if platform not in PLATFORMS:
        raise UnusableItemError(f"item {item['id']}: platform {platform!r} is none of {', '.join(PLATFORMS)}")
    baseline = str(require(item, "s2:processing_baseline"))
    shifted = has_offset(item, baseline)
    offset = -ADDED_DN * SCALE if shifted else 0.0
    bands = {}
    for key, pixel_m in PIXEL_M.items():
        href = asset(item, key)["href"]
        check_encoding(item, key, SCALE, offset)
        transform, shape = grid(item, key)
        shift = 0 if shifted else ADDED_DN
        bands[key] = BandAsset(key, href, pixel_m, transform, shape, SCALE, offset, NODATA, shift)
    return Acquisition(
        product="sentinel2",
        platform=platform,
        collection=item["collection"],
        item_id=item["id"],
        datetime=moment(item),
        footprint=item["geometry"],
        epsg=epsg(item, "B02"),
        bands=bands,
        qa=QualityAsset("SCL", "scl", asset(item, "SCL")["href"], 20, *grid(item, "SCL")),
        sun_zenith=number(item, "s2:mean_solar_zenith"),
        sun_azimuth=number(item, "s2:mean_solar_azimuth"),
        baseline=baseline,
        cloud_cover=number(item, "eo:cloud_cover"),
        tile=str(require(item, "s2:mgrs_tile")),
        produced=str(require(item, "s2:generation_time")),
        simulated=simulated(item),
    )


def has_offset(item: RawItem, baseline: str) -> bool:
    """Whether pixels of a processing baseline ("03.01", "04.00") hold the added 1000.

    Raises:
        UnusableItemError: not a baseline.
    """
    try:
        major, minor = (int(part) for part in baseline.split("."))
    except ValueError:
        message = f"item {item['id']}: processing baseline {baseline!r} is not of the form 04.00"
        raise UnusableItemError(message) from None
    return (major, minor) >= FIRST_BASELINE_WITH_OFFSET
