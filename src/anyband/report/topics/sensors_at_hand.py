"""What each method makes of the sensors at hand, what a second one adds, and what is left when the input is disturbed.

And how close translated images come to real ones.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anyband.conditions import primary_conditions
from anyband.products import EXTRA
from anyband.report import formatting as form
from anyband.report.cells import EMPTY, HOLM, METHOD, Cell, Column, change, decimals, named, points, score, spread, text
from anyband.report.content import Graphic, Table, Topic
from anyband.report.read import Compared, by_method, records
from anyband.report.render import Sheet
from anyband.report.topics.headline import HLS
from anyband.statistics.protocol import MAJORITY

SENSORS = Topic[Compared]("sensors", "Sensors at test time")


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
    endpoint = primary_conditions(table["condition"])

    def group_of(condition: str) -> str:
        if condition in endpoint:
            return "endpoint"
        return "hls" if set(condition.split("+")) <= HLS else "other"

    return table[table["condition"].map(group_of) == group]


def condition_table(entry: Compared, group: str, key: str, of: str = "") -> Table:
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
    return Table(key, columns, methods, entry.role, words={"of": of})


@SENSORS.item
def conditions(entry: Compared) -> Table:
    """Scores under the conditions of the endpoint."""
    return condition_table(entry, "endpoint", "conditions")


@SENSORS.item
def condition_scores(entry: Compared) -> Graphic:
    """Every method under every condition."""
    table, methods = entry.frames["conditions"], [method for method in entry.ranked() if method != MAJORITY]
    words = {"trained_on_hls": trained_on_hls(entry)}
    return Graphic("conditions-figure", lambda sheet: draw_conditions(table, methods, sheet), words=words)


def draw_conditions(table: pd.DataFrame, methods: list[str], sheet: Sheet) -> Figure:
    """Score and interval of every method under every condition; others than the endpoint's lie on a shaded ground."""
    names = list(dict.fromkeys(table["condition"]))
    endpoint = primary_conditions(names)
    rows, top = -(-len(names) // sheet(7, 3)), sheet.legend_height(methods)
    figure, axes = sheet.figure(sheet(230, 200) * rows + 30 + top, (46, 8, top, 30), rows=rows, hspace=0.28)
    for panel in axes[1:]:
        panel.sharey(axes[0])
    for panel, chosen in zip(axes, np.array_split(names, rows), strict=True):
        for x, condition in enumerate(chosen):
            if condition not in endpoint:
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
        METHOD,
        Column(primary_conditions(entry.design["conditions"])[-1], lambda row: points(row["both"])),
        text("Best with one sensor", lambda row: f"{entry.label(row['rival'])} on {row['condition']}"),
        Column("Its mIoU", lambda row: points(row["rival_score"])),
        Column("Gain [95 %]", lambda row: change(row, "difference")),
        HOLM,
    ]
    return Table("fusion", columns, records(entry.frames["fusion"]))


@SENSORS.item
def hls(entry: Compared) -> Table:
    """Scores on HLS products."""
    of = f"HLS surface reflectance at 30 m. {trained_on_hls(entry)} "
    return condition_table(entry, "hls", "zero-shot", of)


@SENSORS.item
def other_sensors(entry: Compared) -> Table:
    """Scores on sensors that most methods never saw."""
    of = f"Sensors simulated at the Sentinel-2 overpass. {trained_on(entry, EXTRA)} "
    return condition_table(entry, "other", "other-sensors", of)


ROBUSTNESS = Topic[Compared]("robustness", "Robustness")
IMAGES = Topic[Compared]("images", "Translated images")

SERIES = re.compile(r"^(?P<sensor>[^/]+)/(?P<kind>drop-random|cloudy|offset|moved|gsd)-(?P<size>[\d.]+)$")
AXES = {
    "drop-random": "bands that are missing, %",
    "cloudy": "ground under clouds, %",
    "offset": "stated position off by, m",
    "moved": "pixels moved by, m",
    "gsd": "bands at, m",
}
Series = Mapping[tuple[str, str], pd.DataFrame]


@ROBUSTNESS.item
def degradation(entry: Compared) -> Graphic | None:
    """How scores fall as the input gets worse."""
    table = entry.frames["robustness"]
    groups, methods = series(table), entry.ranked(table, floors=False)
    if not groups or not methods:
        return None
    return Graphic("degradation", lambda sheet: draw_degradation(groups, methods, sheet))


def series(table: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Rows of `robustness.csv` that form a scale with at least two sizes: (sensor, kind) -> rows with column `size`."""
    parts = table["condition"].str.extract(SERIES)
    known = table.assign(sensor=parts["sensor"], kind=parts["kind"], size=pd.to_numeric(parts["size"]))
    groups = known.dropna(subset="kind").groupby(["sensor", "kind"], sort=False)
    return {(str(k[0]), str(k[1])): rows for k, rows in groups if rows["size"].nunique() > 1}


def draw_degradation(groups: Series, methods: list[str], sheet: Sheet) -> Figure:
    """Change of the score against the size of what is done to the input, a panel per kind."""
    columns = sheet(min(3, len(groups)), 1)
    rows, top = -(-len(groups) // columns), sheet.legend_height(methods) + 22
    figure, axes = sheet.figure(230 * rows + top, (46, 10, top, 46), columns, rows, wspace=0.25, hspace=0.5)
    for panel in axes[len(groups) :]:
        panel.set_visible(False)
    for panel, ((sensor, kind), found) in zip(axes, groups.items(), strict=False):
        for method in methods:
            _series(panel, found[found["method"] == method].sort_values("size"), sheet, method)
        panel.set_title(sensor, fontweight="bold")
        panel.set_xlabel(AXES[kind])
        panel.set_ylabel("change, points")
        panel.axhline(0, color=sheet.ink, linewidth=0.8)
        panel.grid()
    sheet.legend(figure, methods)
    return figure


def _series(panel: Axes, own: pd.DataFrame, sheet: Sheet, method: str) -> None:
    if own.empty:
        return
    colour, size = sheet.style.colour(method), own["size"].to_numpy()
    value, lower, upper = (100 * own[k].to_numpy() for k in ("change", "change_lower", "change_upper"))
    panel.fill_between(size, lower, upper, color=colour, alpha=0.12, linewidth=0)
    panel.plot(size, value, color=colour, marker=sheet.style.marker(method), markersize=5, linewidth=1.6)


@ROBUSTNESS.item
def robustness(entry: Compared) -> Table:
    """One row per perturbed condition, one column per method; a dash where the method cannot take the input."""
    table = entry.frames["robustness"]
    found = {(row["condition"], row["method"]): row for row in records(table)}
    columns = [text("Input", lambda condition: named(condition))]
    methods = {method: entry.label(method) for method in entry.ranked(table)}
    columns += spread(methods, lambda condition, method: _left(found.get((condition, method))))
    conditions = list(dict.fromkeys(table["condition"]))
    return Table("robustness", columns, conditions)


def _left(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return EMPTY
    bounds = form.interval(row["change_lower"], row["change_upper"], signed=True)
    return Cell(form.points(row["miou"]), f"{form.signed_points(row['change'])} {bounds}", float(row["miou"]))


@IMAGES.item
def image_scores(entry: Compared) -> Table:
    """Scores by band, the methods of a band beneath each other; no rows where no method translates."""
    columns = [
        text("Band", lambda row: named("all bands" if row["band"] == "all" else row["band"])),
        text("Method", lambda row: named(entry.label(row["method"]), row["method"])),
        decimals("RMSE × 100", "rmse", factor=100),
        decimals("PSNR, dB", "psnr_db", 1),
        decimals("SSIM", "ssim", 3),
        decimals("ERGAS", "ergas"),
        decimals("SAM, degrees", "sam_deg"),
    ]
    table, methods = entry.frames["image_scores"], entry.design["methods"]
    bands = sorted(table["band"].unique(), key=lambda band: band != "all")  # the others as they come
    own = {method: by_method(table, method) for method in methods}
    rows = [row for band in bands for method in methods for row in own[method] if row["band"] == band]
    return Table("image-scores", columns, rows)
