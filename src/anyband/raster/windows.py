"""Reading native pixels: of many chips from one file, opened once, each wanted tile decoded once; or row by row.

Chips of a site touch the same tiles many times. The chip windows are grouped by row of tiles; in each row,
neighbouring tiles are merged into one read, cut to the pixels that are wanted, and its pixels are scattered into the
chips. A file is compared with what its item announces before any pixel is taken from it. What is wrong with one file
is an `UnusableItemError`, which costs its pair; what would be wrong with the next file too ends the run.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from anyband.ground import Affine6, Array, Footprint, Window, chip_window, overlaps
from anyband.products import shift_stored
from anyband.raster.access import read_raster
from anyband.raster.asset import RasterAsset
from anyband.raster.header import Header, check_header, own_mask
from anyband.runtime import UserError


class Cut(NamedTuple):
    """The part of a chip's window inside one row of tiles: rows `top` to `bottom`, columns `left` to `right`."""

    chip: int
    top: int
    bottom: int
    left: int
    right: int


class Read(NamedTuple):
    """One rectangle of a raster, within one row of tiles, and the cuts that it is for."""

    row: int
    col: int
    height: int
    width: int
    cuts: tuple[Cut, ...]


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


def read_windows(
    files: Sequence[RasterAsset],
    footprints: Sequence[Footprint],
    promised: Sequence[bool] | None = None,
    rows: tuple[int, int] | None = None,
) -> list[Pixels]:
    """Read the chips of several bands of one file, which is opened once.

    Args:
        files: bands of one file.
        footprints: chips.
        promised: per chip, whether its item says that the file has data there; all for None.
        rows: first and end of the rows that are wanted of the raster, all for None.

    Raises:
        UnusableItemError: the file is missing, stays damaged, or is not what its item announces.
        UserError: access is refused, or the provider stays out of reach.
    """
    file = files[0]

    def act(source: Any) -> list[Pixels]:
        header = check_header(source, file)
        epsg = header.epsg if file.epsg is None else file.epsg
        if epsg is None:
            raise file.unusable("its CRS has no EPSG code, and the item names none")
        try:
            windows, reads = _plan(tuple(footprints), epsg, header.transform, header.shape, header.tile, rows)
        except UserError as error:
            raise file.unusable(str(error)) from None
        for chip, window, inside in zip(footprints, windows, promised or [True] * len(windows), strict=True):
            if inside and not overlaps(window, header.shape):
                name, place = f"chip r{chip.row}c{chip.col}", f"EPSG:{epsg}, {_place(header)}"
                raise file.unusable(f"{name} is inside by the item, outside by the file ({place})")
        used = {band.index for band in files}
        return [Pixels(windows, tuple(_pieces(source, band, reads, windows, used))) for band in files]

    return read_raster(file.href, act, file.name)


def assemble(pixels: Pixels, file: RasterAsset, size: int) -> Array:
    """The chips (chip, y, x) of a file read as a whole, nodata where the file has no pixels."""
    values = np.full((len(pixels.windows), size, size), file.nodata, file.dtype)
    for p in pixels.pieces:
        values[p.chip, p.row : p.row + p.values.shape[0], p.col : p.col + p.values.shape[1]] = p.values
    return values


@lru_cache(maxsize=16)
def _plan(
    footprints: tuple[Footprint, ...],
    epsg: int,
    transform: Affine6,
    shape: tuple[int, int],
    tile: tuple[int, int],
    rows: tuple[int, int] | None,
) -> tuple[tuple[Window, ...], list[Read]]:
    """Windows and reads; the bands of a product share them, so the last ones are kept."""
    windows = tuple(chip_window(chip, epsg, transform) for chip in footprints)
    return windows, plan_reads(windows, shape, tile, rows)


def plan_reads(
    windows: Sequence[Window], shape: tuple[int, int], tile: tuple[int, int], rows: tuple[int, int] | None = None
) -> list[Read]:
    """Reads that cover the windows of all chips, each tile in exactly one read.

    Parts of a window outside the raster are not read: the chip keeps its nodata there.

    Args:
        windows: one per chip.
        shape: rows and columns of the raster.
        tile: rows and columns of its internal tiles (or strips).
        rows: first and end of the rows that are wanted of the raster, all for None.
    """
    first, end = rows or (0, shape[0])
    wanted: dict[int, list[Cut]] = defaultdict(list)  # by row of tiles
    for chip, window in enumerate(windows):
        top, bottom = max(window.row, first, 0), min(window.row + window.size, end, shape[0])
        left, right = max(window.col, 0), min(window.col + window.size, shape[1])
        if top < bottom and left < right:
            for row in range(top // tile[0], -(-bottom // tile[0])):
                wanted[row].append(Cut(chip, max(row * tile[0], top), min((row + 1) * tile[0], bottom), left, right))
    return [
        _read(group)
        for row in sorted(wanted)
        for group in _runs(sorted(wanted[row], key=lambda cut: cut.left), tile[1])
    ]


def _runs(cuts: Sequence[Cut], tile_width: int) -> list[list[Cut]]:
    """Split cuts, sorted by their left edge, where at least one whole tile between them is not wanted."""
    runs: list[list[Cut]] = []
    last_tile = -2
    for cut in cuts:
        if cut.left // tile_width > last_tile + 1:
            runs.append([])
        runs[-1].append(cut)
        last_tile = max(last_tile, (cut.right - 1) // tile_width)
    return runs


def _read(cuts: Sequence[Cut]) -> Read:
    top, bottom = min(cut.top for cut in cuts), max(cut.bottom for cut in cuts)
    left, right = min(cut.left for cut in cuts), max(cut.right for cut in cuts)
    return Read(top, left, bottom - top, right - left, tuple(cuts))


def _pieces(
    source: Any, file: RasterAsset, reads: Sequence[Read], windows: Sequence[Window], used: Collection[int]
) -> list[Piece]:
    """Read and cut; copies where the block holds much between the chips, which then can go at once.

    What the file itself calls invalid becomes the nodata value of its item; `used` are the numbers of all bands read.
    """
    from rasterio.windows import Window as RasterWindow

    pieces = []
    invalid = own_mask(source, file.index, file.nodata, used)
    for read in reads:
        area = RasterWindow(read.col, read.row, read.width, read.height)
        block = source.read(file.index, window=area)
        if invalid is not None and file.nodata is not None:
            block[invalid(block, area)] = file.nodata
        shift_stored(block, file.store_shift, file.nodata)
        sparse = 2 * sum((c.bottom - c.top) * (c.right - c.left) for c in read.cuts) < block.size
        for chip, top, bottom, left, right in read.cuts:
            cut = block[top - read.row : bottom - read.row, left - read.col : right - read.col]
            window = windows[chip]
            pieces.append(Piece(chip, top - window.row, left - window.col, cut.copy() if sparse else cut))
    return pieces


def _place(header: Header) -> str:
    pixel, _, left, _, _, top = header.transform
    right, bottom = left + pixel * header.shape[1], top - pixel * header.shape[0]
    return f"x {left:.0f} to {right:.0f}, y {bottom:.0f} to {top:.0f} m"


MaskedRows = np.ma.MaskedArray[Any, Any]


class RowFile:
    """Rows of some bands of a file, asked for downwards; every internal tile is decoded once.

    The file is opened for each row of its tiles and closed again, so signatures are fresh however long it takes.
    """

    def __init__(self, asset: RasterAsset, header: Header, bands: Sequence[RasterAsset] = ()) -> None:
        """Nothing is read yet; `bands` are those of the file that are wanted, `asset` alone if not given."""
        self.asset, self.header, self.bands = asset, header, bands or [asset]
        self.indexes = [band.index for band in self.bands]
        self.crop(0, header.shape[1])

    def crop(self, left: int, right: int) -> None:
        """Read only the columns `left` to `right` from now on."""
        self.left, self.width = left, right - left
        dtype = np.dtype(self.header.dtypes[self.indexes[0] - 1])
        self.first, self.held = 0, np.ma.zeros((len(self.indexes), 0, self.width), dtype)

    def rows(self, start: int, stop: int) -> MaskedRows:
        """Rows `start` to `stop` of the file (bands, rows, width), masked where the file itself calls them invalid.

        Those above `start` cannot be asked for again.
        """
        block = self.header.tile[0]
        if start >= self.first + self.held.shape[1]:
            self.first, self.held = start // block * block, self.held[:, :0]
        else:
            self.first, self.held = start, self.held[:, start - self.first :]
        end = self.first + self.held.shape[1]
        if stop > end:
            fresh = self._read(end, min(math.ceil(stop / block) * block, self.header.shape[0]))
            joined: Any = np.ma.concatenate  # numpy gives it no types
            self.held = joined([self.held, fresh], axis=1) if end > self.first else fresh
        found: MaskedRows = self.held[:, start - self.first : stop - self.first]
        return found

    def _read(self, start: int, stop: int) -> MaskedRows:
        from rasterio.windows import Window

        window = Window(self.left, start, self.width, stop - start)

        def act(source: Any) -> MaskedRows:
            pixels: MaskedRows = np.ma.masked_array(source.read(self.indexes, window=window))
            for number, band in enumerate(self.bands):
                invalid = own_mask(source, band.index, band.nodata, self.indexes)
                if invalid is not None:
                    pixels[number, invalid(pixels.data[number], window)] = np.ma.masked
            return pixels

        return read_raster(self.asset.href, act, self.asset.name)
