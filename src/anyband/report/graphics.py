"""The figures of one experiment and of one dataset as inline SVG with captions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from anyband.report import figures
from anyband.report import formatting as form
from anyband.report.figures import NARROW, WIDE, Style
from anyband.report.records import DataRecord
from anyband.report.results_tables import trained_on_hls
from anyband.report.svg import RC, to_svg
from anyband.report.tables import Graphic
from anyband.statistics.settings import FLOORS, PRIMARY, PRIMARY_CONDITIONS

Frames = Mapping[str, pd.DataFrame]
Draw = Callable[[int], Figure]


def graphic(key: str, title: str, caption: str, draw: Draw, style: Style, label: str) -> Graphic:
    """Draw a figure wide and narrow."""
    with mpl.rc_context(RC):  # type: ignore[arg-type]  # matplotlib types every key
        wide = to_svg(draw(WIDE), f"{key}-w", style.colours, label)
        narrow = to_svg(draw(NARROW), f"{key}-n", style.colours, label)
    return Graphic(key, title, caption, wide, narrow)


def experiment_graphics(frames: Frames, design: Mapping[str, Any], style: Style) -> dict[str, Graphic]:
    """Every figure that the comparison has data for, by name."""
    n = f"n = {form.plural(len(design['blocks']), 'test block')}, {form.plural(len(design['seeds']), 'seed')}."
    result = {}
    pairs = forest_rows(frames, design)
    if len(pairs):
        result["forest"] = _forest(pairs, design, style, n)
    units = frames["units"]
    units = units[~units["method"].isin(FLOORS)]
    if len(units):
        result["units"] = graphic(
            _key(design, "units"), "Every seed and every block",
            "Endpoint mIoU. First: one dot per training seed, pooled over blocks. Second: one dot per test block, mean "
            "over seeds, over the classes found in the block. Lines join the same seed or block, bars are means: "
            "parallel lines are differences that hold everywhere. Floors are left out. " + n,
            lambda width: figures.unit_dots(_in_order(units, frames), style, width), style,
            "Endpoint scores of every seed and every test block by method",
        )  # fmt: skip
    methods = [m for m in frames["general"]["method"] if m != "majority"]
    result["conditions"] = graphic(
        _key(design, "conditions-figure"), "Scores under every condition",
        "Pooled mIoU with 95 % intervals, mean over seeds. Shaded: HLS products. " + trained_on_hls(design) + " " + n,
        lambda width: figures.condition_scores(frames["conditions"], methods, style, width), style,
        "Scores and intervals of every method under every sensor condition",
    )  # fmt: skip
    result |= _reliability(frames, design, style, n)
    return result | _cost(frames, design, style)


def forest_rows(frames: Frames, design: Mapping[str, Any]) -> pd.DataFrame:
    """Pairs of the forest plot: proposed minus all others but floors, endpoint first, then its conditions."""
    table, general = frames["pairwise"], frames["general"]
    rivals = general.loc[general["role"].isin(["baseline", "specialist", "variant"]), "method"].tolist()
    table = table[(table["first"] == design["proposed"]) & table["second"].isin(rivals)]
    table = table[table["endpoint"].isin([PRIMARY, *PRIMARY_CONDITIONS])]
    order = table["second"].map(rivals.index) * 10 + table["endpoint"].map([PRIMARY, *PRIMARY_CONDITIONS].index)
    rows: pd.DataFrame = table.loc[order.sort_values().index]
    return rows


def _forest(pairs: pd.DataFrame, design: Mapping[str, Any], style: Style, n: str) -> Graphic:
    margin = design["equivalence_margin"]
    proposed = design["labels"][design["proposed"]]
    return graphic(
        _key(design, "forest"), f"{proposed} against every other method",
        f"Paired difference in mIoU with 95 % interval, {proposed} minus the named method: on the primary endpoint "
        "(large marks) and under each of its conditions (grey, exploratory). Shaded: equivalence margin of "
        f"±{form.points(margin)} points. Floors lie outside the picture. " + n,
        lambda width: figures.forest(pairs, margin, style, width), style,
        f"Forest plot of differences between {proposed} and the other methods; values are in the tables",
    )  # fmt: skip


def _reliability(frames: Frames, design: Mapping[str, Any], style: Style, n: str) -> dict[str, Graphic]:
    table = frames["reliability"]
    condition = next((c for c in reversed(PRIMARY_CONDITIONS) if c in set(table["condition"])), None)
    if condition is None:
        return {}
    table = table[table["condition"] == condition]
    methods = [m for m in frames["general"]["method"] if m in set(table["method"])]
    return {
        "reliability": graphic(
            _key(design, "reliability"),
            f"Confidence and agreement, {condition}",
            "Share of right pixels in bins of confidence, pooled over blocks and seeds. On the dashed line confidence "
            "and agreement are the same; below it a method is too sure of itself. Methods that cannot take "
            f"{condition} are left out. " + n,
            lambda width: figures.reliability(table, methods, style, width),
            style,
            f"Reliability diagram under {condition}",
        )  # fmt: skip
    }


def _cost(frames: Frames, design: Mapping[str, Any], style: Style) -> dict[str, Graphic]:
    scores = frames["general"][["method", "miou", "miou_lower", "miou_upper"]].dropna()
    table = scores.merge(frames["cost"], on="method")
    table = table[~table["method"].isin(FLOORS)]
    if table.empty:
        return {}
    return {
        "cost": graphic(
            _key(design, "cost-figure"),
            "Score against cost",
            "Endpoint mIoU with 95 % interval against multiply-accumulates per km² and against the training time of "
            "one seed (median). Up and to the left is better. Floors are left out.",
            lambda width: figures.cost_scores(table, style, width),
            style,
            "Endpoint score against work and time",
        )  # fmt: skip
    }


def data_graphics(data: DataRecord, style: Style) -> list[Graphic]:
    """Quality of the pairs of a dataset."""
    if data.pairs.empty:
        return []
    return [
        graphic(
            f"pairs-{data.name}",
            "Kept pairs of scenes",
            "Left: days between the Sentinel-2 and the Landsat scene. Right: share of the site that is clear in both. "
            f"n = {form.plural(len(data.pairs), 'pair')} at {form.plural(data.pairs['site'].nunique(), 'place')}.",
            lambda width: figures.pair_quality(data.pairs, width),
            style,
            "Histograms of the day gap and of the clear share of kept pairs",
        )  # fmt: skip
    ]


def _in_order(units: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Methods from best to worst on the endpoint."""
    order: Sequence[str] = frames["general"]["method"].tolist()
    return units.sort_values("method", key=lambda column: column.map(list(order).index), kind="stable")


def _key(design: Mapping[str, Any], name: str) -> str:
    return f"{design['experiment']}-{name}"
