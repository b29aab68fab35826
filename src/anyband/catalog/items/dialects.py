"""Item dialects: how each provider writes down each product, and which dialect an item is in.

A dialect turns a raw item dict into an `Acquisition`. It keeps its own table of bands and encodings; wavelengths and
names that the catalogue publishes are never used, since some are wrong (HLS L30 B01 and B02 are exchanged).

Collection ids do not tell the dialect: the Planetary Computer and Earth Search both have a `sentinel-2-l2a` and a
`landsat-c2-l2`, with other assets and other pixels, and some items belong to no collection. So the item itself decides:

==================================  ===============================  =================================================
telling sign                        dialect                          collections known to be written so
==================================  ===============================  =================================================
`s2:` properties, band keys B02...  `sentinel2`                      Planetary Computer `sentinel-2-l2a`
`s2:` properties, other keys        `sentinel2.parse_common_names`   Earth Search `sentinel-2-l2a`,
                                                                     `sentinel-2-c1-l2a`; items of stactools
`landsat:` properties               `parse_landsat`                  Planetary Computer and Earth Search
                                                                     `landsat-c2-l2`, USGS `landsat-c2l2-sr`
id HLS...                           `hls`                            Planetary Computer `hls2-s30`, `hls2-l30`,
                                                                     LP DAAC `HLSS30_2.0`, `HLSL30_2.0`
`esa_worldcover:` properties        `parse_worldcover`               Planetary Computer `esa-worldcover`
a platform of the registry of       `described`                      those of the simulated extra sensors
sensors without another dialect
==================================  ===============================  =================================================

The forms to come (STAC 1.1 `bands`, `proj:code`) need no dialect of their own: all of them read both.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from anyband.catalog.items import described, hls, sentinel2
from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.raw_item import RawItem, item_id
from anyband.products import PRODUCTS
from anyband.raster.asset import UnusableItemError

Dialect = Callable[[RawItem], Acquisition]
"""Turns an item of one form into an acquisition; raises UnusableItemError for those that cannot be used."""

_RELEASED = re.compile(r"1\.\d+\.\d+")


def find_dialect(item: RawItem) -> Dialect | None:
    """The dialect that an item is written in by the table above, None for a product that is not known."""
    prefixes = {name.split(":")[0] for name in item.properties if ":" in name}
    if item.id.startswith("HLS."):
        return hls.parse
    if "s2" in prefixes:
        return sentinel2.parse if sentinel2.ESA_KEYS.keys() & item.assets.keys() else sentinel2.parse_common_names
    if "landsat" in prefixes:
        return parse_landsat
    if "esa_worldcover" in prefixes:
        return parse_worldcover
    return described.parse if described.product_of(item) else None


def parse_item(content: Mapping[str, Any]) -> Acquisition:
    """Turn a raw item dict of any known product into an acquisition.

    Raises:
        UnusableItemError: no dialect for it, or it lacks an asset or a property, has another form than items have,
            or contradicts what is known of its product.
    """
    version = content.get("stac_version") if isinstance(content, Mapping) else None
    if isinstance(version, str) and not _RELEASED.fullmatch(version):  # first: its form is another
        raise UnusableItemError(
            f"item {item_id(content)}: STAC version {version}, items of release 1.0 or later are needed"
        )
    item = RawItem(content)
    dialect = find_dialect(item)
    if dialect is None:
        name = f"collection {content.get('collection')!r}"
        raise item.unusable(f"no dialect for {name}, see anyband.catalog.items.dialects for the known ones")
    if version is None:
        raise item.unusable("property stac_version is missing")
    acquisition = dialect(item)
    item.check_level()
    return acquisition


LANDSAT_PLATFORMS = ("landsat-8", "landsat-9")
LANDSAT_BANDS = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
USGS_LOGIN = "https://landsatlook.usgs.gov/"


def parse_landsat(item: RawItem) -> Acquisition:
    """Landsat 8 and 9 Collection 2 Level-2 of the Planetary Computer, of Earth Search and of USGS.

    The three have the same asset keys, which are the registry's names. Files of Earth Search lie in a bucket where the
    reader pays (`s3://usgs-landsat`); USGS names the same bucket as the alternate of an address that wants a login in a
    browser, and it is the alternate that is used. Encoding: USGS, Landsat 8-9 Collection 2 Level 2 Science Product
    Guide.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault; Landsat 4 to 7 have other bands.
    """
    level = item.text("landsat:correction") or "L2"
    if not level.startswith("L2"):
        raise item.unusable(f"Level-1 ({level}), surface reflectance (L2SP, L2SR) is needed")
    satellite = item.platform(LANDSAT_PLATFORMS)
    item.require("view:sun_elevation")
    epsg, encoding = item.require_epsg("red"), PRODUCTS["landsat"].encoding
    bands = {band: item.band(band, band, epsg, 30, encoding) for band in LANDSAT_BANDS}
    quality = item.quality("qa_pixel", epsg, 30, "qa_pixel")
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
    return str(alternate) if alternate and href.startswith(USGS_LOGIN) else href


def parse_worldcover(item: RawItem) -> Acquisition:
    """ESA WorldCover, the land-cover label: one band `map` of class codes, 1/12000 degree, one item a year and tile.

    Codes: WorldCover Product User Manual v2.0. An item has no `datetime` but the start and end of its year.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    epsg = item.require_epsg("map")
    return item.acquisition(
        "label",
        "",
        epsg,
        {"map": item.band("map", "map", epsg, 1 / 12_000, PRODUCTS["label"].encoding, check=False)},
        None,
        datetime=item.moment("start_datetime"),
        produced=str(item.require("esa_worldcover:product_version")),
    )
