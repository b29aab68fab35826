"""Reading native pixels of many chips from one file: opened once, every internal tile that is wanted decoded once.

A file is compared with what its item announces before any pixel is taken from it. What is wrong with one file is an
`UnusableItemError`, which costs its pair; what would be wrong with the next file too ends the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from anyband.chips.plan import Read, plan_reads
from anyband.ground import Array, Footprint, Window, chip_window, overlaps
from anyband.products import shift_stored
from anyband.raster.access import gdal_env, read_raster
from anyband.raster.asset import RasterAsset
from anyband.raster.header import Header, check_header
from anyband.runtime import UserError

CACHE_MB = 64
"""GDAL block cache. Every tile is decoded once, so a larger cache holds only what is never asked for again."""


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


def read_file(
    file: RasterAsset,
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
    files: Sequence[RasterAsset],
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
            windows, reads = _plan(tuple(footprints), _epsg(file, header), header, part)
        except UserError as error:
            raise file.unusable(str(error)) from None
        for chip, window, inside in zip(footprints, windows, promised or [True] * len(windows), strict=True):
            if inside and not overlaps(window, header.shape):
                name = f"chip r{chip.row}c{chip.col}"
                raise file.unusable(f"{name} is inside by the item, outside by the file ({_place(file, header)})")
        return [Pixels(windows, tuple(_pieces(source, band, reads))) for band in files]

    with rasterio.Env(**gdal_env(), GDAL_CACHEMAX=CACHE_MB):
        return read_raster(file.href, act, file.name)


def assemble(pixels: Pixels, file: RasterAsset, size: int) -> Array:
    """The chips (chip, y, x) of a file read as a whole, nodata where the file has no pixels."""
    values = np.full((len(pixels.windows), size, size), file.nodata, file.dtype)
    for p in pixels.pieces:
        values[p.chip, p.row : p.row + p.values.shape[0], p.col : p.col + p.values.shape[1]] = p.values
    return values


@lru_cache(maxsize=16)
def _plan(
    footprints: tuple[Footprint, ...], epsg: int, header: Header, part: tuple[int, int] | None
) -> tuple[tuple[Window, ...], list[Read]]:
    """Windows and reads; the bands of a product share them, so the last ones are kept."""
    windows = tuple(chip_window(chip, epsg, header.transform) for chip in footprints)
    return windows, plan_reads(windows, header.shape, header.tile, part)


def _pieces(source: Any, file: RasterAsset, reads: Sequence[Read]) -> list[Piece]:
    """Read and cut; copies where the block holds much between the chips, which then can go at once."""
    from rasterio.windows import Window as RasterWindow

    pieces = []
    for read in reads:
        block = source.read(file.index, window=RasterWindow(read.col, read.row, read.width, read.height))
        shift_stored(block, file.store_shift, file.nodata)
        sparse = 2 * sum(p.height * p.width for p in read.pieces) < block.size
        for chip, row, col, target_row, target_col, height, width in read.pieces:
            cut = block[row : row + height, col : col + width]
            pieces.append(Piece(chip, target_row, target_col, cut.copy() if sparse else cut))
    return pieces


def _epsg(file: RasterAsset, header: Header) -> int:
    """CRS of a file.

    Raises:
        UnusableItemError: neither the item nor the file has a code for it.
    """
    epsg = header.epsg if file.epsg is None else file.epsg
    if epsg is None:
        raise file.unusable("its CRS has no EPSG code, and the item names none")
    return epsg


def _place(file: RasterAsset, header: Header) -> str:
    pixel, _, left, _, _, top = header.transform
    right, bottom = left + pixel * header.shape[1], top - pixel * header.shape[0]
    return f"EPSG:{file.epsg}, x {left:.0f} to {right:.0f}, y {bottom:.0f} to {top:.0f} m"
