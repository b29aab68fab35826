"""A figure of a dataset's pairs: where they are, how far apart, how clear, of which satellites, what was lost."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anyband.catalog.pairs.pair_summary import SitePairs, cloudy_matches
from anyband.runtime import UserError, atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart by colour-blind readers, and in grey
BLUE, VERMILION, GREY, LAND = "#0072b2", "#d55e00", "#6f6f6f", "#e6e3dc"
_TIGHT: dict[str, Any] = {"handletextpad": 0.4, "columnspacing": 1.2, "fontsize": 8.5}
KINDS = (".png", ".svg", ".pdf")
LARGEST_CIRCLE = 150.0  # points squared, for the site with the most pairs
FEWEST_BARS = 4  # for which there is room, lest one bar fill the panel
STYLE: dict[Any, Any] = {
    "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.titleweight": "bold",
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "svg.hashsalt": "anyband",
    "grid.color": "#e2e2e2", "grid.linewidth": 0.7,
}  # fmt: skip


def write_figure(path: Path, dataset: str, sites: Sequence[SitePairs]) -> None:
    """Write the figure in the form that the name's ending tells.

    Raises:
        UserError: another ending.
    """
    import matplotlib

    kind = path.suffix.lower()
    if kind not in KINDS:
        raise UserError(f"--plot {path}: the name must end in one of {', '.join(KINDS)}")
    # Without dates, equal tables give equal files.
    dates: dict[str, dict[str, Any]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context(STYLE), atomic_path(path) as temporary:
        figure = draw(dataset, sites)
        figure.savefig(temporary, format=kind[1:], dpi=160, metadata=dates.get(kind))


def draw(dataset: str, sites: Sequence[SitePairs]) -> "Figure":
    """The map on top, four panels below it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 10.2), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(1.5, 1, 0.85))
    count, none = sum(len(site.pairs) for site in sites), sum(not site.pairs for site in sites)
    figure.suptitle(
        f"Dataset {dataset}: Sentinel-2 and Landsat scenes, {_plural(count, 'pair')} at {_plural(len(sites), 'site')}"
        + (f", {none} of them without pairs" if none else ""),
        x=0.01, ha="left", fontsize=12, fontweight="bold",
    )  # fmt: skip
    _draw_map(figure.add_subplot(grid[0, :]), sites)
    _draw_gaps(figure.add_subplot(grid[1, 0]), sites)
    _draw_clear(figure.add_subplot(grid[1, 1]), sites)
    platforms = Counter(
        f"{_unit(pair['platform_sentinel2'])} + {_unit(pair['platform_landsat'])}"
        for site in sites
        for pair in site.pairs
    )
    _draw_bars(figure.add_subplot(grid[2, 0]), platforms, "Satellites", "pairs", BLUE)
    reasons = sum((site.reasons for site in sites), Counter[str]())
    _draw_bars(figure.add_subplot(grid[2, 1]), reasons, "Left out, by reason", "scenes or matches", VERMILION)
    return figure


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _unit(platform: str) -> str:
    """`sentinel-2a` as people write it."""
    return platform.replace("sentinel-2", "Sentinel-2").replace("landsat-", "Landsat ")[:-1] + platform[-1].upper()


@cache
def _land() -> list[Any]:
    """Outlines of the land, (n, 2) degrees each."""
    path = Path(__file__).parents[1] / "data" / "land.geojson"
    shapes = json.loads(path.read_text(encoding="utf-8"))["coordinates"]
    return [np.asarray(ring) for shape in shapes for ring in shape]


def _draw_map(axes: "Axes", sites: Sequence[SitePairs]) -> None:
    """Sites as circles whose area is the number of pairs, in equal steps of degrees."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path as Outline

    outline = Outline.make_compound_path(*(Outline(ring, closed=True) for ring in _land()))
    axes.add_collection(PathCollection([outline], facecolor=LAND, edgecolor="#b9b4a8", linewidth=0.5), autolim=False)
    placed = [site for site in sites if site.position]
    most = max((len(site.pairs) for site in placed), default=0)
    full, empty = ([site for site in placed if bool(site.pairs) is has] for has in (True, False))
    full.sort(key=lambda site: -len(site.pairs))  # small circles on top of large ones
    sizes = [_area(len(site.pairs), most) for site in full]
    axes.scatter(*_columns(full), s=sizes, color=BLUE, alpha=0.75, edgecolor="white", linewidth=0.8, zorder=3)
    axes.scatter(*_columns(empty), s=34, color=VERMILION, marker="x", linewidth=1.6, zorder=4)
    _frame_map(axes, np.array([site.position for site in placed]).reshape(-1, 2))
    _explain_circles(axes, most, bool(empty))
    missing = len(sites) - len(placed)
    axes.set_title("Sites" + (f" ({missing} without a known position not shown)" if missing else ""))


def _columns(sites: Sequence[SitePairs]) -> tuple[list[float], list[float]]:
    """Longitudes and latitudes."""
    positions = [site.position for site in sites if site.position]
    return [x for x, _ in positions], [y for _, y in positions]


def _area(pairs: int, most: int) -> float:
    return LARGEST_CIRCLE * pairs / most


def _frame_map(axes: "Axes", positions: Any) -> None:
    """The whole world, or the part of it with all sites if they are near each other; a graticule with degrees."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    west, east, south, north = -180.0, 180.0, -60.0, 84.0
    if len(positions) and np.ptp(positions[:, 0]) < 60:
        (x, y), width = (positions.min(axis=0) + positions.max(axis=0)) / 2, max(np.ptp(positions[:, 0]) * 1.3, 24.0)
        height = max(np.ptp(positions[:, 1]) * 1.3, width * 0.4)
        width = max(width, height * 2.0)
        west, east, south, north = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    axes.set(xlim=(west, east), ylim=(south, north), xlabel="longitude", ylabel="latitude", aspect="equal")
    axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 1.5, 2, 3, 4.5, 5, 6, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 1.5, 2, 3, 4.5, 5, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _degrees(value, "WE")))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _degrees(value, "SN")))
    axes.spines[["top", "right"]].set_visible(True)
    axes.grid(True)


def _degrees(value: float, sides: str) -> str:
    side = "" if abs(value) < 1e-9 else sides[int(value > 0)]
    return f"{abs(value):g}°{side}"


def _explain_circles(axes: "Axes", most: int, empty: bool) -> None:
    """What the circles mean, below the map so that it hides no site."""
    from matplotlib.lines import Line2D

    shown = sorted({1, (most + 1) // 2, most}) if most else []
    keys = [
        Line2D([], [], marker="o", linestyle="", color=BLUE, alpha=0.75, markersize=_area(count, most) ** 0.5)
        for count in shown
    ]
    names = [_plural(count, "pair") for count in shown]
    if empty:
        keys.append(Line2D([], [], marker="x", linestyle="", color=VERMILION, markersize=6, markeredgewidth=1.6))
        names.append("no pairs")
    if keys:
        axes.legend(keys, names, loc="upper right", bbox_to_anchor=(1.0, -0.1), ncols=len(keys), frameon=False)


def _draw_gaps(axes: "Axes", sites: Sequence[SitePairs]) -> None:
    """Number of pairs by days between the scenes."""
    from matplotlib.ticker import MaxNLocator

    gaps = Counter(int(pair["day_gap"]) for site in sites for pair in site.pairs)
    days = range(max(gaps, default=0) + 1)
    axes.bar(days, [gaps[day] for day in days], color=BLUE, width=0.75)
    axes.set(title="Days between the two scenes", xlabel="gap (days, rounded)", ylabel="pairs")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y")
    _say_nothing(axes, not gaps, "no pairs")


def _draw_clear(axes: "Axes", sites: Sequence[SitePairs]) -> None:
    """Clear share of the site in both scenes: of pairs, and of the matches that were too cloudy."""
    kept = [(float(p["clear_sentinel2"]), float(p["clear_landsat"])) for site in sites for p in site.pairs]
    cloudy, threshold = cloudy_matches(sites)
    styles: tuple[tuple[Any, dict[str, Any]], ...] = (
        (cloudy, {"facecolors": "none", "edgecolors": VERMILION, "label": "too cloudy"}),
        (kept, {"color": BLUE, "alpha": 0.6, "linewidth": 0, "label": "pairs"}),
    )
    for points, style in styles:
        if points:
            x, y = 100 * np.array(points).T
            axes.scatter(x, y, s=24, zorder=3, clip_on=False, **style)
    if threshold is not None:
        least = 100 * threshold
        name = f"least clear in both ({least:g} %)"
        axes.plot([100, least, least], [least, least, 100], color=GREY, linestyle="--", linewidth=1.2, label=name)
    axes.set(xlim=(0, 100), ylim=(0, 100), title="Clear share of the site", xlabel="Sentinel-2 (%)",
             ylabel="Landsat (%)")  # fmt: skip
    axes.grid(True)
    if kept or cloudy:
        axes.legend(loc="upper center", bbox_to_anchor=(0.46, -0.17), ncols=3, frameon=False, **_TIGHT)
    _say_nothing(axes, not (kept or cloudy), "no matches")


def _draw_bars(axes: "Axes", counts: Counter[str], title: str, unit: str, colour: str) -> None:
    """Counts as horizontal bars, the largest on top, each with its number."""
    from matplotlib.ticker import MaxNLocator

    order = sorted(counts.items(), key=lambda entry: (entry[1], entry[0]))
    bars = axes.barh([name for name, _ in order], [count for _, count in order], color=colour, height=0.7)
    axes.bar_label(bars, padding=3)
    axes.margins(x=0.12)
    axes.set_ylim(len(order) - max(len(order), FEWEST_BARS) - 0.5, len(order) - 0.5)
    axes.set(title=title, xlabel=unit)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.grid(axis="x")
    _say_nothing(axes, not order, "none")


def _say_nothing(axes: "Axes", empty: bool, words: str) -> None:
    if empty:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY)
