"""Small experiments whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from anyband.config import ComparisonSettings, Experiment

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
    codes, right = list(CLASSES), np.eye(len(CLASSES), dtype=bool)
    totals = rng.integers(500, 3000, size=(blocks, len(codes)))
    keys, counts = [], []
    for method, conditions in accuracy.items():
        by_block = rng.normal(0, block_sd, blocks)
        for seed in seeds:
            by_seed = rng.normal(0, seed_sd)
            for condition, share in conditions.items():
                p = np.clip(share + by_block + by_seed, 0.05, 0.99)[:, None, None]
                keys.append((method, seed, condition))
                counts.append(rng.multinomial(totals, np.where(right, p, (1 - p) / 3)))  # (blocks, 4, 4)
    block, reference, prediction = np.indices((blocks, len(codes), len(codes))).reshape(3, -1)
    table = pd.DataFrame(keys, columns=["method", "seed", "condition"]).loc[np.repeat(range(len(keys)), len(block))]
    return table.assign(
        block=np.tile([f"b{b:02d}" for b in block], len(keys)),
        reference=np.tile(np.take(codes, reference), len(keys)),
        prediction=np.tile(np.take(codes, prediction), len(keys)),
        count=np.ravel(counts),
    ).reset_index(drop=True)
