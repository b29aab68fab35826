"""Figures about sensors: transfer heat map, gap closed, and the difference of two sensors one factor at a time."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from anyband.products import BY_SHORT_NAME
from anyband.report import formatting as form
from anyband.report.figures.results import Style, canvas
from anyband.report.svg import INK, MUTED, PAPER
from anyband.statistics.transfer import ALL_TOGETHER

HEAT = ("#e4ebf1", "#0b5a8f")  # from the lowest score to the highest; numbers stand in every cell
GAIN, LOSS = "#3b7dbd", "#b8562e"  # apart for colour-blind readers, and no method has them


def transfer_map(table: pd.DataFrame, conditions: Sequence[str], style: Style, width: int) -> Figure:
    """Scores of every method (rows, with what it was trained on) under every sensor (columns, in order)."""
    methods = list(dict.fromkeys(table["method"]))
    wide = width > 500
    left, cell = 250 if wide else 118, 30 if wide else 34
    height = cell * len(methods) + 34
    figure, (axes,) = canvas(width, height, (left, 6, 30, 4))
    low, high = 100 * table["miou"].min(), 100 * table["miou"].max()
    for row in table.to_dict("records"):
        x, y = conditions.index(row["condition"]), methods.index(row["method"])
        share = (100 * row["miou"] - low) / max(high - low, 1e-9)
        axes.add_patch(
            Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=between(HEAT, 0.08 + 0.84 * share), linewidth=0)
        )
        text = ("→" if row["mapped"] else "") + form.points(row["miou"])
        axes.text(x, y, text, ha="center", va="center", color="#ffffff" if share > 0.5 else "#1d1c1a",
                  weight="bold" if row["seen"] else "normal", fontsize=11 if wide else 8.5)  # fmt: skip
    for y, method in enumerate(methods):
        own = table[table["method"] == method].iloc[0]
        name = f"{style.labels[method]} ({own['trained_on']})" if wide else style.labels[method]
        axes.text(-0.62, y, name, ha="right", va="center", fontsize=11 if wide else 8.5, color=INK)
    axes.set_xlim(-0.5, len(conditions) - 0.5)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(conditions)), conditions, fontsize=11 if wide else 8)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return figure


def between(ends: tuple[str, str], share: float) -> str:
    """A colour on the straight line between two."""
    low, high = (np.array(to_rgb(colour)) for colour in ends)
    return "#" + "".join(f"{round(255 * float(v)):02x}" for v in low + share * (high - low))


def gap_lines(table: pd.DataFrame, style: Style, width: int) -> Figure:
    """For every direction a line from naive mapping to specialist, with the methods that never saw the target."""
    directions = list(dict.fromkeys(zip(table["source"], table["target"], strict=True)))
    wide = width > 500
    left = 190 if wide else 96
    figure, (axes,) = canvas(width, 46 * len(directions) + 66, (left, 12, 22, 44))
    for y, (source, target) in enumerate(directions):
        rows = table[(table["source"] == source) & (table["target"] == target)]
        naive, best = 100 * float(rows["naive"].iloc[0]), 100 * float(rows["specialist"].iloc[0])
        axes.plot([naive, best], [y, y], color=MUTED, linewidth=1.4)
        for value, method in ((naive, rows["source_method"].iloc[0]), (best, rows["target_method"].iloc[0])):
            axes.plot(value, y, "|", color=style.colour(str(method)), markersize=16, markeredgewidth=3)
        for index, row in enumerate(rows.to_dict("records")):
            at = y + (index - (len(rows) - 1) / 2) * 0.22
            axes.plot(100 * row["zero_shot"], at, style.marker(row["method"]), color=style.colour(row["method"]),
                      markersize=8, markeredgecolor=PAPER, markeredgewidth=0.6)  # fmt: skip
        name = f"{BY_SHORT_NAME[source].name} to {BY_SHORT_NAME[target].name}" if wide else f"{source} to {target}"
        axes.text(-0.015, y, name, ha="right", va="center", transform=axes.get_yaxis_transform())
    axes.set_ylim(len(directions) - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("mIoU on the target sensor, points")
    return figure


def factor_bars(table: pd.DataFrame, width: int) -> Figure:
    """One group per path and method: bars from score to score, each one factor with its interval and numbers."""
    groups = list(table.groupby(["path", "label"], sort=False))
    wide = width > 500
    height = 24 if wide else 36
    rows = sum(len(group) + 1 for _, group in groups)
    figure, (axes,) = canvas(width, height * rows + 52, (310 if wide else 138, 132 if wide else 44, 8, 40))
    y = 0
    for (path, name), group in groups:
        heading = f"{name}: {path}" if wide else textwrap.fill(f"{name}: {str(path).removeprefix('S2 to L9')}", 44)
        axes.annotate(heading, (0, y), (-(300 if wide else 130), 0), xycoords=axes.get_yaxis_transform(),
                      textcoords="offset points", va="center", weight="bold", fontsize=11 if wide else 9)  # fmt: skip
        before = float("nan")
        for row in group.to_dict("records"):
            y += 1
            before = _factor_row(axes, y, row, before, wide)
        y += 1
    axes.set_ylim(y - 0.4, -0.7)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("mIoU, points")
    return figure


def _factor_row(axes: Axes, y: int, row: Mapping[Any, Any], before: float, wide: bool) -> float:
    """Draw one step and return its score in points."""
    value, change = 100 * float(row["miou"]), 100 * float(row["change"])
    start, whole = np.isnan(before), row["factor"] == ALL_TOGETHER
    if start:
        axes.plot(value, y, "|", color=INK, markersize=14, markeredgewidth=2.4)
    else:
        colour, thickness = (MUTED, 4) if whole else (GAIN if change >= 0 else LOSS, 12)
        axes.plot([value - change, value], [y, y], color=colour, linewidth=thickness, solid_capstyle="butt")
        ends = [value - change + 100 * float(row[key]) for key in ("change_lower", "change_upper")]
        axes.plot(ends, [y, y], color=INK, linewidth=1.4)
    strong = INK if start or whole else MUTED
    words = f"{row['condition']}, {row['reader']}" if start else str(row["factor"])
    limit = 54 if wide else 26
    names, size = axes.get_yaxis_transform(), 10 if wide else 8
    axes.text(-0.015, y, words if wide and len(words) <= limit else textwrap.fill(words, limit), ha="right",
              va="center", transform=names, fontsize=size, color=strong)  # fmt: skip
    number = form.points(value / 100) if start else form.signed_points(change / 100)
    if wide and not start:
        number += f" {form.interval(row['change_lower'], row['change_upper'], signed=True)}"
    axes.text(1.012, y, number, va="center", transform=names, fontsize=size, weight="bold" if whole else "normal")
    return value
