"""Sentences of the report, filled from the run: what was compared, what came out, how it was done."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from anyband.report import formatting as form
from anyband.report.page import fill
from anyband.report.read import Compared, DataRecord
from anyband.statistics.protocol import MAJORITY


def compared(entry: Compared) -> str:
    """One sentence: methods, data, seeds, blocks."""
    design, data = entry.design, entry.data
    trained = [m for m in design["methods"] if m != MAJORITY]
    train, test = data.chips("train"), data.chips("test")
    area = len(test) * (data.settings.chip_m / 1000) ** 2
    return (
        f"{form.in_words(len(trained), 'method').capitalize()}, each trained with the same "
        f"{form.in_words(len(design['seeds']), 'seed')} on the same {form.plural(len(train), 'chip')} from "
        f"{form.in_words(train['site'].nunique(), 'place')}, scored on "
        f"{form.in_words(len(design['blocks']), 'held-out block')} ({form.plural(len(test), 'chip')}, "
        f"{form.count(area)} km², {form.count(design['pixels'])} labelled pixels) by agreement with land-cover labels, "
        f"with {form.listing(design['conditions'])} at test time."
    )


def simulated_notice(data: DataRecord) -> str:
    """What must be said first when scenes are simulated; empty for real ones."""
    if data.simulated is None:
        return ""
    return (
        f"The scenes are simulated ({data.simulated}). Only comparisons between methods within this "
        "simulator are claimed; no score on this page says how well a method maps real scenes."
    )


def twins(design: Mapping[str, Any]) -> list[str]:
    """A sentence on each method whose endpoint is on HLS twins of the others' conditions."""
    return [
        f"{design['labels'][method]} reads only HLS, so its endpoint is averaged over {form.listing(own)}: the same "
        "acquisitions as HLS products at 30 m, scored on the same reference pixels and paired with the others' by "
        "block and seed."
        for method, own in design["endpoint_twins"].items()
    ]


def outcome(entry: Compared) -> str:
    """The headline in one or two sentences."""
    own, name = entry.general.get(entry.proposed), entry.label(entry.proposed)
    if own is None or form.missing(own["miou"]):
        return f"{name} has no results on the primary endpoint, so there is no headline."
    text = f"On the primary endpoint {name} reaches {form.points(own['miou'])} points mIoU {_interval(own, 'miou')}"
    if entry.rival is None:
        return text + ". No baseline takes every input, so nothing is compared."
    other, floor = entry.general[entry.rival], entry.design["resolution_floor"]
    adjusted = form.p_value(other["p_holm"])
    text += (
        f"; the best baseline, {entry.label(entry.rival)}, {form.points(other['miou'])} {_interval(other, 'miou')}. "
        f"The paired difference is {form.signed_points(other['difference'])} "
        f"{_interval(other, 'difference', signed=True)}, Holm-adjusted p "
        f"{adjusted if adjusted.startswith('<') else '= ' + adjusted}."
    )
    if floor is not None:
        text += f" This design resolves differences of {form.points(floor)} points or more."
    return text


def _interval(row: Mapping[str, Any], name: str, signed: bool = False) -> str:
    return form.interval(row[f"{name}_lower"], row[f"{name}_upper"], signed)


def resolution(design: Mapping[str, Any]) -> str:
    """The resolution floor, to stand above the headline table."""
    floor = design["resolution_floor"]
    if floor is None:
        return "The resolution of this design is unknown: it needs a baseline and at least two test blocks."
    return (
        f"Smallest difference this design can resolve: {form.points(floor)} points mIoU (2.8 standard errors, 80 % "
        "power, the widest of the declared comparisons)."
    )


def advice(variance: pd.DataFrame) -> str:
    """More blocks or more seeds? From the declared differences."""
    table = variance[variance["quantity"] == "difference"]
    if table.empty or table["share_blocks"].isna().all():
        return ""
    share = float(table["share_blocks"].mean())
    blocks = float((1 - table["error_with_twice_the_blocks"] / table["standard_error"]).mean())
    seeds = float((1 - table["error_with_twice_the_seeds"] / table["standard_error"]).mean())
    better = "more test blocks" if blocks >= seeds else "more seeds"
    return (
        f"On average {100 * share:.0f} % of the variance of the declared differences comes from test blocks. Twice the "
        f"blocks would shrink the standard error by {100 * blocks:.0f} %, twice the seeds by {100 * seeds:.0f} %: "
        f"{better} would help most."
    )


def methods_text(entry: Compared) -> list[str]:
    """Paragraphs for the methods section of a paper, filled from the run."""
    text = fill(
        "methods.txt.j2",
        entry=entry,
        design=entry.design,
        data=entry.data,
        settings=entry.data.settings,
        training=entry.experiment.training,
        own=_own_settings(entry),
        twins=twins(entry.design),
        baselines=[entry.label(method) for method in entry.ranked() if entry.role(method) == "baseline"],
        form=form,
    )
    return [re.sub(r"\n+", " ", paragraph) for paragraph in text.strip("\n").split("\n\n")]


def _own_settings(entry: Compared) -> list[str]:
    """Methods with settings of optimisation of their own, and these."""
    own = []
    for method in entry.design["methods"]:
        settings = entry.config.methods.get(method)
        changed = {"learning rate": settings.learning_rate, "weight decay": settings.weight_decay} if settings else {}
        words = [f"{name} {value:.3g}" for name, value in changed.items() if value is not None]
        own += [f"{entry.label(method)} ({', '.join(words)})"] if words else []
    return own
