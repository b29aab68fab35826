"""Small experiments whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from anyband.config import Comparison as ComparisonSettings
from anyband.config import Experiment

CLASSES = {10: "tree cover", 40: "cropland", 50: "built-up", 80: "permanent water"}


@pytest.fixture
def comparison_settings():
    """Settings of an experiment with four methods, of which `s2-only` takes Sentinel-2 alone."""
    names = ["s2-only", "input-fusion", "anyband", "pixel"]
    return ComparisonSettings(
        name="main",
        experiment=Experiment(methods=names, conditions=["S2", "L9", "S2+L9"]),
        classes=CLASSES,
    )


@pytest.fixture
def confusion_table():
    """A function that fabricates the tidy confusion table of an experiment."""
    return fabricate_table


def fabricate_table(accuracy, blocks=12, seeds=(0, 1, 2, 3, 4), rng_seed=0, block_sd=0.04, seed_sd=0.01):
    """Rows for every method in `accuracy`: {method: {condition: share of right pixels}}."""
    rng = np.random.default_rng(rng_seed)
    codes = list(CLASSES)
    totals = rng.integers(500, 3000, size=(blocks, len(codes)))
    rows = []
    for method, conditions in accuracy.items():
        by_block = rng.normal(0, block_sd, blocks)
        for seed in seeds:
            by_seed = rng.normal(0, seed_sd)
            for condition, right in conditions.items():
                for block in range(blocks):
                    p = np.clip(right + by_block[block] + by_seed, 0.05, 0.99)
                    chance = np.full((4, 4), (1 - p) / 3)
                    np.fill_diagonal(chance, p)
                    counts = rng.multinomial(totals[block], chance)
                    rows += [
                        (method, seed, condition, f"b{block:02d}", codes[i], codes[j], counts[i, j])
                        for i in range(4)
                        for j in range(4)
                    ]
    columns = ["method", "seed", "condition", "block", "reference", "prediction", "count"]
    return pd.DataFrame(rows, columns=columns)
