"""Scores of harmonisers on held-out chips that two sensors saw, band by band and on the native grid of the target.

The two acquisitions are up to some days apart, so change and the edges of clouds count as error, for all harmonisers
alike. Only what was valid in both is scored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from anyband.apply.harmonisers import Harmoniser, HarmoniseTask, harmoniser
from anyband.apply.harmonisers.resample import resample
from anyband.chips.dataset import ChipDataset, load_split
from anyband.evaluation.image_scores import rmse, sam
from anyband.landcover import NAMES
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.runtime import UserError, progress
from anyband.sensors import get_sensor

BATCH = 8
SPECTRA_M = 60.0
"""Grid on which spectra are compared: the coarsest native one."""


Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Reference and estimate (N, h, w, bands), and where both are valid (N, h, w)."""


def score(chips: Path, splits: Path, source: str, target: str, entries: Sequence[str]) -> pd.DataFrame:
    """RMSE and bias per band, and over the bands that all harmonisers predict also the spectral angle.

    Args:
        chips: folder of the sites' stores.
        splits: the table of splits.
        source: product at hand.
        target: product that is predicted.
        entries: harmonisers by name, with the run that one needs as `NAME=RUN`.

    Returns:
        Columns converter, band, rmse, bias (reflectance), sam_deg (degrees); bands that a harmoniser does not predict
        have no row, and the row "shared" is of those that all predict.

    Raises:
        UserError: a harmoniser that cannot do it, or one product for both.
    """
    if source == target:
        raise UserError(f"--source and --target are both {source}")
    table = load_split(chips, splits, "test", {source, target}, NAMES)
    pairs = list(pairs_of(table, source, target))
    made = {entry.partition("=")[0]: _harmonisers(entry, pairs, source, target) for entry in entries}
    names = [{band.name for band in next(iter(found.values())).bands} for found in made.values()]
    shared = set.intersection(*names)
    rows = []
    for method, found in made.items():
        by_band: dict[str, list[Arrays]] = {}
        spectra: list[Arrays] = []
        for indices, key in progress(pairs, f"scoring {method}"):
            with torch.inference_mode():
                observation = table.observation(indices, {source, target})
                for name, arrays in _bands(observation, source, target, found[key]):
                    by_band.setdefault(name, []).append(arrays)
                spectra.append(_spectra(observation, source, target, found[key], shared, table.chip_m))
        rows += _rows(method, by_band, spectra, shared)
    return pd.DataFrame(rows, columns=["converter", "band", "rmse", "bias", "sam_deg"])


def pairs_of(table: ChipDataset, source: str, target: str) -> Iterator[tuple[np.ndarray, tuple[str, str]]]:
    """Batches of chips that are of one platform each, with (source platform, target platform)."""
    platforms = []
    for product in (source, target):
        layer = next(layer for layer in table.layers if layer.product == product)
        platforms.append(np.array([band_set.platform for band_set in layer.band_sets])[layer.platform])
    for pair in sorted(set(zip(*(names.tolist() for names in platforms), strict=True))):
        chosen = np.flatnonzero((platforms[0] == pair[0]) & (platforms[1] == pair[1]))
        for start in range(0, len(chosen), BATCH):
            yield chosen[start : start + BATCH], pair


def _harmonisers(
    entry: str, pairs: Sequence[tuple[np.ndarray, tuple[str, str]]], source: str, target: str
) -> dict[tuple[str, str], Harmoniser]:
    """A harmoniser for every pair of platforms."""
    found, (method, _, run) = {}, entry.partition("=")
    for pair in dict.fromkeys(pair for _, pair in pairs):
        known = get_sensor(pair[0], source)
        bands = tuple(band for band in known.bands if band.quantity == "surface_reflectance")
        task = HarmoniseTask(bands, pair[0], source, get_sensor(pair[1], target), Path(run) if run else None)
        found[pair] = harmoniser(method, task)
    return found


def _bands(observation: Observation, source: str, target: str, convert: Harmoniser) -> Iterator[tuple[str, Arrays]]:
    """Reference and estimate of each band on the grid of its own pixels."""
    position = {band.name: n for n, band in enumerate(convert.bands)}
    for group in observation.of(target):
        query = QueryGrid(group.pixel_m, *group.values.shape[2:])
        values, holds = convert(_seen_from(observation.only(frozenset({source})), group), query)
        for channel, band in enumerate(group.band_sets[0]):
            if band.name in position:
                estimate = values[:, position[band.name]]
                valid = holds & group.valid[:, channel]
                both = (group.values[:, channel, :, :, None], estimate[..., None])
                yield band.name, (both[0].numpy(), both[1].numpy(), valid.numpy())


def _seen_from(observation: Observation, group: BandGroup) -> Observation:
    """The observation with its positions counted from a group's corner, so that a query grid is the group's own."""
    moved = (replace(mine, offset_m=mine.offset_m - group.offset_m) for mine in observation.groups)
    return Observation(tuple(moved))


def _spectra(
    observation: Observation, source: str, target: str, convert: Harmoniser, shared: set[str], chip_m: float
) -> Arrays:
    """Reference and estimate of the shared bands on one coarse grid."""
    query = QueryGrid(SPECTRA_M, *(2 * [round(chip_m / SPECTRA_M)]))
    values, holds = convert(observation.only(frozenset({source})), query)
    reference, valid, bands = resample(observation.only(frozenset({target})), query, "linear")
    order = sorted(shared)
    mine = [next(n for n, band in enumerate(convert.bands) if band.name == name) for name in order]
    theirs = [next(n for n, band in enumerate(bands) if band.name == name) for name in order]
    both = holds & valid[:, theirs].all(dim=1)
    images = (image.permute(0, 2, 3, 1).numpy() for image in (reference[:, theirs], values[:, mine]))
    return (*images, both.numpy())  # type: ignore[return-value]


def _rows(
    method: str, by_band: dict[str, list[Arrays]], spectra: list[Arrays], shared: set[str]
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for band, parts in by_band.items():
        reference, estimate, valid = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        bias = float((estimate[valid] - reference[valid]).mean()) if valid.any() else float("nan")
        error = float(rmse(reference, estimate, valid)[0])
        rows.append({"converter": method, "band": band, "rmse": error, "bias": bias, "sam_deg": float("nan")})
    reference, estimate, valid = (np.concatenate(arrays) for arrays in zip(*spectra, strict=True))
    common = [row for row in rows if row["band"] in shared]
    mean = {key: float(np.mean([row[key] for row in common])) for key in ("rmse", "bias")}
    return [*rows, {"converter": method, "band": "shared", **mean, "sam_deg": sam(reference, estimate, valid)}]
