"""Score one trained run under every condition that it can answer, and write the tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anyband.chips.loader import ChipTable, load_split
from anyband.evaluation import calibration, confusion, cost
from anyband.evaluation.availability import CONDITIONS, PRIMARY, TWINS
from anyband.evaluation.inference import Maps, predict
from anyband.evaluation.translated import score_images
from anyband.evaluation.views import View, views
from anyband.models.method import Method, UnsupportedInputError
from anyband.models.storage import load
from anyband.runtime import UserError, atomic_path, progress, write_csv, write_json


def evaluate_run(directory: Path, chips: Path, splits: Path, conditions: tuple[str, ...]) -> None:
    """Write `confusion.csv`, `calibration.csv`, `image_scores.csv`, `cost.json` and `predictions.npz` of a run.

    Args:
        directory: of the trained run.
        chips: folder of the sites' chip stores.
        splits: the table of splits.
        conditions: names as `evaluation.conditions` reads them.

    A condition that the method cannot take has no rows. Only a method that translates images has rows in
    `image_scores.csv`. Predictions are of undisturbed inputs.

    Raises:
        UserError: the method can take none of the conditions.
    """
    recipe, method = load(directory)
    wanted = views(method, conditions)
    nothing = UserError(f"{recipe.method} can make no map under any of the conditions {', '.join(conditions)}")
    if not wanted:
        raise nothing
    products = frozenset[str]().union(*(view.products for view in wanted.values()))
    table = load_split(chips, splits, "test", products, dict.fromkeys(recipe.classes, ""))
    maps = map_conditions(method, table, wanted, f"evaluating {recipe.method} seed-{recipe.seed}")
    if not maps:
        raise nothing
    names = {"method": recipe.method, "seed": recipe.seed}
    write_csv(directory / "confusion.csv", _confusions(table, maps, names))
    write_csv(directory / "calibration.csv", _calibrations(table, maps, names))
    note = {"note": recipe.note} if recipe.note else {}
    write_json(directory / "cost.json", _costs(method, table, wanted, maps, directory) | note)
    write_csv(directory / "image_scores.csv", score_images(method, table, products).round(5))
    with atomic_path(directory / "predictions.npz") as temporary, temporary.open("wb") as file:
        codes = np.asarray(table.classes, np.uint8)
        arrays: dict[str, Any] = {"chip": table.chip}
        arrays |= {key: codes[result.prediction] for key, result in maps.items() if key in CONDITIONS}
        np.savez_compressed(file, **arrays)


def map_conditions(
    method: Method, table: ChipTable, wanted: dict[str, View], label: str = "evaluating"
) -> dict[str, Maps]:
    """Maps per condition that the method can take; conditions under which it sees the same share theirs.

    `label` names the progress bar.
    """
    known: dict[View, Maps] = {}
    for view in progress(list(dict.fromkeys(wanted.values())), label):
        try:
            known[view] = predict(method, table, view.products, change=view.change(table))
        except UnsupportedInputError:
            continue
    return {key: known[view] for key, view in wanted.items() if view in known}


def _confusions(table: ChipTable, maps: dict[str, Maps], names: dict[str, Any]) -> pd.DataFrame:
    frames = []
    for condition, result in maps.items():
        matrices = confusion.by_block(table.label, result.prediction, table.block, len(table.classes))
        frames.append(confusion.tidy(matrices, table.classes).assign(**names, condition=condition))
    columns = ["method", "seed", "condition", "block", "reference", "prediction", "count"]
    return pd.concat(frames, ignore_index=True)[columns]


def _calibrations(table: ChipTable, maps: dict[str, Maps], names: dict[str, Any]) -> pd.DataFrame:
    frames = []
    for condition, result in maps.items():
        frame = calibration.by_block(result.confidence, result.prediction, table.label, table.block)
        frames.append(frame.assign(**names, condition=condition))
    columns = ["method", "seed", "condition", "block", "bin", "count", "confidence_sum", "correct"]
    return pd.concat(frames, ignore_index=True)[columns]


def _costs(
    method: Method, table: ChipTable, wanted: dict[str, View], maps: dict[str, Maps], directory: Path
) -> dict[str, Any]:
    """Cost on the condition with the most products, the dearest one, and nothing done to them where there is one.

    The conditions of the method's primary endpoint and what it was trained on stand beside it, as the comparison knows
    no models.
    """
    condition = max(maps, key=lambda key: (not wanted[key].steps, len(wanted[key].products)))
    view = wanted[condition]
    area_km2 = len(table) * (table.chip_m / 1000) ** 2
    return {
        "endpoint_conditions": list(TWINS if method.endpoint_twins else PRIMARY),
        "trained_on": sorted(method.training_products()),
        "parameters": cost.parameters(method),
        "trainable_parameters": cost.trainable_parameters(method),
        "macs_per_km2": cost.multiply_accumulates_per_km2(method, table, view.products, view.change(table)),
        "train_seconds": cost.read_train_seconds(directory / "history.csv"),
        "inference_km2_per_s": round(area_km2 / maps[condition].seconds, 2),
        "peak_memory_mb": cost.peak_memory_mb(),
    }
