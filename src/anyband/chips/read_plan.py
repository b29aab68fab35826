"""Which parts of which files are read for the bands of a site: parts of whole tile rows, each tile in one of them.

A file is cut so that each internal tile is decoded once and no part holds much; the parts go from pair to pair and
from north to south, so that shards of the store become complete one after the other.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.pairs.scene_pair import ScenePair
from anyband.chips.shards import SHARD_CHIPS
from anyband.ground import Array, Footprint, chip_window
from anyband.products import PRODUCTS
from anyband.raster.asset import BandAsset, UnusableItemError
from anyband.raster.header import read_header

PART_BYTES = 4 << 20
"""Pixels of chips that one task reads, at most, or those of one tile row."""


@dataclass(frozen=True)
class Chip:
    """A chip that is kept: its pair and its ground; its position in the arrays is that in the list."""

    pair: ScenePair
    footprint: Footprint


@dataclass(frozen=True)
class Group:
    """Bands of one product on one grid; `name` is that of their group in the store, a chip has `size` pixels a side."""

    product: str
    pixel_m: int
    bands: tuple[str, ...]
    name: str
    size: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of a chip's pixels in one band."""
        return self.size * np.dtype(PRODUCTS[self.product].encoding.dtype).itemsize


@dataclass(frozen=True)
class Part:
    """What one task reads: the chips from `start` on of one file, in the rows `rows` of the raster, all for None."""

    group: Group
    band: int
    file: BandAsset
    start: int
    footprints: tuple[Footprint, ...]
    rows: tuple[int, int] | None
    top: float

    @property
    def nbytes(self) -> int:
        """Bytes of the chips' pixels, those of the whole chips if the part has only some of their rows."""
        return len(self.footprints) * self.group.size * self.group.row_bytes


def band_groups(pair: ScenePair) -> dict[tuple[str, int], tuple[str, ...]]:
    """Band names by product and pixel size, finest first."""
    groups = {}
    for product, acquisition in pair.optical.items():
        for pixel_m in sorted({round(asset.pixel_m) for asset in acquisition.bands.values()}):
            bands = (name for name, asset in acquisition.bands.items() if round(asset.pixel_m) == pixel_m)
            groups[product, pixel_m] = tuple(bands)
    return groups


def storable_band(acquisition: Acquisition, band: str) -> BandAsset:
    """A band that can be read into the store's encoding.

    Raises:
        UnusableItemError: its pixels cannot be brought to that encoding by a shift.
    """
    asset, encoding = acquisition.bands[band], PRODUCTS[acquisition.product].encoding
    delivered = (asset.scale, asset.offset - asset.store_shift * asset.scale, asset.nodata or 0)
    if not np.allclose(delivered, (encoding.scale, encoding.offset, encoding.nodata), rtol=1e-9, atol=1e-12):
        raise asset.unusable(f"scale, offset and nodata {delivered} are not those of the store")
    return asset


@dataclass(frozen=True)
class ReadPlan:
    """What is read, in this order: each entry of `reads` are the bands of one file in the same rows.

    `lost` has the pairs with a file that cannot be used, by number, with the reason.
    """

    reads: tuple[tuple[Part, ...], ...]
    lost: dict[int, str]

    def shards(self) -> dict[tuple[Group, int], list[int]]:
        """Positions of the reads that reach into each shard, which is named by its group and first chip."""
        members: dict[tuple[Group, int], list[int]] = defaultdict(list)
        for index, (part, *_) in enumerate(self.reads):
            first, last = part.start, part.start + len(part.footprints) - 1
            for shard in range(first // SHARD_CHIPS, last // SHARD_CHIPS + 1):
                members[part.group, shard * SHARD_CHIPS].append(index)
        return members

    def batches(self, most: int) -> list[list[int]]:
        """Positions of the reads in batches of about `most` bytes of chips' pixels."""
        totals = np.cumsum([0, *(sum(part.nbytes for part in read) for read in self.reads)])
        numbers = [int(total // most) for total in totals[:-1]]
        return [list(batch) for _, batch in groupby(range(len(numbers)), key=numbers.__getitem__)]


def plan_bands(chips: Sequence[Chip], groups: Sequence[Group]) -> ReadPlan:
    """All reads of the bands of a site; opens the files that are read in several parts.

    Args:
        chips: those of a pair are neighbours, from north to south.
        groups: where they go.

    Raises:
        UserError: access is refused, or the provider stays out of reach.
    """
    parts: list[Part] = []
    lost: dict[int, str] = {}
    for start, stop in _runs_by_pair(chips):
        pair, footprints = chips[start].pair, tuple(chip.footprint for chip in chips[start:stop])
        try:
            mine = [part for group in groups for part in _parts(pair, group, start, footprints)]
        except UnusableItemError as error:
            lost[pair.number] = str(error)
        else:
            parts += sorted(mine, key=lambda part: -part.top)
    files = groupby(parts, key=lambda part: (part.group, part.start, part.rows, part.file.href))
    return ReadPlan(tuple(tuple(bands) for _, bands in files), lost)


def _runs_by_pair(chips: Sequence[Chip]) -> Iterator[tuple[int, int]]:
    numbers = [chip.pair.number for chip in chips]
    starts = [i for i, number in enumerate(numbers) if i == 0 or number != numbers[i - 1]]
    yield from zip(starts, [*starts[1:], len(numbers)], strict=True)


def _parts(pair: ScenePair, group: Group, start: int, footprints: tuple[Footprint, ...]) -> Iterator[Part]:
    """Parts of one group of one pair: the files share a grid, so they are cut at the same rows."""
    acquisition = pair.optical[group.product]
    files = [storable_band(acquisition, band) for band in group.bands]
    whole = [Part(group, band, file, start, footprints, None, footprints[0].y0) for band, file in enumerate(files)]
    if whole[0].nbytes <= PART_BYTES:
        yield from whole
        return
    header = read_header(files[0])
    windows = [chip_window(footprint, acquisition.epsg, header.transform) for footprint in footprints]
    tops = np.array([window.row for window in windows])
    for rows in _cut_rows(tops, group.size, header.tile[0], PART_BYTES // group.row_bytes):
        inside = np.flatnonzero((tops < rows[1]) & (tops + group.size > rows[0]))
        first, last = int(inside[0]), int(inside[-1]) + 1
        top = footprints[0].y0 - (rows[0] - int(tops[0])) * group.pixel_m
        for band, file in enumerate(files):
            yield Part(group, band, file, start + first, footprints[first:last], rows, top)


def _cut_rows(tops: Array, size: int, tile: int, most: int) -> Iterator[tuple[int, int]]:
    """Ranges of whole tile rows that hold at most `most` rows of chips, or one tile row.

    Args:
        tops: (chip,) first raster row of every chip.
        size: rows of a chip.
        tile: rows of a tile.
        most: rows of chips, counted once for every chip.
    """
    first, end = int(tops.min()) // tile, -(-(int(tops.max()) + size) // tile)
    edges = np.arange(first, end + 1) * tile
    overlap = [np.minimum(tops + size, low + tile) - np.maximum(tops, low) for low in edges[:-1]]
    held = [int(np.clip(rows, 0, None).sum()) for rows in overlap]
    begin, total = 0, 0
    for index, rows in enumerate(held):
        if total and total + rows > most:
            yield int(edges[begin]), int(edges[index])
            begin, total = index, 0
        total += rows
    if total:
        yield int(edges[begin]), int(edges[-1])
