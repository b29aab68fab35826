"""What each method makes of the sensors that are at hand at test time, and what a second sensor adds."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.products import EXTRA
from anyband.report import formatting as form
from anyband.report.cells import Cell, Column, change, named, p_value, points, score, spread, text
from anyband.report.content import Graphic, Table, Topic
from anyband.report.read import Compared, records
from anyband.report.render import Sheet
from anyband.report.topics.headline import HLS
from anyband.statistics.protocol import MAJORITY

SENSORS = Topic[Compared]("sensors", "Sensors at test time")
CAPTION = (
    "mIoU, points [95 %], on the same reference pixels under every condition; the highest of a column is bold, which "
    "is not a test."
)


def trained_on(entry: Compared, products: Iterable[str], otherwise: Iterable[str] = ()) -> str:
    """Who was trained on any of some products: a sentence; `otherwise` are those methods where the runs do not say."""
    known, design = entry.design.get("trained_on") or {}, entry.design
    methods = [m for m in design["methods"] if set(products) & set(known.get(m, ()))] if known else list(otherwise)
    if not methods:
        return "No method was trained on these products."
    listed = form.listing([entry.label(method) for method in methods])
    return f"Only {listed} {'was' if len(methods) == 1 else 'were'} trained on these products."


def trained_on_hls(entry: Compared) -> str:
    """Who was trained on HLS."""
    return trained_on(entry, ("hls_s30", "hls_l30"), entry.design["endpoint_twins"])


def of_group(table: pd.DataFrame, group: str) -> pd.DataFrame:
    """Rows whose condition belongs to the `endpoint`, has only `hls` products, or is of `other` sensors."""

    def group_of(condition: str) -> str:
        if condition in PRIMARY_CONDITIONS:
            return "endpoint"
        return "hls" if set(condition.split("+")) <= HLS else "other"

    return table[table["condition"].map(group_of) == group]


def condition_table(entry: Compared, group: str, key: str, title: str, caption: str) -> Table:
    """A row for each method that takes any of the group's conditions, a column for each condition."""
    table = of_group(entry.frames["conditions"], group)
    best = table[table["method"] != MAJORITY].groupby("condition")["miou"].max()
    found = {(row["method"], row["condition"]): row for row in records(table)}
    methods = entry.ranked(table.dropna(subset="miou"))

    def cell(method: str, condition: str) -> Cell:
        row = found[method, condition]
        return score(row, "miou", "best" if row["miou"] == best[condition] else "")

    columns = [text("Method", lambda method: named(entry.label(method), method))]
    columns += spread({name: name for name in table["condition"].unique()}, cell)
    return Table(key, title, f"{caption} {entry.n}", columns, methods, entry.role)


@SENSORS.item
def conditions(entry: Compared) -> Table:
    """Scores under the conditions of the endpoint."""
    return condition_table(entry, "endpoint", "conditions", "Sensors at test time", CAPTION)


@SENSORS.item
def condition_scores(entry: Compared) -> Graphic:
    """Every method under every condition."""
    table, methods = entry.frames["conditions"], [method for method in entry.ranked() if method != MAJORITY]
    return Graphic(
        "conditions-figure",
        "Scores under every condition",
        "Pooled mIoU with 95 % intervals, mean over seeds. Shaded: products that the endpoint does not count. "
        f"{trained_on_hls(entry)} {entry.n}",
        "Scores and intervals of every method under every sensor condition",
        lambda sheet: draw_conditions(table, methods, sheet),
    )


def draw_conditions(table: pd.DataFrame, methods: list[str], sheet: Sheet) -> Figure:
    """Score and interval of every method under every condition; others than the endpoint's lie on a shaded ground."""
    names = list(dict.fromkeys(table["condition"]))
    rows, top = -(-len(names) // sheet(7, 3)), sheet.legend_height(methods)
    figure, axes = sheet.figure(sheet(230, 200) * rows + 30 + top, (46, 8, top, 30), rows=rows, hspace=0.28)
    for panel in axes[1:]:
        panel.sharey(axes[0])
    for panel, chosen in zip(axes, np.array_split(names, rows), strict=True):
        for x, condition in enumerate(chosen):
            if condition not in PRIMARY_CONDITIONS:
                panel.axvspan(x - 0.5, x + 0.5, color=sheet.band, linewidth=0)
            _condition_marks(panel, x, table[table["condition"] == condition], methods, sheet)
        panel.set_xticks(range(len(chosen)), list(chosen))
        panel.set_xlim(-0.5, len(chosen) - 0.5)
        panel.tick_params(axis="x", length=0)
        panel.grid(axis="y")
        panel.set_ylabel("mIoU, points")
    sheet.legend(figure, methods)
    return figure


def _condition_marks(panel: Axes, x: float, table: pd.DataFrame, methods: list[str], sheet: Sheet) -> None:
    known = {row["method"]: row for row in records(table.dropna(subset="miou"))}
    shown = [method for method in methods if method in known]
    for index, method in enumerate(shown):
        at = x + (index - (len(shown) - 1) / 2) * min(0.8 / max(len(shown), 1), 0.16)
        value, lower, upper = (100 * float(known[method][k]) for k in ("miou", "miou_lower", "miou_upper"))
        panel.plot([at, at], [lower, upper], color=sheet.style.colour(method), linewidth=1.8, solid_capstyle="butt")
        panel.plot(at, value, sheet.style.marker(method), color=sheet.style.colour(method), markersize=6.5)


@SENSORS.item
def fusion(entry: Compared) -> Table:
    """Both sensors against the best with one."""
    columns = [
        text("Method", lambda row: named(row["label"], row["method"])),
        Column("S2+L9", lambda row: points(row["both"])),
        text("Best with one sensor", lambda row: f"{entry.label(row['rival'])} on {row['condition']}"),
        Column("Its mIoU", lambda row: points(row["rival_score"])),
        Column("Gain [95 %]", lambda row: change(row, "difference"), "points"),
        Column("Holm p", lambda row: p_value(row["p_adjusted"])),
    ]
    caption = (
        "mIoU in points with both sensors, against the best result with one: the same method's own, or a specialist's, "
        "so that a method which merely cannot do with one sensor gains nothing here. p is the largest over all these "
        f"rivals (1 where one is better); the interval's lower end the lowest. {entry.n}"
    )
    return Table("fusion", "What a second sensor adds", caption, columns, records(entry.frames["fusion"]))


@SENSORS.item
def hls(entry: Compared) -> Table:
    """Scores on HLS products."""
    caption = f"HLS surface reflectance at 30 m. {trained_on_hls(entry)} {CAPTION}"
    return condition_table(entry, "hls", "zero-shot", "HLS products of the same acquisitions", caption)


@SENSORS.item
def other_sensors(entry: Compared) -> Table:
    """Scores on sensors that most methods never saw."""
    caption = f"Sensors simulated at the Sentinel-2 overpass. {trained_on(entry, EXTRA)} {CAPTION}"
    return condition_table(entry, "other", "other-sensors", "Other sensors over the same ground", caption)
