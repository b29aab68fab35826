"""Tables that explain sensors: trained on X and tested on Y, and why one sensor's score differs from another's.

Scores are fractions in [0, 1]. Both are exploratory: no claim rests on them.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import pandas as pd

from anyband.products import BY_SHORT_NAME
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import estimate
from anyband.statistics.paired import score
from anyband.statistics.protocol import FLOORS, LEVEL, MAJORITY, label
from anyband.statistics.sensor_gains import AS, Trained, reader, short_names, specialist

TRANSFER = [
    "method", "label", "trained_on", "condition", "mapped", "seen", "miou", "miou_lower", "miou_upper", "reference",
    "change", "change_lower", "change_upper",
]  # fmt: skip
# Ways from one sensor to another, one factor at a time: (condition, what changes on the way to it).
DEGRADED = "S2 to L9, one method, S2 made like L9"
ONE_METHOD = "S2 to L9 through HLS, one method"
OWN_MODELS = "S2 to L9 through HLS, each product's own model"
THROUGH_HLS = (
    ("S2", ""),
    ("S30", "resolution 30 m, and HLS processing"),
    ("L30", "bands, instrument and date; radiometry harmonised"),
    ("L9", "HLS processing undone"),
)
PATHS = {
    OWN_MODELS: THROUGH_HLS,
    DEGRADED: (
        ("S2", ""),
        ("S2/gsd-30", "resolution: all bands at 30 m"),
        ("S2/gsd-30/drop-red-edge", "bands: no red edge"),
        ("L9", "instrument, radiometry, registration and date"),
    ),
    ONE_METHOD: THROUGH_HLS,
}
ALL_TOGETHER = "all together"
NEEDED = {"S2/gsd-30", "S2/gsd-30/drop-red-edge"}
"""Conditions beyond sensors themselves that tell resolution and bands apart."""
DECOMPOSITION = [
    "path", "method", "label", "order", "condition", "reader", "factor", "miou", "change", "change_lower",
    "change_upper",
]  # fmt: skip


def transfer(cube: ConfusionCube, trained: Trained) -> pd.DataFrame:
    """Every method under every sensor alone, and its difference to the specialist of that sensor.

    A specialist of another sensor reads the nearest bands (`L9/as-S2`, column `mapped`) where that was evaluated;
    what it makes of two sensors, of which it reads one, has no row. Nor have methods whose runs do not say what they
    were trained on.
    """
    rows = []
    sensors = [c for c in cube.conditions if "/" not in c]
    for method, condition in itertools.product(cube.methods, sensors):
        used = _answered(cube, trained, method, condition)
        ignores = "+" in condition and len(trained.get(method, ())) == 1
        if method == MAJORITY or method not in trained or used is None or ignores:
            continue
        own = score(cube, method, (used,))
        level = estimate(own, LEVEL, "bounded")
        row: dict[str, Any] = {"method": method, "label": label(method), "trained_on": short_names(trained[method])}
        row |= {"condition": condition, "mapped": used != condition}
        row["seen"] = all(BY_SHORT_NAME[part].key in trained[method] for part in condition.split("+"))
        row |= level.columns("miou")
        reference = specialist(cube, trained, condition) if condition in BY_SHORT_NAME else None
        if reference is not None and reference != method and cube.takes(reference, (condition,)):
            change = estimate(own - score(cube, reference, (condition,)), LEVEL)
            row |= {"reference": reference} | change.columns("change")
        rows.append(row)
    return pd.DataFrame(rows, columns=TRANSFER)


def _answered(cube: ConfusionCube, trained: Trained, method: str, condition: str) -> str | None:
    """The condition itself, or the same as the nearest bands of the one sensor that the method knows."""
    if cube.takes(method, (condition,)):
        return condition
    own = short_names(trained.get(method, ()))
    mapped = f"{condition}/{AS}{own}"
    return mapped if own in BY_SHORT_NAME and cube.takes(method, (mapped,)) else None


def decomposition(cube: ConfusionCube, trained: Trained) -> pd.DataFrame:
    """Step by step from one sensor's score to another's.

    By the same method, for every one that answers both ends: steps whose condition was not evaluated, or that the
    method cannot take, are merged with the next one. And with each product on the way read by a model that was trained
    on it, column `reader`, so that none ever sees an unknown input. Every change is paired on the same pixels; the
    changes of a path add up to the whole difference. Floors are left out.

    Returns:
        No rows for a path of which only the two ends are there: that tells nothing apart.
    """
    own = {condition: reader(cube, trained, condition) for condition, _ in THROUGH_HLS}
    known = {condition: method for condition, method in own.items() if method is not None}
    rows = []
    if len(set(known.values())) > 1:  # a single model for all of them is that model's own path
        rows += _path_rows(cube, (OWN_MODELS, "", "Models trained on each product"), known)
    for path, method in itertools.product((DEGRADED, ONE_METHOD), cube.methods):
        if method not in FLOORS:
            rows += _path_rows(cube, (path, method, label(method)), dict.fromkeys(cube.conditions, method))
    return pd.DataFrame(rows, columns=DECOMPOSITION)


def _merged(
    cube: ConfusionCube, answering: Mapping[str, str], steps: tuple[tuple[str, str], ...]
) -> list[tuple[str, str]]:
    """Steps that are answered; the factors of those that are not go to the next."""
    result, waiting = [], []
    for condition, factor in steps:
        waiting += [factor] if factor else []
        if condition in answering and cube.takes(answering[condition], (condition,)):
            result.append((condition, "; ".join(waiting)))
            waiting = []
    return result


def _path_rows(cube: ConfusionCube, names: tuple[str, str, str], answering: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row per step with its change from the one before; then the whole difference."""
    steps = _merged(cube, answering, PATHS[names[0]])
    ends = {PATHS[names[0]][place][0] for place in (0, -1)}
    if len(steps) < 3 or not ends <= {condition for condition, _ in steps}:
        return []
    scores = [score(cube, answering[condition], (condition,)) for condition, _ in steps]
    changes = [None, *(after - before for before, after in itertools.pairwise(scores)), scores[-1] - scores[0]]
    listed = [*steps, (steps[-1][0], ALL_TOGETHER)]
    rows = []
    for order, ((condition, factor), value, change) in enumerate(
        zip(listed, [*scores, scores[-1]], changes, strict=True)
    ):
        row: dict[str, Any] = dict(zip(DECOMPOSITION, names, strict=False)) | {"order": order, "condition": condition}
        row |= {"reader": label(answering[condition]), "factor": factor, "miou": float(value.value)}
        if change is not None:
            row |= estimate(change, LEVEL).columns("change")
        rows.append(row)
    return rows
