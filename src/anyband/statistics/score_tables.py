"""The tables beside the headline, one tidy frame each. Scores are fractions in [0, 1]; NaN means not available."""

import itertools
from typing import Any

import numpy as np
import pandas as pd

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.config import Comparison as ComparisonSettings
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import average, estimate, replicate
from anyband.statistics.metrics import class_f1, class_iou
from anyband.statistics.paired import block_scores, score, seed_scores
from anyband.statistics.protocol import LEVEL, PRIMARY, label
from anyband.statistics.ranking import scores


def conditions(cube: ConfusionCube) -> pd.DataFrame:
    """Scores of each method under each test condition.

    `zero_shot` marks products that this method was not trained on: training is on those of its primary endpoint.
    """
    rows = []
    for method, condition in itertools.product(cube.methods, cube.conditions):
        taken = cube.takes(method, (condition,))
        names: dict[str, Any] = {"method": method, "label": label(method), "condition": condition}
        names["zero_shot"] = condition not in (*PRIMARY_CONDITIONS, *cube.endpoints[method])
        rows.append(names | scores(cube, method, (condition,) * taken))
    return pd.DataFrame(rows)


def per_class(cube: ConfusionCube, settings: ComparisonSettings) -> pd.DataFrame:
    """IoU and F1 of each class on the primary endpoint and under each condition, with the class's support."""
    reference = cube.reference()  # (block, class)
    targets = [(PRIMARY, cube.endpoints), *((condition, cube.same(condition)) for condition in cube.conditions)]
    rows = []
    for method, (name, conditions_of) in itertools.product(cube.methods, targets):
        chosen = conditions_of[method]
        if not cube.takes(method, chosen):
            continue
        iou, f1 = (
            estimate(average([replicate(cube.cells(method, condition), metric) for condition in chosen]), LEVEL)
            for metric in (class_iou, class_f1)
        )
        for index, code in enumerate(cube.classes):
            row: dict[str, Any] = {"method": method, "label": label(method), "condition": name, "class": code}
            row["class_name"] = settings.classes[code]
            for key, result in (("iou", iou), ("f1", f1)):
                row[key] = result.value[index]
                row[f"{key}_lower"] = np.clip(result.lower[index], 0, 1)
                row[f"{key}_upper"] = np.clip(result.upper[index], 0, 1)
            row["pixels"] = int(reference[:, index].sum())
            row["blocks"] = int((reference[:, index] > 0).sum())
            rows.append(row)
    return pd.DataFrame(rows)


def variance(cube: ConfusionCube, pairs: pd.DataFrame) -> pd.DataFrame:
    """Where the uncertainty comes from: variances over blocks and seeds, and the error after doubling either.

    Rows are the score of each complete method and the declared differences, all on the primary endpoint.
    """
    rows = []
    for method in cube.methods:
        if cube.complete(method):
            result = estimate(score(cube, method, cube.endpoints[method]), LEVEL)
            parts = (float(result.variance_blocks), float(result.variance_seeds), float(result.degrees_of_freedom))
            rows.append(_variance_row("score", label(method), *parts))
    for pair in pairs[pairs["family"] == "declared"].to_dict("records"):
        name = f"{label(pair['first'])} − {label(pair['second'])}"
        parts = (pair["variance_blocks"], pair["variance_seeds"], pair["degrees_of_freedom"])
        rows.append(_variance_row("difference", name, *parts))
    return pd.DataFrame(rows)


def _variance_row(kind: str, name: str, blocks: float, seeds: float, freedom: float) -> dict[str, Any]:
    known_seeds = 0.0 if np.isnan(seeds) else seeds
    total = blocks + known_seeds
    return {
        "quantity": kind,
        "label": name,
        "variance_blocks": blocks,
        "variance_seeds": seeds,
        "share_blocks": blocks / total if total > 0 else np.nan,
        "degrees_of_freedom": freedom,
        "standard_error": np.sqrt(total),
        "error_with_twice_the_blocks": np.sqrt(blocks / 2 + known_seeds),
        "error_with_twice_the_seeds": np.sqrt(blocks + known_seeds / 2),
    }


def units(cube: ConfusionCube) -> pd.DataFrame:
    """Primary endpoint seed by seed (pooled blocks) and block by block (averaged over seeds) for complete methods."""
    rows = []
    for method in cube.methods:
        if not cube.complete(method):
            continue
        primary = cube.endpoints[method]
        by_seed = zip(map(str, cube.seeds), seed_scores(cube, method, primary), strict=True)
        by_block = zip(cube.blocks, block_scores(cube, method, primary).mean(axis=0), strict=True)
        rows += [{"method": method, "kind": "seed", "unit": unit, "miou": value} for unit, value in by_seed]
        rows += [{"method": method, "kind": "block", "unit": unit, "miou": value} for unit, value in by_block]
    return pd.DataFrame(rows, columns=["method", "kind", "unit", "miou"])


def cost(runs: dict[tuple[str, int], dict[str, Any]]) -> pd.DataFrame:
    """Cost of each method: size and work of the model, median training time and mean speed and memory over its seeds.

    Where a run notes what it started from besides random weights, there is a column for it.

    Args:
        runs: (method, seed) -> content of `cost.json`.
    """
    frame = pd.DataFrame([{"method": method, "seed": seed} | content for (method, seed), content in runs.items()])
    if frame.empty:
        return frame
    numbers = [
        "parameters", "trainable_parameters", "macs_per_km2", "train_seconds", "inference_km2_per_s", "peak_memory_mb",
    ]  # fmt: skip
    noted = "note" in frame
    frame = frame.reindex(columns=["method", "seed", *numbers, "note"])
    means = frame.groupby("method", sort=False)[numbers].mean().reset_index()
    means["train_seconds"] = frame.groupby("method", sort=False)["train_seconds"].median().to_numpy()
    spread = frame.groupby("method", sort=False)["train_seconds"].agg(["min", "max", "count"]).reset_index(drop=True)
    means["train_seconds_min"], means["train_seconds_max"], means["seeds"] = (
        spread[c] for c in ("min", "max", "count")
    )
    means.insert(1, "label", means["method"].map(label))
    if noted:
        means["note"] = frame["note"].fillna("").groupby(frame["method"], sort=False).first().to_numpy()
    return means


def image_scores(runs: dict[tuple[str, int], pd.DataFrame]) -> pd.DataFrame:
    """Scores of translated images by method and band, mean over its seeds; no row where nothing is translated.

    Args:
        runs: (method, seed) -> content of `image_scores.csv`.
    """
    scores = ["rmse", "psnr_db", "ssim", "ergas", "sam_deg"]
    frames = [table.assign(method=method, seed=seed) for (method, seed), table in runs.items() if len(table)]
    if not frames:
        return pd.DataFrame(columns=["method", "label", "band", *scores, "seeds"])
    groups = pd.concat(frames, ignore_index=True).groupby(["method", "band"], sort=False)
    means = groups[scores].mean().assign(seeds=groups["seed"].nunique()).reset_index()
    means.insert(1, "label", means["method"].map(label))
    return means
