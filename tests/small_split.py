"""A dataset of three fabricated sites, one per split, small enough to train on within a test."""

from pathlib import Path

import numpy as np
import pandas as pd
import zarr

from fabricate import fabricate_store

CLASSES = {10: "tree cover", 30: "grassland", 80: "permanent water"}
SMALL = {"dim": 16, "depth": 1, "heads": 2, "fine": 8, "convolutions": 1, "moments": 2}


def fabricate_split(folder: Path, chips: int = 6) -> tuple[Path, Path]:
    """Write `{folder}/chips/*.zarr` and `{folder}/split.csv` with chips of 480 m; returns both paths."""
    rows = []
    for seed, split in enumerate(("train", "val", "test")):
        codes = np.array(sorted(CLASSES), np.uint8)
        store = fabricate_store(folder / "chips" / f"{split}.zarr", chips, seed, codes=codes, chip_m=480)
        for chip in zarr.open_group(store, mode="r").attrs["chips"]:
            block = f"{split}-{chip['row'] % 2}"
            place = {"x": chip["x0"], "y": chip["y0"], "epsg": chip["epsg"]}
            rows.append({"site": split, "chip": chip["chip"], "block": block, "split": split, **place})
    pd.DataFrame(rows).to_csv(folder / "split.csv", index=False)
    return folder / "chips", folder / "split.csv"
