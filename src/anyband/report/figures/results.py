"""Figures of the comparison, each in a wide version (desktop, paper) and a narrow one (phone).

Every function takes tidy tables as the comparison writes them and a width in CSS pixels, and returns a matplotlib
figure drawn with the placeholder colours of `svg`. Scores become points (0-100).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.report import formatting as form
from anyband.report.palette import method_markers
from anyband.report.svg import BAND, INK, MUTED, PAPER, RULE
from anyband.statistics.protocol import PRIMARY

WIDE, NARROW = 900, 360
SIDE_BY_SIDE = 5  # methods whose names fit under half the width


@dataclass(frozen=True)
class Style:
    """Colour, marker and name of every method; the same in every figure."""

    colours: Mapping[str, tuple[str, str]]
    labels: Mapping[str, str]

    def colour(self, method: str) -> str:
        """The light colour, which the page replaces by a variable."""
        return self.colours[method][0]

    def marker(self, method: str) -> str:
        """The method's marker."""
        return method_markers(list(self.colours))[method]


def canvas(width: float, height: float, margins: tuple[float, float, float, float], columns: int = 1, rows: int = 1,
           **grid: Any) -> tuple[Figure, list[Axes]]:  # fmt: skip
    """A figure of `width` x `height` pixels with margins (left, right, top, bottom) in pixels."""
    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    left, right, top, bottom = margins
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure, list(axes.ravel())


def forest(pairs: pd.DataFrame, margin: float, style: Style, width: int) -> Figure:
    """Differences of the proposed method to every other one with intervals; the equivalence band is shaded.

    Args:
        pairs: rows of `pairwise.csv` to show, proposed method first; grouped by `second` in order of appearance.
        margin: equivalence margin in mIoU.
        style: colours and names.
        width: pixels.
    """
    lines: list[tuple[str, pd.Series | None]] = []
    for method in pairs["second"].unique():
        group = pairs[pairs["second"] == method]
        lines.append((style.labels[method], None))
        lines += [(_endpoint_name(row["endpoint"]), row) for _, row in group.iterrows()]
    wide = width > 500
    height = 21 * len(lines) + 74
    figure, (axes,) = canvas(width, height, (128 if wide else 96, 150 if wide else 10, 10, 56))
    axes.axvspan(-100 * margin, 100 * margin, color=BAND, linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=1)
    for y, (name, row) in enumerate(lines):
        if row is None:
            place, alignment, weight = -_label_offset(width), "left", "bold"
        else:
            place, alignment, weight = -0.015, "right", "normal"
            _forest_row(axes, y, row, style, wide)
        axes.text(place, y, name, ha=alignment, va="center", transform=axes.get_yaxis_transform(), weight=weight)
    axes.set_ylim(len(lines) - 0.3, -0.7)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    proposed = style.labels[str(pairs["first"].iloc[0])]
    notes = [(8, "left", f"{proposed} better →")] + ([(-8, "right", "← other better")] if wide else [])
    for shift, side, text in notes:
        axes.annotate(text, (0, 0), (shift, -22), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
                      ha=side, va="top")  # fmt: skip
    axes.annotate("points mIoU", (1, 0), (0, -22), xycoords="axes fraction", textcoords="offset points",
                  ha="right", va="top")  # fmt: skip
    return figure


def _label_offset(width: int) -> float:
    """Left edge of group names as a fraction of the axes' width."""
    return 126 / (width - 278) if width > 500 else 94 / (width - 106)


def _forest_row(axes: Axes, y: float, row: pd.Series, style: Style, wide: bool) -> None:
    value, lower, upper = (100 * float(row[k]) for k in ("difference", "difference_lower", "difference_upper"))
    main = row["endpoint"] == PRIMARY
    colour = style.colour(str(row["second"])) if main else MUTED
    axes.plot([lower, upper], [y, y], color=colour, linewidth=2.2 if main else 1.3, solid_capstyle="butt")
    axes.plot(value, y, style.marker(str(row["second"])), color=colour, markersize=7 if main else 4.5)
    if wide:
        low, high = (form.signed_points(float(row[k])) for k in ("difference_lower", "difference_upper"))
        text = f"{form.signed_points(float(row['difference']))} [{low}, {high}]"
        axes.text(1.02, y, text, va="center", transform=axes.get_yaxis_transform(),
                  weight="bold" if main else "normal", fontsize=11, color=INK if main else MUTED)  # fmt: skip


def _endpoint_name(name: str) -> str:
    return "endpoint" if name == PRIMARY else name


def unit_dots(units: pd.DataFrame, style: Style, width: int) -> Figure:
    """Endpoint seed by seed and block by block: a dot each, thin lines join the same seed or block."""
    methods = list(units.groupby("method", sort=False).size().index)
    wide = width > 500
    beside = wide and len(methods) <= SIDE_BY_SIDE
    names = [style.labels[method] for method in methods]
    angle = _name_angle(names, (width - 54) / (2 if beside else 1) / len(methods))
    bottom = {0: 44, 40: 24 + 4 * max(map(len, names)), 90: 16 + 7 * max(map(len, names))}[angle]
    figure, axes = canvas(
        width, 300 if beside else 480 + 2 * bottom, (46, 8, 28, bottom), 2 if beside else 1, 1 if beside else 2
    )
    figure.subplots_adjust(wspace=0.22, hspace=(30 + bottom) / 200)
    for panel, kind, title in zip(axes, ("seed", "block"), ("Training seeds, blocks pooled",
                                                            "Test blocks, mean over seeds"), strict=True):  # fmt: skip
        table = units[units["kind"] == kind].pivot(index="unit", columns="method", values="miou")[methods] * 100
        for _, values in table.iterrows():
            panel.plot(range(len(methods)), values, color=RULE, linewidth=1)
        for x, method in enumerate(methods):
            panel.plot(np.full(len(table), x), table[method], style.marker(method), color=style.colour(method),
                       markersize=5.5, markeredgecolor=PAPER, markeredgewidth=0.6, linestyle="none")  # fmt: skip
            panel.plot([x - 0.22, x + 0.22], [table[method].mean()] * 2, color=INK, linewidth=1.6)
        panel.set_title(title, fontweight="bold")
        panel.set_xticks(range(len(methods)), names if angle else [name.replace(" ", "\n", 1) for name in names])
        if angle:
            for text in panel.get_xticklabels():
                text.set(rotation=angle, ha="right", va="center" if angle == 90 else "top", rotation_mode="anchor")
        panel.tick_params(axis="x", length=0)
        panel.set_xlim(-0.5, len(methods) - 0.5)
        panel.grid(axis="y")
        panel.set_ylabel("mIoU, points")
    return figure


def _name_angle(names: Sequence[str], room: float) -> int:
    """Degrees by which names under an axis are turned so that they do not collide, with `room` pixels for each."""
    if max(len(word) for name in names for word in name.split(" ", 1)) * 6.5 < room:
        return 0
    return 40 if room > 24 and max(map(len, names)) < 20 else 90


def condition_scores(table: pd.DataFrame, methods: Sequence[str], style: Style, width: int) -> Figure:
    """Score and interval of every method under every condition; others than the endpoint's lie on a shaded ground."""
    conditions = list(dict.fromkeys(table["condition"]))
    wide = width > 500
    rows = -(-len(conditions) // (7 if wide else 3))
    columns = 4 if wide else 2
    top = legend_height(methods, columns)
    figure, axes = canvas(width, (230 if wide else 200) * rows + 30 + top, (46, 8, top, 30), 1, rows, sharey=True)
    figure.subplots_adjust(hspace=0.28)
    for panel, chosen in zip(axes, np.array_split(conditions, rows), strict=True):
        for x, condition in enumerate(chosen):
            if condition not in PRIMARY_CONDITIONS:
                panel.axvspan(x - 0.5, x + 0.5, color=BAND, linewidth=0)
            _condition_marks(panel, x, table[table["condition"] == condition], methods, style)
        panel.set_xticks(range(len(chosen)), list(chosen))
        panel.set_xlim(-0.5, len(chosen) - 0.5)
        panel.tick_params(axis="x", length=0)
        panel.grid(axis="y")
        panel.set_ylabel("mIoU, points")
    legend(figure, methods, style, width, columns)
    return figure


def _condition_marks(panel: Axes, x: float, rows: pd.DataFrame, methods: Sequence[str], style: Style) -> None:
    known = rows.set_index("method")
    scores = known["miou"].dropna()
    shown = [method for method in methods if method in scores.index]
    for index, method in enumerate(shown):
        at = x + (index - (len(shown) - 1) / 2) * min(0.8 / max(len(shown), 1), 0.16)
        value, lower, upper = (100 * known[k].astype(float)[method] for k in ("miou", "miou_lower", "miou_upper"))
        panel.plot([at, at], [lower, upper], color=style.colour(method), linewidth=1.8, solid_capstyle="butt")
        panel.plot(at, value, style.marker(method), color=style.colour(method), markersize=6.5)


def reliability(table: pd.DataFrame, methods: Sequence[str], style: Style, width: int) -> Figure:
    """Share of right pixels against confidence before and after temperature scaling; the diagonal is perfect.

    Args:
        table: rows of `reliability.csv` of one condition.
        methods: one line each.
        style: colours and names.
        width: pixels.
    """
    wide = width > 500
    columns = 4 if wide else 2
    top = legend_height(methods, columns) + 22
    side = (width - 48 - 10 - 60) / 2 if wide else width - 48 - 10
    height = side + 46 if wide else 2 * (side + 46) + 22
    figure, axes = canvas(width, height + top, (48, 10, top, 46), 2 if wide else 1, 1 if wide else 2)
    figure.subplots_adjust(wspace=60 / side, hspace=68 / side)
    for panel, scaled, title in zip(axes, (0, 1), ("As predicted", "After temperature scaling"), strict=True):
        panel.plot([0, 100], [0, 100], color=MUTED, linewidth=1, dashes=(4, 3))
        for method in methods:
            rows = table[(table["method"] == method) & (table["scaled"] == scaled)]
            panel.plot(100 * rows["confidence"], 100 * rows["agreement"], color=style.colour(method),
                       marker=style.marker(method), markersize=5, linewidth=1.5)  # fmt: skip
        panel.set_title(title, fontweight="bold")
        panel.set_xlabel("confidence, %")
        panel.set_ylabel("agreement with the labels, %")
        panel.set_xlim(0, 100)
        panel.set_ylim(0, 100)
        panel.grid()
    legend(figure, methods, style, width, columns)
    return figure


def cost_scores(table: pd.DataFrame, style: Style, width: int) -> Figure:
    """Endpoint with interval against work per square kilometre and against training time of one seed."""
    wide = width > 500
    columns = 4 if wide else 2
    top = legend_height(table["method"].tolist(), columns)
    shape = (260 + top, (46, 10, top, 46), 2, 1) if wide else (500 + top, (46, 10, top, 46), 1, 2)
    figure, axes = canvas(width, *shape)
    figure.subplots_adjust(wspace=0.18, hspace=0.3)
    work = (1e-9, "macs_per_km2", "multiply-accumulates per km², 10⁹")
    time = (1 / 60, "train_seconds", "training of one seed, minutes")
    for panel, (factor, column, name) in zip(axes, (work, time), strict=True):
        for _, row in table.iterrows():
            method, x = str(row["method"]), factor * float(row[column])
            value, lower, upper = (100 * float(row[k]) for k in ("miou", "miou_lower", "miou_upper"))
            panel.plot([x, x], [lower, upper], color=style.colour(method), linewidth=1.8, solid_capstyle="butt")
            panel.plot(x, value, style.marker(method), color=style.colour(method), markersize=7)
        panel.set_xlim(0, 1.12 * factor * table[column].max())
        panel.set_xlabel(name)
        panel.set_ylabel("endpoint mIoU, points")
        panel.grid()
    legend(figure, table["method"].tolist(), style, width, columns)
    return figure


def legend_height(methods: Sequence[str], columns: int) -> int:
    """Pixels that a legend above a figure needs."""
    return 16 + 16 * -(-len(methods) // columns)


def legend(figure: Figure, methods: Sequence[str], style: Style, width: int, columns: int) -> None:
    """Marks and names of methods above a figure."""
    handles = [
        Line2D([], [], color=style.colour(m), marker=style.marker(m), markersize=6.5, linewidth=1.8) for m in methods
    ]
    names = [style.labels[method] for method in methods]
    figure.legend(handles, names, loc="upper left", ncols=columns, bbox_to_anchor=(34 / width, 1.0), handlelength=1.5,
                  columnspacing=1.4, handletextpad=0.5, borderaxespad=0.2)  # fmt: skip
