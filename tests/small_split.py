"""Small data to split: a dataset of three fabricated sites to train on, and surveys of chips without any pixels."""

from pathlib import Path

import numpy as np
import pandas as pd
import zarr

from anyband.chips.store import chip_entries
from anyband.splits.index import Survey, Windows
from anyband.splits.spatial import Positions
from fabricate import fabricate_store

CLASSES = {10: "tree cover", 30: "grassland", 80: "permanent water"}
SMALL = {"dim": 16, "depth": 1, "heads": 2, "fine": 8, "convolutions": 1, "moments": 2}


def fabricate_split(folder: Path, chips: int = 6) -> tuple[Path, Path]:
    """Write `{folder}/chips/*.zarr` and `{folder}/split.csv` with chips of 480 m; returns both paths."""
    rows = []
    for seed, split in enumerate(("train", "val", "test")):
        codes = np.array(sorted(CLASSES), np.uint8)
        store = fabricate_store(folder / "chips" / f"{split}.zarr", chips, seed, codes=codes, chip_m=480)
        for chip in chip_entries(zarr.open_group(store, mode="r")):
            block = f"{split}-{chip['row'] % 2}"
            place = {"x": chip["x0"], "y": chip["y0"], "epsg": chip["epsg"]}
            rows.append({"site": split, "chip": chip["chip"], "block": block, "split": split, **place})
    pd.DataFrame(rows).to_csv(folder / "split.csv", index=False)
    return folder / "chips", folder / "split.csv"


def make_survey(blocks=12, per_block=4, spacing_m=50_000.0, counts=None, side=960.0) -> Survey:
    """Chips in a row inside blocks that lie in a row, a scene for every block; each chip has its own pixels."""
    block = np.repeat(np.arange(blocks), per_block)
    within = np.tile(np.arange(per_block), blocks)
    return survey_of(
        site=[f"s{b:02d}" for b in block],
        chip=[f"s{b:02d}-0-r0c{c}" for b, c in zip(block, within, strict=True)],
        x=100_480.0 + spacing_m * block + side * within,
        y=np.full(len(block), 5e6),
        epsg=np.full(len(block), 32632),
        item=[f"scene-{b}" for b in block],
        counts=None if counts is None else np.repeat(counts, per_block, axis=0),
        side=side,
    )


def survey_of(site, chip, x, y, epsg, item, counts=None, side=960.0) -> Survey:
    """A survey of chips at (x, y) that read what lies under them of `item`; 50 pixels of three classes unless told."""
    where = Positions(np.asarray(x, float), np.asarray(y, float), np.asarray(epsg), side)
    corner = np.stack([where.x - side / 2, where.northing + side / 2], axis=1)
    return Survey(
        site=np.array(site),
        chip=np.array(chip),
        positions=where,
        counts=np.full((len(where.x), 3), 50) if counts is None else counts,
        windows={"sentinel2/10m": Windows(np.array(item), corner)},
        digests=[frozenset({f"pixels-{name}"}) for name in chip],
        mosaics=[np.full((96, 96), 10, np.uint8)],
    )


def deliver(table, products, step):
    """A training batch: values, validity and labels of a step that `random_batches` drew.

    Here and not in a test, so that a worker process that starts afresh can import it.
    """
    indices, crop = step
    groups = table.observation(indices, products, crop).groups
    return [tensor for group in groups for tensor in (group.values, group.valid)] + [table.labels(indices, crop)]
