"""The headline table and the pairs behind it. Scores are fractions in [0, 1]; NaN means not available."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anyband.config import ComparisonSettings
from anyband.evaluation.confusion import Counts, Scores, macro_f1, mean_iou, overall_agreement
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import average, estimate, replicate
from anyband.statistics.paired import Contrast, benjamini_hochberg, compare, holm, rank_intervals, tie_letters
from anyband.statistics.protocol import ALPHA, LEVEL, PRIMARY, label, role


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
        result = compare(cube, first, second, conditions, margin)
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
    """Columns of one comparison."""
    return {
        "first": result.first,
        "second": result.second,
        **result.difference.columns("difference"),
        "p": float(result.difference.p_value),
        "resolution": result.resolution,
        "equivalence_p": result.equivalence_p,
        **result.improvement.columns("improvement"),
        "block_direction": result.block_direction,
        "block_flip_p": result.block_flip_p,
        "seeds_agree": result.seeds_agree,
        "seed_flip_p": result.seed_flip_p,
        "variance_blocks": float(result.difference.variance_blocks),
        "variance_seeds": float(result.difference.variance_seeds),
        "degrees_of_freedom": float(result.difference.degrees_of_freedom),
    }


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
