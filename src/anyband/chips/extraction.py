"""All chips of a site from its pairs of scenes: judged first, then the bands of those that are kept."""

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from anyband.catalog.items.hls import with_platform
from anyband.chips.bands import read_bands
from anyband.chips.labels import read_labels
from anyband.chips.parts import Group, band_groups, plan_parts
from anyband.chips.screening import Pair, Site, Verdict, judge, promised, quality_asset
from anyband.chips.store import StoreWriter, new_store
from anyband.chips.tally import Tally
from anyband.chips.unfinished import Journal
from anyband.chips.workers import REMOTE_THREADS, Compute, Graph, Task, attempt, new_name, workers
from anyband.fingerprint import step_fingerprint
from anyband.ground import Array, Footprint, project, site_footprints, utm_epsg
from anyband.landcover import LABEL_PIXEL_M
from anyband.raster.asset import UnusableItemError
from anyband.raster.windows import Pixels, read_file
from anyband.runtime import UserError

JUDGED_BYTES = 4 << 20
"""Pixels of the label's grid that are judged at a time; several times as much is needed for it."""

Unit = tuple[Pair, Sequence[Footprint]]
"""Some chips of one pair."""


def extract_site(site: Site, pairs: Sequence[Pair], path: Path) -> None:
    """Cut the chips of a site and write its store; a site without pairs gives a store without chips.

    A pair with a file that cannot be used is dropped, with the reason. After a run that was killed or failed, the next
    one goes on where it was; what that one found, bad files included, is not asked again.

    Raises:
        UserError: access is refused, the provider stays out of reach, no class at the site, a full disk, or another
            process makes this store.
    """
    footprints = {
        epsg: site_footprints(project(site.longitude, site.latitude, epsg), epsg, site.extent_m, site.chip_m)
        for epsg in sorted({pair.epsg for pair in pairs})
    }
    capacity = sum(len(footprints[pair.epsg]) for pair in pairs)
    remote = any("://" in asset.href for pair in pairs for a in pair.optical.values() for asset in a.bands.values())
    threads = max(site.threads, REMOTE_THREADS) if remote else site.threads
    tally = Tally(site.name)
    identity = _identity(site, pairs)
    with new_store(path, site.chip_m, capacity, identity) as store, workers(threads) as compute:
        pairs = _named(pairs, tally, store.journal, compute)
        _judge_all(site, pairs, footprints, tally, store, compute)
        _read_all(tally, store, compute)
        for pair in pairs:
            if pair.number in tally.lost:
                tally.give_up(pair, footprints[pair.epsg])
                reason = tally.lost[pair.number]
                sys.stderr.write(f"anyband: site {site.name}: pair {pair.number} is dropped: {reason}\n")
        simulated = {a.simulated for pair in pairs for a in pair.optical.values() if a.simulated}
        attributes = {
            "site": site.name,
            "dataset": site.dataset,
            "epsg": pairs[0].epsg if pairs else utm_epsg(site.longitude, site.latitude),
            "chips": tally.entries,
            "pairs": tally.pairs,
            "dropped": sorted(tally.dropped, key=lambda entry: (entry["pair"], entry["row"], entry["col"])),
            "simulated": ", ".join(sorted(simulated)) or None,
        }
        store.finish(attributes, tally.sources())


def _identity(site: Site, pairs: Sequence[Pair]) -> str:
    """A word for all that the store follows from: settings, items with the addresses of their files, and our code."""
    known = replace(site, threads=0), pairs, step_fingerprint("extract")
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _named(pairs: Sequence[Pair], tally: Tally, journal: Journal, compute: Compute) -> list[Pair]:
    """The pairs with the satellite of every acquisition, which some catalogues leave to the files."""
    unknown = [pair for pair in pairs if not all(a.platform for a in pair.optical.values())]
    graph: Graph = {
        f"satellite-{new_name()}-{pair.number}": (Task(attempt, _with_platforms, pair),) for pair in unknown
    }
    results = journal.once("satellites", partial(compute, graph, list(graph), "satellites"))
    told = dict(zip((pair.number for pair in unknown), results, strict=True))
    named = []
    for pair in pairs:
        result = told.get(pair.number, pair)
        if isinstance(result, UnusableItemError):
            tally.lost[pair.number], result = str(result), pair
        named.append(result)
    return named


def _with_platforms(pair: Pair) -> Pair:
    import rasterio

    from anyband.raster.access import gdal_env

    with rasterio.Env(**gdal_env()):
        return replace(pair, optical={product: with_platform(a) for product, a in pair.optical.items()})


def _judge_all(
    site: Site,
    pairs: Sequence[Pair],
    footprints: Mapping[int, Sequence[Footprint]],
    tally: Tally,
    store: StoreWriter,
    compute: Compute,
) -> None:
    """Judge all chips of all pairs, in the order of the pairs, row by row; the kept ones go into the store."""
    labels = _Labels(site, store.journal)
    most = max(1, JUDGED_BYTES // (site.chip_m // LABEL_PIXEL_M) ** 2)
    for number, batch in enumerate(_batches(pairs, footprints, most)):
        left = [(pair, chips) for pair, chips in batch if pair.number not in tally.lost]
        verdicts = store.journal.once(f"verdicts {number}", partial(_verdicts, site, left, labels, compute))
        for (pair, chips), verdict in zip(left, verdicts, strict=True):
            if isinstance(verdict, UnusableItemError):
                tally.lost[pair.number] = str(verdict)
                continue
            if not tally.kept and any(reason is None for reason in verdict.reasons):
                for product, quality in verdict.quality.items():
                    layer = quality_asset(pair.optical[product])
                    store.add_quality(product, round(layer.pixel_m), layer.asset, quality.values.dtype)
            labels.note(pair, verdict.labelled)
            tally.add(pair, chips, verdict)
            if len(verdict.label):
                store.append(_kept_arrays(verdict))
    store.close_quality()
    labels.check()
    tally.forget_lost(store)


def _batches(pairs: Sequence[Pair], footprints: Mapping[int, Sequence[Footprint]], most: int) -> Iterator[list[Unit]]:
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


def _verdicts(site: Site, units: Sequence[Unit], labels: "_Labels", compute: Compute) -> list[Verdict]:
    """The verdict of each unit, or an UnusableItemError."""
    graph: Graph = {}
    keys = [_add_verdict(graph, site, pair, chips, labels) for pair, chips in units]
    return compute(graph, keys, f"clouds, {site.name}")


def _add_verdict(graph: Graph, site: Site, pair: Pair, chips: Sequence[Footprint], labels: "_Labels") -> str:
    """Add the tasks that judge some chips of a pair, one for each file; returns the key of the verdict."""
    name = f"{new_name()}-{pair.number}"
    for product in pair.optical:
        graph[f"{product}-{name}"] = (Task(attempt, _read_quality, pair, product, chips),)
    label = attempt(labels.read, pair, chips)
    judge_it = Task(attempt, _verdict, pair, chips, label, site.chip_min_clear)
    graph[f"verdict-{name}"] = (judge_it, [f"{product}-{name}" for product in pair.optical])
    return f"verdict-{name}"


def _read_quality(pair: Pair, product: str, chips: Sequence[Footprint]) -> Pixels:
    acquisition = pair.optical[product]
    return read_file(quality_asset(acquisition), chips, promised(acquisition, chips))


def _verdict(
    pair: Pair,
    chips: Sequence[Footprint],
    label: Array | UnusableItemError,
    least_clear: float,
    reads: Sequence[Pixels | UnusableItemError],
) -> Verdict:
    for result in (label, *reads):
        if isinstance(result, UnusableItemError):
            raise result
    return judge(pair, chips, dict(zip(pair.optical, reads, strict=True)), label, least_clear)  # type: ignore[arg-type]


def _kept_arrays(verdict: Verdict) -> dict[str, Array]:
    arrays = {"label": verdict.label, "clear": verdict.joint.astype(np.uint8)}
    for product, quality in verdict.quality.items():
        arrays[f"{product}/qa/values"] = quality.values
        arrays[f"{product}/qa/clear"] = quality.clear.astype(np.uint8)
    return arrays


class _Labels:
    """Labels of a site's chips; the last ones are kept, for all dates share the ground."""

    def __init__(self, site: Site, journal: Journal) -> None:
        """No label yet."""
        self._site, self._journal = site, journal
        self._last: dict[tuple[Any, ...], Array] = {}
        self._any: dict[str, bool] = {}

    def read(self, pair: Pair, chips: Sequence[Footprint]) -> Array:
        """Codes (chip, y, x); raises as `read_labels`."""
        key = _names(pair), pair.epsg, chips[0].row, chips[0].col
        if key not in self._last:
            read = partial(read_labels, pair.labels, chips, self._site.threads)
            label = self._journal.once(f"label {key}", read)
            self._last = dict([*self._last.items(), (key, label)][-4:])
        return self._last[key]

    def note(self, pair: Pair, some: bool) -> None:
        """Whether a label of the pair has a class."""
        names = _names(pair)
        self._any[names] = self._any.get(names, False) or some

    def check(self) -> None:
        """Raise UserError if a label has no class anywhere at the site."""
        for names, some in self._any.items():
            if not some:
                raise UserError(f"item {names}: no class at site {self._site.name}: choose another site or label")


def _names(pair: Pair) -> str:
    return " ".join(label.item_id for label in pair.labels)


def _read_all(tally: Tally, store: StoreWriter, compute: Compute) -> None:
    """Read the bands of all chips that are kept; pairs that cannot be read are taken out again."""
    chips = list(tally.kept)
    if chips:
        groups = [
            Group(*key, bands, store.add_bands(*key, bands, len(chips)), store.chip_m // key[1])
            for key, bands in band_groups(chips[0].pair).items()
        ]
        parts, lost = store.journal.once("plan", partial(plan_parts, chips, groups))
        tally.lost |= lost
        tally.begin_bands(groups)
        work = read_bands(parts, store.path, len(chips), store.journal, queues=compute.queues)
        for report in compute(*work, f"bands, {tally.site}"):
            tally.add_shard(report)
        tally.forget_lost(store)
    tally.place(store)
