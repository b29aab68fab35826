"""What only a file's header tells: the satellite of an HLS scene whose item does not name it."""

import re
from collections.abc import Mapping
from dataclasses import replace

from anyband.catalog.access import sign, why_unreadable
from anyband.catalog.acquisition import Acquisition, UnusableItemError
from anyband.runtime import UserError

# HLS v2.0 files carry the ids of the products that they were made from, several separated by ";".
_LANDSAT = re.compile(r"\bL[CO]0([89])_L1")
_SENTINEL2 = re.compile(r"\bS2([A-C])_MSIL1C")


def with_platform(acquisition: Acquisition) -> Acquisition:
    """The acquisition with its platform, read from the header of its first band if the item did not give one.

    Raises:
        UnusableItemError: the file is not there or does not name one satellite.
        UserError: the file cannot be read.
    """
    if acquisition.platform or not acquisition.product.startswith("hls_"):
        return acquisition
    import rasterio
    from rasterio.errors import RasterioError

    band = next(iter(acquisition.bands.values()))
    try:
        with rasterio.open(sign(band.href)) as source:
            tags = source.tags()
    except RasterioError as error:
        reason = why_unreadable(band.href, error)
        line = f"item {acquisition.item_id}: asset {band.asset}: {reason}"
        raise (UnusableItemError if "does not exist" in reason else UserError)(line) from None
    return replace(acquisition, platform=platform_of(acquisition, tags))


def platform_of(acquisition: Acquisition, tags: Mapping[str, str]) -> str:
    """Name of the satellite in the tags of an HLS file.

    Raises:
        UnusableItemError: none, or more than one.
    """
    landsat = {f"landsat-{number}" for number in _LANDSAT.findall(tags.get("LANDSAT_PRODUCT_ID", ""))}
    sentinel2 = {f"sentinel-2{letter.lower()}" for letter in _SENTINEL2.findall(tags.get("PRODUCT_URI", ""))}
    found = landsat if acquisition.product == "hls_l30" else sentinel2
    if len(found) != 1:
        names = ", ".join(sorted(found)) or "none"
        raise UnusableItemError(f"item {acquisition.item_id}: its files name {names} as satellite, one is needed")
    return found.pop()
