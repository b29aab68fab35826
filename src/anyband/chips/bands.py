"""The bands of all chips of a site, from parts of their files into the shards of the store, in bounded memory.

A shard is written as soon as the parts that reach into it have been read. The parts go in batches, and a batch does not
start before the shards that an earlier one completed are written: what is in memory depends on the size of a batch, not
on the number of chips.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.arrays import SHARD_CHIPS, checksum
from anyband.chips.parts import Group, Part
from anyband.chips.shards import Shards
from anyband.chips.unfinished import Journal
from anyband.chips.workers import Graph, Task, attempt, new_name
from anyband.ground import Array
from anyband.products import PRODUCTS
from anyband.raster.asset import UnusableItemError
from anyband.raster.windows import Piece, Pixels, read_bands_of

BATCH_BYTES = 16 << 20
"""Pixels of chips of a batch."""

AHEAD = 6
"""Batches that may be begun before the shards that the first of them completes are written; several small ones keep
threads busier than two large ones, which wait for each other at every border."""


@dataclass(frozen=True)
class ShardReport:
    """A shard that was written: window of every chip (row, col, dx, dy), CRC-32C, and files that cannot be used.

    `lost` holds position of a chip of the pair that is to be dropped, and the reason; `crc` is the CRC-32C of the file.
    """

    group: Group
    start: int
    windows: Array
    checksum: Array
    lost: tuple[tuple[int, str], ...]
    crc: int


Read = tuple[Part, ...]
"""What one task reads, one after the other: parts of the same chips."""


def read_bands(
    parts: Sequence[Part], store: Path, count: int, journal: Journal, queues: bool = False
) -> tuple[Graph, list[str]]:
    """A dask graph that reads parts and writes shards, and the keys of the `ShardReport` of every shard, in order.

    Shards that the journal holds are left alone. The graph is made by hand: dask's delayed functions would each carry a
    copy of everything before them.

    Args:
        parts: in the order of reading.
        store: the store, with the arrays of all groups.
        count: number of chips.
        journal: where the reports go.
        queues: for workers that hold back reads themselves (they would run all that is behind a gate where the gate
            was), and to which a task is to bring all bands that are written together: less is moved between them.
    """
    import zarr

    run = new_name()
    shards = {
        group: Shards.of(zarr.open_array(store / group.name / "values", mode="r"))
        for group in dict.fromkeys(part.group for part in parts)
    }
    graph: Graph = {}
    keys: list[str] = []
    reads = _together(parts, queues)
    wanted: dict[str, list[int]] = {}  # reads by the key of the shard that is to be written
    for (group, start), members in _members(reads).items():
        keys.append(f"shard-{run}-{group.name}-{start}")
        if report := _earlier(shards[group], group, start, journal):
            graph[keys[-1]] = (Task(_same, report),)
        else:
            light = [replace(part, footprints=()) for index in members for part in reads[index]]
            write = Task(_write, shards[group], start, count, journal, light)
            graph[keys[-1]] = (write, [f"read-{run}-{index}" for index in members])
            wanted[keys[-1]] = members
    _add_reads(graph, run, reads, wanted, gates=not queues)
    return graph, keys


def _together(parts: Sequence[Part], groups: bool) -> list[Read]:
    """The bands of one file in one read, or with `groups` all of a group; those of one read are neighbours."""

    def same(part: Part) -> tuple[Any, ...]:
        return part.group, part.start, part.rows, None if groups else part.file.href

    return [tuple(alike) for _, alike in groupby(parts, key=same)]


def _members(reads: Sequence[Read]) -> dict[tuple[Group, int], list[int]]:
    """Positions of the reads of every shard, by group and first chip."""
    members: dict[tuple[Group, int], list[int]] = defaultdict(list)
    for index, (part, *_) in enumerate(reads):
        first, last = part.start, part.start + len(part.footprints) - 1
        for shard in range(first // SHARD_CHIPS, last // SHARD_CHIPS + 1):
            members[part.group, shard * SHARD_CHIPS].append(index)
    return members


def _earlier(shards: Shards, group: Group, start: int, journal: Journal) -> ShardReport | None:
    """The report of a shard that an earlier attempt wrote."""
    report: ShardReport | None = journal.get(_shard_name(group, start))
    return report if report and shards.has(start, report.crc) else None


def _add_reads(graph: Graph, run: str, reads: Sequence[Read], wanted: Mapping[str, Sequence[int]], gates: bool) -> None:
    """Add all reads that the shards `wanted` need, and what holds them back."""
    needed = sorted({index for members in wanted.values() for index in members})
    batches = dict(zip(needed, _batches([reads[index] for index in needed]), strict=True))
    for index, batch in batches.items():
        gate = [f"gate-{run}-{batch}"] if gates and batch >= AHEAD else []
        graph[f"read-{run}-{index}"] = (Task(_read, reads[index]), *gate)
    if not gates:
        return
    completed: dict[int, list[str]] = defaultdict(list)  # shards by the batch with the last of their parts
    for key, members in wanted.items():
        completed[batches[members[-1]]].append(key)
    for batch in range(AHEAD, max(batches.values(), default=0) + 1):
        before = [f"gate-{run}-{batch - 1}"] if batch > AHEAD else []
        graph[f"gate-{run}-{batch}"] = (_nothing, *before, completed[batch - AHEAD])


def _same(report: ShardReport) -> ShardReport:
    return report


def _shard_name(group: Group, start: int) -> str:
    """What the journal calls a shard."""
    return f"shard {group.name} {start}"


def _batches(reads: Sequence[Read]) -> list[int]:
    """Number of the batch of every read, not decreasing."""
    totals = np.cumsum([0, *(sum(part.nbytes for part in read) for read in reads)])
    return [int(total // BATCH_BYTES) for total in totals[:-1]]


def _nothing(*_: Any) -> None:
    """Done when its arguments are."""


def _read(parts: Read, *_: None) -> list[Pixels | UnusableItemError]:
    pixels: list[Pixels | UnusableItemError] = []
    for _, same in groupby(parts, key=lambda part: part.file.href):
        bands = list(same)
        files = [part.file for part in bands]
        found = attempt(read_bands_of, files, bands[0].footprints, None, bands[0].rows)
        pixels += [found] * len(bands) if isinstance(found, UnusableItemError) else found
    return pixels


def _write(
    shards: Shards,
    start: int,
    count: int,
    journal: Journal,
    parts: Sequence[Part],
    reads: Sequence[Sequence[Pixels | UnusableItemError]],
) -> ShardReport:
    """Put the pieces of all parts together chip by chip, write the shard and say what it holds, in the journal too."""
    group, length = parts[0].group, min(SHARD_CHIPS, count - start)
    windows = np.full((length, 4), np.nan)
    pieces: list[list[tuple[int, Piece]]] = [[] for _ in range(length)]  # of every chip, with their bands
    lost = []
    for part, pixels in zip(parts, chain.from_iterable(reads), strict=True):
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
    crc = shards.write(start, _chips(group, pieces, crcs))
    report = ShardReport(group, start, windows, np.array(crcs, np.uint32), tuple(lost), crc)
    journal.put(_shard_name(group, start), report)
    return report


def _chips(group: Group, pieces: Sequence[Sequence[tuple[int, Piece]]], crcs: list[int]) -> Iterator[Array]:
    """Chips (band, y, x), one after the other in the same memory, which stays in the processor's cache."""
    encoding = PRODUCTS[group.product].encoding
    chip = np.empty((len(group.bands), group.size, group.size), encoding.dtype)
    for mine in pieces:
        if sum(piece.values.size for _, piece in mine) < chip.size:  # it reaches beyond its files
            chip.fill(encoding.nodata)
        for band, (_, row, col, values) in mine:
            height, width = values.shape
            chip[band, row : row + height, col : col + width] = values
        crcs.append(checksum(chip))
        yield chip
