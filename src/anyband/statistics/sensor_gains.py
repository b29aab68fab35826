"""What a second sensor is worth, and how well a sensor is mapped that was never trained on. Scores are fractions.

*Second sensor.* A method that is given one sensor where it was built for two may lose for want of training, not for
want of the other sensor. So both sensors have to beat the same method on one sensor *and* the specialist of that
sensor: the numbers of a row are those of the strongest of these rivals, its p is the largest of theirs
(intersection-union test; two-sided p, 1 where the rival is the better one).

*Share of the gap closed.* G = (zero-shot - naive) / (specialist - naive), where *naive* is the specialist of the source
sensor on the target sensor's nearest bands (`L9/as-S2`), and *specialist* was trained on the target sensor alone. All
three are scored on the same pixels with the same seeds, so G and its leave-one-out values come from the same blocks and
seeds. G means nothing where there is no gap: whether the gap exceeds what the design resolves stands beside it, and no
claim is made where it does not.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from anyband.conditions import primary_conditions
from anyband.products import BY_SHORT_NAME
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import Array, combine, estimate
from anyband.statistics.paired import Contrast, contrast, holm, score
from anyband.statistics.protocol import FLOORS, LEVEL, MAJORITY, RESOLUTION_FACTOR, label

AS = "as-"  # `L9/as-S2`: Landsat as the nearest bands of Sentinel-2

Trained = Mapping[str, frozenset[str]]
"""Method -> products that it was trained on."""

FUSION = [
    "method", "label", "both", "rival", "rival_label", "condition", "rival_score", "difference", "difference_lower",
    "difference_upper", "p", "resolution", "block_direction", "seeds_agree", "p_adjusted",
]  # fmt: skip


def specialist(cube: ConfusionCube, trained: Trained, condition: str) -> str | None:
    """The first method of the experiment that was trained on exactly the product of `condition`."""
    product = frozenset({BY_SHORT_NAME[condition].key})
    return next((method for method in cube.methods if trained.get(method) == product), None)


def reader(cube: ConfusionCube, trained: Trained, condition: str) -> str | None:
    """Who tells best what a product holds: its specialist, or else the method trained on it and on fewest others.

    Floors are left out: what they miss is theirs, not the product's. Of equals the first of the experiment.
    """
    product = BY_SHORT_NAME[condition].key
    able = [
        method
        for method in cube.methods
        if method not in FLOORS and product in trained.get(method, ()) and cube.takes(method, (condition,))
    ]
    return min(able, key=lambda method: len(trained[method]), default=None)


def zero_shot(cube: ConfusionCube, trained: Trained, condition: str) -> list[str]:
    """Methods that answer a condition whose product they were not trained on."""
    return [
        method
        for method in cube.methods
        if method != MAJORITY
        and method in trained
        and BY_SHORT_NAME[condition].key not in trained[method]
        and cube.takes(method, (condition,))
    ]


def short_names(products: Iterable[str]) -> str:
    """Products as people write them: {"sentinel2", "landsat"} -> "S2+L9"."""
    known = set(products)
    return "+".join(short for short, product in BY_SHORT_NAME.items() if product.key in known)


def fusion(cube: ConfusionCube, margin: float) -> pd.DataFrame:
    """One row per method that takes both sensors together and each alone; the specialists have none.

    Args:
        cube: undisturbed conditions.
        margin: equivalence margin in mIoU.

    Returns:
        `p_adjusted` is Holm's over all rows. `difference_lower` is the lowest bound against any of the rivals.
    """
    rows = []
    *alone, both = primary_conditions(cube.conditions)
    taking = [m for m in cube.methods if cube.takes(m, (both, *alone))]
    specialists = [m for m in cube.methods if any(cube.takes(m, (c,)) for c in alone) and m not in taking]
    for method in taking:
        if method == MAJORITY:
            continue
        rivals = [(method, c) for c in alone]
        rivals += [(m, c) for m in specialists for c in alone if cube.takes(m, (c,))]
        found = [(rival, c, contrast(cube, (method, (both,)), (rival, (c,)), margin)) for rival, c in rivals]
        rows.append(_fusion_row(cube, method, both, found))
    table = pd.DataFrame(rows, columns=FUSION)
    return table.assign(p_adjusted=holm(table["p"].to_numpy(dtype=float)))


def _fusion_row(cube: ConfusionCube, method: str, both: str, found: list[tuple[str, str, Contrast]]) -> dict[str, Any]:
    rival, condition, strongest = min(found, key=lambda entry: float(entry[2].difference.value))
    difference = strongest.difference
    return {
        "method": method,
        "label": label(method),
        "both": float(score(cube, method, (both,)).value),
        "rival": rival,
        "rival_label": label(rival),
        "condition": condition,
        "rival_score": float(score(cube, rival, (condition,)).value),
        "difference": float(difference.value),
        "difference_lower": min(float(entry[2].difference.lower) for entry in found),
        "difference_upper": float(difference.upper),
        "p": max(float(d.p_value) if d.value > 0 else 1.0 for d in (entry[2].difference for entry in found)),
        "resolution": max(entry[2].resolution for entry in found),
        "block_direction": min(entry[2].block_direction for entry in found),
        "seeds_agree": min(entry[2].seeds_agree for entry in found),
    }


GAP_CLOSED = [
    "source", "target", "method", "label", "source_method", "target_method", "naive", "specialist", "zero_shot",
    "gap", "gap_lower", "gap_upper", "resolution", "gap_resolved", "gain", "gain_lower", "gain_upper", "p",
    "gain_resolution", "block_direction", "seeds_agree", "closed", "closed_lower", "closed_upper", "p_adjusted",
]  # fmt: skip


def gap_closed(full: ConfusionCube, trained: Trained, margin: float) -> pd.DataFrame:
    """One row per direction (source to target) and method that answers the target without having trained on it.

    Args:
        full: with the conditions `<target>/as-<source>`.
        trained: method -> products it was trained on.
        margin: equivalence margin in mIoU.

    Returns:
        No rows where a specialist, the naive mapping or a zero-shot method is missing. `p_adjusted` is Holm's over all
        rows, of the paired gain over the naive mapping.
    """
    rows = []
    for condition in full.conditions:
        target, _, change = condition.partition("/")
        source = change.removeprefix(AS)
        if not change.startswith(AS) or target not in BY_SHORT_NAME or source not in BY_SHORT_NAME:
            continue
        sender, own = specialist(full, trained, source), specialist(full, trained, target)
        if sender is None or own is None or not (full.takes(sender, (condition,)) and full.takes(own, (target,))):
            continue
        names = {"source": source, "target": target, "source_method": sender, "target_method": own}
        for method in zero_shot(full, trained, target):
            rows.append(names | {"method": method, "label": label(method)} | _gap_row(full, names, method, margin))
    table = pd.DataFrame(rows, columns=GAP_CLOSED)
    return table.assign(p_adjusted=holm(table["p"].to_numpy(dtype=float)))


def _gap_row(cube: ConfusionCube, names: dict[str, str], method: str, margin: float) -> dict[str, Any]:
    """Scores, gap, gain and share of the gap that is closed."""
    target, mapped = (names["target"],), (f"{names['target']}/{AS}{names['source']}",)
    naive, best = score(cube, names["source_method"], mapped), score(cube, names["target_method"], target)
    own = score(cube, method, target)
    gap, closed = estimate(best - naive, LEVEL), estimate(combine(_ratio, own - naive, best - naive), LEVEL)
    gain = contrast(cube, (method, target), (names["source_method"], mapped), margin)
    row: dict[str, Any] = {"naive": float(naive.value), "specialist": float(best.value), "zero_shot": float(own.value)}
    row |= gap.columns("gap") | gain.difference.columns("gain") | closed.columns("closed")
    floor = RESOLUTION_FACTOR * float(gap.standard_error)
    return row | {
        "resolution": floor,
        "gap_resolved": bool(float(gap.value) > floor),
        "p": float(gain.difference.p_value),
        "gain_resolution": gain.resolution,
        "block_direction": gain.block_direction,
        "seeds_agree": gain.seeds_agree,
    }


def _ratio(above: Array, below: Array) -> Array:
    """Quotient; NaN where there is nothing to divide by."""
    quotient: Array = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=np.asarray(below) != 0)
    return quotient


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


def transfer(full: ConfusionCube, trained: Trained) -> pd.DataFrame:
    """Every method under every sensor alone, and its difference to the specialist of that sensor.

    A specialist of another sensor reads the nearest bands (`L9/as-S2`, column `mapped`) where that was evaluated;
    what it makes of two sensors, of which it reads one, has no row. Nor have methods whose runs do not say what they
    were trained on.
    """
    rows = []
    sensors = [c for c in full.conditions if "/" not in c]
    for method, condition in itertools.product(full.methods, sensors):
        used = _answered(full, trained, method, condition)
        ignores = "+" in condition and len(trained.get(method, ())) == 1
        if method == MAJORITY or method not in trained or used is None or ignores:
            continue
        own = score(full, method, (used,))
        level = estimate(own, LEVEL, "bounded")
        row: dict[str, Any] = {"method": method, "label": label(method), "trained_on": short_names(trained[method])}
        row |= {"condition": condition, "mapped": used != condition}
        row["seen"] = all(BY_SHORT_NAME[part].key in trained[method] for part in condition.split("+"))
        row |= level.columns("miou")
        reference = specialist(full, trained, condition) if condition in BY_SHORT_NAME else None
        if reference is not None and reference != method and full.takes(reference, (condition,)):
            change = estimate(own - score(full, reference, (condition,)), LEVEL)
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


def decomposition(full: ConfusionCube, trained: Trained) -> pd.DataFrame:
    """Step by step from one sensor's score to another's.

    By the same method, for every one that answers both ends: steps whose condition was not evaluated, or that the
    method cannot take, are merged with the next one. And with each product on the way read by a model that was trained
    on it, column `reader`, so that none ever sees an unknown input. Every change is paired on the same pixels; the
    changes of a path add up to the whole difference. Floors are left out.

    Returns:
        No rows for a path of which only the two ends are there: that tells nothing apart.
    """
    own = {condition: reader(full, trained, condition) for condition, _ in THROUGH_HLS}
    known = {condition: method for condition, method in own.items() if method is not None}
    rows = []
    if len(set(known.values())) > 1:  # a single model for all of them is that model's own path
        rows += _path_rows(full, (OWN_MODELS, "", "Models trained on each product"), known)
    for path, method in itertools.product((DEGRADED, ONE_METHOD), full.methods):
        if method not in FLOORS:
            rows += _path_rows(full, (path, method, label(method)), dict.fromkeys(full.conditions, method))
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
