"""The bands of all chips of a site, from their files into the shards of the store, in bounded memory.

Every file is cut into parts of whole tile rows, so that each internal tile is decoded once; a shard is written as soon
as the parts that reach into it have been read. The parts go from pair to pair and from north to south, in batches, and
a batch does not start before the shards that the batch before the last one completed are written: what is in memory
depends on the size of a batch, not on the number of chips.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from anyband.catalog.acquisition import Acquisition, UnusableItemError
from anyband.chips.arrays import SHARD_CHIPS, checksum, has_shard, write_shard
from anyband.chips.encoding import ENCODINGS, Array
from anyband.chips.grid import Footprint, chip_window
from anyband.chips.judge import Pair
from anyband.chips.read import Piece, Pixels, RasterFile, read_file, read_header
from anyband.chips.unfinished import Journal
from anyband.chips.workers import Graph, attempt, new_name

PART_BYTES = 4 << 20
"""Pixels of chips that one task reads, at most, or those of one tile row."""

BATCH_BYTES = 32 << 20
"""Pixels of chips that are read before earlier ones have been written."""


@dataclass(frozen=True)
class Chip:
    """A chip that is kept: its pair and its ground; its position in the arrays is that in the list."""

    pair: Pair
    footprint: Footprint


@dataclass(frozen=True)
class Group:
    """Bands of one product on one grid; `name` is that of their group in the store, a chip has `size` pixels a side."""

    product: str
    pixel_m: int
    bands: tuple[str, ...]
    name: str
    size: int


@dataclass(frozen=True)
class Part:
    """What one task reads: the chips from `start` on of one file, in the rows `rows` of the raster, all for None."""

    group: Group
    band: int
    file: RasterFile
    start: int
    footprints: tuple[Footprint, ...]
    rows: tuple[int, int] | None
    top: float

    @property
    def nbytes(self) -> int:
        """Bytes of the chips' pixels, those of the whole chips if the part has only some of their rows."""
        return len(self.footprints) * self.group.size**2 * np.dtype(self.file.dtype).itemsize


@dataclass(frozen=True)
class ShardReport:
    """A shard that was written: window of every chip (row, col, dx, dy), CRC-32, and files that cannot be used.

    `lost` holds position of a chip of the pair that is to be dropped, and the reason; `crc` is the CRC-32C of the file.
    """

    group: Group
    start: int
    windows: Array
    checksum: Array
    lost: tuple[tuple[int, str], ...]
    crc: int


def band_groups(pair: Pair) -> dict[tuple[str, int], tuple[str, ...]]:
    """Band names by product and pixel size, finest first."""
    groups = {}
    for product, acquisition in pair.optical.items():
        for pixel_m in sorted({round(asset.pixel_m) for asset in acquisition.bands.values()}):
            bands = (name for name, asset in acquisition.bands.items() if round(asset.pixel_m) == pixel_m)
            groups[product, pixel_m] = tuple(bands)
    return groups


def band_file(acquisition: Acquisition, band: str) -> RasterFile:
    """The file of a band, to be read into the store's encoding.

    Raises:
        UnusableItemError: its pixels cannot be brought to that encoding by a shift.
    """
    asset, encoding = acquisition.bands[band], ENCODINGS[acquisition.product]
    delivered = (asset.scale, asset.offset - asset.store_shift * asset.scale, asset.nodata)
    if not np.allclose(delivered, (encoding.scale, encoding.offset, encoding.nodata), rtol=1e-9, atol=1e-12):
        raise UnusableItemError(
            f"item {acquisition.item_id}: asset {asset.asset}: "
            f"scale, offset and nodata {delivered} are not those of the store"
        )
    return RasterFile(
        item=acquisition.item_id,
        asset=asset.asset,
        href=asset.href,
        epsg=acquisition.epsg,
        dtype=encoding.dtype,
        pixel_m=asset.pixel_m,
        nodata=asset.nodata,
        transform=asset.transform,
        shape=asset.shape,
        shift=asset.store_shift,
    )


def plan_parts(chips: Sequence[Chip], groups: Sequence[Group]) -> tuple[list[Part], dict[int, str]]:
    """All parts, in the order in which they are to be read; opens the files that are read in several parts.

    Args:
        chips: those of a pair are neighbours, from north to south.
        groups: where they go.

    Returns:
        The parts, and by number the pairs with a file that cannot be used, with the reason.

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
    return parts, lost


def _runs_by_pair(chips: Sequence[Chip]) -> Iterator[tuple[int, int]]:
    numbers = [chip.pair.number for chip in chips]
    starts = [i for i, number in enumerate(numbers) if i == 0 or number != numbers[i - 1]]
    yield from zip(starts, [*starts[1:], len(numbers)], strict=True)


def _parts(pair: Pair, group: Group, start: int, footprints: tuple[Footprint, ...]) -> Iterator[Part]:
    """Parts of one group of one pair: the files share a grid, so they are cut at the same rows."""
    acquisition = pair.optical[group.product]
    files = [band_file(acquisition, band) for band in group.bands]
    whole = [Part(group, band, file, start, footprints, None, footprints[0].y0) for band, file in enumerate(files)]
    if whole[0].nbytes <= PART_BYTES:
        yield from whole
        return
    header = read_header(files[0])
    windows = [chip_window(footprint, acquisition.epsg, header.transform) for footprint in footprints]
    tops = np.array([window.row for window in windows])
    row_bytes = group.size * np.dtype(files[0].dtype).itemsize
    for rows in _cut_rows(tops, group.size, header.tile[0], PART_BYTES // row_bytes):
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


def read_bands(parts: Sequence[Part], store: Path, count: int, journal: Journal) -> tuple[Graph, list[str]]:
    """A dask graph that reads parts and writes shards, and the keys of the `ShardReport` of every shard, in order.

    Shards that the journal holds are left alone. The graph is made by hand: dask's delayed functions would each carry a
    copy of everything before them.

    Args:
        parts: in the order of reading.
        store: the store, with the arrays of all groups.
        count: number of chips.
        journal: where the reports go.
    """
    run = new_name()
    graph: Graph = {}
    keys: list[str] = []
    wanted: dict[str, list[int]] = {}  # parts by the key of the shard that is to be written
    for (group, start), members in _members(parts).items():
        keys.append(f"{run}-shard-{group.name}-{start}")
        if report := _earlier(store, group, start, journal):
            graph[keys[-1]] = (partial(_same, report),)
        else:
            write = partial(_write, store, start, count, journal, [parts[index] for index in members])
            graph[keys[-1]] = (write, [f"{run}-read-{index}" for index in members])
            wanted[keys[-1]] = members
    _add_reads(graph, run, parts, wanted)
    return graph, keys


def _members(parts: Sequence[Part]) -> dict[tuple[Group, int], list[int]]:
    """Positions of the parts of every shard, by group and first chip."""
    members: dict[tuple[Group, int], list[int]] = defaultdict(list)
    for index, part in enumerate(parts):
        first, last = part.start, part.start + len(part.footprints) - 1
        for shard in range(first // SHARD_CHIPS, last // SHARD_CHIPS + 1):
            members[part.group, shard * SHARD_CHIPS].append(index)
    return members


def _earlier(store: Path, group: Group, start: int, journal: Journal) -> ShardReport | None:
    """The report of a shard that an earlier attempt wrote."""
    import zarr

    report: ShardReport | None = journal.get(_shard_name(group, start))
    array = zarr.open_array(store / group.name / "values", mode="r") if report else None
    return report if report and has_shard(array, start, report.crc) else None


def _add_reads(graph: Graph, run: str, parts: Sequence[Part], wanted: Mapping[str, Sequence[int]]) -> None:
    """Add the reads of all parts that the shards `wanted` need, and what holds them back."""
    needed = sorted({index for members in wanted.values() for index in members})
    batches = dict(zip(needed, _batches([parts[index] for index in needed]), strict=True))
    for index, batch in batches.items():
        gate = [f"{run}-gate-{batch}"] if batch > 1 else []
        graph[f"{run}-read-{index}"] = (partial(attempt, _read, parts[index]), *gate)
    completed: dict[int, list[str]] = defaultdict(list)  # shards by the batch with the last of their parts
    for key, members in wanted.items():
        completed[batches[members[-1]]].append(key)
    for batch in range(2, max(batches.values(), default=0) + 1):
        before = [f"{run}-gate-{batch - 1}"] if batch > 2 else []
        graph[f"{run}-gate-{batch}"] = (_nothing, *before, completed[batch - 2])


def _same(report: ShardReport) -> ShardReport:
    return report


def _shard_name(group: Group, start: int) -> str:
    """What the journal calls a shard."""
    return f"shard {group.name} {start}"


def _batches(parts: Sequence[Part]) -> list[int]:
    """Number of the batch of every part, not decreasing."""
    totals = np.cumsum([0, *(part.nbytes for part in parts)])
    return [int(total // BATCH_BYTES) for total in totals[:-1]]


def _nothing(*_: Any) -> None:
    """Done when its arguments are."""


def _read(part: Part, *_: None) -> Pixels:
    return read_file(part.file, part.footprints, part=part.rows)


def _write(
    store: Path,
    start: int,
    count: int,
    journal: Journal,
    parts: Sequence[Part],
    reads: Sequence[Pixels | UnusableItemError],
) -> ShardReport:
    """Put the pieces of all parts together chip by chip, write the shard and say what it holds, in the journal too."""
    import zarr

    group, length = parts[0].group, min(SHARD_CHIPS, count - start)
    windows = np.full((length, 4), np.nan)
    pieces: list[list[tuple[int, Piece]]] = [[] for _ in range(length)]  # of every chip, with their bands
    lost = []
    for part, pixels in zip(parts, reads, strict=True):
        shift = part.start - start  # from the part's chips to the shard's
        if isinstance(pixels, UnusableItemError):
            lost.append((part.start, str(pixels)))
            continue
        mine = pixels.windows[max(-shift, 0) : length - shift]
        found = np.array([(w.row, w.col, w.dx, w.dy) for w in mine], float).reshape(-1, 4)
        known = windows[max(shift, 0) : max(shift, 0) + len(found)]
        if (~np.isnan(known) & (known != found)).any():
            lost.append((part.start, str(part.file.unusable("lies on another grid than the bands before it"))))
        known[:] = found
        for piece in pixels.pieces:
            if 0 <= piece.chip + shift < length:
                pieces[piece.chip + shift].append((part.band, piece))
    crcs: list[int] = []
    array = zarr.open_array(store / group.name / "values", mode="r+")
    crc = write_shard(array, start, _chips(group, pieces, crcs))
    report = ShardReport(group, start, windows, np.array(crcs, np.uint32), tuple(lost), crc)
    journal.put(_shard_name(group, start), report)
    return report


def _chips(group: Group, pieces: Sequence[Sequence[tuple[int, Piece]]], crcs: list[int]) -> Iterator[Array]:
    """Chips (band, y, x), one after the other in the same memory, which stays in the processor's cache."""
    encoding = ENCODINGS[group.product]
    chip = np.empty((len(group.bands), group.size, group.size), encoding.dtype)
    for mine in pieces:
        if sum(piece.values.size for _, piece in mine) < chip.size:  # it reaches beyond its files
            chip.fill(encoding.nodata)
        for band, p in mine:
            chip[band, p.row : p.row + p.values.shape[0], p.col : p.col + p.values.shape[1]] = p.values
        crcs.append(checksum(chip))
        yield chip
