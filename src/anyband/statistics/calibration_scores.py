"""Calibration before and after temperature scaling, overall and class by class, from the sums of the runs.

Per seed the bins of all test blocks are pooled; values are means over seeds with two-way jackknife intervals. With n
the pixels of a bin and N those of all bins:

* expected calibration error (ECE): sum over bins of the confidence of n / N |mean confidence - share of right pixels|
  (Guo et al. 2017, On calibration of modern neural networks, ICML, section 2);
* classwise ECE: the same with the probability of one class and the share of pixels whose reference it is, whichever
  class is predicted; the mean over classes stands for all (Kull et al. 2019, Beyond temperature scaling, NeurIPS);
* negative log likelihood (NLL), in nats, and Brier score, the sum over classes of the squared distance, 0 to 2: means
  over pixels.
"""

import itertools
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from anyband.config import ComparisonSettings
from anyband.evaluation.confusion import BY_CLASS, OVERALL
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import Array, Statistic, average, estimate, replicate
from anyband.statistics.protocol import LEVEL, label

WHEN = {"before": 0, "after": 1}
"""What a value stands for -> `scaled` in the tables of the runs."""
TEMPERATURES = ("temperature", "temperature_lowest", "temperature_highest")

Groups = dict[tuple[str, str, int], pd.DataFrame]


def binned_error(pooled: Array) -> Array:
    """ECE of pooled bins (n, ..., bin, 3 or more: count, sum of probabilities, hits, ...) -> (n, ...)."""
    gap = np.abs(pooled[..., 1] - pooled[..., 2]).sum(axis=-1)
    error: Array = gap / pooled[..., 0].sum(axis=-1)
    return error


def mean_of(name: str) -> Statistic:
    """The statistic that divides one of `OVERALL` by the number of pixels: (n, bin, 5) -> (n,)."""
    column = OVERALL.index(name)

    def mean(pooled: Array) -> Array:
        value: Array = pooled[..., column].sum(axis=-1) / pooled[..., 0].sum(axis=-1)
        return value

    return mean


# Bounded scores in [0, 1] get their interval on the logit scale near a bound; the other two may exceed 1.
SCORES: dict[str, tuple[Statistic, Literal["linear", "bounded"]]] = {
    "ece": (binned_error, "bounded"),
    "nll": (mean_of("nll_sum"), "linear"),
    "brier": (mean_of("brier_sum"), "linear"),
}


def calibration(sums: pd.DataFrame, cube: ConfusionCube) -> pd.DataFrame:
    """Temperature, and every one of `SCORES` before and after scaling, by method and condition.

    Args:
        sums: `calibration.csv` of all runs.
        cube: says which seeds and blocks count.

    Returns:
        Columns method, label, condition, those of `TEMPERATURES` (mean and range over seeds), and `{score}_{when}`,
        `{score}_{when}_lower`, `{score}_{when}_upper`. No row for what states no probabilities.
    """
    values = [f"{score}_{when}{end}" for score in SCORES for when in WHEN for end in ("", "_lower", "_upper")]
    groups, rows = _groups(sums, cube), []
    for method, condition in _known(groups, cube):
        row: dict[str, Any] = {"method": method, "label": label(method), "condition": condition}
        temperature = groups[method, condition, WHEN["after"]].groupby("seed")["temperature"].first()
        row |= dict(zip(TEMPERATURES, (temperature.mean(), temperature.min(), temperature.max()), strict=True))
        for when, scaled in WHEN.items():
            cells = _cells(groups[method, condition, scaled], cube)
            for name, (statistic, scale) in SCORES.items():
                row |= estimate(replicate(cells, statistic), LEVEL, scale).columns(f"{name}_{when}")
        rows.append(row)
    return pd.DataFrame(rows, columns=["method", "label", "condition", *TEMPERATURES, *values])


def class_calibration(class_sums: pd.DataFrame, cube: ConfusionCube, settings: ComparisonSettings) -> pd.DataFrame:
    """Classwise ECE before and after scaling, on the primary endpoint and under each condition.

    Args:
        class_sums: `class_calibration.csv` of all runs.
        cube: says which seeds, blocks and classes count.
        settings: name the classes.

    Returns:
        Columns method, label, condition, class, class_name and `ece_{when}`, `ece_{when}_lower`, `ece_{when}_upper`.
        Also of classes that the test reference lacks: a probability of what is not there is an error like any other.
    """
    values = [f"ece_{when}{end}" for when in WHEN for end in ("", "_lower", "_upper")]
    groups = _groups(class_sums, cube)
    known = set(_known(groups, cube))
    frames = []
    for method, (name, conditions_of) in itertools.product(cube.methods, cube.targets()):
        chosen = conditions_of[method]
        if not chosen or not all((method, condition) in known for condition in chosen):
            continue
        names = [settings.classes[code] for code in cube.classes]
        rows = pd.DataFrame({"class": cube.classes, "class_name": names})
        for when, scaled in WHEN.items():
            parts = [replicate(_class_cells(groups[method, c, scaled], cube), binned_error) for c in chosen]
            result = estimate(average(parts), LEVEL)
            rows[f"ece_{when}"] = result.value
            rows[f"ece_{when}_lower"] = np.clip(result.lower, 0, 1)
            rows[f"ece_{when}_upper"] = np.clip(result.upper, 0, 1)
        frames.append(rows.assign(method=method, label=label(method), condition=name))
    columns = ["method", "label", "condition", "class", "class_name", *values]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def reliability(sums: pd.DataFrame) -> pd.DataFrame:
    """Mean confidence and share of right pixels in each bin, pooled over blocks and seeds, before and after scaling."""
    keys = ["method", "condition", "scaled", "bin"]
    pooled = sums.groupby(keys, sort=True)[["count", "confidence_sum", "correct"]].sum()
    pooled = pooled[pooled["count"] > 0].reset_index()
    pooled["confidence"] = pooled["confidence_sum"] / pooled["count"]
    pooled["agreement"] = pooled["correct"] / pooled["count"]
    return pooled[[*keys, "count", "confidence", "agreement"]]


def _groups(table: pd.DataFrame, cube: ConfusionCube) -> Groups:
    """Rows of the cube's seeds and blocks by method, condition and `scaled`."""
    chosen = table[table["seed"].isin(cube.seeds) & table["block"].isin(cube.blocks)]
    found = chosen.groupby(["method", "condition", "scaled"], sort=False)
    return {(str(method), str(condition), int(str(scaled))): rows for (method, condition, scaled), rows in found}


def _known(groups: Groups, cube: ConfusionCube) -> list[tuple[str, str]]:
    """Methods and conditions with probabilities of every seed and block, in the order of the cube."""
    return [
        (method, condition)
        for method, condition in itertools.product(cube.methods, cube.conditions)
        if cube.takes(method, (condition,)) and all((method, condition, scaled) in groups for scaled in WHEN.values())
    ]


def _cells(rows: pd.DataFrame, cube: ConfusionCube) -> Array:
    """The sums of `OVERALL` as an array (seed, block, bin, 5)."""
    cells = np.zeros((len(cube.seeds), len(cube.blocks), _bins(rows), len(OVERALL)))
    np.add.at(cells, (*_units(rows, cube), rows["bin"].to_numpy()), rows[list(OVERALL)].to_numpy(dtype=float))
    return cells


def _class_cells(rows: pd.DataFrame, cube: ConfusionCube) -> Array:
    """The sums of `BY_CLASS` as an array (seed, block, class, bin, 3)."""
    cells = np.zeros((len(cube.seeds), len(cube.blocks), len(cube.classes), _bins(rows), len(BY_CLASS)))
    place = (*_units(rows, cube), pd.Index(cube.classes).get_indexer(pd.Index(rows["class"])), rows["bin"].to_numpy())
    np.add.at(cells, place, rows[list(BY_CLASS)].to_numpy(dtype=float))
    return cells


def _bins(rows: pd.DataFrame) -> int:
    """Bins up to the last one that is not empty; those beyond it would add nothing."""
    return int(rows["bin"].max()) + 1


def _units(rows: pd.DataFrame, cube: ConfusionCube) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the rows' seeds and blocks."""
    return (
        pd.Index(cube.seeds).get_indexer(pd.Index(rows["seed"])),
        pd.Index(cube.blocks).get_indexer(pd.Index(rows["block"])),
    )
