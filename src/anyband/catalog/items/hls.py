"""Harmonized Landsat Sentinel-2 v2.0 (S30, L30) of the Planetary Computer and of LP DAAC.

Items of LP DAAC (`HLSL30_2.0`, `HLSS30_2.0`) say nothing of projection, satellite or encoding: the CRS follows from
the tile in the item's id, the size of the raster from the tiling, the corner is read from the file as it is needed,
and the satellite, which decides the wavelengths, is in the file's header (`with_platform`).

Encoding: HLS v2.0 Product User Guide. Only bands of surface reflectance are listed; the cirrus, water vapour and
thermal bands of HLS are top of atmosphere.
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.items.raw_item import RawItem
from anyband.products import PRODUCTS
from anyband.raster.access import read_raster
from anyband.raster.asset import UnusableItemError

BANDS = {
    "S30": ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    "L30": ("B01", "B02", "B03", "B04", "B05", "B06", "B07"),
}
PLATFORMS = {"S30": ("sentinel-2a", "sentinel-2b", "sentinel-2c"), "L30": ("landsat-8", "landsat-9")}
COLLECTIONS = {name: PRODUCTS[key].short for key in ("hls_s30", "hls_l30") for name in PRODUCTS[key].collections}
PIXEL_M = 30

# HLS v2.0 files carry the ids of the products that they were made from, several separated by ";".
_LANDSAT = re.compile(r"\bL[CO]0([89])_L1")
_SENTINEL2 = re.compile(r"\bS2([A-C])_MSIL1C")
_ITEM_ID = re.compile(r"HLS\.(?P<kind>[SL]30)\.T(?P<tile>(?P<zone>\d{2})[A-Z]{3})\.\d{7}T\d{6}\.v2\.0")


def parse(item: RawItem) -> Acquisition:
    """Turn an item into an acquisition.

    Tile and CRS come from the item id: files are always in UTM north, while some published items name a zone south
    (microsoft/PlanetaryComputer issue 486).

    Raises:
        UnusableItemError: naming the item and the asset or property at fault.
    """
    name = _ITEM_ID.fullmatch(item.id)
    if not name or COLLECTIONS.get(item.collection, name["kind"]) != name["kind"]:
        kind = COLLECTIONS.get(item.collection, "S30")
        raise item.unusable(f"not of the form HLS.{kind}.T32TQM.2022123T101559.v2.0")
    kind, product = name["kind"], f"hls_{name['kind'].lower()}"
    satellite = item.platform(PLATFORMS[kind]) if item.satellite else ""
    epsg, encoding = 32600 + int(name["zone"]), PRODUCTS[product].encoding
    return item.acquisition(
        product,
        satellite,
        epsg,
        {band: item.band(band, band, epsg, PIXEL_M, encoding) for band in BANDS[kind]},
        item.quality("Fmask", epsg, PIXEL_M, "fmask"),
        sun_zenith=None,
        view_zenith=None,
        tile=name["tile"],
    )


def with_platform(acquisition: Acquisition) -> Acquisition:
    """The acquisition with its platform, read from the header of its first band if the item did not give one.

    Raises:
        UnusableItemError: the file is not there, is damaged or does not name one satellite.
        UserError: access is refused, or the provider is out of reach.
    """
    if acquisition.platform or not acquisition.product.startswith("hls_"):
        return acquisition
    band = next(iter(acquisition.bands.values()))
    tags: Mapping[str, str] = read_raster(band.href, lambda source: source.tags(), band.name)
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
