"""Does a second sensor help? Both sensors together against the better one alone.

A method that is given one sensor where it was built for two may lose for want of training, not for want of the other
sensor. So both sensors have to beat the same method on one sensor *and* the specialist of that sensor: the numbers of a
row are those of the strongest of these rivals, its p is the largest of theirs (intersection-union test; two-sided p, 1
where the rival is the better one). Scores are fractions.
"""

from typing import Any

import pandas as pd

from anyband.statistics.cube import ConfusionCube
from anyband.statistics.multiplicity import holm
from anyband.statistics.paired import Comparison, contrast, score
from anyband.statistics.protocol import MAJORITY, label

BOTH, ALONE = "S2+L9", ("S2", "L9")
COLUMNS = [
    "method", "label", "both", "rival", "rival_label", "condition", "rival_score", "difference", "difference_lower",
    "difference_upper", "p", "resolution", "block_direction", "seeds_agree", "p_adjusted",
]  # fmt: skip


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
        rows.append(_row(cube, method, found))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(p_adjusted=holm(table["p"].to_numpy(dtype=float)))


def _takes_all(cube: ConfusionCube, method: str) -> bool:
    return cube.takes(method, (BOTH, *ALONE))


def _row(cube: ConfusionCube, method: str, found: list[tuple[str, str, Comparison]]) -> dict[str, Any]:
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
        "p": max(_p(entry[2]) for entry in found),
        "resolution": max(entry[2].resolution for entry in found),
        "block_direction": min(entry[2].block_direction for entry in found),
        "seeds_agree": min(entry[2].seeds_agree for entry in found),
    }


def _p(result: Comparison) -> float:
    return float(result.difference.p_value) if result.difference.value > 0 else 1.0
