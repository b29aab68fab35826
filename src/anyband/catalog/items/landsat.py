"""Landsat 8 and 9 Collection 2 Level-2 of the Planetary Computer, of Earth Search and of USGS.

The three have the same asset keys. Files of Earth Search lie in a bucket where the reader pays (`s3://usgs-landsat`);
USGS names the same bucket as the alternate of an address that wants a login, and it is the alternate that is used.

Encoding: USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide.
"""

from dataclasses import replace
from typing import Any

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
    sun_zenith,
    view_zenith,
)
from anyband.raster.asset import UnusableItemError

PLATFORMS = ("landsat-8", "landsat-9")
KEYS = {key: key for key in ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")}
PIXEL_M = 30
ENCODING = Encoding(2.75e-5, -0.2, 0)
LOGIN_HOST = "https://landsatlook.usgs.gov/"


def parse(item: RawItem) -> Acquisition:
    """Turn a raw item into an acquisition.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault; Landsat 4 to 7 have other bands.
    """
    level = str(item["properties"].get("landsat:correction") or "L2")
    if not level.startswith("L2"):
        raise UnusableItemError(f"item {item['id']}: Level-1 ({level}), surface reflectance (L2SP, L2SR) is needed")
    satellite = platform(item, PLATFORMS)
    check_wavelengths(item, "landsat", satellite, KEYS)
    require(item, "view:sun_elevation")
    code = epsg(item, "red")
    bands = {band: band_asset(item, band, key, PIXEL_M, ENCODING, code) for band, key in KEYS.items()}
    quality = quality_asset(item, "qa_pixel", "qa_pixel", PIXEL_M, code)
    return Acquisition(
        product="landsat",
        platform=satellite,
        collection=str(item.get("collection") or ""),
        item_id=item["id"],
        datetime=moment(item),
        footprint=footprint(item),
        epsg=code,
        bands={band: replace(found, href=_open_address(item, found.asset)) for band, found in bands.items()},
        qa=replace(quality, href=_open_address(item, quality.asset)),
        sun_zenith=sun_zenith(item),
        sun_azimuth=number(item, "view:sun_azimuth"),
        view_zenith=view_zenith(item),
        cloud_cover=cloud_cover(item),
        tile=f"{require(item, 'landsat:wrs_path')}{require(item, 'landsat:wrs_row')}",
        tier=str(require(item, "landsat:collection_category")),
        produced=str(item["properties"].get("created", "")),
        simulated=simulated(item),
    )


def _open_address(item: RawItem, key: str) -> str:
    """Address of an asset: the alternate in the bucket where the published one wants a login in a browser."""
    described: dict[str, Any] = item["assets"][key]
    href = str(described["href"])
    alternate = described.get("alternate", {}).get("s3", {}).get("href")
    return str(alternate) if alternate and href.startswith(LOGIN_HOST) else href
