"""Map of a dataset: where its blocks lie, which split each belongs to, and how many pairs of scenes each place has."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anyband.report.figures import canvas
from anyband.report.records import DataRecord
from anyband.report.svg import PAPER

SPLITS = {"train": ("#8d8a83", "o"), "val": ("#2f8f8f", "D"), "test": ("#b0413e", "^"), "buffer": ("#b7b2a8", "x")}
"""Split -> colour and marker; the marker alone tells them apart."""


def places(data: DataRecord) -> pd.DataFrame:
    """One row per place: longitude, latitude (degrees), its most used split, number of kept pairs and of chips."""
    from pyproj import Transformer

    pairs = data.pairs.groupby("site").size() if len(data.pairs) else pd.Series(dtype=int)
    rows = []
    for site, chips in data.splits.groupby("site", sort=True):
        transform = Transformer.from_crs(int(chips["epsg"].iloc[0]), 4326, always_xy=True)
        longitude, latitude = transform.transform(chips["x"].mean(), chips["y"].mean())
        rows.append({
            "site": site, "longitude": longitude, "latitude": latitude, "split": chips["split"].mode().iloc[0],
            "pairs": int(pairs.get(site, 0)), "chips": len(chips), "blocks": int(chips["block"].nunique()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def map_figure(table: pd.DataFrame, width: int) -> Figure:
    """The places on a graticule, the size of a mark by the number of pairs; beside the globe its fullest part."""
    wide, part = width > 500, _fullest(table)
    panels = [table, part] if len(part) else [table]
    beside = len(panels) if wide else 1
    height = (300 if wide else 230) * (len(panels) / beside)
    figure, axes = canvas(width, height + 70, (44, 12, 30, 40), beside, len(panels) // beside)
    figure.subplots_adjust(wspace=0.16, hspace=0.34)
    for panel, rows in zip(axes, panels, strict=True):
        _panel(panel, rows, whole=len(panels) > 1 and rows is table)
    known = [split for split in SPLITS if (table["split"] == split).any()]
    handles = [
        Line2D([], [], linestyle="none", marker=SPLITS[split][1], color=SPLITS[split][0], markersize=7)
        for split in known
    ]
    counts = [f"{split} ({(table['split'] == split).sum()})" for split in known]
    figure.legend(handles, counts, loc="upper left", ncols=4, bbox_to_anchor=(34 / width, 1.0), handletextpad=0.2,
                  columnspacing=1.2)  # fmt: skip
    return figure


def _panel(axes: Axes, table: pd.DataFrame, whole: bool) -> None:
    for split, (colour, marker) in SPLITS.items():
        rows = table[table["split"] == split]
        size = (26 + 14 * rows["pairs"].clip(upper=12)) / (2 if whole else 1)
        axes.scatter(rows["longitude"], rows["latitude"], s=size, marker=marker, color=colour,
                     edgecolors=PAPER if marker != "x" else None, linewidths=0.6, zorder=3)  # fmt: skip
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
