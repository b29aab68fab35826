"""Tables of scores, one tidy frame each, the headline first: fractions in [0, 1]; NaN means not available."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.config import ComparisonSettings
from anyband.evaluation.confusion import (
    Counts,
    Scores,
    class_f1,
    class_iou,
    macro_f1,
    mean_iou,
    overall_agreement,
    tidy,
)
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import average, estimate, replicate
from anyband.statistics.paired import (
    Contrast,
    benjamini_hochberg,
    block_scores,
    contrast,
    holm,
    rank_intervals,
    score,
    seed_scores,
    tie_letters,
)
from anyband.statistics.protocol import ALPHA, LEVEL, MAJORITY, PRIMARY, label, role
from anyband.statistics.sensor_gains import AS


@dataclass(frozen=True)
class Metric:
    """A score in [0, 1] of confusion matrices (..., K, K), and its name in the report."""

    score: Callable[[Counts], Scores]
    title: str


METRICS = {
    "miou": Metric(mean_iou, "mIoU"),
    "macro_f1": Metric(macro_f1, "Macro F1"),
    "agreement": Metric(overall_agreement, "Agreement with the labels"),
}
"""Scores of the endpoint by the name of their column in `general.csv`; the report shows all of them."""


def pairwise(cube: ConfusionCube, settings: ComparisonSettings) -> tuple[pd.DataFrame, list[Contrast]]:
    """Every pair of methods on the primary endpoint and on each condition; the proposed method comes first.

    The declared family (proposed method against each baseline, primary endpoint) is Holm-adjusted; everything else is
    exploratory and Benjamini-Hochberg-adjusted.

    Returns:
        The table, and the comparisons of the declared family in the order of the methods.
    """
    proposed, margin = settings.experiment.proposed, settings.experiment.equivalence_margin
    ordered = sorted(cube.methods, key=lambda method: method != proposed)
    rows, family = [], []
    for (name, conditions), (first, second) in itertools.product(cube.targets(), itertools.combinations(ordered, 2)):
        if not (cube.takes(first, conditions[first]) and cube.takes(second, conditions[second])):
            continue
        result = contrast(cube, (first, conditions[first]), (second, conditions[second]), margin)
        declared = name == PRIMARY and first == proposed and role(second, settings, complete=True) == "baseline"
        family += [result] if declared else []
        rows.append({"endpoint": name, "family": "declared" if declared else "exploratory"} | _pair_row(result))
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    declared_rows = (table["family"] == "declared").to_numpy()
    p = table["p"].to_numpy(dtype=float)
    table["p_adjusted"] = np.nan
    table.loc[declared_rows, "p_adjusted"] = holm(p[declared_rows])
    table.loc[~declared_rows, "p_adjusted"] = benjamini_hochberg(p[~declared_rows])
    return table, family


def _pair_row(result: Contrast) -> dict[str, Any]:
    """Columns of one comparison, among what else it holds."""
    found = result.difference
    numbers = {"p": found.p_value, "degrees_of_freedom": found.degrees_of_freedom}
    numbers |= {"variance_blocks": found.variance_blocks, "variance_seeds": found.variance_seeds}
    row = vars(result) | found.columns("difference") | result.improvement.columns("improvement")
    return row | {name: float(number) for name, number in numbers.items()}


PAIR_COLUMNS = [
    "endpoint", "family", "first", "second", "difference", "difference_lower", "difference_upper", "p", "resolution",
    "equivalence_p", "improvement", "improvement_lower", "improvement_upper", "block_direction", "block_flip_p",
    "seeds_agree", "seed_flip_p", "variance_blocks", "variance_seeds", "degrees_of_freedom",
]  # fmt: skip


def general(cube: ConfusionCube, settings: ComparisonSettings, pairs: pd.DataFrame) -> pd.DataFrame:
    """The headline table: primary endpoint, and the proposed method minus each other one.

    Methods without the full endpoint keep their row with NaN and follow the complete ones.
    """
    proposed = settings.experiment.proposed
    rows = []
    for method in cube.methods:
        complete = cube.complete(method)
        taken = [condition for condition in cube.conditions if cube.takes(method, (condition,))]
        names = {"method": method, "label": label(method), "role": role(method, settings, complete)}
        rows.append(
            names | {"inputs": " ".join(taken)} | scores(cube, method, cube.endpoints[method] if complete else ())
        )
    chosen = pairs[(pairs["endpoint"] == PRIMARY) & (pairs["first"] == proposed)]
    chosen = chosen.assign(p_holm=chosen["p_adjusted"].where(chosen["family"] == "declared"))
    columns = ["difference", "difference_lower", "difference_upper", "p_holm", "resolution", "improvement",
               "improvement_lower", "improvement_upper"]  # fmt: skip
    against = chosen.rename(columns={"second": "method"})[["method", *columns]]
    return _ranked(pd.DataFrame(rows).merge(against, how="left", on="method"), pairs)


def scores(cube: ConfusionCube, method: str, conditions: tuple[str, ...]) -> dict[str, float]:
    """Every score of a method averaged over conditions, with intervals; NaN when `conditions` is empty."""
    row: dict[str, float] = {}
    for name, metric in METRICS.items():
        if conditions:
            parts = average([replicate(cube.cells(method, condition), metric.score) for condition in conditions])
            row |= estimate(parts, LEVEL, "bounded").columns(name)
        else:
            row |= dict.fromkeys((name, f"{name}_lower", f"{name}_upper"), float("nan"))
    return row


def _ranked(table: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Sort by the endpoint and add tie letters and rank intervals (all pairs, Holm-adjusted)."""
    table = table.sort_values("miou", ascending=False, na_position="last", kind="stable").reset_index(drop=True)
    complete = table.loc[table["miou"].notna(), "method"].tolist()
    among = pairs[pairs["endpoint"] == PRIMARY]
    different = np.zeros((len(complete), len(complete)), dtype=bool)
    for first, second, p in zip(among["first"], among["second"], holm(among["p"]), strict=True):
        i, j = complete.index(first), complete.index(second)
        different[i, j] = different[j, i] = p < ALPHA
    values = table["miou"].dropna().tolist()
    ranks = rank_intervals(values, different)
    padding = len(table) - len(complete)
    return table.assign(
        tie_group=tie_letters(values, different) + [""] * padding,
        rank_best=[float(best) for best, _ in ranks] + [np.nan] * padding,
        rank_worst=[float(worst) for _, worst in ranks] + [np.nan] * padding,
    )


def conditions(cube: ConfusionCube) -> pd.DataFrame:
    """Scores of each method under each test condition.

    `zero_shot` marks products that this method was not trained on: training is on those of its primary endpoint.
    """
    rows = []
    for method, condition in itertools.product(cube.methods, cube.conditions):
        taken = cube.takes(method, (condition,))
        names: dict[str, Any] = {"method": method, "label": label(method), "condition": condition}
        names["zero_shot"] = condition not in (*PRIMARY_CONDITIONS, *cube.endpoints[method])
        rows.append(names | scores(cube, method, (condition,) * taken))
    return pd.DataFrame(rows)


ROBUSTNESS = [
    "method", "label", "condition", "reference", "miou", "miou_lower", "miou_upper", "change", "change_lower",
    "change_upper",
]  # fmt: skip


def robustness(full: ConfusionCube) -> pd.DataFrame:
    """Score (mIoU) of each method under each perturbed condition, and its paired change from the same sensors.

    No row where the method cannot take the input, nor for the nearest bands of another sensor, which are no
    perturbation. Exploratory: no test and no claim rests on it.
    """
    rows = []
    disturbed = [name for name in full.conditions if "/" in name and not name.partition("/")[2].startswith(AS)]
    for condition, method in itertools.product(disturbed, full.methods):
        before = condition.split("/")[0]
        if method == MAJORITY or before not in full.conditions or not full.takes(method, (before, condition)):
            continue
        after = score(full, method, (condition,))
        change = estimate(after - score(full, method, (before,)), LEVEL)
        row: dict[str, Any] = {"method": method, "label": label(method), "condition": condition, "reference": before}
        rows.append(row | estimate(after, LEVEL, "bounded").columns("miou") | change.columns("change"))
    return pd.DataFrame(rows, columns=ROBUSTNESS)


def per_class(cube: ConfusionCube, settings: ComparisonSettings) -> pd.DataFrame:
    """IoU and F1 of each class on the primary endpoint and under each condition, with the class's support."""
    reference = cube.reference()  # (block, class)
    rows = []
    for method, (name, conditions_of) in itertools.product(cube.methods, cube.targets()):
        chosen = conditions_of[method]
        if not cube.takes(method, chosen):
            continue
        iou, f1 = (
            estimate(average([replicate(cube.cells(method, condition), metric) for condition in chosen]), LEVEL)
            for metric in (class_iou, class_f1)
        )
        for index, code in enumerate(cube.classes):
            row: dict[str, Any] = {"method": method, "label": label(method), "condition": name, "class": code}
            row["class_name"] = settings.classes[code]
            for key, result in (("iou", iou), ("f1", f1)):
                row[key] = result.value[index]
                row[f"{key}_lower"] = np.clip(result.lower[index], 0, 1)
                row[f"{key}_upper"] = np.clip(result.upper[index], 0, 1)
            row["pixels"] = int(reference[:, index].sum())
            row["blocks"] = int((reference[:, index] > 0).sum())
            rows.append(row)
    return pd.DataFrame(rows)


def variance(cube: ConfusionCube, pairs: pd.DataFrame) -> pd.DataFrame:
    """Where the uncertainty comes from: variances over blocks and seeds, and the error after doubling either.

    Rows are the score of each complete method and the declared differences, all on the primary endpoint.
    """
    rows = []
    for method in cube.methods:
        if cube.complete(method):
            result = estimate(score(cube, method, cube.endpoints[method]), LEVEL)
            parts = (float(result.variance_blocks), float(result.variance_seeds), float(result.degrees_of_freedom))
            rows.append(_variance_row("score", label(method), *parts))
    for pair in pairs[pairs["family"] == "declared"].to_dict("records"):
        name = f"{label(pair['first'])} − {label(pair['second'])}"
        parts = (pair["variance_blocks"], pair["variance_seeds"], pair["degrees_of_freedom"])
        rows.append(_variance_row("difference", name, *parts))
    return pd.DataFrame(rows)


def _variance_row(kind: str, name: str, blocks: float, seeds: float, freedom: float) -> dict[str, Any]:
    known_seeds = 0.0 if np.isnan(seeds) else seeds
    total = blocks + known_seeds
    return {
        "quantity": kind,
        "label": name,
        "variance_blocks": blocks,
        "variance_seeds": seeds,
        "share_blocks": blocks / total if total > 0 else np.nan,
        "degrees_of_freedom": freedom,
        "standard_error": np.sqrt(total),
        "error_with_twice_the_blocks": np.sqrt(blocks / 2 + known_seeds),
        "error_with_twice_the_seeds": np.sqrt(blocks + known_seeds / 2),
    }


def units(cube: ConfusionCube) -> pd.DataFrame:
    """Primary endpoint seed by seed (pooled blocks) and block by block (averaged over seeds) for complete methods."""
    rows = []
    for method in cube.methods:
        if not cube.complete(method):
            continue
        primary = cube.endpoints[method]
        by_seed = zip(map(str, cube.seeds), seed_scores(cube, method, primary), strict=True)
        by_block = zip(cube.blocks, block_scores(cube, method, primary).mean(axis=0), strict=True)
        rows += [{"method": method, "kind": "seed", "unit": unit, "miou": value} for unit, value in by_seed]
        rows += [{"method": method, "kind": "block", "unit": unit, "miou": value} for unit, value in by_block]
    return pd.DataFrame(rows, columns=["method", "kind", "unit", "miou"])


def confusions(cube: ConfusionCube) -> pd.DataFrame:
    """Counts of the primary endpoint, summed over its conditions, seeds and test blocks, for complete methods."""
    counts = {
        method: np.sum([cube.cells(method, condition) for condition in cube.endpoints[method]], axis=(0, 1, 2))
        for method in cube.methods
        if method != MAJORITY and cube.complete(method)
    }
    if not counts:
        return pd.DataFrame(columns=["method", "reference", "prediction", "count"])
    return tidy(counts, cube.classes).rename(columns={"block": "method"})


def block_differences(cube: ConfusionCube, proposed: str) -> pd.DataFrame:
    """Proposed method minus each other one inside every test block, with a t interval over seeds (NaN for one seed).

    Endpoint averaged over its conditions; fractions of mIoU over the classes found in the block.
    """
    columns = ["method", "block", "difference", "lower", "upper"]
    if proposed not in cube.methods or not cube.complete(proposed):
        return pd.DataFrame(columns=columns)
    own, rows = block_scores(cube, proposed, cube.endpoints[proposed]), []
    seeds = len(cube.seeds)
    for method in cube.methods:
        if method in (proposed, MAJORITY) or not cube.complete(method):
            continue
        cells = own - block_scores(cube, method, cube.endpoints[method])  # (S, B)
        half = np.full(cells.shape[1], np.nan)
        if seeds > 1:
            half = stdtrit(seeds - 1, 0.5 + LEVEL / 2) * cells.std(axis=0, ddof=1) / np.sqrt(seeds)
        middle = cells.mean(axis=0)
        rows += [
            {"method": method, "block": block, "difference": value, "lower": value - error, "upper": value + error}
            for block, value, error in zip(cube.blocks, middle, half, strict=True)
        ]
    return pd.DataFrame(rows, columns=columns)
