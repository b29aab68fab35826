"""Reading native pixels of many chips from one file: opened once, every internal tile that is wanted decoded once.

A file is compared with what its item announces before any pixel is taken from it. What is wrong with one file is an
`UnusableItemError`, which costs its pair; what would be wrong with the next file too ends the run.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from anyband.catalog.items.acquisition import UnusableItemError
from anyband.chips.plan import Read, plan_reads
from anyband.ground import FALSE_NORTHING_M, Affine6, Array, Footprint, Window, chip_window, overlaps
from anyband.products import shift_stored
from anyband.raster.access import gdal_env, read_raster
from anyband.runtime import UserError

CACHE_MB = 64
"""GDAL block cache. Every tile is decoded once, so a larger cache holds only what is never asked for again."""


@dataclass(frozen=True)
class RasterFile:
    """One band of a file as its item announces it.

    Attributes:
        item, asset: what messages call it; `asset` is the provider's key.
        href: unsigned address or path.
        epsg: CRS of the file (HLS files carry one that has no EPSG code).
        dtype, pixel_m, nodata: of its pixels.
        transform, shape: its grid, None where the item does not say.
        shift: added to every pixel other than nodata.
        index, count: which band of the file is meant, from 1, and how many it has.
    """

    item: str
    asset: str
    href: str
    epsg: int
    dtype: str
    pixel_m: float
    nodata: int
    transform: Affine6 | None = None
    shape: tuple[int, int] | None = None
    shift: int = 0
    index: int = 1
    count: int = 1

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"item {self.item}: asset {self.asset}"

    def unusable(self, reason: str) -> UnusableItemError:
        """An error of one line that names item and asset."""
        return UnusableItemError(f"{self.name}: {reason}")


class Piece(NamedTuple):
    """Pixels (y, x) of a chip, the first of them at (`row`, `col`) of the chip; there are very many."""

    chip: int
    row: int
    col: int
    values: Array


@dataclass(frozen=True)
class Pixels:
    """What was read of a file: the window of every chip, and pieces that together fill the chips inside the file."""

    windows: tuple[Window, ...]
    pieces: tuple[Piece, ...]

    def __sizeof__(self) -> int:
        """Bytes of the pixels, by which dask's scheduler decides what to move to another worker."""
        return sum(piece.values.nbytes for piece in self.pieces)

    def __reduce__(self) -> Any:
        """Travel to another worker as one buffer: pickled one by one, pieces take longer than decoding them."""
        places = np.array([(p.chip, p.row, p.col, *p.values.shape) for p in self.pieces], np.int64).reshape(-1, 5)
        flat = np.concatenate([p.values.ravel() for p in self.pieces]) if self.pieces else np.zeros(0)
        return _arrived, (self.windows, places, flat)


def _arrived(windows: tuple[Window, ...], places: Array, flat: Array) -> Pixels:
    """What `Pixels.__reduce__` took apart."""
    ends = np.cumsum(places[:, 3] * places[:, 4]).tolist()
    pieces = [
        Piece(chip, row, col, flat[start:end].reshape(height, width))
        for (chip, row, col, height, width), start, end in zip(places.tolist(), [0, *ends], ends, strict=False)
    ]
    return Pixels(windows, tuple(pieces))


@dataclass(frozen=True)
class Header:
    """Grid of a file and its internal tiles (rows, columns)."""

    transform: Affine6
    shape: tuple[int, int]
    tile: tuple[int, int]


def read_file(
    file: RasterFile,
    footprints: Sequence[Footprint],
    promised: Sequence[bool] | None = None,
    part: tuple[int, int] | None = None,
) -> Pixels:
    """Read the chips of one file, or those rows of it that `part` names (first and end).

    Args:
        file: what to read.
        footprints: chips.
        promised: per chip, whether its item says that the file has data there; all for None.
        part: rows of the raster, all for None.

    Raises:
        UnusableItemError: the file is missing, stays damaged, or is not what its item announces.
        UserError: access is refused, or the provider stays out of reach.
    """
    (pixels,) = read_bands_of([file], footprints, promised, part)
    return pixels


def read_bands_of(
    files: Sequence[RasterFile],
    footprints: Sequence[Footprint],
    promised: Sequence[bool] | None = None,
    part: tuple[int, int] | None = None,
) -> list[Pixels]:
    """Read the chips of several bands of one file, which is opened once; else as `read_file`."""
    import rasterio

    file = files[0]

    def act(source: Any) -> list[Pixels]:
        header = check_header(source, file)
        try:
            windows, reads = _plan(tuple(footprints), file.epsg, header, part)
        except UserError as error:
            raise file.unusable(str(error)) from None
        for chip, window, inside in zip(footprints, windows, promised or [True] * len(windows), strict=True):
            if inside and not overlaps(window, header.shape):
                name = f"chip r{chip.row}c{chip.col}"
                raise file.unusable(f"{name} is inside by the item, outside by the file ({_place(file, header)})")
        return [Pixels(windows, tuple(_pieces(source, band, reads))) for band in files]

    with rasterio.Env(**gdal_env(), GDAL_CACHEMAX=CACHE_MB):
        return read_raster(file.href, act, file.name)


def read_header(file: RasterFile) -> Header:
    """Open a file for its grid and tiles only; raises as `read_file`."""
    import rasterio

    with rasterio.Env(**gdal_env()):
        return read_raster(file.href, lambda source: check_header(source, file), file.name)


def assemble(pixels: Pixels, file: RasterFile, size: int) -> Array:
    """The chips (chip, y, x) of a file read as a whole, nodata where the file has no pixels."""
    values = np.full((len(pixels.windows), size, size), file.nodata, file.dtype)
    for p in pixels.pieces:
        values[p.chip, p.row : p.row + p.values.shape[0], p.col : p.col + p.values.shape[1]] = p.values
    return values


def check_header(source: Any, file: RasterFile) -> Header:
    """Compare an open file with what its item announces.

    Raises:
        UnusableItemError: bands, type, CRS, grid or size differ; the message says what either of them has.
    """
    header = Header(tuple(source.transform)[:6], tuple(source.shape), tuple(source.block_shapes[0]))
    if source.count != file.count or source.dtypes[0] != file.dtype:
        wanted = "one" if file.count == 1 else str(file.count)
        raise file.unusable(f"{source.count} band(s) of {source.dtypes[0]}, expected {wanted} of {file.dtype}")
    found, wanted = _crs(source.crs.to_wkt()) if source.crs else "none", _crs_of(file.epsg)
    if found != wanted:
        raise file.unusable(f"its CRS is {wanted} by the item, {found} by the file")
    if not math.isclose(header.transform[0], file.pixel_m, rel_tol=1e-6):
        raise file.unusable(f"pixels of {header.transform[0]:g} m, expected {file.pixel_m:g} m")
    if file.shape is not None and header.shape != tuple(file.shape):
        raise file.unusable(f"it has {_size(file.shape)} pixels by the item, {_size(header.shape)} by the file")
    close = 1e-3 * file.pixel_m
    if file.transform is not None and not np.allclose(header.transform, file.transform, rtol=0, atol=close):
        said, has = (f"({t[2]:g}, {t[5]:g}) m" for t in (file.transform, header.transform))
        raise file.unusable(f"its corner is {said} by the item, {has} by the file")
    return header


@lru_cache(maxsize=16)
def _plan(
    footprints: tuple[Footprint, ...], epsg: int, header: Header, part: tuple[int, int] | None
) -> tuple[tuple[Window, ...], list[Read]]:
    """Windows and reads; the bands of a product share them, so the last ones are kept."""
    windows = tuple(chip_window(chip, epsg, header.transform) for chip in footprints)
    return windows, plan_reads(windows, header.shape, header.tile, part)


def _pieces(source: Any, file: RasterFile, reads: Sequence[Read]) -> list[Piece]:
    """Read and cut; copies where the block holds much between the chips, which then can go at once."""
    from rasterio.windows import Window as RasterWindow

    pieces = []
    for read in reads:
        block = source.read(file.index, window=RasterWindow(read.col, read.row, read.width, read.height))
        shift_stored(block, file.shift, file.nodata)
        sparse = 2 * sum(p.height * p.width for p in read.pieces) < block.size
        for chip, row, col, target_row, target_col, height, width in read.pieces:
            cut = block[row : row + height, col : col + width]
            pieces.append(Piece(chip, target_row, target_col, cut.copy() if sparse else cut))
    return pieces


@lru_cache(maxsize=64)
def _crs(wkt: str) -> str:
    """A file's CRS in words; UTM zones by their parameters, for HLS files have no EPSG code."""
    from pyproj import CRS

    known = CRS.from_wkt(wkt)
    values = {p.name: p.value for p in known.coordinate_operation.params} if known.coordinate_operation else {}
    meridian: Any = values.get("Longitude of natural origin")
    north: Any = values.get("False northing")
    if meridian is not None and north in (0, FALSE_NORTHING_M) and not (meridian + 183) % 6:
        return f"UTM zone {round((meridian + 183) / 6)}{'S' if north else 'N'}"
    return f"EPSG:{known.to_epsg()}" if known.to_epsg() else str(known.name)


def _crs_of(epsg: int) -> str:
    return f"UTM zone {epsg % 100}{'S' if epsg // 100 == 327 else 'N'}" if epsg // 100 in (326, 327) else f"EPSG:{epsg}"


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _place(file: RasterFile, header: Header) -> str:
    pixel, _, left, _, _, top = header.transform
    right, bottom = left + pixel * header.shape[1], top - pixel * header.shape[0]
    return f"EPSG:{file.epsg}, x {left:.0f} to {right:.0f}, y {bottom:.0f} to {top:.0f} m"
