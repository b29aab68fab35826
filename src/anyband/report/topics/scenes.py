"""Which scenes a dataset is made of: what was found, kept and lost, where it lies, how well pairs match.

Maps are a plain grid of longitude and latitude, without a coast.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from anyband.products import CATALOGUED
from anyband.report import formatting as form
from anyband.report.cells import Column, count, share, text, wrapped
from anyband.report.content import Graphic, Table, Topic
from anyband.report.palette import SIGNS, SPLITS
from anyband.report.read import DataRecord
from anyband.report.render import Sheet

SCENES = Topic[DataRecord]("data", "Data")
BASELINE = "s2:processing_baseline"

MIN_SHIFT_QUALITY = 0.5
"""As in the audit: below it the pixels do not tell how the scenes lie to each other."""
ABSENT = "not in the items"
PANELS = (
    ("day_gap", "whole days between the scenes", ABSENT),
    ("clear_percent", "clear in both scenes, % of the site", ABSENT),
    ("shift_m", "Landsat lies off Sentinel-2 by, m", "no audit with a measured shift"),
    ("sun_difference_deg", "sun zenith, Landsat minus Sentinel-2, °", ABSENT),
    ("view_sentinel2_deg", "view zenith of Sentinel-2, °", ABSENT),
    ("view_landsat_deg", "view zenith of Landsat, °", ABSENT),
)
"""Histograms of pairs: column, axis, and what stands in a panel without values."""


@SCENES.item
def scenes(data: DataRecord) -> Table | None:
    """What the searches found and the kept pairs use, by collection; None of files of one's own."""
    if not data.manifests:
        return None
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for manifest in data.manifests.values():
        found.setdefault(manifest["query"]["collections"][0], []).append(manifest["items"])
    items = {collection: [item for searched in places for item in searched] for collection, places in found.items()}
    pairs = data.pairs
    used = {
        item for name in CATALOGUED if name in pairs for value in pairs[name].dropna() for item in str(value).split()
    }

    def counted(values: Iterable[Any]) -> str:
        numbers = {name: number for name, number in sorted(Counter(values).items(), key=str) if name}
        return ", ".join(f"{name} ({number})" for name, number in numbers.items()) or form.DASH

    def values(collection: str, key: str) -> list[Any]:
        return [item["properties"].get(key) for item in items[collection]]

    columns = [
        text("Collection", lambda name: str(name)),
        Column("Places searched", lambda name: count(len(found[name]))),
        Column("Scenes found", lambda name: count(len(items[name]))),
        Column("Scenes used", lambda name: count(sum(item["id"] in used for item in items[name]))),
        text("Platforms", lambda name: wrapped(counted(str(v or "").lower() for v in values(name, "platform")))),
        text("Processing baselines", lambda name: wrapped(counted(values(name, BASELINE)))),
    ]
    return Table("scenes", columns, list(found))


@SCENES.item
def losses(data: DataRecord) -> Table:
    """What was kept, and what was lost and why."""
    dropped = data.dropped_pairs.reindex(columns=["sentinel2", "landsat", "reason"])
    both = dropped["sentinel2"].notna() & dropped["landsat"].notna()
    chips = [chip for store in data.stores.values() for chip in store.get("dropped", [])]
    single = Counter(dropped.loc[~both, "reason"])
    optical = sum(len(m["items"]) for (_, product), m in data.manifests.items() if product != "label")
    stages = {
        "pairs of scenes": (len(data.pairs), Counter(dropped.loc[both, "reason"])),
        "single scenes": (optical - sum(single.values()), single),
        "chips": (
            sum(len(store.get("chips", [])) for store in data.stores.values()),
            Counter(chip.get("reason") for chip in chips),
        ),
    }
    if not data.manifests:
        del stages["pairs of scenes"]
    if not single:
        del stages["single scenes"]
    rows = []
    for stage, (kept, reasons) in stages.items():
        total = kept + sum(reasons.values())
        lost = [(f"dropped: {reason}", number) for reason, number in sorted(reasons.items(), key=str)]
        outcomes = [("kept", kept), *lost] if total else []
        rows += [("" if place else stage, *outcome, total) for place, outcome in enumerate(outcomes)]
    columns = [
        text("Stage", lambda row: str(row[0])),
        text("Outcome", lambda row: str(row[1])),
        Column("Count", lambda row: count(row[2])),
        Column("Share", lambda row: share(row[2] / row[3], bar=True)),
    ]
    return Table("losses", columns, rows, sortable=False)


@SCENES.item
def place_map(data: DataRecord) -> Graphic | None:
    """Where the data come from."""
    if data.splits.empty or not data.splits["epsg"].all():
        return None
    table = places(data)
    words = {"places": len(table), "pairs": int(table["pairs"].sum())}
    return Graphic("map", lambda sheet: draw_places(table, sheet), words=words)


@SCENES.item
def pair_quality(data: DataRecord) -> Graphic | None:
    """F12: how well the two scenes of the kept pairs go together."""
    if data.pairs.empty:
        return None
    table = pair_table(data)
    words = {"measured": int(table["shift_m"].notna().sum())}
    return Graphic("pairs", lambda sheet: draw_pair_quality(table, sheet), words=words)


def pair_table(data: DataRecord) -> pd.DataFrame:
    """A row for each kept pair and a float column for each of `PANELS`; NaN where nobody says.

    Angles are those of whole scenes. The shift is what the audit measured in the pixels.
    """
    pairs = data.pairs
    keys = zip(pairs["site"], pairs["pair"].astype(int), strict=True)
    shifts = _shifts(data.audit)
    sun = {name: pd.to_numeric(pairs[f"sun_zenith_{name}"]).to_numpy(float) for name in ("sentinel2", "landsat")}
    table = pd.DataFrame(
        {
            "day_gap": np.floor(pairs["day_gap"].to_numpy(dtype=float)),
            "clear_percent": 100 * pairs["clear_joint"].to_numpy(dtype=float),
            "shift_m": [shifts.get(key, np.nan) for key in keys],
            "sun_difference_deg": sun["landsat"] - sun["sentinel2"],
        }
    )
    for product in ("sentinel2", "landsat"):
        angles = _view_zeniths(data.manifests, product)
        table[f"view_{product}_deg"] = [angles.get(str(name), np.nan) for name in pairs[product]]
    return table


def _shifts(audit: Mapping[str, Any]) -> dict[tuple[str, int], float]:
    """Metres between Landsat and Sentinel-2 by site and pair, where the pixels tell."""
    found = {}
    for site, content in audit.get("sites", {}).items():
        for pair in content["pairs"]:
            shift = pair["comparisons"].get("sentinel2-landsat", {}).get("shift")
            if shift and shift["quality"] >= MIN_SHIFT_QUALITY:
                found[site, int(pair["pair"])] = float(shift["distance_m"])
    return found


def _view_zeniths(manifests: Mapping[tuple[str, str], Mapping[str, Any]], product: str) -> dict[str, float]:
    """Degrees by item, as pairing reads them: the angle at the ground, or else that at the satellite."""
    found = {}
    for (_, name), manifest in manifests.items():
        for item in manifest["items"] if name == product else ():
            properties = item["properties"]
            angle = properties.get("view:incidence_angle", properties.get("view:off_nadir"))
            if angle is not None:
                found[str(item["id"])] = float(angle)
    return found


def draw_pair_quality(table: pd.DataFrame, sheet: Sheet) -> Figure:
    """Histograms of the columns of `pair_table`; a panel without values says so."""
    columns, rows = sheet((3, 2), (1, len(PANELS)))
    figure, axes = sheet.figure(215 * rows, (46, 10, 10, 46), columns, rows, wspace=0.24, hspace=0.38)
    for panel, (column, name, otherwise) in zip(axes, PANELS, strict=True):
        values = table[column].dropna().to_numpy(dtype=float)
        panel.set_xlabel(name)
        if not len(values):
            middle: Any = {"ha": "center", "va": "center", "transform": panel.transAxes}
            panel.text(0.5, 0.5, otherwise, color=sheet.muted, **middle)
            panel.set_xticks([])
            panel.set_yticks([])
        elif column == "clear_percent":
            panel.hist(values, bins=[10.0 * k for k in range(11)], color=sheet.muted, rwidth=0.86)
        else:
            _whole_numbers(panel, values, sheet)
        panel.set_ylabel("pairs" if len(values) else "")
        panel.grid(axis="y")
    return figure


def _whole_numbers(panel: Axes, values: np.ndarray, sheet: Sheet) -> None:
    """A bar for each whole number, of the values nearest to it."""
    numbers, counts = np.unique(np.rint(values), return_counts=True)
    panel.bar(numbers, counts, width=0.72, color=sheet.muted)
    panel.set_xlim(numbers.min() - 0.8, max(numbers.max(), numbers.min() + 3) + 0.8)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))


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
    if not data.splits["epsg"].all():
        differences = differences.iloc[:0]
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
    sheet.key(figure, handles, names, ncols=4, handletextpad=0.2, columnspacing=1.2)


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
