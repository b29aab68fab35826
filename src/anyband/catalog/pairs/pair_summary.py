"""What pairing left of a dataset, as a table and a figure: for people who choose dates, sites and thresholds."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from anyband.catalog.pairs.site_pairs import DROP_COLUMNS, NOT_NEEDED, PAIR_COLUMNS
from anyband.catalog.pairs.why_none import list_reasons
from anyband.catalog.sites import LAND
from anyband.runtime import UserError, atomic_path, own_files, read_own

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): told apart by colour-blind readers, and in grey
BLUE, VERMILION, GREY = "#0072b2", "#d55e00", "#6f6f6f"
KINDS = (".png", ".svg", ".pdf")
LARGEST_CIRCLE = 150.0  # points squared, for the site with the most pairs
FEWEST_BARS = 4  # for which there is room, lest one bar fill the panel
STYLE: dict[Any, Any] = {
    "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.titleweight": "bold",
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "axes.grid": True,
    "svg.hashsalt": "anyband", "grid.color": "#e2e2e2", "grid.linewidth": 0.7, "legend.frameon": False,
    "legend.handletextpad": 0.4, "legend.columnspacing": 1.2, "legend.fontsize": 8.5,
}  # fmt: skip
_CLOUDY = re.compile(r"clear in both [\d.]+ < ([\d.]+) \(Sentinel-2 ([\d.]+), Landsat ([\d.]+)\)")


@dataclass(frozen=True)
class SitePairs:
    """Tables of one site; `position` is longitude and latitude (degrees), None where no manifest tells it."""

    name: str
    position: tuple[float, float] | None
    pairs: Sequence[Mapping[str, str]]
    drops: Sequence[Mapping[str, str]]

    @property
    def reasons(self) -> Counter[str]:
        """Number of drops by reason; what no pair needed is none."""
        return Counter(entry["reason"] for entry in self.drops if entry["reason"] != NOT_NEEDED)


def read_dataset(results: Path, dataset: str | None) -> tuple[str, list[SitePairs]]:
    """The tables of all sites of a dataset, sorted by name.

    Args:
        results: folder of the results.
        dataset: name; None for the only one.

    Returns:
        Name of the dataset, and its sites.

    Raises:
        UserError: no such dataset, several to choose from, or a table that is not one of ours.
    """
    known = sorted({path.parent.name for path in own_files(results / "pairs", "*/*.csv")})
    if dataset is None and len(known) > 1:
        raise UserError(f"{results} has pairs of several datasets: name one of {', '.join(known)}")
    if not known or (dataset or known[0]) not in known:
        what = f"pairs of dataset {dataset}" if dataset else "pairs"
        raise UserError(
            f"{results} has no {what}: run the workflow first" + (f", known: {', '.join(known)}" if known else "")
        )
    name = dataset or known[0]
    tables = [path for path in own_files(results / "pairs" / name, "*.csv") if not path.stem.endswith(".dropped")]
    return name, [_read_site(results, name, table) for table in tables]


def _read_site(results: Path, dataset: str, table: Path) -> SitePairs:
    dropped = table.with_name(f"{table.stem}.dropped.csv")
    pairs, drops = _read_table(table, PAIR_COLUMNS), _read_table(dropped, DROP_COLUMNS)
    return SitePairs(table.stem, _position(results / "scenes" / dataset / table.stem), pairs, drops)


def _read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(read_own(path), newline=""))
    rows = list(reader)
    if missing := set(columns) - set(reader.fieldnames or ()):
        raise UserError(f"{path} has no column {min(missing)}: run the pairing again")
    return rows


def _position(manifests: Path) -> tuple[float, float] | None:
    """Middle of the box that was searched, which crosses the antimeridian where its west is east of its east."""
    for path in sorted(manifests.glob("*.json")):
        try:
            west, south, east, north = json.loads(path.read_text(encoding="utf-8"))["query"]["bbox"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        longitude = (west + east + (360 if east < west else 0)) / 2
        return (longitude + 180) % 360 - 180, (south + north) / 2
    return None


def cloudy_matches(sites: Sequence[SitePairs]) -> tuple[list[tuple[float, float]], float | None]:
    """Clear shares (Sentinel-2, Landsat) of the matches that were too cloudy, and the threshold they missed."""
    found = [
        match
        for site in sites
        for entry in site.drops
        if entry["reason"] == "cloudy" and (match := _CLOUDY.search(entry["detail"]))
    ]
    threshold = float(found[0][1]) if found else None
    return [(float(match[2]), float(match[3])) for match in found], threshold


def format_table(dataset: str, sites: Sequence[SitePairs]) -> str:
    """One line a site, then the totals, as aligned text."""
    header = ("site", "pairs", "median day gap", "median joint clear", "dropped")
    every = SitePairs("all", None, [p for s in sites for p in s.pairs], [d for s in sites for d in s.drops])
    wide = max(len(site.name) for site in (*sites, every))
    lines = [
        f"{name:{wide}}  {pairs:>5}  {gap:>14}  {clear:>18}  {drops}".rstrip()
        for name, pairs, gap, clear, drops in (header, *map(_cells, sites), _cells(every))
    ]
    rule = "-" * max(map(len, lines))
    none = sum(not site.pairs for site in sites)
    total = f"{dataset}: {len(every.pairs)} pairs at {len(sites)} sites, {none} of them without pairs"
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], "", total]) + "\n"


def _cells(site: SitePairs) -> tuple[str, str, str, str, str]:
    gap = f"{median(int(pair['day_gap']) for pair in site.pairs):g}" if site.pairs else "-"
    clear = f"{median(float(pair['clear_joint']) for pair in site.pairs):.2f}" if site.pairs else "-"
    return site.name, str(len(site.pairs)), gap, clear, list_reasons(site.reasons)


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
        draw(dataset, sites).savefig(temporary, format=kind[1:], dpi=160, metadata=dates.get(kind))


def draw(dataset: str, sites: Sequence[SitePairs]) -> "Figure":
    """The map on top, four panels below it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 10.2), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(1.5, 1, 0.85))
    pairs, none = [pair for site in sites for pair in site.pairs], sum(not site.pairs for site in sites)
    figure.suptitle(
        f"Dataset {dataset}: Sentinel-2 and Landsat scenes, {_plural(len(pairs), 'pair')} at "
        f"{_plural(len(sites), 'site')}" + (f", {none} of them without pairs" if none else ""),
        x=0.01, ha="left", fontsize=12, fontweight="bold",
    )  # fmt: skip
    _draw_map(figure.add_subplot(grid[0, :]), sites)
    _draw_gaps(figure.add_subplot(grid[1, 0]), pairs)
    _draw_clear(figure.add_subplot(grid[1, 1]), sites)
    platforms = Counter(f"{_unit(pair['platform_sentinel2'])} + {_unit(pair['platform_landsat'])}" for pair in pairs)
    _draw_bars(figure.add_subplot(grid[2, 0]), platforms, "Satellites", "pairs", BLUE)
    reasons = sum((site.reasons for site in sites), Counter[str]())
    _draw_bars(figure.add_subplot(grid[2, 1]), reasons, "Left out, by reason", "scenes or matches", VERMILION)
    return figure


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _unit(platform: str) -> str:
    """`sentinel-2a` as people write it."""
    return platform.replace("sentinel-2", "Sentinel-2").replace("landsat-", "Landsat ")[:-1] + platform[-1].upper()


def _draw_map(axes: "Axes", sites: Sequence[SitePairs]) -> None:
    """Sites as circles whose area is the number of pairs, on the world or on the part of it where all of them are."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path as Outline

    shapes = json.loads(LAND.read_text(encoding="utf-8"))["coordinates"]
    land = Outline.make_compound_path(*(Outline(ring, closed=True) for shape in shapes for ring in shape))
    axes.add_collection(PathCollection([land], facecolor="#e6e3dc", edgecolor="#b9b4a8", linewidth=0.5), autolim=False)
    placed = np.array([(*site.position, len(site.pairs)) for site in sites if site.position]).reshape(-1, 3)
    x, y, pairs = placed[np.argsort(-placed[:, 2], kind="stable")].T  # small circles on top of large ones
    full, most = pairs > 0, max(pairs, default=0)
    areas = LARGEST_CIRCLE * pairs[full] / max(most, 1)
    name = f"sites, their area the number of pairs (largest circle: {most:g})"
    axes.scatter(x[full], y[full], areas, BLUE, alpha=0.75, edgecolor="white", linewidth=0.8, zorder=3, label=name)
    axes.scatter(x[~full], y[~full], 34, VERMILION, marker="x", linewidth=1.6, zorder=4, label="sites without pairs")
    axes.set(xlim=(-180, 180), ylim=(-60, 84), xlabel="longitude (°)", ylabel="latitude (°)", aspect="equal")
    if len(placed) and np.ptp(x) < 60:
        half = max(0.65 * np.ptp(x), 1.3 * np.ptp(y), 12.0)
        east, north = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
        axes.set(xlim=(east - half, east + half), ylim=(north - half / 2, north + half / 2))
    axes.legend(loc="upper right", bbox_to_anchor=(1.0, -0.1), ncols=2)
    missing = len(sites) - len(placed)
    axes.set_title("Sites" + (f" ({missing} without a known position not shown)" if missing else ""))


def _draw_gaps(axes: "Axes", pairs: Sequence[Mapping[str, str]]) -> None:
    """Number of pairs by days between the scenes."""
    from matplotlib.ticker import MaxNLocator

    gaps = Counter(int(pair["day_gap"]) for pair in pairs)
    days = range(max(gaps, default=0) + 1)
    axes.bar(days, [gaps[day] for day in days], color=BLUE, width=0.75)
    axes.set(title="Days between the two scenes", xlabel="gap (days, rounded)", ylabel="pairs")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(False, axis="x")
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
    axes.set(xlim=(0, 100), ylim=(0, 100), title="Clear share of the site")
    axes.set(xlabel="Sentinel-2 (%)", ylabel="Landsat (%)")
    if kept or cloudy:
        axes.legend(loc="upper center", bbox_to_anchor=(0.46, -0.17), ncols=3)
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
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.grid(False, axis="y")
    _say_nothing(axes, not order, "none")


def _say_nothing(axes: "Axes", empty: bool, words: str) -> None:
    if empty:
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY)
