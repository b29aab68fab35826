"""The third endpoint: mIoU where conditions count by how often clouds leave just these sensors at hand.

The primary endpoint counts each sensor alone and both together alike. Of ground that at least one of a pair's scenes
shows, some is clear in both, some in one alone: with these shares as weights the mean is what a user gets who maps
whatever is clear. The shares are those of the pairs of training sites (their quality layers, looked at before any
training), so that nothing of test blocks or results enters.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.config import ComparisonSettings
from anyband.runtime import UserError, read_csv
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import estimate
from anyband.statistics.paired import contrast, holm, score
from anyband.statistics.protocol import LEVEL, label, role

COLUMNS = [
    "method", "label", "role", "weight_s2", "weight_l9", "weight_both", "miou", "miou_lower", "miou_upper",
    "difference", "difference_lower", "difference_upper", "p", "p_holm", "resolution", "seeds_agree",
]  # fmt: skip


def what_clouds_leave(pairs: Path, splits: Path) -> dict[str, float]:
    """What clouds leave: shares of S2 alone, L9 alone and both, which sum to 1, over the pairs of training sites.

    Args:
        pairs: folder of the tables of pairs, {site}.csv.
        splits: the table of splits.

    Raises:
        UserError: a table is missing, or there is no training site.
    """
    table = read_csv(splits)
    training = table.loc[table["split"] == "train", "site"].unique()
    if not len(training):
        raise UserError(f"{splits}: no training site, so what clouds leave is not known")
    found = pd.concat([read_csv(pairs / f"{site}.csv") for site in training])
    both = found["clear_joint"].mean()
    alone = (float(found[name].mean() - both) for name in ("clear_sentinel2", "clear_landsat"))
    shares = dict(zip(PRIMARY_CONDITIONS, (*alone, float(both)), strict=True))
    total = sum(shares.values())
    return {condition: share / total for condition, share in shares.items()}


def cloud_weighted(
    cube: ConfusionCube, settings: ComparisonSettings, clear_shares: Mapping[str, float]
) -> pd.DataFrame:
    """The endpoint of every method that takes all its conditions, best first; Holm over the declared family.

    Empty without shares, and where the experiment does not test all conditions of the primary endpoint.
    """
    weights = [clear_shares.get(condition, 0.0) for condition in PRIMARY_CONDITIONS]
    proposed, margin = settings.experiment.proposed, settings.experiment.equivalence_margin
    if not clear_shares or not set(PRIMARY_CONDITIONS) <= set(settings.experiment.conditions):
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    for method in filter(cube.complete, cube.methods):
        own = method, cube.endpoints[method]
        row: dict[str, str | float] = {
            "method": method,
            "label": label(method),
            "role": role(method, settings, complete=True),
        }
        row |= dict(zip(("weight_s2", "weight_l9", "weight_both"), weights, strict=True))
        row |= estimate(score(cube, *own, weights), LEVEL, "bounded").columns("miou")
        if method != proposed and cube.complete(proposed):
            against = contrast(cube, (proposed, cube.endpoints[proposed]), own, margin, weights)
            row |= against.difference.columns("difference") | {"p": float(against.difference.p_value)}
            row |= {"resolution": against.resolution, "seeds_agree": against.seeds_agree}
        rows.append(row)
    table = pd.DataFrame(rows, columns=COLUMNS).sort_values("miou", ascending=False, kind="stable", ignore_index=True)
    return table.assign(p_holm=holm(table["p"].where(table["role"] == "baseline").astype(float)))
