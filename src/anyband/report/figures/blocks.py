"""Map of a dataset: where its blocks lie, which split each belongs to, and how many pairs of scenes each place has."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anyband.report.figures.results import canvas
from anyband.report.figures.sensors import GAIN, LOSS
from anyband.report.records import DataRecord
from anyband.report.svg import PAPER

SPLITS = {"train": ("#8d8a83", "o"), "val": ("#2f8f8f", "D"), "test": ("#b0413e", "^"), "buffer": ("#b7b2a8", "x")}
"""Split -> colour and marker; the marker alone tells them apart."""
SIGNS = {True: (GAIN, "o"), False: (LOSS, "v")}


def places(data: DataRecord) -> pd.DataFrame:
    """One row per place: longitude, latitude (degrees), its most used split, number of kept pairs and of chips."""
    pairs = data.pairs.groupby("site").size() if len(data.pairs) else pd.Series(dtype=int)
    rows = []
    for site, chips in data.splits.groupby("site", sort=True):
        rows.append(_place(chips) | {
            "site": site, "split": chips["split"].mode().iloc[0],
            "pairs": int(pairs.get(site, 0)), "chips": len(chips), "blocks": int(chips["block"].nunique()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _place(chips: pd.DataFrame) -> dict[str, Any]:
    """Longitude and latitude (degrees) of the middle of some chips of one UTM zone."""
    from pyproj import Transformer

    transform = Transformer.from_crs(int(chips["epsg"].iloc[0]), 4326, always_xy=True)
    longitude, latitude = transform.transform(chips["x"].mean(), chips["y"].mean())
    return {"longitude": longitude, "latitude": latitude}


def map_figure(table: pd.DataFrame, width: int) -> Figure:
    """The places on a graticule, the size of a mark by the number of pairs; beside the globe its fullest part."""
    figure = _graticules(table, width, _splits)
    known = [split for split in SPLITS if (table["split"] == split).any()]
    counts = [f"{split} ({(table['split'] == split).sum()})" for split in known]
    _legend(figure, width, [SPLITS[split] for split in known], counts)
    return figure


def difference_places(data: DataRecord, differences: pd.DataFrame) -> pd.DataFrame:
    """One row per test block: longitude and latitude of its chips' middle, and `difference` in points of mIoU.

    Args:
        data: the dataset.
        differences: columns `block` and `difference` (fraction of mIoU).
    """
    known = 100 * differences.set_index("block")["difference"]
    rows = [
        _place(chips) | {"block": block, "difference": float(known[block])}
        for block, chips in data.chips("test").groupby("block", sort=True)
        if block in known.index
    ]
    return pd.DataFrame(rows, columns=["longitude", "latitude", "block", "difference"])


def difference_map(table: pd.DataFrame, width: int) -> Figure:
    """Test blocks on a graticule: colour and shape by the sign of the difference, area by its size."""
    largest = max(float(table["difference"].abs().max()), 1e-9)
    figure = _graticules(table.assign(share=table["difference"].abs() / largest), width, _signs)
    _legend(figure, width, [SIGNS[True], SIGNS[False]], ["better", "worse"])
    return figure


def _legend(figure: Figure, width: int, marks: Sequence[tuple[str, str]], names: Sequence[str]) -> None:
    handles = [Line2D([], [], linestyle="none", marker=shape, color=colour, markersize=7) for colour, shape in marks]
    figure.legend(handles, names, loc="upper left", ncols=4, bbox_to_anchor=(34 / width, 1.0), handletextpad=0.2,
                  columnspacing=1.2)  # fmt: skip


def _graticules(table: pd.DataFrame, width: int, draw: Callable[[Axes, pd.DataFrame, float], None]) -> Figure:
    """A panel with every place and, where they span the globe, one with its fullest part; `draw` sets the marks."""
    wide, part = width > 500, _fullest(table)
    panels = [table, part] if len(part) else [table]
    beside = len(panels) if wide else 1
    height = (300 if wide else 230) * (len(panels) / beside)
    figure, axes = canvas(width, height + 70, (44, 12, 30, 40), beside, len(panels) // beside)
    figure.subplots_adjust(wspace=0.16, hspace=0.34)
    for panel, rows in zip(axes, panels, strict=True):
        whole = len(panels) > 1 and rows is table
        draw(panel, rows, 0.5 if whole else 1.0)
        _frame(panel, rows, whole)
    return figure


def _splits(axes: Axes, table: pd.DataFrame, scale: float) -> None:
    for split, (colour, marker) in SPLITS.items():
        rows = table[table["split"] == split]
        axes.scatter(rows["longitude"], rows["latitude"], s=scale * (26 + 14 * rows["pairs"].clip(upper=12)),
                     marker=marker, color=colour, edgecolors=PAPER if marker != "x" else None, linewidths=0.6,
                     zorder=3)  # fmt: skip


def _signs(axes: Axes, table: pd.DataFrame, scale: float) -> None:
    for better, (colour, marker) in SIGNS.items():
        rows = table[(table["difference"] >= 0) == better]
        axes.scatter(rows["longitude"], rows["latitude"], s=scale * (20 + 180 * rows["share"]),
                     marker=marker, color=colour, edgecolors=PAPER, linewidths=0.6, zorder=3)  # fmt: skip


def _frame(axes: Axes, table: pd.DataFrame, whole: bool) -> None:
    if whole:
        axes.set_xlim(-180, 180)
        axes.set_xticks(range(-180, 181, 60))
        axes.set_ylim(-62, 78)
        axes.set_yticks(range(-60, 61, 30))
    else:
        for name, limit in (("longitude", axes.set_xlim), ("latitude", axes.set_ylim)):
            margin = max(0.12 * (table[name].max() - table[name].min()), 0.3)
            limit(table[name].min() - margin, table[name].max() + margin)
    axes.set_xlabel("longitude, degrees")
    axes.set_ylabel("latitude, degrees")
    axes.grid()


def _fullest(table: pd.DataFrame) -> pd.DataFrame:
    """Where places span more than a quarter of the globe, those within 15 degrees of the one with most neighbours."""
    if table["longitude"].max() - table["longitude"].min() <= 90:
        return table.iloc[:0]
    near = [
        ((table["longitude"] - x).abs() < 15) & ((table["latitude"] - y).abs() < 15)
        for x, y in zip(table["longitude"], table["latitude"], strict=True)
    ]
    best = max(near, key=lambda mask: int(mask.sum()))
    return table[best] if best.sum() >= 4 else table.iloc[:0]
