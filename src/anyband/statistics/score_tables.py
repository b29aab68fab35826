"""Tables of scores beside the headline, one tidy frame each: fractions in [0, 1]; NaN means not available."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.config import ComparisonSettings
from anyband.evaluation.confusion import class_f1, class_iou, tidy
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import average, estimate, replicate
from anyband.statistics.paired import block_scores, score, seed_scores
from anyband.statistics.protocol import LEVEL, MAJORITY, label
from anyband.statistics.ranking import scores
from anyband.statistics.sensor_gains import AS


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


def robustness(cube: ConfusionCube) -> pd.DataFrame:
    """Score (mIoU) of each method under each perturbed condition, and its paired change from the same sensors.

    No row where the method cannot take the input, nor for the nearest bands of another sensor, which are no
    perturbation. Exploratory: no test and no claim rests on it.
    """
    rows = []
    disturbed = [name for name in cube.conditions if "/" in name and not name.partition("/")[2].startswith(AS)]
    for condition, method in itertools.product(disturbed, cube.methods):
        before = condition.split("/")[0]
        if method == MAJORITY or before not in cube.conditions or not cube.takes(method, (before, condition)):
            continue
        after = score(cube, method, (condition,))
        change = estimate(after - score(cube, method, (before,)), LEVEL)
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
