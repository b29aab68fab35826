"""Sentinel-2 Level-2A: of the Planetary Computer, of Earth Search, and of items in the form of stactools.

Pixels are DN / 10000 with 0 for no data; from processing baseline 04.00 (25 January 2022) on they hold 1000 more
(BOA_ADD_OFFSET = -1000 in ESA's product metadata).

The Planetary Computer keys bands by ESA's names, publishes no scale, offset or nodata, and does not take the 1000 off.

Earth Search (`sentinel-2-l2a`, `sentinel-2-c1-l2a`) and stactools key bands by common name. Earth Search took the 1000
off the pixels of most items of `sentinel-2-l2a`, and says so in `earthsearch:boa_offset_applied`; the offset of -0.1
that it goes on to publish in `raster:bands` is then wrong and is never read (Element84/earth-search issues 23, 41 and
71). In `sentinel-2-c1-l2a`, and in items of stactools, pixels are as ESA made them and the published offset must agree.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.raw_item import RawItem
from anyband.products import PRODUCTS, Encoding

PLATFORMS = ("sentinel-2a", "sentinel-2b", "sentinel-2c")
# Band of the registry: pixel in metres, and the key by common name.
BANDS = {
    "B01": (60, "coastal"),
    "B02": (10, "blue"),
    "B03": (10, "green"),
    "B04": (10, "red"),
    "B05": (20, "rededge1"),
    "B06": (20, "rededge2"),
    "B07": (20, "rededge3"),
    "B08": (10, "nir"),
    "B8A": (20, "nir08"),
    "B09": (60, "nir09"),
    "B11": (20, "swir16"),
    "B12": (20, "swir22"),
}
ESA_KEYS = {band: band for band in BANDS}
COMMON_KEYS = {band: key for band, (_, key) in BANDS.items()}
ADDED_DN = 1000  # in the pixels of baselines 04.00 and later
WITH_ADDED = PRODUCTS["sentinel2"].encoding
WITHOUT_ADDED = replace(WITH_ADDED, offset=0.0)
FIRST_BASELINE_WITH_OFFSET = (4, 0)
OFFSET_TAKEN_OFF = "earthsearch:boa_offset_applied"

_TILE = re.compile(r"MGRS-(\d{1,2}[A-Z]{3})")
_DATATAKE = re.compile(r"S2[A-Z]_(?:MSIL2A_)?(\d{8}T\d{6})_")


def parse(item: RawItem) -> Acquisition:
    """Turn an item of the Planetary Computer into an acquisition.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    facts = {
        "sun_zenith": item.number("s2:mean_solar_zenith"),
        "sun_azimuth": item.number("s2:mean_solar_azimuth"),
        "tile": str(item.require("s2:mgrs_tile")),
    }
    added = has_offset(item)
    return _parse(item, ESA_KEYS, "SCL", WITH_ADDED if added else WITHOUT_ADDED, facts)


def parse_common_names(item: RawItem) -> Acquisition:
    """Turn an item whose bands are keyed by common name into an acquisition; raises as `parse`."""
    encoding, trusted = _encoding(item)
    facts = {"datetime": _datatake_start(item), "tile": _tile(item)}
    return _parse(item, COMMON_KEYS, "scl", encoding, facts, trusted=trusted)


def _parse(
    item: RawItem,
    keys: Mapping[str, str],
    quality_key: str,
    encoding: Encoding,
    facts: Mapping[str, Any],
    *,
    trusted: bool = True,
) -> Acquisition:
    """What both forms share: the level, the bands by their keys, and the store's one encoding for all baselines."""
    kind = item.text("s2:product_type") or "S2MSI2A"
    if kind != "S2MSI2A":
        raise item.unusable(f"product type {kind}, surface reflectance (S2MSI2A) is needed")
    satellite = item.platform(PLATFORMS)
    epsg, shift = item.require_epsg(keys["B02"]), 0 if encoding == WITH_ADDED else ADDED_DN
    return item.acquisition(
        "sentinel2",
        satellite,
        epsg,
        {
            band: item.band(band, key, epsg, BANDS[band][0], encoding, shift=shift, check=trusted)
            for band, key in keys.items()
        },
        item.quality(quality_key, epsg, 20, "scl"),
        baseline=str(item.require("s2:processing_baseline")),
        produced=str(item.require("s2:generation_time")),
        **facts,
    )


def has_offset(item: RawItem) -> bool:
    """Whether ESA's pixels of the item's processing baseline ("03.01", "04.00") hold the added 1000.

    Raises:
        UnusableItemError: not a baseline.
    """
    baseline = str(item.require("s2:processing_baseline"))
    try:
        major, minor = (int(part) for part in baseline.split("."))
    except ValueError:
        raise item.unusable(f"processing baseline {baseline!r} is not of the form 04.00") from None
    return (major, minor) >= FIRST_BASELINE_WITH_OFFSET


def _encoding(item: RawItem) -> tuple[Encoding, bool]:
    """Encoding of the pixels by common name, and whether a published one must agree with it.

    Raises:
        UnusableItemError: an item of `sentinel-2-l2a` that does not say what was done to its pixels.
    """
    added_by_esa = has_offset(item)
    taken_off = item.properties.get(OFFSET_TAKEN_OFF)
    if taken_off is None:
        if added_by_esa and item.collection == "sentinel-2-l2a":
            item.require(OFFSET_TAKEN_OFF)
        return (WITH_ADDED if added_by_esa else WITHOUT_ADDED), True
    if not isinstance(taken_off, bool):
        raise item.unusable(f"property {OFFSET_TAKEN_OFF} is {taken_off!r}, not true or false")
    return (WITH_ADDED if added_by_esa and not taken_off else WITHOUT_ADDED), False


def _datatake_start(item: RawItem) -> datetime:
    """Start of the datatake, UTC: `datetime` is the sensing time of the tile, minutes later and unlike other dialects.

    Raises:
        UnusableItemError: neither the datatake nor the product is named.
    """
    for name in ("s2:datatake_id", "s2:product_uri"):
        found = _DATATAKE.search(item.text(name))
        if found:
            return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    raise item.unusable("neither s2:datatake_id nor s2:product_uri names the datatake")


def _tile(item: RawItem) -> str:
    """MGRS tile with a zone of two digits; older items write it with one.

    Raises:
        UnusableItemError: no `grid:code`, or not one of MGRS.
    """
    code = str(item.require("grid:code"))
    found = _TILE.fullmatch(code)
    if not found:
        raise item.unusable(f"grid:code is {code!r}, not of the form MGRS-32TQM")
    return found[1].zfill(5)
