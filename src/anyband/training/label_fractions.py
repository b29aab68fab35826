"""Training with fewer labels: whole blocks, nested, drawn anew for every seed."""

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd


def training_blocks(splits: Path, fraction: float, seed: int) -> tuple[str, ...] | None:
    """The training blocks in the table of splits that a run of this seed may use; None for all of them.

    Args:
        splits: the table of splits.
        fraction: share of the training blocks, in (0, 1].
        seed: of the run.
    """
    if fraction == 1:
        return None
    table = pd.read_csv(splits, dtype={"block": str})
    return nested_blocks(table.loc[table["split"] == "train", "block"].unique(), fraction, seed)


def nested_blocks(blocks: Iterable[str], fraction: float, seed: int) -> tuple[str, ...]:
    """A share of `blocks`, at least one, in an order that depends on the seed and the names alone.

    A smaller share is a part of every larger one of the same seed, so a curve over shares adds labels and never swaps
    them, and every method of a seed gets the same blocks.
    """
    known = sorted(set(blocks), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())
    return tuple(known[: max(1, math.ceil(fraction * len(known) - 1e-9))])
