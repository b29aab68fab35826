"""Harmonized Landsat Sentinel-2 v2.0 (S30, L30) of the Planetary Computer.

Encoding: HLS v2.0 Product User Guide. Only bands of surface reflectance are listed; the cirrus, water vapour and
thermal bands of HLS are top of atmosphere.
"""

import re

from anyband.catalog.acquisition import Acquisition, BandAsset, QualityAsset, UnusableItemError
from anyband.catalog.dialects.common import (
    RawItem,
    asset,
    check_encoding,
    grid,
    moment,
    number,
    require,
    simulated,
)

BANDS = {
    "S30": ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    "L30": ("B01", "B02", "B03", "B04", "B05", "B06", "B07"),
}
PLATFORMS = {"S30": ("sentinel-2a", "sentinel-2b", "sentinel-2c"), "L30": ("landsat-8", "landsat-9")}
PIXEL_M = 30
SCALE, OFFSET, NODATA = 1e-4, 0.0, -9999

_ITEM_ID = re.compile(r"HLS\.(?P<kind>[SL]30)\.T(?P<tile>(?P<zone>\d{2})[A-Z]{3})\.\d{7}T\d{6}\.v2\.0")


def parse_s30(item: RawItem) -> Acquisition:
    """Turn a raw item of Sentinel-2 origin into an acquisition; errors as `_parse`."""
    return _parse(item, "S30")


def parse_l30(item: RawItem) -> Acquisition:
    """Turn a raw item of Landsat origin into an acquisition; errors as `_parse`."""
    return _parse(item, "L30")


def _parse(item: RawItem, kind: str) -> Acquisition:
    """Turn a raw item into an acquisition.

    Tile and CRS come from the item id: files are always in UTM north, while some published items name a zone south.

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    name = _ITEM_ID.fullmatch(item["id"])
    if not name or name["kind"] != kind:
        raise UnusableItemError(f"item {item['id']}: not of the form HLS.{kind}.T32TQM.2022123T101559.v2.0")
    platform = str(require(item, "platform")).lower()
    if platform not in PLATFORMS[kind]:
        raise UnusableItemError(f"item {item['id']}: platform {platform!r} is none of {', '.join(PLATFORMS[kind])}")
    bands = {}
    for key in BANDS[kind]:
        href = asset(item, key)["href"]
        check_encoding(item, key, SCALE, OFFSET)
        bands[key] = BandAsset(key, href, PIXEL_M, *grid(item, key), SCALE, OFFSET, NODATA)
    return Acquisition(
        product=f"hls_{kind.lower()}",
        platform=platform,
        collection=item["collection"],
        item_id=item["id"],
        datetime=moment(item),
        footprint=item["geometry"],
        epsg=32600 + int(name["zone"]),
        bands=bands,
        qa=QualityAsset("Fmask", "fmask", asset(item, "Fmask")["href"], PIXEL_M, *grid(item, "Fmask")),
        sun_azimuth=number(item, "view:sun_azimuth"),
        cloud_cover=number(item, "eo:cloud_cover"),
        tile=name["tile"],
        simulated=simulated(item),
    )
