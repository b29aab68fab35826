"""T6: what the probabilities of a method are worth before and after temperature scaling, overall and by class."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.report import formatting as form
from anyband.report.tables.table import Cell, Column, Table
from anyband.statistics.protocol import PRIMARY

Frames = Mapping[str, pd.DataFrame]
Row = Mapping[Any, Any]

SCALING = (
    "After: all logits of a pixel divided by one temperature, which is fitted to the validation chips under the same "
    "condition, for each run by itself. It changes no map."
)


def calibration_tables(frames: Frames, design: Mapping[str, Any]) -> list[Table]:
    """Those that the comparison has data for."""
    tables = [_overall(frames, design), _by_class(frames, design), _other(frames, design)]
    return [table for table in tables if table.rows]


def _overall(frames: Frames, design: Mapping[str, Any]) -> Table:
    """A row for each method and condition of its endpoint, or one of dashes where it states no probabilities."""
    table = frames["calibration"]
    rows, css = [], []
    for method in frames["general"]["method"] if len(table) else ():
        wanted = design["endpoint_twins"].get(method, PRIMARY_CONDITIONS)
        own = table[(table["method"] == method) & table["condition"].isin(wanted)].to_dict("records")
        found = [_overall_row(row, design) for row in own]
        if not len(table[table["method"] == method]):
            found = [[_method(method, design), *(Cell(form.DASH) for _ in range(8))]]
        rows += found
        css += [_role(frames, method)] * len(found)
    columns = [
        Column("Method", numeric=False), Column("At hand", numeric=False),
        Column("Temperature", hint="mean over seeds; beside it the lowest and the highest"),
        Column("ECE before", hint="expected calibration error, points"), Column("ECE after"),
        Column("NLL before", hint="mean negative log likelihood, nats"), Column("NLL after"),
        Column("Brier before", hint="sum over classes, 0 to 2"), Column("Brier after"),
    ]  # fmt: skip
    return Table(
        "calibration", "Calibration before and after temperature scaling",
        "Does a method agree with the labels as often as it says? Before: probabilities as stated. "
        f"{SCALING} A temperature above 1: the method was too sure of itself. Expected calibration error (ECE, "
        "points): mean distance between confidence and agreement over 15 bins of confidence. Negative log likelihood "
        "(NLL, nats) and Brier score (0 to 2) also judge how well right and wrong pixels are told apart. Lower is "
        "better in all; 95 % jackknife intervals, all bins pooled over test blocks. Exploratory." + _units(design),
        columns, rows, css,
        ["A dash: a map without probabilities. Conditions that a method cannot take have no row."],
    )  # fmt: skip


def _overall_row(row: Row, design: Mapping[str, Any]) -> list[Cell]:
    low, high = (form.decimal(row[f"temperature_{end}"]) for end in ("lowest", "highest"))
    cells = [
        _method(row["method"], design), Cell(row["condition"], value=row["condition"]),
        Cell(form.decimal(row["temperature"]), f"{low} to {high}", row["temperature"]),
    ]  # fmt: skip
    for score in ("ece", "nll", "brier"):
        for when in ("before", "after"):
            value, lower, upper = (row[f"{score}_{when}{end}"] for end in ("", "_lower", "_upper"))
            bounds = "" if form.missing(lower) else f"[{form.decimal(lower, 3)}, {form.decimal(upper, 3)}]"
            if score == "ece":
                cells.append(Cell(form.points(value), form.interval(lower, upper), value))
            else:
                cells.append(Cell(form.decimal(value, 3), bounds, value))
    return cells


def _by_class(frames: Frames, design: Mapping[str, Any]) -> Table:
    """Classwise error on the endpoint, a row per method."""
    table = frames["class_calibration"]
    table = table[table["condition"] == PRIMARY]
    methods = [method for method in frames["general"]["method"] if method in set(table["method"])]
    rows = []
    for method in methods:
        own = table[table["method"] == method]
        cells = [_method(method, design), _change(own["ece_before"].mean(), own["ece_after"].mean())]
        rows.append(cells + [_change(row["ece_before"], row["ece_after"]) for row in own.to_dict("records")])
    names = [info["name"] for info in design["classes"].values()]
    return Table(
        "class-calibration", "Calibration of every class before and after temperature scaling",
        "Classwise expected calibration error on the endpoint, points, before → after: distance between the "
        "probability of a class and its share in the labels over 15 bins of that probability, one class against the "
        "rest on all scored pixels, whichever class is mapped (Kull et al. 2019). A class that is rare has a small "
        f"error whatever a method does, so compare within columns. {SCALING} Columns sort by the value before. "
        "Intervals, and methods that cannot take the whole endpoint, are in class_calibration.csv. Exploratory."
        + _units(design),
        [Column("Method", numeric=False), Column("Mean of classes"), *(Column(name) for name in names)],
        rows, [_role(frames, method) for method in methods],
    )  # fmt: skip


def _other(frames: Frames, design: Mapping[str, Any]) -> Table:
    """Expected calibration error under the conditions that the endpoint does not count."""
    table = frames["calibration"]
    names = [c for c in design["conditions"] if c in set(table["condition"]) and c not in PRIMARY_CONDITIONS]
    found = {(row["method"], row["condition"]): row for row in table.to_dict("records")}
    methods = [m for m in frames["general"]["method"] if any((m, name) in found for name in names)]
    rows = []
    for method in methods:
        own = [found.get((method, name)) for name in names]
        cells = [Cell(form.DASH) if row is None else _change(row["ece_before"], row["ece_after"]) for row in own]
        rows.append([_method(method, design), *cells])
    return Table(
        "calibration-other", "Calibration on other sensors",
        "Expected calibration error, points, before → after temperature scaling, on products that the endpoint does "
        f"not count. {SCALING} So validation chips of a sensor that training never saw take part here. A dash: the "
        "method cannot take the input. Intervals are in calibration.csv." + _units(design),
        [Column("Method", numeric=False), *(Column(name) for name in names)],
        rows, [_role(frames, method) for method in methods],
    )  # fmt: skip


def _change(before: float, after: float) -> Cell:
    return Cell(f"{form.points(before)} → {form.points(after)}", value=float(before))


def _method(method: str, design: Mapping[str, Any]) -> Cell:
    return Cell(design["labels"][method], value=design["labels"][method], method=method)


def _units(design: Mapping[str, Any]) -> str:
    blocks: Sequence[str] = design["blocks"]
    seeds = form.plural(len(design["seeds"]), "seed")
    return f" n = {form.plural(len(blocks), 'test block')}, {seeds}, {form.count(design['pixels'])} labelled pixels."


def _role(frames: Frames, method: str) -> str:
    general = frames["general"]
    return str(general.loc[general["method"] == method, "role"].iloc[0])
