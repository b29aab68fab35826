"""What is left of the scores when something is done to the input; and how close translated images come to real ones."""

import re
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anyband.report import formatting as form
from anyband.report.cells import Cell, Column, Row, named, spread, text
from anyband.report.content import Graphic, Table, Topic
from anyband.report.read import Compared, by_method, records
from anyband.report.render import Sheet

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
    return Graphic(
        "degradation",
        "How scores fall as the input gets worse",
        "Paired change in mIoU from the same sensors undisturbed, with 95 % bands, against how much is done to the "
        f"input. The same disturbed pixels for every method and seed. Exploratory. {entry.n}",
        "Change in score against the size of the disturbance by method; values are in the table",
        lambda sheet: draw_degradation(groups, methods, sheet),
    )


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
    caption = (
        "mIoU in points, and its paired change [95 %] from the same sensors undisturbed. The same disturbed pixels for "
        "every method and seed. A dash: the method cannot take the input. No method is trained for these inputs unless "
        f"its own training varies them. Exploratory: no claim rests on it. {entry.n}"
    )
    conditions = list(dict.fromkeys(table["condition"]))
    return Table("robustness", "When something is wrong with the input", caption, columns, conditions)


def _left(row: Row | None) -> Cell:
    if row is None:
        return Cell(form.DASH)
    bounds = form.interval(row["change_lower"], row["change_upper"], signed=True)
    return Cell(form.points(row["miou"]), f"{form.signed_points(row['change'])} {bounds}", float(row["miou"]))


@IMAGES.item
def image_scores(entry: Compared) -> Table:
    """Scores by band, the methods of a band beneath each other; no rows where no method translates."""

    def number(heading: str, key: str, digits: int = 2, hint: str = "", factor: float = 1.0) -> Column:
        return Column(heading, lambda row: Cell(form.decimal(factor * row[key], digits), value=float(row[key])), hint)

    columns = [
        text("Band", lambda row: named("all bands" if row["band"] == "all" else row["band"])),
        text("Method", lambda row: named(entry.label(row["method"]), row["method"])),
        number("RMSE × 100", "rmse", hint="of reflectance", factor=100),
        number("PSNR, dB", "psnr_db", 1, "against a peak reflectance of 1"),
        number("SSIM", "ssim", 3, "mean over windows; values of different bands do not compare"),
        number("ERGAS", "ergas", hint="relative global error, 0 is perfect"),
        number("SAM, degrees", "sam_deg", hint="spectral angle over all bands"),
    ]
    caption = (
        "Landsat translated to Sentinel-2 against the Sentinel-2 image of the same pair, over the test chips where "
        f"both saw the ground; mean over {entry.seeds}. The two were taken at different times, so change counts as "
        "error. A better image need not make a better map: the scores of the maps are in the other tables."
    )
    table, methods = entry.frames["image_scores"], entry.design["methods"]
    bands = sorted(table["band"].unique(), key=lambda band: band != "all")  # the others as they come
    own = {method: by_method(table, method) for method in methods}
    rows = [row for band in bands for method in methods for row in own[method] if row["band"] == band]
    return Table("image-scores", "Translated images", caption, columns, rows)
