"""Landsat 8 and 9 Collection 2 Level-2 of the Planetary Computer, of Earth Search and of USGS.

The three have the same asset keys. Files of Earth Search lie in a bucket where the reader pays (`s3://usgs-landsat`);
USGS names the same bucket as the alternate of an address that wants a login, and it is the alternate that is used.

Encoding: USGS, Landsat 8-9 Collection 2 Level 2 Science Product Guide.
"""

from dataclasses import replace

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.raw_item import RawItem
from anyband.products import PRODUCTS

PLATFORMS = ("landsat-8", "landsat-9")
KEYS = {key: key for key in ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")}
PIXEL_M = 30
LOGIN_HOST = "https://landsatlook.usgs.gov/"


def parse(item: RawItem) -> Acquisition:
    """Turn an item into an acquisition.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault; Landsat 4 to 7 have other bands.
    """
    level = item.text("landsat:correction") or "L2"
    if not level.startswith("L2"):
        raise item.unusable(f"Level-1 ({level}), surface reflectance (L2SP, L2SR) is needed")
    satellite = item.platform(PLATFORMS)
    item.check_wavelengths("landsat", satellite, KEYS)
    item.require("view:sun_elevation")
    epsg, encoding = item.require_epsg("red"), PRODUCTS["landsat"].encoding
    bands = {band: item.band(band, key, epsg, PIXEL_M, encoding) for band, key in KEYS.items()}
    quality = item.quality("qa_pixel", epsg, PIXEL_M, "qa_pixel")
    return item.acquisition(
        "landsat",
        satellite,
        epsg,
        {band: replace(found, href=_open_address(item, found.asset)) for band, found in bands.items()},
        replace(quality, href=_open_address(item, quality.asset)),
        tile=f"{item.require('landsat:wrs_path')}{item.require('landsat:wrs_row')}",
        tier=str(item.require("landsat:collection_category")),
        produced=str(item.properties.get("created", "")),
    )


def _open_address(item: RawItem, key: str) -> str:
    """Address of an asset: the alternate in the bucket where the published one wants a login in a browser."""
    href = str(item.assets[key]["href"])
    alternate = (item.assets[key].get("alternate", {}).get("s3") or {}).get("href")
    return str(alternate) if alternate and href.startswith(LOGIN_HOST) else href
