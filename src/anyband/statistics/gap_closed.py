"""How much of the gap between naive mapping and a specialist a method closes on a sensor that it never trained on.

    G = (zero-shot - naive) / (specialist - naive)

*naive* is the specialist of the source sensor on the target sensor's nearest bands (`L9/as-S2`), *specialist* was
trained on the target sensor alone. All three are scored on the same pixels with the same seeds, so G and its
leave-one-out values come from the same blocks and seeds. G means nothing where there is no gap: whether the gap exceeds
what the design resolves stands beside it, and no claim is made where it does not. Scores are fractions in [0, 1].
"""

from typing import Any

import numpy as np
import pandas as pd

from anyband.products import BY_SHORT_NAME
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import Replicates, estimate
from anyband.statistics.multiplicity import holm
from anyband.statistics.paired import contrast, score
from anyband.statistics.protocol import LEVEL, RESOLUTION_FACTOR, label
from anyband.statistics.trained_products import AS, Trained, specialist, zero_shot

COLUMNS = [
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
            rows.append(names | {"method": method, "label": label(method)} | _row(cube, names, method, margin))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(p_adjusted=holm(table["p"].to_numpy(dtype=float)))


def _row(cube: ConfusionCube, names: dict[str, str], method: str, margin: float) -> dict[str, Any]:
    """Scores, gap, gain and share of the gap that is closed."""
    target, mapped = (names["target"],), (f"{names['target']}/{AS}{names['source']}",)
    naive, best = score(cube, names["source_method"], mapped), score(cube, names["target_method"], target)
    own = score(cube, method, target)
    gap, closed = estimate(best - naive, LEVEL), estimate(_ratio(own - naive, best - naive), LEVEL)
    gain = contrast(cube, (method, target), (names["source_method"], mapped), margin)
    row: dict[str, Any] = {"naive": float(naive.value), "specialist": float(best.value), "zero_shot": float(own.value)}
    for name, result in (("gap", gap), ("gain", gain.difference), ("closed", closed)):
        bounds = (float(result.value), float(result.lower), float(result.upper))
        row |= dict(zip((name, f"{name}_lower", f"{name}_upper"), bounds, strict=True))
    floor = RESOLUTION_FACTOR * float(gap.standard_error)
    return row | {
        "resolution": floor,
        "gap_resolved": bool(float(gap.value) > floor),
        "p": float(gain.difference.p_value),
        "gain_resolution": gain.resolution,
        "block_direction": gain.block_direction,
        "seeds_agree": gain.seeds_agree,
    }


def _ratio(above: Replicates, below: Replicates) -> Replicates:
    """Quotient, the same block and the same seed left out above and below; NaN where there is nothing to divide by."""
    parts = [
        np.divide(one, other, out=np.full(np.shape(one), np.nan), where=np.asarray(other) != 0)
        for one, other in (
            (above.value, below.value),
            (above.without_block, below.without_block),
            (above.without_seed, below.without_seed),
        )
    ]
    return Replicates(*parts)
