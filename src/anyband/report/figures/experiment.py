"""The figures of one experiment and of one dataset as inline SVG with captions."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.report import formatting as form
from anyband.report.drawing import graphic, key_of
from anyband.report.figures import results
from anyband.report.figures.blocks import difference_map, difference_places, map_figure, places
from anyband.report.figures.detail import detail_graphics
from anyband.report.figures.pair_quality import pair_quality, pair_table
from anyband.report.figures.panels import best_baseline
from anyband.report.figures.results import Style
from anyband.report.records import DataRecord
from anyband.report.tables.scores import trained_on_hls
from anyband.report.tables.table import Graphic
from anyband.statistics.protocol import FLOORS, PRIMARY

Frames = Mapping[str, pd.DataFrame]


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
            key_of(design, "units"), "Every seed and every block",
            "Endpoint mIoU. First: one dot per training seed, pooled over blocks. Second: one dot per test block, mean "
            "over seeds, over the classes found in the block. Lines join the same seed or block, bars are means: "
            "parallel lines are differences that hold everywhere. Floors are left out. " + n,
            lambda width: results.unit_dots(_in_order(units, frames), style, width), style,
            "Endpoint scores of every seed and every test block by method",
        )  # fmt: skip
    methods = [m for m in frames["general"]["method"] if m != "majority"]
    result["conditions"] = graphic(
        key_of(design, "conditions-figure"), "Scores under every condition",
        "Pooled mIoU with 95 % intervals, mean over seeds. Shaded: products that the endpoint does not count. "
        f"{trained_on_hls(design)} {n}",
        lambda width: results.condition_scores(frames["conditions"], methods, style, width), style,
        "Scores and intervals of every method under every sensor condition",
    )  # fmt: skip
    result |= _reliability(frames, design, style, n)
    return result | _cost(frames, design, style) | detail_graphics(frames, design, style)


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
        key_of(design, "forest"), f"{proposed} against every other method",
        f"Paired difference in mIoU with 95 % interval, {proposed} minus the named method: on the primary endpoint "
        "(large marks) and under each of its conditions (grey, exploratory). Shaded: equivalence margin of "
        f"±{form.points(margin)} points. Floors lie outside the picture. " + n,
        lambda width: results.forest(pairs, margin, style, width), style,
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
            key_of(design, "reliability"),
            f"Confidence and agreement, {condition}",
            "Share of right pixels in bins of confidence, pooled over blocks and seeds, as predicted and after "
            "temperature scaling by validation chips. On the dashed line confidence and agreement are the same; "
            "below it a method is too sure of itself. Which class is mapped is the same in both. Methods that cannot "
            f"take {condition} are left out. " + n,
            lambda width: results.reliability(table, methods, style, width),
            style,
            f"Reliability diagrams under {condition} before and after temperature scaling",
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
            key_of(design, "cost-figure"),
            "Score against cost",
            "Endpoint mIoU with 95 % interval against multiply-accumulates per km² and against the training time of "
            "one seed (median). Up and to the left is better. Floors are left out.",
            lambda width: results.cost_scores(table, style, width),
            style,
            "Endpoint score against work and time",
        )  # fmt: skip
    }


def data_graphics(data: DataRecord, style: Style) -> list[Graphic]:
    """Where the places of a dataset lie, and the quality of its pairs."""
    result = [_map(data, style)] if len(data.splits) else []
    if data.pairs.empty:
        return result
    return [*result, _pairs(data, style)]


def _pairs(data: DataRecord, style: Style) -> Graphic:
    table = pair_table(data)
    measured = form.plural(int(table["shift_m"].notna().sum()), "pair")
    return graphic(
        f"pairs-{data.name}",
        "Kept pairs of scenes",
        "How alike the two scenes of a pair are: time, clouds, registration, sun and view; every count is of pairs. "
        "Angles are those that the items give for whole scenes, not for pixels; where an item gives only the angle at "
        "the satellite, that one is shown, which for Landsat is 0 unless it was pointed aside. The shift is measured "
        f"in the pixels of {measured} by the audit. n = {form.plural(len(data.pairs), 'pair')} at "
        f"{form.plural(data.pairs['site'].nunique(), 'place')}.",
        lambda width: pair_quality(table, width),
        style,
        "Histograms of day gap, clear share, shift, difference of the sun's zenith and view zeniths of kept pairs",
    )


def _in_order(units: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Methods from best to worst on the endpoint."""
    order: Sequence[str] = frames["general"]["method"].tolist()
    return units.sort_values("method", key=lambda column: column.map(list(order).index), kind="stable")


def _map(data: DataRecord, style: Style) -> Graphic:
    table = places(data)
    pairs, sites = form.plural(int(table["pairs"].sum()), "kept pair"), form.plural(len(table), "place")
    return graphic(
        f"map-{data.name}",
        "Where the data come from",
        "Every mark is a place, larger with more kept pairs of scenes; shape and colour tell the split of most of its "
        f"chips. A plain grid of longitude and latitude; where places span the globe, its fullest part stands "
        f"beside it. n = {sites}, {pairs}.",
        lambda width: map_figure(table, width),
        style,
        "Map of the places of the dataset by split",
    )


def block_map(frames: Frames, design: Mapping[str, Any], data: DataRecord, style: Style) -> Graphic | None:
    """Where the proposed method gains and loses against the best baseline; None with fewer than two blocks."""
    rival, differences = best_baseline(frames["general"]), frames["block_differences"]
    table = difference_places(data, differences[differences["method"] == rival])
    if rival is None or len(table) < 2:
        return None
    proposed, other = design["labels"][design["proposed"]], design["labels"][rival]
    low, high = (form.signed_points(table["difference"].agg(end) / 100) for end in ("min", "max"))
    return graphic(
        key_of(design, "block-map"), f"Where {proposed} gains and loses",
        f"Every mark is a test block; its area shows the size of the difference to {other} on the endpoint inside the "
        f"block, from {low} to {high} points, its colour and shape the sign. Is a gain a matter of one region? "
        f"n = {form.plural(len(table), 'test block')}, {form.plural(len(design['seeds']), 'seed')}.",
        lambda width: difference_map(table, width), style,
        "Map of the test blocks by difference in score; values are in the figure of blocks",
    )  # fmt: skip
