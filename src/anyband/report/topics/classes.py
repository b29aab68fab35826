"""Scores class by class, and what is taken for what."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from anyband.report import formatting as form
from anyband.report.cells import Cell, named, score, spread, text
from anyband.report.content import Graphic, Table, Topic
from anyband.report.palette import GAIN, HEAT, LOSS, ON_DEEP, ON_PALE, between
from anyband.report.read import Compared, records
from anyband.report.render import Sheet, matrix_axes
from anyband.statistics.protocol import MAJORITY, PRIMARY

CLASSES = Topic[Compared]("classes", "Classes")

SUPPORT: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Labelled pixels": lambda info: form.count(info["pixels"]),
    "Test blocks": lambda info: str(info["blocks"]),
}
"""Rows above the scores of the classes."""
FEW_BLOCKS = 5


@CLASSES.item
def per_class(entry: Compared) -> Table:
    """T2: IoU of each class on the endpoint."""
    return class_table(entry, "iou", "per-class", "IoU")


@CLASSES.item
def class_f1(entry: Compared) -> Table:
    """The same by F1."""
    return class_table(entry, "f1", "class-f1", "F1")


def class_table(entry: Compared, column: str, key: str, name: str) -> Table:
    """A score of each class on the endpoint, a row per method, under the class's support."""
    table = entry.frames["per_class"]
    table = table[(table["condition"] == PRIMARY) & (table["method"] != MAJORITY)]
    found = {(row["method"], row["class"]): row for row in records(table)}
    best = table.groupby("class")[column].max()
    methods = entry.ranked(table)

    def cell(method: str, code: int) -> Cell:
        if method in SUPPORT:
            return Cell(SUPPORT[method](entry.classes[code]))
        row = found[method, code]
        return score(row, column, "best" if row[column] == best[code] else "")

    def head(method: str) -> Cell:
        return Cell(method) if method in SUPPORT else named(entry.label(method), method)

    def css(method: str) -> str:
        return "floor" if method in SUPPORT else entry.role(method)

    columns = [text("Method", head)]
    columns += spread({code: info["name"] for code, info in entry.classes.items()}, cell)
    few = [info["name"] for info in entry.classes.values() if 0 < info["blocks"] < FEW_BLOCKS]
    notes = [f"In fewer than five test blocks, so the interval says little: {form.listing(few)}."] if few else []
    rows = [*SUPPORT, *methods] if methods else []
    return Table(key, columns, rows, css, notes=notes, words={"score": name})


@CLASSES.item
def confusions(entry: Compared) -> Graphic | None:
    """What the proposed method and the best baseline take for what."""
    table = entry.frames["confusions"]
    methods = [m for m in (entry.proposed, entry.rival) if m is not None and m in set(table["method"])]
    if not methods:
        return None
    last = ""
    if len(methods) == 2:
        words = " minus ".join(entry.label(method) for method in methods)
        last = f" The last matrix is {words}: blue is better, orange worse."
    names = {code: info["name"] for code, info in entry.classes.items()}
    return Graphic("confusions", lambda sheet: draw_confusions(table, methods, names, sheet), words={"last": last})


def draw_confusions(table: pd.DataFrame, methods: Sequence[str], classes: Mapping[int, str], sheet: Sheet) -> Figure:
    """Row-normalised confusion matrices of one or two methods, and the first minus the second."""
    shares = [_shares(table[table["method"] == method], list(classes)) for method in methods]
    panels = [(sheet.style.labels[m], part, False) for m, part in zip(methods, shares, strict=True)]
    if len(shares) == 2:
        panels.append(("difference", shares[0] - shares[1], True))
    names, count = list(classes.values()), len(panels)
    side = sheet((sheet.width - 130) / count, sheet.width - 106)
    height = sheet(side + 124, count * (side + 30) + 96)
    margins = sheet((120, 4, 24, 100), (98, 4, 24, 96))
    figure, axes = sheet.figure(height, margins, *sheet((count, 1), (1, count)), wspace=0.04, hspace=0.1)
    nothing = [""] * len(names)
    for index, (panel, (title, values, difference)) in enumerate(zip(axes, panels, strict=True)):
        _matrix(panel, values, difference, sheet(9, 8.5))
        panel.set_title(title, fontweight="bold")
        lowest, leftmost = sheet(True, index == count - 1), sheet(index == 0, True)
        panel.set_xticks(range(len(names)), names if lowest else nothing, rotation=90, fontsize=9.5)
        panel.set_yticks(range(len(names)), names if leftmost else nothing, fontsize=9.5)
    return figure


def _shares(rows: pd.DataFrame, classes: Sequence[int]) -> NDArray[np.float64]:
    """Percent of each reference class (row) that is predicted as each class (column)."""
    order = pd.Index(classes)
    counts = rows.pivot(index="reference", columns="prediction", values="count").reindex(index=order, columns=order)
    totals = counts.sum(axis=1).replace(0, np.nan)
    return 100 * counts.div(totals, axis=0).to_numpy(dtype=float)


def _matrix(panel: Axes, values: NDArray[np.float64], difference: bool, size: float) -> None:
    """Cells with their numbers. In a difference more on the diagonal is good, more off it is bad."""
    scale = np.nanmax(np.abs(values), initial=1e-9) if difference else 100.0
    for (y, x), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        good, part = (value > 0) == (x == y), abs(value) / scale
        ends = (HEAT[0], GAIN if good else LOSS) if difference else HEAT
        panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=between(ends, 0.9 * part), linewidth=0))
        number = f"{value:+.0f}".replace("-", form.MINUS) if difference else f"{value:.0f}"
        if round(abs(value)) > 0:
            ink = ON_DEEP if part > 0.55 else ON_PALE
            panel.text(x, y, number, ha="center", va="center", fontsize=size, color=ink)
    panel.set_aspect("equal")
    matrix_axes(panel, len(values), len(values))
