"""Which parts of a file to read, so that every internal tile is decoded once.

Chips of a site touch the same tiles many times. The chip windows are grouped by row of tiles; in each row,
neighbouring tiles are merged into one read, cut to the pixels that are wanted, and its pixels are scattered into the
chips.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from anyband.ground import Window


class Piece(NamedTuple):
    """Pixels of one read that go to one chip: `height` x `width` from (row, col) of the read to those of the chip."""

    chip: int
    source_row: int
    source_col: int
    target_row: int
    target_col: int
    height: int
    width: int


@dataclass(frozen=True)
class Read:
    """One rectangle of a raster, within one row of tiles, and where its pixels go."""

    row: int
    col: int
    height: int
    width: int
    pieces: tuple[Piece, ...]


class _Part(NamedTuple):
    """The part of a chip window that lies inside the raster and inside one row of tiles."""

    chip: int
    top: int
    bottom: int
    left: int
    right: int


def plan_reads(
    windows: Sequence[Window], shape: tuple[int, int], tile: tuple[int, int], part: tuple[int, int] | None = None
) -> list[Read]:
    """Reads that cover the windows of all chips, each tile in exactly one read.

    Parts of a window outside the raster are not read: the chip keeps its nodata there.

    Args:
        windows: one per chip.
        shape: rows and columns of the raster.
        tile: rows and columns of its internal tiles (or strips).
        part: first row and end of the rows that are wanted of the raster, all for None.
    """
    first, end = part or (0, shape[0])
    wanted: dict[int, list[_Part]] = defaultdict(list)  # by row of tiles
    for chip, window in enumerate(windows):
        top, bottom = max(window.row, first, 0), min(window.row + window.size, end, shape[0])
        for tile_row in range(top // tile[0], -(-bottom // tile[0])):
            rows = max(tile_row * tile[0], top), min((tile_row + 1) * tile[0], bottom)
            if clipped := _clip(chip, window, rows, shape[1]):
                wanted[tile_row].append(clipped)
    reads = []
    for tile_row in sorted(wanted):
        for group in _runs(sorted(wanted[tile_row], key=lambda p: p.left), tile[1]):
            reads.append(_read(group, windows))
    return reads


def _clip(chip: int, window: Window, rows: tuple[int, int], width: int) -> _Part | None:
    left, right = max(window.col, 0), min(window.col + window.size, width)
    return _Part(chip, *rows, left, right) if rows[0] < rows[1] and left < right else None


def _runs(parts: Sequence[_Part], tile_width: int) -> list[list[_Part]]:
    """Split parts, sorted by their left edge, where at least one whole tile between them is not wanted."""
    runs: list[list[_Part]] = []
    last_tile = -2
    for part in parts:
        if part.left // tile_width > last_tile + 1:
            runs.append([])
        runs[-1].append(part)
        last_tile = max(last_tile, (part.right - 1) // tile_width)
    return runs


def _read(parts: Sequence[_Part], windows: Sequence[Window]) -> Read:
    top, bottom = min(p.top for p in parts), max(p.bottom for p in parts)
    left, right = min(p.left for p in parts), max(p.right for p in parts)
    pieces = tuple(
        Piece(
            chip=p.chip,
            source_row=p.top - top,
            source_col=p.left - left,
            target_row=p.top - windows[p.chip].row,
            target_col=p.left - windows[p.chip].col,
            height=p.bottom - p.top,
            width=p.right - p.left,
        )
        for p in parts
    )
    return Read(top, left, bottom - top, right - left, pieces)
