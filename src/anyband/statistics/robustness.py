"""What is left of a score when something is done to the input. Scores are fractions in [0, 1]."""

import itertools
from typing import Any

import pandas as pd

from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import estimate
from anyband.statistics.paired import score
from anyband.statistics.protocol import LEVEL, MAJORITY, label
from anyband.statistics.trained_products import AS

COLUMNS = [
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
        level = estimate(after, LEVEL, "bounded")
        change = estimate(after - score(cube, method, (before,)), LEVEL)
        row: dict[str, Any] = {"method": method, "label": label(method), "condition": condition, "reference": before}
        for name, result in (("miou", level), ("change", change)):
            row |= {name: float(result.value), f"{name}_lower": float(result.lower)}
            row[f"{name}_upper"] = float(result.upper)
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)
