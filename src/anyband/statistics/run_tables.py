"""What the runs themselves say, gathered over the seeds of a method: cost, translated images, learning curves."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.evaluation.confusion import IMAGES
from anyband.runtime import UserError, read_csv
from anyband.statistics.cube import read_runs
from anyband.statistics.protocol import label

T = TypeVar("T")
Runs = Mapping[tuple[str, int], T]
"""(method, seed) -> something of that run."""

LEARNING = ["method", "step", "loss", "loss_lowest", "loss_highest", "val_miou", "val_miou_lowest", "val_miou_highest"]


def own_endpoints(costs: Runs[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Conditions of every method's primary endpoint, as its evaluation names them.

    Raises:
        UserError: not as many as there are primary conditions, so they cannot be paired.
    """
    own = {}
    for (method, seed), content in costs.items():
        own[method] = content.get("endpoint_conditions", list(PRIMARY_CONDITIONS))
        if len(own[method]) != len(PRIMARY_CONDITIONS):
            raise UserError(
                f"cost.json of {method}, seed {seed}: endpoint_conditions {own[method]} are not one for each of "
                f"{', '.join(PRIMARY_CONDITIONS)}: evaluate this run again"
            )
    return own


def trained_on(costs: Runs[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Products that each method was trained on, as its evaluation wrote them; methods whose runs do not say are absent.

    Args:
        costs: (method, seed) -> content of `cost.json`.
    """
    return {
        method: frozenset(content["trained_on"]) for (method, _), content in costs.items() if "trained_on" in content
    }


def cost(costs: Runs[Mapping[str, Any]]) -> pd.DataFrame:
    """Cost of each method: size and work of the model, median training time and mean speed and memory over its seeds.

    Where a run notes what it started from besides random weights, there is a column for it.

    Args:
        costs: (method, seed) -> content of `cost.json`.
    """
    table = pd.DataFrame([{"method": method, "seed": seed, **content} for (method, seed), content in costs.items()])
    if table.empty:
        return table
    numbers = [
        "parameters", "trainable_parameters", "macs_per_km2", "train_seconds", "inference_km2_per_s", "peak_memory_mb",
    ]  # fmt: skip
    noted = "note" in table
    runs_of = table.reindex(columns=["method", "seed", *numbers, "note"]).groupby("method", sort=False)
    means = runs_of[numbers].mean()
    seconds = runs_of["train_seconds"]
    means = means.assign(
        train_seconds=seconds.median(), train_seconds_min=seconds.min(), train_seconds_max=seconds.max()
    )
    means["seeds"] = seconds.count()
    if noted:
        means["note"] = runs_of["note"].first().fillna("")
    means = means.reset_index()
    means.insert(1, "label", means["method"].map(label))
    return means


def image_scores(folders: Runs[Path]) -> pd.DataFrame:
    """Scores of translated images by method and band, mean over its seeds; no row where nothing is translated."""
    table = _stacked(folders, lambda folder: read_runs([folder], "image_scores.csv"))
    if table.empty:
        return pd.DataFrame(columns=["method", "label", "band", *IMAGES, "seeds"])
    groups = table.groupby(["method", "band"], sort=False)
    means = groups[list(IMAGES)].mean().assign(seeds=groups["seed"].nunique()).reset_index()
    means.insert(1, "label", means["method"].map(label))
    return means


def learning(folders: Runs[Path]) -> pd.DataFrame:
    """Training loss and validation mIoU by step: mean, lowest and highest over seeds, where a history was kept."""
    table = _stacked(
        {k: f for k, f in folders.items() if (f / "history.csv").is_file()}, lambda f: read_csv(f / "history.csv")
    )
    if table.empty:
        return pd.DataFrame(columns=LEARNING)
    groups = table.groupby(["method", "step"], sort=False)
    result = pd.DataFrame(
        {
            f"{name}{suffix}": groups[name].agg(how)
            for name in ("loss", "val_miou")
            for suffix, how in (("", "mean"), ("_lowest", "min"), ("_highest", "max"))
        }
    )
    return result.reset_index()[LEARNING]


def _stacked(folders: Runs[Path], read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """All rows of a table of the runs, with columns for method and seed; empty where no run has any."""
    tables = [read(folder).assign(method=method, seed=seed) for (method, seed), folder in folders.items()]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()
