"""All chips of a site from its pairs of scenes: screened first, then the bands of those that are kept.

Both go in batches, each of them one dask graph: what is in memory depends on the size of a batch, not on the number of
chips. A shard is written as soon as the parts that reach into it have been read.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from anyband.catalog.pairs.scene_pair import ScenePair
from anyband.chips.read_plan import Group, Part, band_groups, plan_bands
from anyband.chips.screening import Screening, SiteLabels, quality_layer, read_quality, screen
from anyband.chips.shards import SHARD_CHIPS, Shards, checksum
from anyband.chips.site_index import ShardReport, SiteIndex
from anyband.chips.store import StoreWriter, new_store
from anyband.chips.workers import Workers, attempt, dask_workers, task
from anyband.ground import Array, Footprint, project, site_footprints, utm_epsg
from anyband.landcover import LABEL_PIXEL_M
from anyband.products import PRODUCTS
from anyband.raster.asset import UnusableItemError
from anyband.raster.windows import Piece, Pixels, read_windows
from anyband.runtime import progress

SCREENED_BYTES = 4 << 20
"""Pixels of the label's grid that are screened at a time; several times as much is needed for it."""

BATCH_BYTES = 48 << 20
"""Pixels of chips that are read at a time."""

REMOTE_THREADS = 8
"""Least threads for files behind a network: most of their time is waiting."""

Unit = tuple[ScenePair, Sequence[Footprint]]
"""Some chips of one pair."""


@dataclass(frozen=True)
class ChipSite:
    """Where and how chips are cut: degrees, metres, least jointly clear share of a chip, threads of the reads."""

    name: str
    dataset: str
    longitude: float
    latitude: float
    extent_m: int
    chip_m: int
    chip_min_clear: float
    threads: int


def extract_site(site: ChipSite, pairs: Sequence[ScenePair], path: Path) -> None:
    """Cut the chips of a site and write its store; a site without pairs gives a store without chips.

    A pair with a file that cannot be used is dropped, with the reason.

    Raises:
        UserError: access is refused, the provider stays out of reach, no class at the site, or workers are lost.
    """
    path = path.absolute()  # workers of a cluster may stand in another folder
    footprints = {
        epsg: site_footprints(project(site.longitude, site.latitude, epsg), epsg, site.extent_m, site.chip_m)
        for epsg in sorted({pair.epsg for pair in pairs})
    }
    capacity = sum(len(footprints[pair.epsg]) for pair in pairs)
    remote = any("://" in asset.href for pair in pairs for a in pair.optical.values() for asset in a.bands.values())
    threads = max(site.threads, REMOTE_THREADS) if remote else site.threads
    index = SiteIndex(site.name)
    with new_store(path, site.chip_m, capacity) as store, dask_workers(threads) as workers:
        _screen_all(site, pairs, footprints, index, store, workers)
        if index.kept:
            read_bands(index, store, workers)
        index.place(store)
        for pair in pairs:
            if pair.number in index.lost:
                index.give_up(pair, footprints[pair.epsg])
                reason = index.lost[pair.number]
                sys.stderr.write(f"anyband: site {site.name}: pair {pair.number} is dropped: {reason}\n")
        simulated = {a.simulated for pair in pairs for a in pair.optical.values() if a.simulated}
        attributes = {
            "site": site.name,
            "dataset": site.dataset,
            "epsg": pairs[0].epsg if pairs else utm_epsg(site.longitude, site.latitude),
            "chips": index.entries,
            "pairs": index.pairs,
            "dropped": sorted(index.dropped, key=lambda entry: (entry["pair"], entry["row"], entry["col"])),
            "simulated": ", ".join(sorted(simulated)) or None,
        }
        store.finish(attributes, index.sources())


def _screen_all(
    site: ChipSite,
    pairs: Sequence[ScenePair],
    footprints: Mapping[int, Sequence[Footprint]],
    index: SiteIndex,
    store: StoreWriter,
    workers: Workers,
) -> None:
    """Screen all chips of all pairs, in the order of the pairs, row by row; the kept ones go into the store."""
    labels = SiteLabels(site.name, site.threads)
    most = max(1, SCREENED_BYTES // (site.chip_m // LABEL_PIXEL_M) ** 2)
    for batch in progress(list(_batches(pairs, footprints, most)), f"clouds, {site.name}"):
        left = [(pair, chips) for pair, chips in batch if pair.number not in index.lost]
        screenings = workers.compute([_screening(pair, chips, labels, site.chip_min_clear) for pair, chips in left])
        for (pair, chips), screening in zip(left, screenings, strict=True):
            if isinstance(screening, UnusableItemError):
                index.lost[pair.number] = str(screening)
                continue
            if not index.kept and any(reason is None for reason in screening.reasons):
                for product, quality in screening.quality.items():
                    layer = quality_layer(pair.optical[product])
                    store.add_quality(product, round(layer.pixel_m), layer.asset, quality.values.dtype)
            labels.note(pair, screening.labelled)
            index.add(pair, chips, screening)
            if len(screening.label):
                store.append(_kept_arrays(screening))
    store.close_quality()
    labels.check()
    index.forget_lost(store)


def _batches(
    pairs: Sequence[ScenePair], footprints: Mapping[int, Sequence[Footprint]], most: int
) -> Iterator[list[Unit]]:
    """Units of at most `most` chips, and as many units together as have no more than that."""
    batch: list[Unit] = []
    for pair in pairs:
        chips = footprints[pair.epsg]
        for start in range(0, len(chips), most):
            unit = chips[start : start + most]
            if batch and sum(len(others) for _, others in batch) + len(unit) > most:
                yield batch
                batch = []
            batch.append((pair, unit))
    if batch:
        yield batch


def _screening(pair: ScenePair, chips: Sequence[Footprint], labels: SiteLabels, least_clear: float) -> Any:
    """A task for the screening of some chips of a pair, or the UnusableItemError why there is none."""
    reads = [task(attempt, read_quality, acquisition, chips)() for acquisition in pair.optical.values()]
    label = attempt(labels.read, pair, chips)
    return task(attempt, _screen, pair, chips, label, least_clear)(reads)


def _screen(
    pair: ScenePair,
    chips: Sequence[Footprint],
    label: Array | UnusableItemError,
    least_clear: float,
    reads: Sequence[Pixels | UnusableItemError],
) -> Screening:
    for result in (label, *reads):
        if isinstance(result, UnusableItemError):
            raise result
    return screen(pair, chips, dict(zip(pair.optical, reads, strict=True)), label, least_clear)  # type: ignore[arg-type]


def _kept_arrays(screening: Screening) -> dict[str, Array]:
    arrays = {"label": screening.label, "clear": screening.joint.astype(np.uint8)}
    for product, quality in screening.quality.items():
        arrays[f"{product}/qa/values"] = quality.values
        arrays[f"{product}/qa/clear"] = quality.clear.astype(np.uint8)
    return arrays


def read_bands(index: SiteIndex, store: StoreWriter, workers: Workers) -> None:
    """Read the bands of all chips that are kept; pairs that cannot be read are taken out again."""
    import zarr

    count = len(index.kept)
    groups = [
        Group(*key, bands, store.add_bands(*key, bands, count), store.chip_m // key[1])
        for key, bands in band_groups(index.kept[0].pair).items()
    ]
    plan = plan_bands(index.kept, groups)
    index.lost |= plan.lost
    index.begin_bands(groups)
    arrays = {group: Shards.of(zarr.open_array(store.path / group.name / "values", mode="r")) for group in groups}
    waiting = plan.shards()
    reads: dict[int, Any] = {}  # by position: the task of this batch, or pixels of an earlier one
    for batch in progress(plan.batches(BATCH_BYTES), f"bands, {index.site}"):
        reads |= {position: task(_read_parts, plan.reads[position])() for position in batch}
        complete = [shard for shard, members in waiting.items() if members[-1] <= batch[-1]]
        writes = []
        for group, start in complete:
            members = waiting.pop((group, start))
            parts = [replace(part, footprints=()) for position in members for part in plan.reads[position]]
            write = task(_write_shard, arrays[group], start, min(SHARD_CHIPS, count - start), parts)
            writes.append(write([reads[position] for position in members]))
        needed = sorted({position for members in waiting.values() for position in members} & reads.keys())
        *reports, pixels = workers.compute([*writes, task(list)([reads[position] for position in needed])])
        reads = {position: task(_same, found)() for position, found in zip(needed, pixels, strict=True)}
        for report in reports:
            index.add_shard(report)
    index.forget_lost(store)


def _same(pixels: list[Pixels | UnusableItemError]) -> list[Pixels | UnusableItemError]:
    return pixels


def _read_parts(parts: Sequence[Part]) -> list[Pixels | UnusableItemError]:
    """The pixels of every part; parts of one file, which is opened once."""
    first, files = parts[0], [part.file for part in parts]
    found = attempt(read_windows, files, first.footprints, None, first.rows)
    return [found] * len(parts) if isinstance(found, UnusableItemError) else found


def _write_shard(
    shards: Shards,
    start: int,
    length: int,
    parts: Sequence[Part],
    reads: Sequence[Sequence[Pixels | UnusableItemError]],
) -> ShardReport:
    """Put the pieces of all parts together chip by chip, write the shard and say what it holds."""
    group = parts[0].group
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
    checksums: list[int] = []
    shards.write(start, _chips(group, pieces, checksums))
    return ShardReport(group, start, windows, np.array(checksums, np.uint32), tuple(lost))


def _chips(group: Group, pieces: Sequence[Sequence[tuple[int, Piece]]], checksums: list[int]) -> Iterator[Array]:
    """Chips (band, y, x), one after the other in the same memory, which stays in the processor's cache."""
    encoding = PRODUCTS[group.product].encoding
    chip = np.empty((len(group.bands), group.size, group.size), encoding.dtype)
    for mine in pieces:
        if sum(piece.values.size for _, piece in mine) < chip.size:  # it reaches beyond its files
            chip.fill(encoding.nodata)
        for band, (_, row, col, values) in mine:
            height, width = values.shape
            chip[band, row : row + height, col : col + width] = values
        checksums.append(checksum(chip))
        yield chip
