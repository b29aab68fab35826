"""The tables of one experiment, from the files of its comparison."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.products import EXTRA
from anyband.report import formatting as form
from anyband.report.tables.degraded import robustness
from anyband.report.tables.images import images
from anyband.report.tables.reliability import calibration_tables
from anyband.report.tables.table import Cell, Column, Table
from anyband.report.tables.transfers import sensor_tables
from anyband.statistics.protocol import PRIMARY

Frames = Mapping[str, pd.DataFrame]
HLS = {"S30", "L30"}


def headline(frames: Frames, design: Mapping[str, Any]) -> Table:
    """T1: every method on the primary endpoint, and the proposed method minus each."""
    general = frames["general"].merge(frames["cost"][["method", "parameters"]], how="left", on="method")
    proposed = design["labels"][design["proposed"]]
    rows = [_headline_row(row, design) for row in general.to_dict("records")]
    columns = [
        Column("Method", numeric=False),
        Column("mIoU [95 %]", hint="points, pooled over test blocks, mean over seeds and the endpoint's conditions"),
        Column(f"{proposed} minus this [95 %]", hint="paired difference, points"),
        Column("Holm p", hint="declared family only"),
        Column("Ties", numeric=False, hint="methods that share a letter are not shown to differ; ranks left open"),
        Column("P(better)", hint=f"probability that {proposed} is better on a test block with a seed"),
        Column("Inputs", numeric=False, hint="products the method can take at test time"),
        Column("Parameters"),
    ]
    notes = [
        f"Endpoint: mIoU averaged over {form.listing(design['endpoint'])}. A dash: the method cannot take every input.",
        "Grey differences lie below what this design can resolve for that pair. Floors and specialists are outside the "
        "declared family and get no p value. Ties are judged after Holm over all pairs, which asks more than the "
        "declared family does.",
    ]
    notes += twins(design)
    if design["absent_classes"]:
        absent = form.listing(design["absent_classes"])
        notes.append(f"Not in the test reference, so left out for every method: {absent}.")
    return Table(
        "headline", "Methods on the primary endpoint",
        f"Higher is better. Intervals: two-way jackknife over {form.plural(len(design['blocks']), 'test block')} and "
        f"{form.plural(len(design['seeds']), 'seed')} ({form.count(design['pixels'])} labelled pixels).",
        columns, rows, [row["role"] for row in general.to_dict("records")], notes,
    )  # fmt: skip


def twins(design: Mapping[str, Any]) -> list[str]:
    """A sentence on each method whose endpoint is on HLS twins of the others' conditions."""
    return [
        f"{design['labels'][method]} reads only HLS, so its endpoint is averaged over {form.listing(own)}: the same "
        "acquisitions as HLS products at 30 m, scored on the same reference pixels and paired with the others' by "
        "block and seed."
        for method, own in design["endpoint_twins"].items()
    ]


def _headline_row(row: Mapping[Any, Any], design: Mapping[str, Any]) -> list[Cell]:
    below = not form.missing(row["difference"]) and abs(row["difference"]) < row["resolution"]
    tag = row["role"] if row["role"] in ("proposed", "floor") else ""
    if row["method"] in design["endpoint_twins"] and not form.missing(row["miou"]):
        tag = f"{tag} on its HLS twins".strip()
    ranks = ""
    if not form.missing(row["rank_best"]):
        best, worst = int(row["rank_best"]), int(row["rank_worst"])
        ranks = f"rank {best}" if best == worst else f"rank {best}–{worst}"
    letters = row["tie_group"] if isinstance(row["tie_group"], str) and row["tie_group"] else form.DASH
    return [
        Cell(row["label"], tag, value=row["label"], method=row["method"]),
        Cell(form.points(row["miou"]), form.interval(row["miou_lower"], row["miou_upper"]), row["miou"]),
        Cell(form.signed_points(row["difference"]),
             form.interval(row["difference_lower"], row["difference_upper"], signed=True),
             row["difference"], css="unresolved" if below else ""),
        Cell(form.p_value(row["p_holm"]), value=row["p_holm"]),
        Cell(letters, ranks, letters),
        Cell(form.decimal(row["improvement"]), _plain_interval(row["improvement_lower"], row["improvement_upper"]),
             row["improvement"]),
        Cell(_products(row["inputs"])),
        Cell(form.magnitude(row["parameters"]), value=row["parameters"]),
    ]  # fmt: skip


def _products(conditions: str) -> str:
    """Products that a method can use: `S2 L9 S2+L9 S30` -> `S2, L9, HLS`, and `S2 S2+L9` -> `S2`.

    A method that answers S2+L9 but not L9 alone ignores L9. Only where no sensor alone suffices are all needed.
    """
    listed = conditions.split()
    alone = {condition for condition in listed if "+" not in condition}
    sensors = alone or {sensor for condition in listed for sensor in condition.split("+")}
    names = [name for name in ("S2", "L9") if name in sensors] + (["HLS"] if sensors & HLS else [])
    return ", ".join(names + sorted(sensors - {"S2", "L9"} - HLS))


def _plain_interval(lower: float, upper: float) -> str:
    return "" if form.missing(lower) else f"[{form.decimal(lower)}, {form.decimal(upper)}]"


def conditions(frames: Frames, design: Mapping[str, Any], group: str) -> Table:
    """Scores under the conditions of a group: `endpoint`, `hls` or `other` (sensors that most methods never saw)."""
    table = frames["conditions"]
    table = table[table["condition"].map(_group) == group]
    names = list(dict.fromkeys(table["condition"]))
    best = table[~table["method"].isin(["majority"])].groupby("condition")["miou"].max()
    rows, css = [], []
    for method in frames["general"]["method"]:
        own = table[table["method"] == method].set_index("condition")
        if own.empty or own["miou"].isna().all():
            continue
        cells = [Cell(design["labels"][method], value=design["labels"][method], method=method)]
        for name in names:
            row = own.loc[name]
            top = "best" if row["miou"] == best[name] else ""
            cells.append(Cell(form.points(row["miou"]), form.interval(row["miou_lower"], row["miou_upper"]),
                              float(row["miou"]), css=top))  # fmt: skip
        rows.append(cells)
        css.append(_role(frames, method))
    caption = (
        "mIoU, points [95 %], on the same reference pixels under every condition; the highest of a column is bold, "
        "which is not a test."
    )
    key, title = "conditions", "Sensors at test time"
    if group == "other":
        key, title = "other-sensors", "Other sensors over the same ground"
        caption = f"Sensors simulated at the Sentinel-2 overpass. {trained_on(design, set(EXTRA))} {caption}"
    if group == "hls":
        key, title = "zero-shot", "HLS products of the same acquisitions"
        caption = f"HLS surface reflectance at 30 m. {trained_on_hls(design)} {caption}"
    columns = [Column("Method", numeric=False), *(Column(name) for name in names)]
    return Table(key, title, caption + _units(design), columns, rows, css)


def _group(condition: str) -> str:
    if condition in PRIMARY_CONDITIONS:
        return "endpoint"
    return "hls" if set(condition.split("+")) <= HLS else "other"


def trained_on_hls(design: Mapping[str, Any]) -> str:
    """Who was trained on HLS products: a sentence."""
    return trained_on(design, {"hls_s30", "hls_l30"}, design["endpoint_twins"])


def trained_on(design: Mapping[str, Any], products: set[str], otherwise: Iterable[str] = ()) -> str:
    """Who was trained on any of some products: a sentence; `otherwise` are those methods where the runs do not say."""
    known = design.get("trained_on") or {}
    methods = [m for m in design["methods"] if products & set(known.get(m, ()))] if known else list(otherwise)
    trained = [design["labels"][method] for method in methods]
    if not trained:
        return "No method was trained on these products."
    return f"Only {form.listing(trained)} {'was' if len(trained) == 1 else 'were'} trained on these products."


def secondary(frames: Frames, design: Mapping[str, Any]) -> Table:
    """Macro F1 and agreement on the endpoint: no claims rest on them."""
    general = frames["general"].dropna(subset="miou")
    rows = []
    for row in general.to_dict("records"):
        cells = [Cell(row["label"], value=row["label"], method=row["method"])]
        for key in ("miou", "macro_f1", "agreement"):
            cells.append(Cell(form.points(row[key]), form.interval(row[f"{key}_lower"], row[f"{key}_upper"]), row[key]))
        rows.append(cells)
    columns = [Column("Method", numeric=False), Column("mIoU"), Column("Macro F1"), Column("Agreement with the labels")]
    return Table("secondary", "Secondary scores",
                 "Mean over the endpoint's conditions, points [95 %]. The labels are a map themselves, so the share of "
                 "right pixels is agreement, not accuracy. No claim rests on these." + _units(design),
                 columns, rows, list(general["role"]))  # fmt: skip


def per_class(frames: Frames, design: Mapping[str, Any], score: str = "iou") -> Table:
    """T2: IoU or F1 of each class on the endpoint, a row per method, under the class's support."""
    table = frames["per_class"]
    table = table[table["condition"] == PRIMARY]
    methods = [m for m in frames["general"]["method"] if m in set(table["method"]) and m != "majority"]
    classes = {int(code): info for code, info in design["classes"].items()}
    best = table[table["method"].isin(methods)].groupby("class")[score].max()
    rows = [
        [Cell("Labelled pixels"), *(Cell(form.count(info["pixels"])) for info in classes.values())],
        [Cell("Test blocks"), *(Cell(str(info["blocks"])) for info in classes.values())],
    ]
    for method in methods:
        own = table[table["method"] == method].set_index("class")
        cells = [Cell(design["labels"][method], value=design["labels"][method], method=method)]
        for code in classes:
            row = own.loc[code]
            bounds = form.interval(row[f"{score}_lower"], row[f"{score}_upper"])
            top = "best" if row[score] == best[code] else ""
            cells.append(Cell(form.points(row[score]), bounds, float(row[score]), css=top))
        rows.append(cells)
    css = ["floor", "floor", *(_role(frames, method) for method in methods)]
    few = [i["name"] for i in classes.values() if 0 < i["blocks"] < 5]
    notes = [f"In fewer than five test blocks, so the interval says little: {form.listing(few)}."] if few else []
    key, title, name = ("per-class", "Classes", "IoU") if score == "iou" else ("class-f1", "F1 of the classes", "F1")
    return Table(key, title,
                 f"{name} on the endpoint, points [95 %], under the support in labelled pixels and in test blocks. A "
                 "dash: a class without any. Exploratory: no correction for many classes." + _units(design),
                 [Column("Method", numeric=False), *(Column(info["name"]) for info in classes.values())],
                 rows if methods else [], css if methods else [], notes)  # fmt: skip


def variance(frames: Frames, design: Mapping[str, Any]) -> Table:
    """Where the uncertainty comes from."""
    rows = []
    for row in frames["variance"].to_dict("records"):
        share = row["share_blocks"]
        rows.append([
            Cell(row["label"], row["quantity"], value=row["label"]),
            Cell(form.decimal(100 * row["standard_error"]), value=row["standard_error"]),
            Cell(form.decimal(1e4 * row["variance_blocks"], 3), value=row["variance_blocks"]),
            Cell(form.decimal(1e4 * row["variance_seeds"], 3), value=row["variance_seeds"]),
            Cell(form.DASH if form.missing(share) else f"{100 * share:.0f} %", value=share, bar=share),
            Cell(form.decimal(row["degrees_of_freedom"], 1), value=row["degrees_of_freedom"]),
            Cell(form.decimal(100 * row["error_with_twice_the_blocks"]), value=row["error_with_twice_the_blocks"]),
            Cell(form.decimal(100 * row["error_with_twice_the_seeds"]), value=row["error_with_twice_the_seeds"]),
        ])  # fmt: skip
    columns = [
        Column("Quantity", numeric=False), Column("SE"), Column("Variance, blocks"), Column("Variance, seeds"),
        Column("From blocks"), Column("df"), Column("SE, twice the blocks"), Column("SE, twice the seeds"),
    ]  # fmt: skip
    return Table("variance", "Blocks or seeds",
                 "Delete-one jackknife variances of the endpoint over test blocks and over training seeds (points "
                 "squared), and the standard error (points) to expect after doubling one of them. "
                 "df: Satterthwaite." + _units(design), columns, rows)  # fmt: skip


def sensitivity(frames: Frames, design: Mapping[str, Any]) -> Table:
    """Other looks at the declared comparisons: do they point the same way?"""
    table = frames["pairwise"]
    rows = []
    for row in table[table["family"] == "declared"].to_dict("records"):
        flip = form.p_value(row["seed_flip_p"])
        if form.missing(row["seed_flip_p"]):
            flip = f"not testable with {form.plural(len(design['seeds']), 'seed')}"
        rows.append([
            Cell(f"{design['labels'][row['first']]} − {design['labels'][row['second']]}"),
            Cell(form.signed_points(row["difference"]), value=row["difference"]),
            Cell(form.points(row["resolution"]), value=row["resolution"]),
            Cell(form.p_value(row["equivalence_p"]), value=row["equivalence_p"]),
            Cell(form.signed_points(row["block_direction"]), value=row["block_direction"]),
            Cell(form.p_value(row["block_flip_p"]), value=row["block_flip_p"]),
            Cell(f"{row['seeds_agree']} of {len(design['seeds'])}", value=float(row["seeds_agree"])),
            Cell(flip, value=row["seed_flip_p"]),
        ])  # fmt: skip
    columns = [
        Column("Difference", numeric=False), Column("Points"), Column("Resolution floor", hint="2.8 SE of this pair"),
        Column("Equivalence p", hint="two one-sided tests"), Column("Within blocks", hint="mean over blocks"),
        Column("Sign-flip p, blocks"), Column("Seeds that agree"), Column("Sign-flip p, seeds"),
    ]  # fmt: skip
    margin = form.points(design["equivalence_margin"])
    return Table("sensitivity", "Sensitivity of the declared comparisons",
                 f"The same differences by other means. Equivalence margin {margin} points. Five paired seeds can "
                 "never reach p < 0.05 by sign flips, so seeds are tested from eight on." + _units(design),
                 columns, rows)  # fmt: skip


def all_tables(frames: Frames, design: Mapping[str, Any]) -> Sequence[Table]:
    """Every table the comparison has data for, in the order of the page."""
    tables = [headline(frames, design)]
    known = set(frames["conditions"]["condition"].map(_group))
    tables += [conditions(frames, design, group) for group in ("endpoint", "hls", "other") if group in known]
    tables += [robustness(frames, design), *sensor_tables(frames, design)]
    tables += [secondary(frames, design), per_class(frames, design), per_class(frames, design, "f1"),
               sensitivity(frames, design), variance(frames, design),
               *calibration_tables(frames, design), images(frames, design)]  # fmt: skip
    return [table for table in tables if table.rows]


def _units(design: Mapping[str, Any]) -> str:
    return f" n = {form.plural(len(design['blocks']), 'test block')}, {form.plural(len(design['seeds']), 'seed')}."


def _role(frames: Frames, method: str) -> str:
    general = frames["general"]
    return str(general.loc[general["method"] == method, "role"].iloc[0])
