"""Figures of sensors and of single aspects of an experiment, with their captions."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from anyband.report import formatting as form
from anyband.report.drawing import graphic, key_of
from anyband.report.figures import aspects, sensors
from anyband.report.figures.panels import best_baseline
from anyband.report.figures.results import Style
from anyband.report.tables.table import Graphic
from anyband.statistics.protocol import FLOORS, PRIMARY

Frames = Mapping[str, pd.DataFrame]
Design = Mapping[str, Any]


def detail_graphics(frames: Frames, design: Design, style: Style) -> dict[str, Graphic]:
    """Every one that the comparison has data for, by name."""
    n = f"n = {form.plural(len(design['blocks']), 'test block')}, {form.plural(len(design['seeds']), 'seed')}."
    found = [
        _transfer(frames, design, style, n), _gap(frames, design, style, n), _factors(frames, design, style, n),
        _confusions(frames, design, style, n), _blocks(frames, design, style, n), _pairs(frames, design, style, n),
        _learning(frames, design, style), _degradation(frames, design, style, n),
    ]  # fmt: skip
    return {name: figure for name, figure in found if figure is not None}


def _transfer(frames: Frames, design: Design, style: Style, n: str) -> tuple[str, Graphic | None]:
    table = frames["transfer"]
    if table.empty or table["condition"].nunique() < 2:
        return "transfer", None
    conditions = [name for name in design["conditions"] if name in set(table["condition"])]
    return "transfer", graphic(
        key_of(design, "transfer-figure"), "Trained on one sensor, tested on another",
        "Pooled mIoU in points on the same pixels of the same places; darker is higher. Rows: methods, with what they "
        "trained on. Bold: a sensor that the method trained on; plain: never seen. →: read as the nearest bands of the "
        "sensor that it knows. No cell: the method cannot take that input. Intervals are in the table. " + n,
        lambda width: sensors.transfer_map(table, conditions, style, width), style,
        "Heat map of scores by training sensors and test sensor; values are in the table",
    )  # fmt: skip


def _gap(frames: Frames, design: Design, style: Style, n: str) -> tuple[str, Graphic | None]:
    table = frames["gap_closed"]
    if table.empty:
        return "gap-closed", None
    return "gap-closed", graphic(
        key_of(design, "gap-closed-figure"), "From naive mapping to the specialist",
        "Each line runs from the source sensor's specialist on the nearest bands of the target (left bar) to the "
        "target's own specialist (right bar), mIoU on the target. Marks: methods whose training never saw the target; "
        "the further right, the more of the gap they close. Differences and intervals are in the table. " + n,
        lambda width: sensors.gap_lines(table, style, width), style,
        "Scores between naive mapping and specialist for every pair of sensors; values are in the table",
    )  # fmt: skip


def _factors(frames: Frames, design: Design, style: Style, n: str) -> tuple[str, Graphic | None]:
    table = frames["decomposition"]
    rows = table[table["method"].isna() | table["method"].isin([design["proposed"], best_baseline(frames["general"])])]
    if rows.empty:
        return "decomposition", None
    return "decomposition", graphic(
        key_of(design, "decomposition-figure"), "Why the two sensors differ, one factor at a time",
        "mIoU on the same pixels of the same places. A bar runs from the score before to the score after one thing is "
        "changed: blue for gains, orange for losses; the black line is the 95 % interval of the paired change. Grey: "
        "the whole way. By each product's own model nothing is an unknown input, but another training stands on either "
        "side. By one method, an input that it never trained on costs it something by itself: the nearer the two "
        "ways agree, the smaller are these costs. " + n,
        lambda width: sensors.factor_bars(rows, width), style,
        "Bars of the change in score with every factor between the two sensors; values are in the table",
    )  # fmt: skip


def _confusions(frames: Frames, design: Design, style: Style, n: str) -> tuple[str, Graphic | None]:
    table, rival = frames["confusions"], best_baseline(frames["general"])
    methods = [m for m in (str(design["proposed"]), rival) if m is not None and m in set(table["method"])]
    if not methods:
        return "confusions", None
    classes = {int(code): info["name"] for code, info in design["classes"].items()}
    words = f"{design['labels'][methods[0]]} minus {design['labels'][methods[1]]}" if len(methods) == 2 else ""
    last = f" The last matrix is {words}: blue is better, orange worse." if words else ""
    return "confusions", graphic(
        key_of(design, "confusions"), "What is taken for what",
        "Share of each reference class (row) that is mapped as each class (column), percent, summed over the "
        f"conditions of the endpoint, seeds and test blocks.{last} A class absent from the reference has an empty row; "
        "cells that round to 0 carry no number. " + n,
        lambda width: aspects.confusion_panels(table, methods, classes, style, width), style,
        "Confusion matrices in percent of the reference; counts are in report_data",
    )  # fmt: skip


def _blocks(frames: Frames, design: Design, style: Style, n: str) -> tuple[str, Graphic | None]:
    table, rival = frames["block_differences"], best_baseline(frames["general"])
    if rival is None or rival not in set(table["method"]):
        return "blocks", None
    proposed, other = design["labels"][design["proposed"]], design["labels"][rival]
    return "blocks", graphic(
        key_of(design, "blocks"), f"{proposed} against {other}, block by block",
        f"Difference of the endpoint inside each test block, {proposed} minus {other} (the best baseline), mean and 95 "
        "% t interval over seeds, over the classes found in the block. Blocks are named zone:column:row of the UTM "
        "grid. An interval of one block says nothing about other places. " + n,
        lambda width: aspects.block_intervals(table, rival, style, width), style,
        "Differences and intervals in every test block",
    )  # fmt: skip


def _pairs(frames: Frames, design: Design, style: Style, n: str) -> tuple[str, Graphic | None]:
    table = frames["pairwise"]
    table = table[table["endpoint"] == PRIMARY]
    ranked = frames["general"].dropna(subset="miou")["method"]
    methods = [m for m in ranked if m not in FLOORS]
    if len(methods) < 3:
        return "pairs", None
    chosen = table[table["first"].isin(methods) & table["second"].isin(methods)]
    return "pairs", graphic(
        key_of(design, "pairs"), "Every method against every other",
        "Row minus column, points mIoU on the endpoint; blue: the row is better, orange: worse; grey: the 95 % "
        "interval holds 0. Exploratory but for the declared comparisons. Floors are left out. " + n,
        lambda width: aspects.pair_matrix(chosen, methods, style, width), style,
        "Matrix of paired differences between methods; values are in report_data",
    )  # fmt: skip


def _learning(frames: Frames, design: Design, style: Style) -> tuple[str, Graphic | None]:
    table = frames["learning"]
    steps = table.dropna(subset="loss").groupby("method")["step"].nunique()
    methods = [m for m in frames["general"]["method"] if steps.get(m, 0) > 1]
    if not methods:
        return "learning", None
    return "learning", graphic(
        key_of(design, "learning"), "Learning curves",
        "Training loss by optimiser step, mean over seeds; the band runs from the lowest to the highest seed. Losses "
        "of methods that train several networks, or on other inputs, do not compare; what matters is whether a curve "
        f"is still falling at its end. n = {form.plural(len(design['seeds']), 'seed')}.",
        lambda width: aspects.learning_curves(table, methods, style, width), style,
        "Training loss of every method by step",
    )  # fmt: skip


def _degradation(frames: Frames, design: Design, style: Style, n: str) -> tuple[str, Graphic | None]:
    groups = aspects.series(frames["robustness"])
    methods = [m for m in frames["general"]["method"] if m in set(frames["robustness"]["method"]) and m not in FLOORS]
    if not groups or not methods:
        return "degradation", None
    return "degradation", graphic(
        key_of(design, "degradation"), "How scores fall as the input gets worse",
        "Paired change in mIoU from the same sensors undisturbed, with 95 % bands, against how much is done to the "
        "input. The same disturbed pixels for every method and seed. Exploratory. " + n,
        lambda width: aspects.degradation(groups, methods, style, width), style,
        "Change in score against the size of the disturbance by method; values are in the table",
    )  # fmt: skip
