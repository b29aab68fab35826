"""Landsat 8 and 9 Collection 2 Level-2 surface reflectance of the Planetary Computer.

Encoding: USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide.
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

PLATFORMS = ("landsat-8", "landsat-9")
BANDS = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
PIXEL_M = 30
SCALE, OFFSET, NODATA = 2.75e-5, -0.2, 0


def parse(item: RawItem) -> Acquisition:
    """Turn a raw item into an acquisition.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault; Landsat 4 to 7 have other bands.
    """
    platform = str(require(item, "platform")).lower()
    if platform not in PLATFORMS:
        raise UnusableItemError(f"item {item['id']}: platform {platform!r} is none of {', '.join(PLATFORMS)}")
    bands = {}
    for key in BANDS:
        href = asset(item, key)["href"]
        check_encoding(item, key, SCALE, OFFSET)
        bands[key] = BandAsset(key, href, PIXEL_M, *grid(item, key), SCALE, OFFSET, NODATA)
    return Acquisition(
        product="landsat",
        platform=platform,
        collection=item["collection"],
        item_id=item["id"],
        datetime=moment(item),
        footprint=item["geometry"],
        epsg=epsg(item, "red"),
        bands=bands,
        qa=QualityAsset("qa_pixel", "qa_pixel", asset(item, "qa_pixel")["href"], PIXEL_M, *grid(item, "qa_pixel")),
        sun_zenith=90 - float(require(item, "view:sun_elevation")),
        sun_azimuth=number(item, "view:sun_azimuth"),
        cloud_cover=number(item, "eo:cloud_cover"),
        tile=f"{require(item, 'landsat:wrs_path')}{require(item, 'landsat:wrs_row')}",
        tier=str(require(item, "landsat:collection_category")),
        produced=str(item["properties"].get("created", "")),
        simulated=simulated(item),
    )
