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

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from anyband.products import BY_SHORT_NAME
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import Array, combine, estimate
from anyband.statistics.multiplicity import holm
from anyband.statistics.paired import Contrast, contrast, score
from anyband.statistics.protocol import FLOORS, LEVEL, MAJORITY, RESOLUTION_FACTOR, label

AS = "as-"  # `L9/as-S2`: Landsat as the nearest bands of Sentinel-2

Trained = Mapping[str, frozenset[str]]
"""Method -> products that it was trained on."""

BOTH, ALONE = "S2+L9", ("S2", "L9")
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
    specialists = [m for m in cube.methods if any(cube.takes(m, (c,)) for c in ALONE) and not _takes_all(cube, m)]
    for method in cube.methods:
        if method == MAJORITY or not _takes_all(cube, method):
            continue
        rivals = [(method, c) for c in ALONE]
        rivals += [(m, c) for m in specialists for c in ALONE if cube.takes(m, (c,))]
        found = [(rival, c, contrast(cube, (method, (BOTH,)), (rival, (c,)), margin)) for rival, c in rivals]
        rows.append(_fusion_row(cube, method, found))
    table = pd.DataFrame(rows, columns=FUSION)
    return table.assign(p_adjusted=holm(table["p"].to_numpy(dtype=float)))


def _takes_all(cube: ConfusionCube, method: str) -> bool:
    return cube.takes(method, (BOTH, *ALONE))


def _fusion_row(cube: ConfusionCube, method: str, found: list[tuple[str, str, Contrast]]) -> dict[str, Any]:
    rival, condition, strongest = min(found, key=lambda entry: float(entry[2].difference.value))
    difference = strongest.difference
    return {
        "method": method,
        "label": label(method),
        "both": float(score(cube, method, (BOTH,)).value),
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


def gap_closed(cube: ConfusionCube, trained: Trained, margin: float) -> pd.DataFrame:
    """One row per direction (source to target) and method that answers the target without having trained on it.

    Args:
        cube: with the conditions `<target>/as-<source>`.
        trained: method -> products it was trained on.
        margin: equivalence margin in mIoU.

    Returns:
        No rows where a specialist, the naive mapping or a zero-shot method is missing. `p_adjusted` is Holm's over all
        rows, of the paired gain over the naive mapping.
    """
    rows = []
    for condition in cube.conditions:
        target, _, change = condition.partition("/")
        source = change.removeprefix(AS)
        if not change.startswith(AS) or target not in BY_SHORT_NAME or source not in BY_SHORT_NAME:
            continue
        sender, own = specialist(cube, trained, source), specialist(cube, trained, target)
        if sender is None or own is None or not (cube.takes(sender, (condition,)) and cube.takes(own, (target,))):
            continue
        names = {"source": source, "target": target, "source_method": sender, "target_method": own}
        for method in zero_shot(cube, trained, target):
            rows.append(names | {"method": method, "label": label(method)} | _gap_row(cube, names, method, margin))
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
