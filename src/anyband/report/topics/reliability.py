"""What the probabilities of a method are worth before and after temperature scaling, overall and by class."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.report import formatting as form
from anyband.report.cells import Cell, Column, Row, named, spread, text
from anyband.report.content import Graphic, Table, Topic
from anyband.report.read import Compared, by_method, records
from anyband.report.render import Sheet
from anyband.statistics.protocol import PRIMARY

CALIBRATION = Topic[Compared]("calibration", "Calibration")
SCALING = (
    "After: all logits of a pixel divided by one temperature, which is fitted to the validation chips under the same "
    "condition, for each run by itself. It changes no map."
)
HINTS = {
    "ECE before": "expected calibration error, points",
    "NLL before": "mean negative log likelihood, nats",
    "Brier before": "sum over classes, 0 to 2",
}


def units(entry: Compared) -> str:
    """Numbers of units and pixels."""
    return f"n = {entry.blocks}, {entry.seeds}, {form.count(entry.design['pixels'])} labelled pixels."


@CALIBRATION.item
def calibration(entry: Compared) -> Table:
    """T6: a row for each method and condition of its endpoint, or one of dashes where it states no probabilities."""
    table, twins = entry.frames["calibration"], entry.design["endpoint_twins"]
    rows: list[Row] = []
    for method in entry.ranked() if len(table) else ():
        own = by_method(table, method)
        wanted = twins.get(method, PRIMARY_CONDITIONS)
        rows += [row for row in own if row["condition"] in wanted] or ([] if own else [{"method": method}])
    columns = [
        text("Method", lambda row: named(entry.label(row["method"]), row["method"])),
        text("At hand", lambda row: named(row["condition"]) if len(row) > 1 else Cell(form.DASH)),
        Column("Temperature", _temperature, "mean over seeds; beside it the lowest and the highest"),
    ]
    scores = {"ece": "ECE", "nll": "NLL", "brier": "Brier"}
    whens = {f"{key}_{when}": f"{name} {when}" for key, name in scores.items() for when in ("before", "after")}
    columns += [replace(column, hint=HINTS.get(column.heading, "")) for column in spread(whens, _error)]
    caption = (
        "Does a method agree with the labels as often as it says? Before: probabilities as stated. "
        f"{SCALING} A temperature above 1: the method was too sure of itself. Expected calibration error (ECE, "
        "points): mean distance between confidence and agreement over 15 bins of confidence. Negative log likelihood "
        "(NLL, nats) and Brier score (0 to 2) also judge how well right and wrong pixels are told apart. Lower is "
        f"better in all; 95 % jackknife intervals, all bins pooled over test blocks. Exploratory. {units(entry)}"
    )
    notes = ["A dash: a map without probabilities. Conditions that a method cannot take have no row."]
    title = "Calibration before and after temperature scaling"
    return Table("calibration", title, caption, columns, rows, lambda row: entry.role(row["method"]), notes)


def _temperature(row: Row) -> Cell:
    if len(row) == 1:
        return Cell(form.DASH)
    low, high = (form.decimal(row[f"temperature_{end}"]) for end in ("lowest", "highest"))
    return Cell(form.decimal(row["temperature"]), f"{low} to {high}", row["temperature"])


def _error(row: Row, key: str) -> Cell:
    if len(row) == 1:
        return Cell(form.DASH)
    value, lower, upper = (row[f"{key}{end}"] for end in ("", "_lower", "_upper"))
    if key.startswith("ece"):
        return Cell(form.points(value), form.interval(lower, upper), value)
    return Cell(form.decimal(value, 3), form.decimal_interval(lower, upper, 3), value)


@CALIBRATION.item
def reliability(entry: Compared) -> Graphic | None:
    """Confidence and agreement with as many sensors as possible."""
    table = entry.frames["reliability"]
    condition = next((c for c in reversed(PRIMARY_CONDITIONS) if c in set(table["condition"])), None)
    if condition is None:
        return None
    rows = table[table["condition"] == condition]
    methods = entry.ranked(rows)
    return Graphic(
        "reliability",
        f"Confidence and agreement, {condition}",
        "Share of right pixels in bins of confidence, pooled over blocks and seeds, as predicted and after "
        "temperature scaling by validation chips. On the dashed line confidence and agreement are the same; "
        "below it a method is too sure of itself. Which class is mapped is the same in both. Methods that cannot "
        f"take {condition} are left out. {entry.n}",
        f"Reliability diagrams under {condition} before and after temperature scaling",
        lambda sheet: draw_reliability(rows, methods, sheet),
    )


def draw_reliability(table: pd.DataFrame, methods: Sequence[str], sheet: Sheet) -> Figure:
    """Share of right pixels against confidence before and after temperature scaling; the diagonal is perfect.

    Args:
        table: rows of `reliability.csv` of one condition.
        methods: one line each.
        sheet: to draw on.
    """
    top, side = sheet.legend_height(methods) + 22, sheet((sheet.width - 118) / 2, sheet.width - 58)
    height = sheet(side + 46, 2 * (side + 46) + 22)
    grid = sheet((2, 1), (1, 2))
    figure, axes = sheet.figure(height + top, (48, 10, top, 46), *grid, wspace=60 / side, hspace=68 / side)
    for panel, scaled, title in zip(axes, (0, 1), ("As predicted", "After temperature scaling"), strict=True):
        panel.plot([0, 100], [0, 100], color=sheet.muted, linewidth=1, dashes=(4, 3))
        for method in methods:
            rows = table[(table["method"] == method) & (table["scaled"] == scaled)]
            look: Any = {
                "color": sheet.style.colour(method),
                "marker": sheet.style.marker(method),
                "markersize": 5,
                "linewidth": 1.5,
            }
            panel.plot(100 * rows["confidence"], 100 * rows["agreement"], **look)
        panel.set_title(title, fontweight="bold")
        panel.set_xlabel("confidence, %")
        panel.set_ylabel("agreement with the labels, %")
        panel.set_xlim(0, 100)
        panel.set_ylim(0, 100)
        panel.grid()
    sheet.legend(figure, methods)
    return figure


@CALIBRATION.item
def class_calibration(entry: Compared) -> Table:
    """Classwise error on the endpoint, a row per method."""
    table = entry.frames["class_calibration"]
    table = table[table["condition"] == PRIMARY]
    own = {method: by_method(table, method) for method in entry.ranked(table)}
    names = [info["name"] for info in entry.classes.values()]
    means = table.groupby("method")[["ece_before", "ece_after"]].mean().to_dict("index")
    columns = [
        text("Method", lambda method: named(entry.label(method), method)),
        Column("Mean of classes", lambda method: _before_after(means[method])),
        *spread(dict(enumerate(names)), lambda method, place: _before_after(own[method][place])),
    ]
    caption = (
        "Classwise expected calibration error on the endpoint, points, before → after: distance between the "
        "probability of a class and its share in the labels over 15 bins of that probability, one class against the "
        "rest on all scored pixels, whichever class is mapped (Kull et al. 2019). A class that is rare has a small "
        f"error whatever a method does, so compare within columns. {SCALING} Columns sort by the value before. "
        "Intervals, and methods that cannot take the whole endpoint, are in class_calibration.csv. Exploratory. "
        f"{units(entry)}"
    )
    title = "Calibration of every class before and after temperature scaling"
    return Table("class-calibration", title, caption, columns, list(own), entry.role)


@CALIBRATION.item
def calibration_other(entry: Compared) -> Table:
    """Expected calibration error under the conditions that the endpoint does not count."""
    table = entry.frames["calibration"]
    table = table[~table["condition"].isin(PRIMARY_CONDITIONS) & table["condition"].isin(entry.design["conditions"])]
    names = [condition for condition in entry.design["conditions"] if condition in set(table["condition"])]
    found = {(row["method"], row["condition"]): row for row in records(table)}
    columns = [text("Method", lambda method: named(entry.label(method), method))]
    columns += spread({name: name for name in names}, lambda method, name: _before_after(found.get((method, name))))
    caption = (
        "Expected calibration error, points, before → after temperature scaling, on products that the endpoint does "
        f"not count. {SCALING} So validation chips of a sensor that training never saw take part here. A dash: the "
        f"method cannot take the input. Intervals are in calibration.csv. {units(entry)}"
    )
    title = "Calibration on other sensors"
    return Table("calibration-other", title, caption, columns, entry.ranked(table), entry.role)


def _before_after(row: Row | None) -> Cell:
    if row is None:
        return Cell(form.DASH)
    before, after = float(row["ece_before"]), float(row["ece_after"])
    return Cell(f"{form.points(before)} → {form.points(after)}", value=before)
