"""The table of what every method costs, so that nobody has to take a fair comparison on trust."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from anyband.report import formatting as form
from anyband.report.tables.table import Cell, Column, Table
from anyband.statistics.protocol import FLOORS

ALIKE = 0.05  # parameters within this share of the proposed method's count as the same size

COLUMNS = (
    Column("Method", numeric=False),
    Column("Parameters", hint="values that the trained method keeps"),
    Column("Trainable", hint="of these, changed by gradient descent"),
    Column("MACs per km²", hint="multiply-accumulates of one forward pass"),
    Column("Training, one seed", hint="median over seeds (range)"),
    Column("Memory, training", hint="largest of all seeds, sampled by Snakemake"),
    Column("Memory, evaluation", hint="largest resident memory, mean over seeds"),
    Column("km² per second"),
    Column("Tuning trials", hint="trainings that chose its settings, on validation data only"),
)


def cost(
    frames: Mapping[str, pd.DataFrame],
    design: Mapping[str, Any],
    memory: Mapping[str, float],
    trials: Mapping[str, int],
) -> Table:
    """T7: parameters, work per ground area, times, memory and tuning.

    Args:
        frames: tables of the comparison.
        design: of the comparison.
        memory: method -> peak memory of its trainings, MB.
        trials: method -> trials of its tuning; empty when nothing was tuned.
    """
    table = frames["cost"].set_index("method")
    methods = [method for method in frames["general"]["method"] if method in table.index]
    rows = [_row(method, table.loc[method], design, memory, trials) for method in methods]
    roles = frames["general"].set_index("method")["role"]
    return Table("cost", "Cost",
                 "Multiply-accumulates (MACs) of one forward pass per km² with the most products a method takes; "
                 f"training time as median (range) over {form.plural(len(design['seeds']), 'seed')}; times and memory "
                 "as measured in this run on this machine. A dash: not measured, or no such work: a forest multiplies "
                 "nothing.", COLUMNS, rows, [str(roles[method]) for method in methods],
                 [*_sizes(table, design), *_starts(table, design)])  # fmt: skip


def _row(
    method: str, row: pd.Series, design: Mapping[str, Any], memory: Mapping[str, float], trials: Mapping[str, int]
) -> list[Cell]:
    spread = f"({form.duration(row['train_seconds_min'])} to {form.duration(row['train_seconds_max'])})"
    label, peak = design["labels"][method], memory.get(method, float("nan"))
    work = float(row["macs_per_km2"]) or float("nan")  # no work that is counted is not work of 0
    tried = trials.get(method)
    return [
        Cell(label, value=label, method=method),
        Cell(form.magnitude(row["parameters"]), value=float(row["parameters"])),
        Cell(form.magnitude(row["trainable_parameters"]), value=float(row["trainable_parameters"])),
        Cell(form.magnitude(work), value=work),
        Cell(form.duration(row["train_seconds"]), "" if form.missing(row["train_seconds"]) else spread,
             float(row["train_seconds"])),
        Cell(_megabytes(peak), value=peak),
        Cell(_megabytes(row["peak_memory_mb"]), value=float(row["peak_memory_mb"])),
        Cell(form.decimal(row["inference_km2_per_s"], 1), value=float(row["inference_km2_per_s"])),
        Cell(form.DASH if tried is None else str(tried), value=None if tried is None else float(tried)),
    ]  # fmt: skip


def _megabytes(value: float) -> str:
    return form.DASH if form.missing(value) else f"{value:.0f} MB"


def _sizes(table: pd.DataFrame, design: Mapping[str, Any]) -> list[str]:
    """A footnote on methods of another size than the proposed one; floors are small by nature."""
    proposed = design["proposed"]
    if proposed not in table.index:
        return []
    own, name = float(table.loc[proposed, "parameters"]), design["labels"][proposed]
    others = table.loc[[m for m in table.index if m != proposed and m not in FLOORS], "parameters"].dropna() / own - 1
    if others.empty or not own > 0:
        return []
    unlike = others[others.abs() > ALIKE]
    shares = {m: f"{100 * share:+.0f} %".replace("-", form.MINUS) for m, share in unlike.items()}
    listed = [f"{design['labels'][m]} ({share})" for m, share in shares.items()]
    within = f"within {100 * ALIKE:.0f} % of the parameters of {name}"
    if not listed:
        return [f"Every other method but the floors is {within}."]
    return [f"Not {within}: {form.listing(listed)}. All others but the floors are."]


def _starts(table: pd.DataFrame, design: Mapping[str, Any]) -> list[str]:
    """A footnote on what each method started from, of those that note it."""
    notes = table["note"].dropna() if "note" in table else pd.Series(dtype=str)
    return [f"{design['labels'][method]} started from: {note}." for method, note in notes.items() if note]
