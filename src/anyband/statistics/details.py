"""Tables behind single figures: confusion matrices, differences block by block, learning curves."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from anyband.statistics.cube import ConfusionCube
from anyband.statistics.paired import block_scores
from anyband.statistics.protocol import LEVEL, MAJORITY

CONFUSIONS = ["method", "reference", "prediction", "count"]
DIFFERENCES = ["method", "block", "difference", "lower", "upper"]
LEARNING = ["method", "step", "loss", "loss_lowest", "loss_highest", "val_miou", "val_miou_lowest", "val_miou_highest"]


def confusions(cube: ConfusionCube) -> pd.DataFrame:
    """Counts of the primary endpoint, summed over its conditions, seeds and test blocks, for complete methods."""
    rows = []
    for method in cube.methods:
        if method == MAJORITY or not cube.complete(method):
            continue
        counts = sum(cube.cells(method, condition).sum(axis=(0, 1)) for condition in cube.endpoints[method])
        table = np.asarray(counts)
        rows += [
            {"method": method, "reference": cube.classes[i], "prediction": cube.classes[j], "count": int(table[i, j])}
            for i in range(len(cube.classes))
            for j in range(len(cube.classes))
        ]
    return pd.DataFrame(rows, columns=CONFUSIONS)


def block_differences(cube: ConfusionCube, proposed: str) -> pd.DataFrame:
    """Proposed method minus each other one inside every test block, with a t interval over seeds (NaN for one seed).

    Endpoint averaged over its conditions; fractions of mIoU over the classes found in the block.
    """
    if proposed not in cube.methods or not cube.complete(proposed):
        return pd.DataFrame(columns=DIFFERENCES)
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
    return pd.DataFrame(rows, columns=DIFFERENCES)


def read_history(folder: Path) -> pd.DataFrame:
    """Losses of a run by step; empty where none were kept."""
    path = folder / "history.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=["step", "loss", "val_miou"])


def learning(histories: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Training loss and validation mIoU by step: mean, lowest and highest over seeds.

    Args:
        histories: (method, seed) -> content of `history.csv`.
    """
    frames = [table.assign(method=method, seed=seed) for (method, seed), table in histories.items() if len(table)]
    if not frames:
        return pd.DataFrame(columns=LEARNING)
    groups = pd.concat(frames, ignore_index=True).groupby(["method", "step"], sort=False)
    result = pd.DataFrame(
        {
            f"{name}{suffix}": groups[name].agg(how)
            for name in ("loss", "val_miou")
            for suffix, how in (("", "mean"), ("_lowest", "min"), ("_highest", "max"))
        }
    )
    return result.reset_index()[LEARNING]
