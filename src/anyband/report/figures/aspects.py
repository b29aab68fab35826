"""Figures of single aspects: confusion matrices, blocks, pairs of methods, learning curves, degradation."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from anyband.report import formatting as form
from anyband.report.figures.results import Style, canvas, legend, legend_height
from anyband.report.figures.sensors import GAIN, HEAT, LOSS, between
from anyband.report.svg import BAND, INK, MUTED

SERIES = re.compile(r"^(?P<sensor>[^/]+)/(?P<kind>drop-random|cloudy|offset|moved|gsd)-(?P<size>[\d.]+)$")
AXES = {
    "drop-random": "bands that are missing, %",
    "cloudy": "ground under clouds, %",
    "offset": "stated position off by, m",
    "moved": "pixels moved by, m",
    "gsd": "bands at, m",
}


def confusion_panels(
    table: pd.DataFrame, methods: Sequence[str], classes: Mapping[int, str], style: Style, width: int
) -> Figure:
    """Row-normalised confusion matrices of two methods, and the first minus the second."""
    shares = [_shares(table[table["method"] == method], list(classes)) for method in methods]
    panels = [(style.labels[m], share, False) for m, share in zip(methods, shares, strict=True)]
    if len(shares) == 2:
        panels.append(("difference", shares[0] - shares[1], True))
    wide, names = width > 500, list(classes.values())
    side = (width - 130) / len(panels) if wide else width - 106
    size = (side + 124, (120, 4, 24, 100), len(panels), 1) if wide else (
        len(panels) * (side + 30) + 96, (98, 4, 24, 96), 1, len(panels))  # fmt: skip
    figure, axes = canvas(width, *size)
    figure.subplots_adjust(wspace=0.04, hspace=0.1)
    for index, (panel, (title, values, difference)) in enumerate(zip(axes, panels, strict=True)):
        _matrix(panel, values, difference, 9 if wide else 8.5)
        panel.set_title(title, fontweight="bold")
        last = wide or index == len(panels) - 1
        panel.set_xticks(range(len(names)), names if last else [""] * len(names), rotation=90, fontsize=9.5)
        panel.set_yticks(range(len(names)), names if index == 0 or not wide else [""] * len(names), fontsize=9.5)
        panel.tick_params(length=0)
    return figure


def _shares(rows: pd.DataFrame, classes: Sequence[int]) -> NDArray[np.float64]:
    """Percent of each reference class (row) that is predicted as each class (column)."""
    order = pd.Index(classes)
    counts = rows.pivot(index="reference", columns="prediction", values="count").reindex(index=order, columns=order)
    totals = counts.sum(axis=1).replace(0, np.nan)
    return 100 * counts.div(totals, axis=0).to_numpy(dtype=float)


def _matrix(panel: Axes, values: NDArray[np.float64], difference: bool, size: float) -> None:
    """Cells with their numbers. In a difference more on the diagonal is good, more off it is bad."""
    count = len(values)
    scale = max(float(np.nanmax(np.abs(values))), 1e-9) if difference else 100.0
    for y in range(count):
        for x in range(count):
            value = values[y, x]
            if np.isnan(value):
                continue
            good = (value > 0) == (x == y)
            ends = (HEAT[0], GAIN if good else LOSS) if difference else HEAT
            share = abs(value) / scale
            panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=between(ends, 0.9 * share), linewidth=0))
            text = f"{value:+.0f}".replace("-", form.MINUS) if difference else f"{value:.0f}"
            if round(abs(value)) > 0:
                panel.text(x, y, text, ha="center", va="center", fontsize=size,
                           color="#ffffff" if share > 0.55 else "#1d1c1a")  # fmt: skip
    panel.set_xlim(-0.5, count - 0.5)
    panel.set_ylim(count - 0.5, -0.5)
    panel.set_aspect("equal")
    for side in ("left", "bottom"):
        panel.spines[side].set_visible(False)


def block_intervals(table: pd.DataFrame, rival: str, style: Style, width: int) -> Figure:
    """Difference to one rival inside every test block with its interval over seeds, from best to worst block."""
    rows = table[table["method"] == rival].sort_values("difference", ascending=False)
    wide = width > 500
    figure, (axes,) = canvas(width, 21 * len(rows) + 60, (190 if wide else 120, 100 if wide else 10, 8, 44))
    axes.axvline(0, color=MUTED, linewidth=1)
    for y, row in enumerate(rows.to_dict("records")):
        value, lower, upper = (100 * float(row[key]) for key in ("difference", "lower", "upper"))
        colour = GAIN if value >= 0 else LOSS
        axes.plot([lower, upper], [y, y], color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot(value, y, "o" if value >= 0 else "s", color=colour, markersize=6)
        axes.text(-0.015, y, row["block"], ha="right", va="center",
                  transform=axes.get_yaxis_transform(), fontsize=10.5 if wide else 9)  # fmt: skip
        if wide:
            axes.text(1.02, y, form.signed_points(row["difference"]), va="center", fontsize=10.5,
                      transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(f"points mIoU over {style.labels[rival]}")
    return figure


def pair_matrix(pairs: pd.DataFrame, methods: Sequence[str], style: Style, width: int) -> Figure:
    """Row minus column on the endpoint; pale where the interval holds 0."""
    wide, count = width > 500, len(methods)
    names = [style.labels[method] for method in methods]
    room = (6.6 if wide else 5.2) * max(map(len, names)) + 16  # for the longest name
    side = min((width - room - 8) / count, 62)
    figure, (axes,) = canvas(width, side * count + room + 8, (room, width - room - side * count, room, 8))
    scale = max(float(100 * pairs["difference"].abs().max()), 1e-9)
    for row in pairs.to_dict("records"):
        for first, second, sign in ((row["first"], row["second"], 1), (row["second"], row["first"], -1)):
            if first in methods and second in methods:
                shown = not row["difference_lower"] <= 0 <= row["difference_upper"]
                _pair_cell(axes, methods.index(second), methods.index(first), 100 * sign * row["difference"], scale,
                           shown, 10 if wide else 7)  # fmt: skip
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(range(count), names, rotation=90, fontsize=10.5 if wide else 8.5)
    axes.set_yticks(range(count), names, fontsize=10.5 if wide else 8.5)
    axes.tick_params(length=0)
    for edge in ("left", "bottom"):
        axes.spines[edge].set_visible(False)
    return figure


def _pair_cell(axes: Axes, x: int, y: int, value: float, scale: float, shown: bool, size: float) -> None:
    share = 0.25 + 0.65 * abs(value) / scale
    colour = between((HEAT[0], GAIN if value > 0 else LOSS), share) if shown else BAND
    axes.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=colour, linewidth=0))
    text = form.signed_points(value / 100)
    ink = ("#ffffff" if share > 0.6 else "#1d1c1a") if shown else MUTED
    axes.text(x, y, text, ha="center", va="center", fontsize=size, color=ink)


def learning_curves(table: pd.DataFrame, methods: Sequence[str], style: Style, width: int) -> Figure:
    """Training loss by step, mean over seeds."""
    wide = width > 500
    top = legend_height(methods, 4 if wide else 2)
    figure, (axes,) = canvas(width, 250 + top, (46, 10, top, 46))
    for method in methods:
        rows = table[(table["method"] == method) & table["loss"].notna()].sort_values("step")
        axes.fill_between(rows["step"], rows["loss_lowest"], rows["loss_highest"], color=style.colour(method),
                          alpha=0.12, linewidth=0)  # fmt: skip
        axes.plot(rows["step"], rows["loss"], color=style.colour(method), linewidth=1.6, marker=style.marker(method),
                  markevery=max(len(rows) // 5, 1), markersize=4.5)  # fmt: skip
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("training loss")
    axes.set_xlim(left=0)
    axes.grid()
    legend(figure, methods, style, width, 4 if wide else 2)
    return figure


def series(table: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Rows of `robustness.csv` that form a scale with at least two sizes: (sensor, kind) -> rows with column `size`."""
    parts = table["condition"].str.extract(SERIES)
    known = table.assign(sensor=parts["sensor"], kind=parts["kind"], size=pd.to_numeric(parts["size"]))
    groups = known.dropna(subset="kind").groupby(["sensor", "kind"], sort=False)
    return {(str(k[0]), str(k[1])): rows for k, rows in groups if rows["size"].nunique() > 1}


def degradation(groups: Mapping[tuple[str, str], pd.DataFrame], methods: Sequence[str], style: Style, width: int
                ) -> Figure:  # fmt: skip
    """Change of the score against the size of what is done to the input, a panel per kind."""
    wide = width > 500
    columns = min(3, len(groups)) if wide else 1
    rows = -(-len(groups) // columns)
    top = legend_height(methods, 4 if wide else 2) + 22
    figure, axes = canvas(width, 230 * rows + top, (46, 10, top, 46), columns, rows)
    figure.subplots_adjust(wspace=0.25, hspace=0.5)
    for panel in axes[len(groups) :]:
        panel.set_visible(False)
    for panel, ((sensor, kind), found) in zip(axes, groups.items(), strict=False):
        _degradation_panel(panel, found, methods, style)
        panel.set_title(sensor, fontweight="bold")
        panel.set_xlabel(AXES[kind])
        panel.set_ylabel("change, points")
        panel.axhline(0, color=INK, linewidth=0.8)
        panel.grid()
    legend(figure, methods, style, width, 4 if wide else 2)
    return figure


def _degradation_panel(panel: Axes, found: pd.DataFrame, methods: Sequence[str], style: Style) -> None:
    for method in methods:
        own: Any = found[found["method"] == method].sort_values("size")
        if own.empty:
            continue
        colour = style.colour(method)
        panel.fill_between(own["size"], 100 * own["change_lower"], 100 * own["change_upper"], color=colour, alpha=0.12,
                           linewidth=0)  # fmt: skip
        panel.plot(own["size"], 100 * own["change"], color=colour, marker=style.marker(method), markersize=5,
                   linewidth=1.6)  # fmt: skip
