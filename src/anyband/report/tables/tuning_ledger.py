"""How the settings of every method were chosen: the ledger of its trials."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from anyband.config import Config
from anyband.report import formatting as form
from anyband.report.tables.table import Cell, Column, Table

FROZEN = Path(__file__).parents[4] / "docs" / "tuning"
"""Ledgers that led to the default settings; not there outside the repository."""

NOT_TUNED = "Not tuned; settings as in the config."

COLUMNS = (
    Column("Method", numeric=False),
    Column("Trials"),
    Column("Learning rates tried"),
    Column("Weight decays tried"),
    Column("Options tried", numeric=False),
    Column("Best validation mIoU", hint="points; beside it the spread, lowest to highest of all trials"),
    Column("Time", hint="training of all trials"),
    Column("Chosen", numeric=False),
)


def read_ledger(results: Path, experiment: str) -> pd.DataFrame | None:
    """Trials of an experiment: of this run, or else those behind the default settings; None when it was not tuned."""
    for path in (results / "tuning" / experiment / "ledger.csv", FROZEN / f"{experiment}.csv"):
        if path.is_file():
            return pd.read_csv(path, dtype={"method": str, "options": str})
    return None


def trials(ledger: pd.DataFrame | None) -> dict[str, int]:
    """Number of trials of every method that was tuned."""
    return {} if ledger is None else {str(method): int(n) for method, n in ledger["method"].value_counts().items()}


def fairness(ledger: pd.DataFrame | None, design: Mapping[str, Any]) -> str:
    """One sentence: had every method the same number of trials?"""
    if ledger is None:
        return NOT_TUNED
    tried, labels = trials(ledger), design["labels"]
    counts = {labels[m]: tried.get(m, 0) for m in design["methods"] if m != "majority"}
    if len(set(counts.values())) == 1:
        number = form.plural(next(iter(counts.values())), "trial")
        return f"Every method had the same number of tuning trials ({number}), judged on validation data only."
    listed = form.listing([f"{name} {number}" for name, number in counts.items()])
    return f"Methods did NOT have the same number of tuning trials: {listed}."


def ledger_table(ledger: pd.DataFrame, design: Mapping[str, Any], config: Config, name: str) -> Table:
    """T8: trials, what was tried, best score, spread, time and chosen settings of every method of the experiment."""
    known = [method for method in design["methods"] if method in set(ledger["method"])]
    rows = [_row(method, ledger[ledger["method"] == method], design) for method in known]
    other = [design["labels"][m] for m in known if not _uses_chosen(ledger[ledger["method"] == m], config, name, m)]
    notes = [f"In this run other settings than the chosen ones are used by {form.listing(other)}."] if other else []
    return Table("tuning", "Tuning",
                 "Trainings that chose the settings of each method: learning rate and weight decay from one search "
                 "space for all methods that are trained by gradients, and the method's own options where it has any; "
                 "the first trial is the config's. In brackets: lowest and highest score of all trials, no interval. "
                 "Test data play no part.", COLUMNS, rows, notes=notes)  # fmt: skip


def _row(method: str, own: pd.DataFrame, design: Mapping[str, Any]) -> list[Cell]:
    label, scores = design["labels"][method], own["validation_miou"].astype(float)
    seconds = float(own["seconds"].sum())
    return [
        Cell(label, value=label, method=method),
        Cell(str(len(own)), value=float(len(own))),
        Cell(_range(own["learning_rate"])),
        Cell(_range(own["weight_decay"])),
        Cell(_options_tried(own), css="wrap"),
        Cell(form.points(scores.max()), form.interval(scores.min(), scores.max()), float(scores.max())),
        Cell(form.duration(seconds), value=seconds),
        Cell(_chosen(own), css="wrap"),
    ]


def _range(values: pd.Series) -> str:
    known = values.dropna()
    if known.empty:
        return form.DASH
    low, high = (f"{value:.2g}" for value in (known.min(), known.max()))
    return low if low == high else f"{low} to {high}"


def _options(text: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text) if isinstance(text, str) and text else {}
    return content


def _options_tried(own: pd.DataFrame) -> str:
    """Own options that differ between trials, with their values; "default" where a trial does not name one."""
    named = [_options(text) for text in own["options"]]
    tried = {
        key: {_value(options[key]) if key in options else "default" for options in named}
        for key in sorted({key for options in named for key in options})
    }
    varied = [f"{key}: {', '.join(sorted(values))}" for key, values in tried.items() if len(values) > 1]
    return "; ".join(varied) or form.DASH


def _chosen(own: pd.DataFrame) -> str:
    chosen = own[own["chosen"].astype(bool)]
    if chosen.empty:
        return form.DASH
    row = chosen.iloc[0]
    parts = [
        f"{name} {row[key]:.2g}"
        for key, name in (("learning_rate", "rate"), ("weight_decay", "decay"))
        if not form.missing(row[key])
    ]
    parts += [f"{key} {_value(value)}" for key, value in _options(row["options"]).items()]
    return ", ".join(parts) or "no settings"


def _value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else json.dumps(value)


def _uses_chosen(own: pd.DataFrame, config: Config, name: str, method: str) -> bool:
    """Whether the run's settings are those of the chosen trial."""
    chosen = own[own["chosen"].astype(bool)]
    if chosen.empty:
        return True
    row, entry, training = chosen.iloc[0], config.methods[method], config.experiments[name].training
    for key in ("learning_rate", "weight_decay"):
        used = getattr(entry, key) if getattr(entry, key) is not None else getattr(training, key)
        if not form.missing(row[key]) and not math.isclose(row[key], used, rel_tol=1e-6):
            return False
    return _options(row["options"]) == entry.options
