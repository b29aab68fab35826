"""From sensor to sensor: trained on one and tested on another, why two sensors differ, and sensors never trained on."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from anyband.products import BY_SHORT_NAME
from anyband.report import formatting as form
from anyband.report.cells import EMPTY, HOLM, METHOD, Cell, Column, Row, change, named, points, spread, text, wrapped
from anyband.report.content import Graphic, Table, Topic, sentence
from anyband.report.palette import GAIN, HEAT, LOSS, ON_DEEP, ON_PALE, between
from anyband.report.read import Compared, by_method, records
from anyband.report.render import Sheet, matrix_axes, plain_rows
from anyband.statistics.sensor_gains import ALL_TOGETHER, NEEDED

TRANSFER = Topic[Compared](
    "transfer", "From sensor to sensor", paragraphs=lambda entry: [decomposed(entry), missing_factors(entry)]
)
UNSEEN = Topic[Compared]("unseen", "Sensors never trained on")


def transferred(entry: Compared) -> list[str]:
    """Conditions of the transfer table, in the order of the design."""
    known = set(entry.frames["transfer"]["condition"])
    return [name for name in entry.design["conditions"] if name in known]


@TRANSFER.item
def transfer_map(entry: Compared) -> Graphic | None:
    """Scores by what was trained on and what was tested on."""
    table, conditions = entry.frames["transfer"], transferred(entry)
    if table["condition"].nunique() < 2:
        return None
    return Graphic("transfer-figure", lambda sheet: draw_transfer(table, conditions, sheet))


def draw_transfer(table: pd.DataFrame, conditions: Sequence[str], sheet: Sheet) -> Figure:
    """Scores of every method (rows, with what it was trained on) under every sensor (columns, in order)."""
    methods = list(dict.fromkeys(table["method"]))
    figure, (axes,) = sheet.figure(sheet(30, 34) * len(methods) + 34, (sheet(250, 118), 6, 30, 4))
    low, high = 100 * table["miou"].min(), 100 * table["miou"].max()
    for row in records(table):
        x, y = conditions.index(row["condition"]), methods.index(row["method"])
        part = (100 * row["miou"] - low) / max(high - low, 1e-9)
        colour = between(HEAT, 0.08 + 0.84 * part)
        axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=colour, linewidth=0))
        ink, weight = ON_DEEP if part > 0.5 else ON_PALE, "bold" if row["seen"] else "normal"
        look: Any = {"color": ink, "weight": weight, "fontsize": sheet(11, 8.5)}
        axes.text(x, y, _arrow(row) + form.points(row["miou"]), ha="center", va="center", **look)
    for y, method in enumerate(methods):
        own = by_method(table, method)[0]
        name = sheet.style.labels[method] + sheet(f" ({own['trained_on']})", "")
        axes.text(-0.62, y, name, ha="right", va="center", fontsize=sheet(11, 8.5), color=sheet.ink)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(conditions)), conditions, fontsize=sheet(11, 8))
    matrix_axes(axes, len(conditions), len(methods))
    axes.set_yticks([])
    return figure


def _arrow(row: Row, after: str = "") -> str:
    return f"→{after}" if row["mapped"] else ""


@TRANSFER.item
def transfer(entry: Compared) -> Table:
    """The same with intervals."""
    table, names = entry.frames["transfer"], transferred(entry)
    found = {(row["method"], row["condition"]): row for row in records(table)}
    columns = [
        METHOD,
        text("Trained on", lambda row: str(row["trained_on"])),
        *spread({name: name for name in names}, lambda row, name: _transfer_cell(found.get((row["method"], name)))),
    ]
    methods = records(table.drop_duplicates("method"))
    return Table("transfer", columns, methods, dense=len(names) > 3)


def _transfer_cell(row: Row | None) -> Cell:
    if row is None:
        return EMPTY
    note, css = "" if _start(row) else _change_words(row), "" if row["seen"] else "unresolved"
    return Cell(_arrow(row, " ") + form.points(row["miou"]), note, float(row["miou"]), css)


@TRANSFER.item
def factors(entry: Compared) -> Graphic | None:
    """Why the two sensors differ, for the proposed method, the best baseline and each product's own model."""
    table = entry.frames["decomposition"]
    rows = table[table["method"].isna() | table["method"].isin([entry.proposed, entry.rival])]
    if rows.empty:
        return None
    return Graphic("decomposition-figure", lambda sheet: draw_factors(rows, sheet))


def draw_factors(table: pd.DataFrame, sheet: Sheet) -> Figure:
    """One group per path and method: bars from score to score, each one factor with its interval and numbers."""
    groups = list(table.groupby(["path", "label"], sort=False))
    rows = sum(len(group) + 1 for _, group in groups)
    figure, (axes,) = sheet.figure(sheet(24, 36) * rows + 52, (sheet(310, 138), sheet(132, 44), 8, 40))
    y = 0
    for (path, name), group in groups:
        narrow = textwrap.fill(f"{name}: {str(path).removeprefix('S2 to L9')}", 44)
        look: Any = {"va": "center", "weight": "bold", "fontsize": sheet(11, 9)}
        place: Any = {"xytext": (sheet(-300, -130), 0), "textcoords": "offset points"}
        heading = sheet(f"{name}: {path}", narrow)
        axes.annotate(heading, (0, y), xycoords=axes.get_yaxis_transform(), **place, **look)
        before = float("nan")
        for row in records(group):
            y += 1
            before = _factor_row(axes, y, row, before, sheet)
        y += 1
    plain_rows(axes, y - 0.4, -0.7, "mIoU, points")
    return figure


def _factor_row(axes: Axes, y: int, row: Row, before: float, sheet: Sheet) -> float:
    """Draw one step and return its score in points."""
    value, step = 100 * float(row["miou"]), 100 * float(row["change"])
    start, whole = np.isnan(before), row["factor"] == ALL_TOGETHER
    if start:
        axes.plot(value, y, "|", color=sheet.ink, markersize=14, markeredgewidth=2.4)
    else:
        colour, thickness = (sheet.muted, 4) if whole else (GAIN if step >= 0 else LOSS, 12)
        axes.plot([value - step, value], [y, y], color=colour, linewidth=thickness, solid_capstyle="butt")
        ends = [value - step + 100 * float(row[key]) for key in ("change_lower", "change_upper")]
        axes.plot(ends, [y, y], color=sheet.ink, linewidth=1.4)
    words = f"{row['condition']}, {row['reader']}" if start else str(row["factor"])
    limit = sheet(54, 26)
    lines = words if sheet.wide and len(words) <= limit else textwrap.fill(words, limit)
    look: Any = {"va": "center", "transform": axes.get_yaxis_transform(), "fontsize": sheet(10, 8)}
    axes.text(-0.015, y, lines, ha="right", color=sheet.ink if start or whole else sheet.muted, **look)
    number = form.points(value / 100) if start else form.signed_points(step / 100)
    if sheet.wide and not start:
        number += f" {form.interval(row['change_lower'], row['change_upper'], signed=True)}"
    axes.text(1.012, y, number, weight="bold" if whole else "normal", **look)
    return value


@TRANSFER.item
def decomposition(entry: Compared) -> Table:
    """The same as a table, for every method that answers both ends."""
    columns = [
        text("Read by", _reader),
        text("Input", lambda row: Cell("", css="wrap") if _whole(row) else _input(row)),
        text("What changes", lambda row: wrapped("start" if _start(row) else row["factor"])),
        Column("mIoU", lambda row: Cell("" if _whole(row) else form.points(row["miou"]), value=row["miou"])),
        Column("Change [95 %]", lambda row: change(row, "change")),
    ]
    rows = records(entry.frames["decomposition"])
    return Table("decomposition", columns, rows, lambda row: "total" if _whole(row) else "", sortable=False)


def _start(row: Row) -> bool:
    return form.missing(row["change"])


def _whole(row: Row) -> bool:
    return bool(row["factor"] == ALL_TOGETHER)


def _single(row: Row) -> bool:
    """Whether one method reads all inputs, else a model for each product."""
    return isinstance(row["method"], str)


def _reader(row: Row) -> Cell:
    if not _start(row):
        return Cell("")
    return Cell(row["label"], row["path"], method=row["method"] if _single(row) else "")


def _input(row: Row) -> Cell:
    return Cell(row["condition"], "" if _single(row) else row["reader"], css="wrap")


def decomposed(entry: Compared) -> str:
    """The first path in one sentence; empty where no path was evaluated."""
    table = entry.frames["decomposition"]
    if table.empty:
        return ""
    first = table[(table["path"] == table["path"].iloc[0]) & (table["label"] == table["label"].iloc[0])]
    start, *steps, whole = records(first)
    source, target = (BY_SHORT_NAME[str(row["condition"])].name for row in (start, whole))
    listed = [f"{_change_words(row)} with {row['factor']}" for row in steps]
    return (
        f"Why does {target} score otherwise than {source} on the same pixels? {whole['label']} go from "
        f"{form.points(start['miou'])} to {form.points(whole['miou'])} points, {_change_words(whole)}: "
        f"{form.listing(listed)} (exploratory)."
    )


def _change_words(row: Row) -> str:
    bounds = form.interval(row["change_lower"], row["change_upper"], signed=True)
    return f"{form.signed_points(row['change'])} {bounds}"


def missing_factors(entry: Compared) -> str:
    """A sentence on the conditions that would tell resolution and bands apart; empty when they were evaluated."""
    lacking = sorted(NEEDED - set(entry.experiment.conditions))
    if not lacking or not {"S2", "L9"} <= set(entry.design["conditions"]):
        return ""
    return sentence("lacking", lacking=lacking)


@UNSEEN.item
def gap_lines(entry: Compared) -> Graphic | None:
    """From naive mapping to the specialist."""
    table = entry.frames["gap_closed"]
    if table.empty:
        return None
    return Graphic("gap-closed-figure", lambda sheet: draw_gaps(table, sheet))


def draw_gaps(table: pd.DataFrame, sheet: Sheet) -> Figure:
    """For every direction a line from naive mapping to specialist, with the methods that never saw the target."""
    directions = [(name, records(rows)) for name, rows in table.groupby(["source", "target"], sort=False)]
    figure, (axes,) = sheet.figure(46 * len(directions) + 66, (sheet(190, 96), 12, 22, 44))
    for y, ((source, target), rows) in enumerate(directions):
        first = rows[0]
        naive, best = 100 * float(first["naive"]), 100 * float(first["specialist"])
        axes.plot([naive, best], [y, y], color=sheet.muted, linewidth=1.4)
        for value, method in ((naive, first["source_method"]), (best, first["target_method"])):
            axes.plot(value, y, "|", color=sheet.style.colour(method), markersize=16, markeredgewidth=3)
        for index, row in enumerate(rows):
            at, method = y + (index - (len(rows) - 1) / 2) * 0.22, row["method"]
            look: Any = {"markersize": 8, "markeredgecolor": sheet.paper, "markeredgewidth": 0.6}
            axes.plot(100 * row["zero_shot"], at, sheet.style.marker(method), color=sheet.style.colour(method), **look)
        name = sheet(direction(first), f"{source} to {target}")
        axes.text(-0.015, y, name, ha="right", va="center", transform=axes.get_yaxis_transform())
    plain_rows(axes, len(directions) - 0.4, -0.6, "mIoU on the target sensor, points")
    return figure


def direction(row: Row) -> str:
    """`Sentinel-2 to Landsat`."""
    return f"{BY_SHORT_NAME[row['source']].name} to {BY_SHORT_NAME[row['target']].name}"


@UNSEEN.item
def gap_closed(entry: Compared) -> Table:
    """The same with intervals and p values."""
    columns = [
        text("From and to", lambda row: named(direction(row))),
        METHOD,
        Column("Naive", lambda row: points(row["naive"])),
        Column("Zero-shot", lambda row: points(row["zero_shot"])),
        Column("Specialist", lambda row: points(row["specialist"])),
        Column(
            "Gap [95 %]",
            lambda row: change(row, "gap", css="" if row["gap_resolved"] else "unresolved"),
        ),
        Column("Gap closed [95 %]", _closed),
        Column("Over naive [95 %]", lambda row: change(row, "gain")),
        HOLM,
    ]
    return Table("gap-closed", columns, records(entry.frames["gap_closed"]))


def _closed(row: Row) -> Cell:
    if not row["gap_resolved"]:
        return Cell("no gap resolved")
    bounds = [f"{100 * row[key]:.0f}".replace("-", form.MINUS) for key in ("closed_lower", "closed_upper")]
    return Cell(form.percent(row["closed"]), f"[{', '.join(bounds)}]", row["closed"])
