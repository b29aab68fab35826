"""What a file's header tells: the satellite of an HLS scene whose item does not name it, and where the file lies."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from anyband.catalog.items.acquisition import (
    Acquisition,
    BandAsset,
    ContradictionError,
    QualityAsset,
    UnusableItemError,
)
from anyband.raster.access import read_raster

# HLS v2.0 files carry the ids of the products that they were made from, several separated by ";".
_LANDSAT = re.compile(r"\bL[CO]0([89])_L1")
_SENTINEL2 = re.compile(r"\bS2([A-C])_MSIL1C")

SAME_PLACE_M = 1.0
"""What two CRS may differ by: HLS files name no datum but are WGS 84; a wrong zone or hemisphere is far off."""
SAME_PIXEL = 0.01  # of a pixel


def with_platform(acquisition: Acquisition) -> Acquisition:
    """The acquisition with its platform, read from the header of its first band if the item did not give one.

    Raises:
        UnusableItemError: the file is not there, is damaged or does not name one satellite.
        UserError: access is refused, or the provider is out of reach.
    """
    if acquisition.platform or not acquisition.product.startswith("hls_"):
        return acquisition
    band = next(iter(acquisition.bands.values()))
    name = f"item {acquisition.item_id}: asset {band.asset}"
    tags: Mapping[str, str] = read_raster(band.href, lambda source: source.tags(), name)
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


def check_grid(
    source: Any, name: str, epsg: int, asset: BandAsset | QualityAsset, position: tuple[float, float]
) -> None:
    """Compare where an open file lies with what its item says of it, wherever both say something.

    Args:
        source: rasterio dataset.
        name: "item X: asset Y".
        epsg: CRS of the acquisition.
        asset: with transform and shape of the item, each None where it does not say.
        position: longitude and latitude (degrees) near which the two CRS must agree.

    Raises:
        ContradictionError: naming item, asset, and both sides.
    """
    if source.crs and not _agree(source.crs, epsg, position):
        code = source.crs.to_epsg()
        theirs = f"EPSG:{code}" if code else source.crs.to_proj4()
        raise ContradictionError(f"{name}: the item says EPSG:{epsg}, its file {theirs}")
    theirs = tuple(source.transform)[:6]
    if asset.transform is not None and not np.allclose(
        theirs, asset.transform, rtol=0, atol=SAME_PIXEL * abs(asset.transform[0])
    ):
        raise ContradictionError(f"{name}: the item says transform {asset.transform}, its file {theirs}")
    if asset.shape is not None and source.shape != asset.shape:
        raise ContradictionError(f"{name}: the item says shape {asset.shape}, its file {source.shape}")


def _agree(crs: Any, epsg: int, position: tuple[float, float]) -> bool:
    """Whether two CRS have the same coordinates for a position; codes cannot be compared, HLS files have none."""
    from rasterio.errors import CRSError
    from rasterio.warp import transform

    try:
        (x, y), (there_x, there_y) = (
            (xs[0], ys[0])
            for xs, ys in (transform("EPSG:4326", target, *([v] for v in position)) for target in (f"EPSG:{epsg}", crs))
        )
    except CRSError:
        return False
    return bool(np.hypot(x - there_x, y - there_y) <= SAME_PLACE_M)
