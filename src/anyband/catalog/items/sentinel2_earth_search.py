"""Sentinel-2 Level-2A of Earth Search (`sentinel-2-l2a`, `sentinel-2-c1-l2a`) and of items in the form of stactools.

Bands are keyed by common name. Earth Search took the 1000 that baselines from 04.00 on hold off the pixels of most
items of `sentinel-2-l2a`, and says so in `earthsearch:boa_offset_applied`; the offset of -0.1 that it goes on to
publish in `raster:bands` is then wrong and is never read (Element84/earth-search issues 23, 41 and 71). In
`sentinel-2-c1-l2a`, and in items of stactools, pixels are as ESA made them and the published offset must agree.
"""

import re
from datetime import UTC, datetime

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.fields import (
    Encoding,
    RawItem,
    band_asset,
    check_wavelengths,
    cloud_cover,
    epsg,
    footprint,
    number,
    platform,
    quality_asset,
    require,
    simulated,
    sun_zenith,
    view_zenith,
)
from anyband.catalog.items.sentinel2 import (
    PIXEL_M,
    PLATFORMS,
    WITH_ADDED,
    WITHOUT_ADDED,
    check_level,
    has_offset,
    store_shift,
)
from anyband.raster.asset import UnusableItemError

KEYS = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
    "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B11": "swir16", "B12": "swir22",
}  # fmt: skip
OFFSET_TAKEN_OFF = "earthsearch:boa_offset_applied"

_TILE = re.compile(r"MGRS-(\d{1,2}[A-Z]{3})")
_DATATAKE = re.compile(r"S2[A-Z]_(?:MSIL2A_)?(\d{8}T\d{6})_")


def parse(item: RawItem) -> Acquisition:
    """Turn a raw item into an acquisition.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    check_level(item)
    satellite = platform(item, PLATFORMS)
    check_wavelengths(item, "sentinel2", satellite, KEYS)
    baseline = str(require(item, "s2:processing_baseline"))
    encoding, trusted = _encoding(item, baseline)
    shift, code = store_shift(encoding), epsg(item, "blue")
    bands = {
        band: band_asset(item, band, key, PIXEL_M[band], encoding, code, shift=shift, check=trusted)
        for band, key in KEYS.items()
    }
    return Acquisition(
        product="sentinel2",
        platform=satellite,
        collection=str(item.get("collection") or ""),
        item_id=item["id"],
        datetime=_datatake_start(item),
        footprint=footprint(item),
        epsg=code,
        bands=bands,
        qa=quality_asset(item, "scl", "scl", 20, code),
        sun_zenith=sun_zenith(item),
        sun_azimuth=number(item, "view:sun_azimuth"),
        view_zenith=view_zenith(item),
        baseline=baseline,
        cloud_cover=cloud_cover(item),
        tile=_tile(item),
        produced=str(require(item, "s2:generation_time")),
        simulated=simulated(item),
    )


def _encoding(item: RawItem, baseline: str) -> tuple[Encoding, bool]:
    """Encoding of the pixels, and whether a published one must agree with it.

    Raises:
        UnusableItemError: an item of `sentinel-2-l2a` that does not say what was done to its pixels.
    """
    added_by_esa = has_offset(item, baseline)
    taken_off = item["properties"].get(OFFSET_TAKEN_OFF)
    if taken_off is None:
        if added_by_esa and item.get("collection") == "sentinel-2-l2a":
            require(item, OFFSET_TAKEN_OFF)
        return (WITH_ADDED if added_by_esa else WITHOUT_ADDED), True
    if not isinstance(taken_off, bool):
        raise UnusableItemError(f"item {item['id']}: property {OFFSET_TAKEN_OFF} is {taken_off!r}, not true or false")
    return (WITH_ADDED if added_by_esa and not taken_off else WITHOUT_ADDED), False


def _datatake_start(item: RawItem) -> datetime:
    """Start of the datatake, UTC: `datetime` is the sensing time of the tile, minutes later and unlike other dialects.

    Raises:
        UnusableItemError: neither the datatake nor the product is named.
    """
    for name in ("s2:datatake_id", "s2:product_uri"):
        found = _DATATAKE.search(str(item["properties"].get(name) or ""))
        if found:
            return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    raise UnusableItemError(f"item {item['id']}: neither s2:datatake_id nor s2:product_uri names the datatake")


def _tile(item: RawItem) -> str:
    """MGRS tile with a zone of two digits; older items write it with one.

    Raises:
        UnusableItemError: no `grid:code`, or not one of MGRS.
    """
    code = str(require(item, "grid:code"))
    found = _TILE.fullmatch(code)
    if not found:
        raise UnusableItemError(f"item {item['id']}: grid:code is {code!r}, not of the form MGRS-32TQM")
    return found[1].zfill(5)
