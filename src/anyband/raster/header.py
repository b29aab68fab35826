"""What a file says of itself, before any pixel is believed: its header, compared with its item, and what is invalid."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from anyband.ground import Affine6, Array
from anyband.raster.access import read_raster
from anyband.raster.asset import ContradictionError, RasterAsset
from anyband.runtime import UserError

SAME_PLACE = 0.1
"""Pixels by which two CRS may differ: HLS files name no datum but are WGS 84; a wrong zone or hemisphere is far off."""
SAME_PIXEL = 0.01
"""Pixels by which a published grid may differ from the file's."""
FINEST_M, COARSEST_M = 0.1, 10_000.0
"""Pixels of files that are mapped: strips of finer ones would not fit into any memory."""


@dataclass(frozen=True)
class Header:
    """What an open file says of itself.

    Attributes:
        epsg: None where its CRS has no code.
        transform, shape: its grid.
        tile: rows and columns of its internal tiles (or strips).
        dtypes, scales, offsets: of its bands.
        names: descriptions of its bands, "" where there is none, and
        data_bands: how many of its bands are not alpha; of files that are read row by row (`windows.RowFile`).
    """

    epsg: int | None
    transform: Affine6
    shape: tuple[int, int]
    tile: tuple[int, int]
    dtypes: tuple[str, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    names: tuple[str, ...] = ()
    data_bands: int = 0


def read_header(asset: RasterAsset) -> Header:
    """Open a file for its header only.

    Raises:
        UnusableItemError: the file is missing, stays damaged, or is not what its item announces.
        UserError: access is refused, or the provider stays out of reach.
    """
    return read_raster(asset.href, lambda source: check_header(source, asset), asset.name)


def read_metric_header(asset: RasterAsset) -> Header:
    """Open a file for its header, which must have square pixels in metres.

    Raises:
        UserError: unreadable, not on a north-up grid in metres, or not where the item says.
    """

    def act(source: Any) -> Header:
        if source.crs is None or not source.crs.is_projected or source.crs.linear_units_factor[1] != 1:
            raise UserError(f"{asset.name}: its CRS is not in metres, reproject the file to UTM first")
        pixel, across, _, along, down, _ = transform = tuple(source.transform)[:6]
        if across or along or pixel <= 0 or not math.isclose(pixel, -down):
            raise UserError(f"{asset.name}: transform {transform} is not a north-up grid of square pixels")
        if not FINEST_M <= pixel <= COARSEST_M:
            raise UserError(f"{asset.name}: pixels of {pixel:g} m are not between {FINEST_M:g} and {COARSEST_M:g} m")
        names = tuple((name or "").strip() for name in source.descriptions)
        data = source.count - (source.colorinterp[-1].name == "alpha")  # one among the others is marked by mistake
        if any(dtype.startswith("complex") for dtype in source.dtypes[asset.index - 1 : asset.index]):
            raise UserError(f"{asset.name}: its pixels are complex numbers, no reflectance")
        return replace(check_header(source, asset), names=names, data_bands=data)

    return read_raster(asset.href, act, asset.name)


def check_header(source: Any, asset: RasterAsset) -> Header:
    """The header of an open rasterio dataset, which must agree with the item wherever both say something.

    Raises:
        ContradictionError: another CRS, grid or size than the item says.
        UnusableItemError: other bands, type or pixel spacing than the product has.
    """
    transform, shape = tuple(source.transform)[:6], tuple(source.shape)
    if asset.epsg is not None and source.crs and not _same_crs(source, asset.epsg):
        code = _epsg(source.crs)
        raise _contradiction(asset, f"EPSG:{asset.epsg}", f"EPSG:{code}" if code else source.crs.to_proj4())
    if asset.transform is not None:
        near = SAME_PIXEL * abs(asset.transform[0])
        if not np.allclose(transform, asset.transform, rtol=0, atol=near):
            raise _contradiction(asset, f"transform {asset.transform}", transform)
    if asset.shape is not None and shape != asset.shape:
        raise _contradiction(asset, f"shape {asset.shape}", shape)
    count, dtype = asset.count or source.count, asset.dtype or source.dtypes[0]
    if source.count != count or source.dtypes[0] != dtype:
        wanted = "one" if count == 1 else count
        raise asset.unusable(f"{source.count} band(s) of {source.dtypes[0]}, expected {wanted} of {dtype}")
    if asset.pixel_m and not math.isclose(transform[0], asset.pixel_m, rel_tol=1e-6):
        raise asset.unusable(f"pixels of {transform[0]:g} m, expected {asset.pixel_m:g} m")
    return Header(
        epsg=_epsg(source.crs) if source.crs else None,
        transform=transform,
        shape=shape,
        tile=tuple(source.block_shapes[0]),
        dtypes=tuple(source.dtypes),
        scales=tuple(source.scales),
        offsets=tuple(source.offsets),
    )


def _contradiction(asset: RasterAsset, said: str, found: object) -> ContradictionError:
    return ContradictionError(f"{asset.name}: the item says {said}, its file {found}")


def _same_crs(source: Any, epsg: int) -> bool:
    """Whether the middle of a file has the same coordinates in both CRS; codes cannot be compared, HLS has none."""
    x, y = source.transform @ (source.shape[1] / 2, source.shape[0] / 2)
    there = _transformed(source.crs.to_wkt(), epsg, x, y)
    return there is not None and math.dist((x, y), there) <= SAME_PLACE * abs(source.transform[0])


@lru_cache(maxsize=64)
def _epsg(crs: Any) -> int | None:
    """Code of a CRS; where it carries none, as in HLS, PROJ looks for it far longer than a small file takes to read."""
    code: int | None = crs.to_epsg()
    return code


@lru_cache(maxsize=64)
def _transformed(wkt: str, epsg: int, x: float, y: float) -> tuple[float, float] | None:
    """A position of one CRS in another, None where it has none there; files of a scene share their grids."""
    from rasterio.errors import CRSError
    from rasterio.warp import transform

    try:
        (there_x,), (there_y,) = transform(wkt, f"EPSG:{epsg}", [x], [y])
    except CRSError:
        return None
    return there_x, there_y


NODATA_DIGITS = 1e-5
"""Relative difference of two floats that are one nodata value, written with fewer digits somewhere."""
Invalid = Callable[[Array, Any], Array]
"""From the numbers of a window (y, x) of a band, and the window, where they are invalid (y, x) bool."""


def is_nodata(stored: Array, nodata: float) -> Array:
    """Where stored numbers of any shape are a nodata value; floats may have lost digits, NaN is none."""
    if stored.dtype.kind != "f":
        return np.asarray(stored == nodata)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.isclose(stored, nodata, rtol=NODATA_DIGITS, atol=0.0)


def own_mask(source: Any, index: int, known: float | None, used: Collection[int]) -> Invalid | None:
    """What finds the pixels that an open file calls invalid, beyond those of a nodata value that is known already.

    Args:
        source: open rasterio dataset.
        index: number of the band, from 1.
        known: nodata value that the reader looks for anyway.
        used: numbers of all bands that are read as data: a band of reflectance may be marked as alpha by mistake.

    Returns:
        None where the file says nothing more, as most do, so that nothing has to be read.
    """
    from rasterio.enums import ColorInterp, MaskFlags

    flags, own = source.mask_flag_enums[index - 1], source.nodatavals[index - 1]
    masked = MaskFlags.all_valid not in flags and MaskFlags.alpha not in flags and MaskFlags.nodata not in flags
    colours = source.colorinterp
    alpha = colours.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in colours else 0
    alpha = 0 if alpha in used else alpha
    other = own is not None and not (own == known or (own != own and known != known))
    if not (masked or alpha or other):
        return None

    def find(values: Array, window: Any) -> Array:
        invalid = is_nodata(values, own) if other else np.zeros(values.shape, bool)
        if masked:
            invalid |= source.read_masks(index, window=window) == 0
        if alpha:
            invalid |= source.read(alpha, window=window) == 0
        return invalid

    return find
