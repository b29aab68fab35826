"""Maps of a dataset: where its places and test blocks lie. A plain grid of longitude and latitude, no coast."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anyband.report.palette import SIGNS, SPLITS
from anyband.report.read import DataRecord
from anyband.report.render import Sheet


def places(data: DataRecord) -> pd.DataFrame:
    """One row per place: longitude, latitude (degrees), its most used split, number of kept pairs."""
    pairs = data.pairs.groupby("site").size() if len(data.pairs) else pd.Series(dtype=int)
    rows = [
        _middle(chips) | {"site": site, "split": chips["split"].mode().iloc[0], "pairs": int(pairs.get(site, 0))}
        for site, chips in data.splits.groupby("site", sort=True)
    ]
    return pd.DataFrame(rows)


def _middle(chips: pd.DataFrame) -> dict[str, Any]:
    """Longitude and latitude (degrees) of the middle of some chips of one UTM zone."""
    from pyproj import Transformer

    transform = Transformer.from_crs(int(chips["epsg"].iloc[0]), 4326, always_xy=True)
    longitude, latitude = transform.transform(chips["x"].mean(), chips["y"].mean())
    return {"longitude": longitude, "latitude": latitude}


def draw_places(table: pd.DataFrame, sheet: Sheet) -> Figure:
    """The places on a graticule, the size of a mark by the number of pairs; beside the globe its fullest part."""

    def marks(axes: Axes, rows: pd.DataFrame, scale: float) -> None:
        for split, (colour, marker) in SPLITS.items():
            own = rows[rows["split"] == split]
            edges: Any = {"edgecolors": sheet.paper if marker != "x" else None, "linewidths": 0.6, "zorder": 3}
            sizes = scale * (26 + 14 * own["pairs"].clip(upper=12))
            axes.scatter(own["longitude"], own["latitude"], s=sizes, marker=marker, color=colour, **edges)

    figure = _graticules(table, sheet, marks)
    numbers = table["split"].value_counts()
    known = [split for split in SPLITS if split in numbers]
    _legend(figure, sheet, [SPLITS[split] for split in known], [f"{split} ({numbers[split]})" for split in known])
    return figure


def difference_places(data: DataRecord, differences: pd.DataFrame) -> pd.DataFrame:
    """One row per test block: longitude and latitude of its chips' middle, and `difference` in points of mIoU.

    Args:
        data: the dataset.
        differences: columns `block` and `difference` (fraction of mIoU).
    """
    known = 100 * differences.set_index("block")["difference"]
    rows = [
        _middle(chips) | {"block": block, "difference": float(known[block])}
        for block, chips in data.chips("test").groupby("block", sort=True)
        if block in known.index
    ]
    return pd.DataFrame(rows, columns=["longitude", "latitude", "block", "difference"])


def draw_differences(table: pd.DataFrame, sheet: Sheet) -> Figure:
    """Test blocks on a graticule: colour and shape by the sign of the difference, area by its size."""
    largest = max(float(table["difference"].abs().max()), 1e-9)

    def marks(axes: Axes, rows: pd.DataFrame, scale: float) -> None:
        for better, (colour, marker) in SIGNS.items():
            own = rows[(rows["difference"] >= 0) == better]
            edges: Any = {"edgecolors": sheet.paper, "linewidths": 0.6, "zorder": 3}
            sizes = scale * (20 + 180 * (own["difference"].abs() / largest))
            axes.scatter(own["longitude"], own["latitude"], s=sizes, marker=marker, color=colour, **edges)

    figure = _graticules(table, sheet, marks)
    _legend(figure, sheet, list(SIGNS.values()), ["better", "worse"])
    return figure


def _legend(figure: Figure, sheet: Sheet, marks: Sequence[tuple[str, str]], names: Sequence[str]) -> None:
    handles = [Line2D([], [], linestyle="none", marker=shape, color=colour, markersize=7) for colour, shape in marks]
    place = (34 / sheet.width, 1.0)
    figure.legend(handles, names, loc="upper left", ncols=4, bbox_to_anchor=place, handletextpad=0.2, columnspacing=1.2)


def _graticules(table: pd.DataFrame, sheet: Sheet, draw: Callable[[Axes, pd.DataFrame, float], None]) -> Figure:
    """A panel with every place and, where they span the globe, one with its fullest part; `draw` sets the marks."""
    part = _fullest(table)
    panels = [table, part] if len(part) else [table]
    beside = sheet(len(panels), 1)
    beneath = len(panels) // beside
    height = sheet(300, 230) * beneath + 70
    figure, axes = sheet.figure(height, (44, 12, 30, 40), beside, beneath, wspace=0.16, hspace=0.34)
    for panel, rows in zip(axes, panels, strict=True):
        whole = len(panels) > 1 and rows is table
        draw(panel, rows, 0.5 if whole else 1.0)
        _frame(panel, rows, whole)
    return figure


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
