"""The result: every method on the primary endpoint, the claims, and the pairs of methods behind them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from anyband.methods import card
from anyband.report import formatting as form
from anyband.report.cells import METHOD, Cell, Column, Row, change, named, p_value, points, score, spread, text
from anyband.report.content import Claims, Graphic, Table, Topic
from anyband.report.palette import GAIN, HEAT, LOSS, ON_DEEP, ON_PALE, between
from anyband.report.read import Compared, records
from anyband.report.render import Sheet, matrix_axes, plain_rows
from anyband.statistics.protocol import PRIMARY
from anyband.statistics.score_tables import METRICS

HLS = {"S30", "L30"}
CONTROLS = {"prediction-full-size": "two specialists", "one-space": "one space"}
"""What a sceptical reader holds against a gain of the proposed method, by the method that answers it."""


def resolution(design: Mapping[str, Any]) -> str:
    """The resolution floor, to stand above the headline table."""
    floor = design["resolution_floor"]
    if floor is None:
        return "The resolution of this design is unknown: it needs a baseline and at least two test blocks."
    return (
        f"Smallest difference this design can resolve: {form.points(floor)} points mIoU (2.8 standard errors, 80 % "
        "power, the widest of the declared comparisons)."
    )


def twins(design: Mapping[str, Any]) -> list[str]:
    """A sentence on each method whose endpoint is on HLS twins of the others' conditions."""
    return [
        f"{design['labels'][method]} reads only HLS, so its endpoint is averaged over {form.listing(own)}: the same "
        "acquisitions as HLS products at 30 m, scored on the same reference pixels and paired with the others' by "
        "block and seed."
        for method, own in design["endpoint_twins"].items()
    ]


RESULT = Topic[Compared]("result", "Result", remark=lambda entry: resolution(entry.design))
CLAIMS = Topic[Compared](
    "claims",
    "Claims",
    paragraphs=lambda _: [
        "Sentences from fixed templates, printed only when their conditions hold. “No difference shown” never means "
        "equal."
    ],
)


@RESULT.item
def headline(entry: Compared) -> Table:
    """T1: every method on the primary endpoint, and the proposed method minus each."""
    design = entry.design
    proposed = entry.label(entry.proposed)
    general = entry.frames["general"].merge(entry.frames["cost"][["method", "parameters"]], how="left", on="method")
    columns = [
        text("Method", lambda row: named(row["label"], row["method"], _tag(row, entry))),
        Column("mIoU [95 %]", lambda row: score(row, "miou")),
        Column(
            f"{proposed} minus this [95 %]",
            lambda row: change(row, "difference", "unresolved" if abs(row["difference"]) < row["resolution"] else ""),
        ),
        Column("Holm p", lambda row: p_value(row["p_holm"])),
        text("Ties", _ties),
        Column("P(better)", _improvement),
        text("Family, inputs", lambda row: Cell(family(entry, row["method"]), products(row["inputs"]))),
        Column("Parameters", lambda row: Cell(form.magnitude(row["parameters"]), value=row["parameters"])),
    ]
    notes = twins(design)
    if design["absent_classes"]:
        absent = form.listing(design["absent_classes"])
        notes.append(f"Not in the test reference, so left out for every method: {absent}.")
    return Table("headline", columns, records(general), lambda row: str(row["role"]), notes=notes, dense=True)


def _tag(row: Row, entry: Compared) -> str:
    tag = row["role"] if row["role"] in ("proposed", "floor") else control(entry, row["method"])
    on_twins = row["method"] in entry.design["endpoint_twins"] and form.known(row["miou"])
    return f"{tag} on its HLS twins".strip() if on_twins else tag


def family(entry: Compared, method: str) -> str:
    """Family of a method; nothing for what is no method of the configuration."""
    settings = entry.config.methods.get(method)
    return card(settings.model).family if settings else ""


def control(entry: Compared, method: str) -> str:
    """Which control of the proposed method's gain this method is, and whether the gain survives it.

    The best baseline is the control of the preparation, as all methods are given it.
    """
    names = [name for key, name in CONTROLS.items() if key == method]
    if method == entry.rival and entry.config.methods[method].options.get("whiten", True):
        names.insert(0, "same preparation")
    if not names:
        return ""
    better = any(
        claim["kind"] == "better" and (claim["first"], claim["second"]) == (entry.proposed, method)
        for claim in entry.claims["claims"]
    )
    verdict = "no claims" if entry.claims["reason"] else "survives" if better else "does not survive"
    return f"{', '.join(names)}: {verdict}"


def _ties(row: Row) -> Cell:
    letters = row["tie_group"] if isinstance(row["tie_group"], str) and row["tie_group"] else form.DASH
    if form.missing(row["rank_best"]):
        return Cell(letters, value=letters)
    best, worst = int(row["rank_best"]), int(row["rank_worst"])
    return Cell(letters, f"rank {best}" if best == worst else f"rank {best}–{worst}", letters)


def _improvement(row: Row) -> Cell:
    value, lower, upper = (row[f"improvement{end}"] for end in ("", "_lower", "_upper"))
    return Cell(form.decimal(value), form.decimal_interval(lower, upper), value)


def products(conditions: str) -> str:
    """Products that a method can use: `S2 L9 S2+L9 S30` -> `S2, L9, HLS`, and `S2 S2+L9` -> `S2`.

    A method that answers S2+L9 but not L9 alone ignores L9. Only where no sensor alone suffices are all needed.
    """
    listed = conditions.split()
    alone = {condition for condition in listed if "+" not in condition}
    sensors = alone or {sensor for condition in listed for sensor in condition.split("+")}
    names = [name for name in ("S2", "L9") if name in sensors] + (["HLS"] if sensors & HLS else [])
    return ", ".join(names + sorted(sensors - {"S2", "L9"} - HLS))


@RESULT.item
def forest(entry: Compared) -> Graphic | None:
    """Differences of the proposed method to every other one, on the endpoint and under each of its conditions."""
    rows, margin = forest_rows(entry), entry.design["equivalence_margin"]
    if rows.empty:
        return None
    return Graphic("forest", lambda sheet: draw_forest(rows, margin, sheet))


def forest_rows(entry: Compared) -> pd.DataFrame:
    """Pairs of the forest plot: proposed minus all others but floors, endpoint first, then its conditions."""
    table, endpoints = entry.frames["pairwise"], [PRIMARY, *entry.design["endpoint"]]
    rivals = [method for method in entry.ranked() if entry.role(method) in ("baseline", "specialist", "variant")]
    table = table[(table["first"] == entry.proposed) & table["second"].isin(rivals)]
    table = table[table["endpoint"].isin(endpoints)]
    order = table["second"].map(rivals.index) * 10 + table["endpoint"].map(endpoints.index)
    rows: pd.DataFrame = table.loc[order.sort_values().index]
    return rows


def draw_forest(pairs: pd.DataFrame, margin: float, sheet: Sheet) -> Figure:
    """Differences with intervals, grouped by the other method; the equivalence band is shaded.

    Args:
        pairs: rows of `pairwise.csv`, proposed method first; grouped by `second` in order of appearance.
        margin: equivalence margin in mIoU.
        sheet: to draw on.
    """
    lines: list[tuple[str, Any]] = []
    for method, group in pairs.groupby("second", sort=False):
        lines += [(sheet.style.labels[str(method)], None)]
        lines += [("endpoint" if row["endpoint"] == PRIMARY else row["endpoint"], row) for row in records(group)]
    left, right = sheet(128, 96), sheet(150, 10)
    figure, (axes,) = sheet.figure(21 * len(lines) + 74, (left, right, 10, 56))
    axes.axvspan(-100 * margin, 100 * margin, color=sheet.band, linewidth=0)
    axes.axvline(0, color=sheet.muted, linewidth=1)
    beside = axes.get_yaxis_transform()
    edge = (2 - left) / (sheet.width - left - right)
    for y, (name, row) in enumerate(lines):
        if row is None:
            axes.text(edge, y, name, ha="left", va="center", transform=beside, weight="bold")
        else:
            _forest_row(axes, y, row, sheet)
            axes.text(-0.015, y, name, ha="right", va="center", transform=beside, weight="normal")
    plain_rows(axes, len(lines) - 0.3, -0.7)
    words: Any = {"textcoords": "offset points", "va": "top"}
    notes = [
        (8, "left", f"{sheet.style.labels[str(pairs['first'].iloc[0])]} better →"),
        (-8, "right", "← other better"),
    ]
    for shift, side, note in notes[: sheet(2, 1)]:
        axes.annotate(note, (0, 0), xycoords=axes.get_xaxis_transform(), ha=side, xytext=(shift, -22), **words)
    axes.annotate("points mIoU", (1, 0), xycoords="axes fraction", ha="right", xytext=(0, -22), **words)
    return figure


def _forest_row(axes: Axes, y: float, row: Row, sheet: Sheet) -> None:
    value, lower, upper = (100 * float(row[k]) for k in ("difference", "difference_lower", "difference_upper"))
    main, method = row["endpoint"] == PRIMARY, str(row["second"])
    colour, ink, weight = (
        (sheet.style.colour(method), sheet.ink, "bold") if main else (sheet.muted, sheet.muted, "normal")
    )
    axes.plot([lower, upper], [y, y], color=colour, linewidth=2.2 if main else 1.3, solid_capstyle="butt")
    axes.plot(value, y, sheet.style.marker(method), color=colour, markersize=7 if main else 4.5)
    if sheet.wide:
        number = change(row, "difference").plain
        look: Any = {"weight": weight, "fontsize": 11, "color": ink}
        axes.text(1.02, y, number, va="center", transform=axes.get_yaxis_transform(), **look)


@RESULT.item
def secondary(entry: Compared) -> Table:
    """Every score of the endpoint: no claims rest on those beside the first."""
    columns = [METHOD, *spread({key: metric.title for key, metric in METRICS.items()}, score)]
    rows = records(entry.frames["general"].dropna(subset="miou"))
    return Table("secondary", columns, rows, lambda row: str(row["role"]))


@RESULT.item
def cloud_weighted(entry: Compared) -> Table | None:
    """The third endpoint, where what clouds leave at hand is known."""
    table = entry.frames["cloud_weighted"]
    if table.empty:
        return None
    columns = [
        METHOD,
        Column("mIoU [95 %]", lambda row: score(row, "miou")),
        Column(f"{entry.label(entry.proposed)} minus this [95 %]", lambda row: change(row, "difference")),
        Column("Holm p", lambda row: p_value(row["p_holm"])),
        Column("Resolution floor", lambda row: points(row["resolution"])),
    ]
    shares = [form.percent(table[f"weight_{key}"].iloc[0]) for key in ("s2", "l9", "both")]
    return Table("cloud-weighted", columns, records(table), lambda row: str(row["role"]), words={"shares": shares})


@CLAIMS.item
def claims(entry: Compared) -> Claims:
    """What may be said, each with the tables and figures that show it."""
    general, sensors = (
        [f"{entry.name}-{key}" for key in keys]
        for keys in (("headline", "forest", "sensitivity"), ("fusion", "gap-closed", "gap-closed-figure"))
    )
    listed = [claim | {"evidence": general} for claim in entry.claims["claims"]]
    listed += [claim | {"evidence": sensors} for claim in entry.claims["sensor_claims"]]
    return Claims(listed, entry.claims["reason"])


@CLAIMS.item
def sensitivity(entry: Compared) -> Table:
    """Other looks at the declared comparisons: do they point the same way?"""
    design, table = entry.design, entry.frames["pairwise"]
    seeds = len(design["seeds"])

    def seed_flip(row: Row) -> Cell:
        p = row["seed_flip_p"]
        return Cell(f"not testable with {entry.seeds}", value=p) if form.missing(p) else p_value(p)

    columns = [
        text("Difference", lambda row: f"{entry.label(row['first'])} − {entry.label(row['second'])}"),
        Column("Points", lambda row: points(row["difference"], signed=True)),
        Column("Resolution floor", lambda row: points(row["resolution"])),
        Column("Equivalence p", lambda row: p_value(row["equivalence_p"])),
        Column("Within blocks", lambda row: points(row["block_direction"], signed=True)),
        Column("Sign-flip p, blocks", lambda row: p_value(row["block_flip_p"])),
        Column(
            "Seeds that agree", lambda row: Cell(f"{row['seeds_agree']} of {seeds}", value=float(row["seeds_agree"]))
        ),
        Column("Sign-flip p, seeds", seed_flip),
    ]
    declared = records(table[table["family"] == "declared"])
    return Table("sensitivity", columns, declared)


@CLAIMS.item
def pairs(entry: Compared) -> Graphic | None:
    """Every method against every other."""
    table = entry.frames["pairwise"]
    methods = entry.ranked(entry.frames["general"].dropna(subset="miou"), floors=False)
    if len(methods) < 3:
        return None
    among = table["first"].isin(methods) & table["second"].isin(methods)
    chosen = table[among & (table["endpoint"] == PRIMARY)]
    return Graphic("pairs", lambda sheet: draw_pairs(chosen, methods, sheet))


def draw_pairs(pairs: pd.DataFrame, methods: list[str], sheet: Sheet) -> Figure:
    """Row minus column on the endpoint; pale where the interval holds 0."""
    count, names = len(methods), sheet.style.names(methods)
    room = sheet(6.6, 5.2) * max(map(len, names)) + 16  # for the longest name
    side = min((sheet.width - room - 8) / count, 62)
    figure, (axes,) = sheet.figure(side * count + room + 8, (room, sheet.width - room - side * count, room, 8))
    scale = max(float(100 * pairs["difference"].abs().max()), 1e-9)
    for row in records(pairs):
        shown = not row["difference_lower"] <= 0 <= row["difference_upper"]
        first, second = methods.index(row["first"]), methods.index(row["second"])
        _pair_cell(axes, (second, first), 100 * row["difference"], scale, shown, sheet)
        _pair_cell(axes, (first, second), -100 * row["difference"], scale, shown, sheet)
    axes.xaxis.tick_top()
    size = sheet(10.5, 8.5)
    axes.set_xticks(range(count), names, rotation=90, fontsize=size)
    axes.set_yticks(range(count), names, fontsize=size)
    matrix_axes(axes, count, count)
    return figure


def _pair_cell(axes: Axes, at: tuple[int, int], value: float, scale: float, shown: bool, sheet: Sheet) -> None:
    part, (x, y) = 0.25 + 0.65 * abs(value) / scale, at
    colour = between((HEAT[0], GAIN if value > 0 else LOSS), part) if shown else sheet.band
    ink = (ON_DEEP if part > 0.6 else ON_PALE) if shown else sheet.muted
    axes.add_patch(Rectangle((x - 0.48, y - 0.48), 0.96, 0.96, facecolor=colour, linewidth=0))
    axes.text(x, y, form.signed_points(value / 100), ha="center", va="center", fontsize=sheet(10, 7), color=ink)
