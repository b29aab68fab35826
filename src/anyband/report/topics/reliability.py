"""What the probabilities of a method are worth before and after temperature scaling, overall and by class."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from anyband.report import formatting as form
from anyband.report.cells import EMPTY, Cell, Column, Row, named, spread, text
from anyband.report.content import Graphic, Table, Topic
from anyband.report.read import Compared, by_method, records
from anyband.report.render import Sheet
from anyband.statistics.protocol import PRIMARY

CALIBRATION = Topic[Compared]("calibration", "Calibration")


@CALIBRATION.item
def calibration(entry: Compared) -> Table:
    """T6: a row for each method and condition of its endpoint, or one of dashes where it states no probabilities."""
    table, twins = entry.frames["calibration"], entry.design["endpoint_twins"]
    rows: list[Row] = []
    for method in entry.ranked() if len(table) else ():
        own = by_method(table, method)
        wanted = twins.get(method, entry.design["endpoint"])
        rows += [row for row in own if row["condition"] in wanted] or ([] if own else [{"method": method}])
    columns = [
        text("Method", lambda row: named(entry.label(row["method"]), row["method"])),
        text("At hand", lambda row: named(row["condition"]) if len(row) > 1 else EMPTY),
        Column("Temperature", _temperature),
    ]
    scores = {"ece": "ECE", "nll": "NLL", "brier": "Brier"}
    whens = {f"{key}_{when}": f"{name} {when}" for key, name in scores.items() for when in ("before", "after")}
    columns += spread(whens, _error)
    return Table("calibration", columns, rows, lambda row: entry.role(row["method"]))


def _temperature(row: Row) -> Cell:
    if len(row) == 1:
        return EMPTY
    low, high = (form.decimal(row[f"temperature_{end}"]) for end in ("lowest", "highest"))
    return Cell(form.decimal(row["temperature"]), f"{low} to {high}", row["temperature"])


def _error(row: Row, key: str) -> Cell:
    if len(row) == 1:
        return EMPTY
    value, lower, upper = (row[f"{key}{end}"] for end in ("", "_lower", "_upper"))
    if key.startswith("ece"):
        return Cell(form.points(value), form.interval(lower, upper), value)
    return Cell(form.decimal(value, 3), form.decimal_interval(lower, upper, 3), value)


@CALIBRATION.item
def reliability(entry: Compared) -> Graphic | None:
    """Confidence and agreement with as many sensors as possible."""
    table = entry.frames["reliability"]
    condition = next((c for c in reversed(entry.design["endpoint"]) if c in set(table["condition"])), None)
    if condition is None:
        return None
    rows = table[table["condition"] == condition]
    methods = entry.ranked(rows)
    return Graphic("reliability", lambda sheet: draw_reliability(rows, methods, sheet), words={"condition": condition})


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
            panel.plot(
                100 * rows["confidence"], 100 * rows["agreement"], markersize=5, linewidth=1.5, **sheet.look(method)
            )
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
    return Table("class-calibration", columns, list(own), entry.role)


@CALIBRATION.item
def calibration_other(entry: Compared) -> Table:
    """Expected calibration error under the conditions that the endpoint does not count."""
    table = entry.frames["calibration"]
    names = [c for c in entry.design["conditions"] if c in set(table["condition"]) - set(entry.design["endpoint"])]
    table = table[table["condition"].isin(names)]
    found = {(row["method"], row["condition"]): row for row in records(table)}
    columns = [text("Method", lambda method: named(entry.label(method), method))]
    columns += spread({name: name for name in names}, lambda method, name: _before_after(found.get((method, name))))
    return Table("calibration-other", columns, entry.ranked(table), entry.role)


def _before_after(row: Row | None) -> Cell:
    if row is None:
        return EMPTY
    before, after = float(row["ece_before"]), float(row["ece_after"])
    return Cell(f"{form.points(before)} → {form.points(after)}", value=before)
