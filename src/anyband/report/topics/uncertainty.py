"""Where the uncertainty comes from: seeds, blocks, and where the blocks lie."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from anyband.report import formatting as form
from anyband.report.cells import Column, decimals, named, share, text
from anyband.report.content import Graphic, Table, Topic, sentence
from anyband.report.palette import GAIN, LOSS
from anyband.report.read import Compared, records
from anyband.report.render import Sheet, plain_rows
from anyband.report.topics.scenes import difference_places, draw_differences


def advice(variance: pd.DataFrame) -> str:
    """More blocks or more seeds? From the declared differences."""
    table = variance[variance["quantity"] == "difference"]
    if table.empty or table["share_blocks"].isna().all():
        return ""
    share = float(table["share_blocks"].mean())
    blocks = float((1 - table["error_with_twice_the_blocks"] / table["standard_error"]).mean())
    seeds = float((1 - table["error_with_twice_the_seeds"] / table["standard_error"]).mean())
    return sentence("advice", share=share, blocks=blocks, seeds=seeds)


UNCERTAINTY = Topic[Compared](
    "uncertainty",
    "Where the uncertainty comes from",
    paragraphs=lambda entry: [advice(entry.frames["variance"])],
)
SIDE_BY_SIDE = 5  # methods whose names fit under half the width


@UNCERTAINTY.item
def units(entry: Compared) -> Graphic | None:
    """Every seed and every block."""
    table = entry.frames["units"]
    methods = entry.ranked(table, floors=False)
    if not methods:
        return None
    return Graphic("units", lambda sheet: draw_units(table, methods, sheet))


def draw_units(units: pd.DataFrame, methods: Sequence[str], sheet: Sheet) -> Figure:
    """Endpoint seed by seed and block by block: a dot each, thin lines join the same seed or block."""
    beside, names = sheet(len(methods) <= SIDE_BY_SIDE, False), sheet.style.names(methods)
    angle = name_angle(names, (sheet.width - 54) / (2 if beside else 1) / len(methods))
    bottom = {0: 44, 40: 24 + 4 * max(map(len, names)), 90: 16 + 7 * max(map(len, names))}[angle]
    height, grid = (300, (2, 1)) if beside else (480 + 2 * bottom, (1, 2))
    figure, axes = sheet.figure(height, (46, 8, 28, bottom), *grid, wspace=0.22, hspace=(30 + bottom) / 200)
    titles = {"seed": "Training seeds, blocks pooled", "block": "Test blocks, mean over seeds"}
    dot: Any = {"markersize": 5.5, "markeredgecolor": sheet.paper, "markeredgewidth": 0.6, "linestyle": "none"}
    for panel, (kind, title) in zip(axes, titles.items(), strict=True):
        rows = units[(units["kind"] == kind) & units["method"].isin(methods)]
        table = rows.pivot(index="unit", columns="method", values="miou")[list(methods)] * 100
        for _, values in table.iterrows():
            panel.plot(range(len(methods)), values, color=sheet.rule, linewidth=1)
        for x, method in enumerate(methods):
            own = table[method]
            panel.plot(np.full(len(own), x), own, sheet.style.marker(method), color=sheet.style.colour(method), **dot)
            panel.plot([x - 0.22, x + 0.22], [own.mean()] * 2, color=sheet.ink, linewidth=1.6)
        panel.set_title(title, fontweight="bold")
        panel.set_xticks(range(len(methods)), names if angle else [name.replace(" ", "\n", 1) for name in names])
        for label in panel.get_xticklabels() if angle else ():
            label.set(rotation=angle, ha="right", va="center" if angle == 90 else "top", rotation_mode="anchor")
        panel.tick_params(axis="x", length=0)
        panel.set_xlim(-0.5, len(methods) - 0.5)
        panel.grid(axis="y")
        panel.set_ylabel("mIoU, points")
    return figure


def name_angle(names: Sequence[str], room: float) -> int:
    """Degrees by which names under an axis are turned so that they do not collide, with `room` pixels for each."""
    if max(len(word) for name in names for word in name.split(" ", 1)) * 6.5 < room:
        return 0
    return 40 if room > 24 and max(map(len, names)) < 20 else 90


@UNCERTAINTY.item
def blocks(entry: Compared) -> Graphic | None:
    """The proposed method against the best baseline, block by block."""
    table, rival = entry.frames["block_differences"], entry.rival
    if rival is None or rival not in set(table["method"]):
        return None
    rows, other = table[table["method"] == rival], entry.label(rival)
    return Graphic("blocks", lambda sheet: draw_blocks(rows, other, sheet))


def draw_blocks(table: pd.DataFrame, rival: str, sheet: Sheet) -> Figure:
    """Difference to one rival inside every test block with its interval over seeds, from best to worst block."""
    rows = records(table.sort_values("difference", ascending=False))
    figure, (axes,) = sheet.figure(21 * len(rows) + 60, (sheet(190, 120), sheet(100, 10), 8, 44))
    axes.axvline(0, color=sheet.muted, linewidth=1)
    beside = axes.get_yaxis_transform()
    for y, row in enumerate(rows):
        value, lower, upper = (100 * float(row[key]) for key in ("difference", "lower", "upper"))
        colour, marker = (GAIN, "o") if value >= 0 else (LOSS, "s")
        axes.plot([lower, upper], [y, y], color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot(value, y, marker, color=colour, markersize=6)
        axes.text(-0.015, y, row["block"], ha="right", va="center", transform=beside, fontsize=sheet(10.5, 9))
        if sheet.wide:
            axes.text(1.02, y, form.signed_points(row["difference"]), va="center", fontsize=10.5, transform=beside)
    plain_rows(axes, len(rows) - 0.4, -0.6, f"points mIoU over {rival}")
    return figure


@UNCERTAINTY.item
def block_map(entry: Compared) -> Graphic | None:
    """Where the proposed method gains and loses against the best baseline; None with fewer than two blocks."""
    differences = entry.frames["block_differences"]
    table = difference_places(entry.data, differences[differences["method"] == entry.rival])
    if entry.rival is None or len(table) < 2:
        return None
    low, high = (form.signed_points(table["difference"].agg(end) / 100) for end in ("min", "max"))
    words = {"low": low, "high": high, "shown": len(table)}
    return Graphic("block-map", lambda sheet: draw_differences(table, sheet), words=words)


@UNCERTAINTY.item
def variance(entry: Compared) -> Table:
    """What the blocks and what the seeds contribute."""
    columns = [
        text("Quantity", lambda row: named(row["label"], note=row["quantity"])),
        decimals("SE", "standard_error", factor=100),
        decimals("Variance, blocks", "variance_blocks", 3, 1e4),
        decimals("Variance, seeds", "variance_seeds", 3, 1e4),
        Column("From blocks", lambda row: share(row["share_blocks"], bar=True)),
        decimals("df", "degrees_of_freedom", 1),
        decimals("SE, twice the blocks", "error_with_twice_the_blocks", factor=100),
        decimals("SE, twice the seeds", "error_with_twice_the_seeds", factor=100),
    ]
    return Table("variance", columns, records(entry.frames["variance"]))
