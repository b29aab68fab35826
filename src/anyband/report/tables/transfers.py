"""Tables about sensors: gap closed, what a second sensor adds, trained on X and tested on Y, one factor at a time."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from anyband.products import BY_SHORT_NAME
from anyband.report import formatting as form
from anyband.report.tables.table import Cell, Column, Table
from anyband.statistics.transfer import ALL_TOGETHER, NEEDED

Frames = Mapping[str, pd.DataFrame]
Row = Mapping[Any, Any]


def sensor_tables(frames: Frames, design: Mapping[str, Any]) -> list[Table]:
    """Those that the comparison has data for."""
    tables = [_gap(frames, design), _fusion(frames, design), _transfer(frames, design), _decomposition(frames, design)]
    return [table for table in tables if table.rows]


def _gap(frames: Frames, design: Mapping[str, Any]) -> Table:
    rows = []
    for row in frames["gap_closed"].to_dict("records"):
        direction = f"{BY_SHORT_NAME[row['source']].name} to {BY_SHORT_NAME[row['target']].name}"
        share = f"{100 * row['closed']:.0f} %".replace("-", form.MINUS)
        bounds = [f"{100 * row[key]:.0f}".replace("-", form.MINUS) for key in ("closed_lower", "closed_upper")]
        rows.append([
            Cell(direction, value=direction),
            Cell(row["label"], value=row["label"], method=row["method"]),
            _points(row["naive"]), _points(row["zero_shot"]), _points(row["specialist"]),
            _signed(row, "gap", css="" if row["gap_resolved"] else "unresolved"),
            Cell(share, f"[{', '.join(bounds)}]", row["closed"]) if row["gap_resolved"] else Cell("no gap resolved"),
            _signed(row, "gain"),
            Cell(form.p_value(row["p_adjusted"]), value=row["p_adjusted"]),
        ])  # fmt: skip
    columns = [
        Column("From and to", numeric=False), Column("Method", numeric=False), Column("Naive"), Column("Zero-shot"),
        Column("Specialist"), Column("Gap [95 %]", hint="specialist minus naive, points; grey: not resolved"),
        Column("Gap closed [95 %]", hint="(zero-shot − naive) / (specialist − naive)"),
        Column("Over naive [95 %]", hint="zero-shot minus naive, points"), Column("Holm p", hint="of the gain"),
    ]  # fmt: skip
    return Table("gap-closed", "Sensors that a method never trained on",
                 "mIoU in points on the target sensor. Naive: the specialist of the source sensor reads the nearest "
                 "bands of the target. Specialist: trained on the target alone. Zero-shot: a method whose training "
                 "never saw the target. Gap closed: 0 % is no better than naive, 100 % as good as the specialist; "
                 "where the gap is below what the design resolves, the share means nothing and is not shown. Intervals "
                 "are jackknife intervals of the ratio." + _units(design), columns, rows)  # fmt: skip


def _fusion(frames: Frames, design: Mapping[str, Any]) -> Table:
    rows = [
        [
            Cell(row["label"], value=row["label"], method=row["method"]),
            _points(row["both"]),
            Cell(f"{design['labels'][row['rival']]} on {row['condition']}"),
            _points(row["rival_score"]),
            _signed(row, "difference"),
            Cell(form.p_value(row["p_adjusted"]), value=row["p_adjusted"]),
        ]
        for row in frames["fusion"].to_dict("records")
    ]
    columns = [Column("Method", numeric=False), Column("S2+L9"), Column("Best with one sensor", numeric=False),
               Column("Its mIoU"), Column("Gain [95 %]", hint="points"), Column("Holm p")]  # fmt: skip
    return Table("fusion", "What a second sensor adds",
                 "mIoU in points with both sensors, against the best result with one: the same method's own, or a "
                 "specialist's, so that a method which merely cannot do with one sensor gains nothing here. p is the "
                 "largest over all these rivals (1 where one is better); the interval's lower end the lowest."
                 + _units(design), columns, rows)  # fmt: skip


def _transfer(frames: Frames, design: Mapping[str, Any]) -> Table:
    table = frames["transfer"]
    names = [c for c in design["conditions"] if c in set(table["condition"])]
    found = table.set_index(["method", "condition"])
    rows = []
    for method in dict.fromkeys(table["method"]):
        own = table[table["method"] == method].iloc[0]
        cells = [Cell(str(own["label"]), value=str(own["label"]), method=str(method)), Cell(str(own["trained_on"]))]
        for name in names:
            known = (method, name) in found.index
            cells.append(_transfer_cell(found.loc[(method, name)]) if known else Cell(form.DASH))
        rows.append(cells)
    columns = [Column("Method", numeric=False), Column("Trained on", numeric=False), *(Column(name) for name in names)]
    return Table("transfer", "Trained on one sensor, tested on another",
                 "mIoU in points; in brackets the paired difference [95 %] to the specialist of the tested sensor, on "
                 "the same pixels. Grey: a sensor that the method never trained on. An arrow (→): read as the nearest "
                 "bands of the sensor that it knows. Exploratory." + _units(design), columns, rows,
                 dense=len(names) > 3)  # fmt: skip


def _transfer_cell(row: pd.Series) -> Cell:
    note = ""
    if not form.missing(row["change"]):
        bounds = form.interval(row["change_lower"], row["change_upper"], signed=True)
        note = f"{form.signed_points(row['change'])} {bounds}"
    arrow = "→ " if row["mapped"] else ""
    return Cell(arrow + form.points(row["miou"]), note, float(row["miou"]), css="" if row["seen"] else "unresolved")


def _decomposition(frames: Frames, design: Mapping[str, Any]) -> Table:
    rows, css = [], []
    for row in frames["decomposition"].to_dict("records"):
        whole = row["factor"] == ALL_TOGETHER
        start, single = form.missing(row["change"]), isinstance(row["method"], str)  # else a model for each product
        rows.append([
            Cell(row["label"] if start else "", row["path"] if start else "",
                 method=row["method"] if start and single else ""),
            Cell("" if whole else row["condition"], "" if whole or single else row["reader"], css="wrap"),
            Cell("start" if start else row["factor"], css="wrap"),
            Cell("" if whole else form.points(row["miou"]), value=row["miou"]),
            _signed(row, "change"),
        ])  # fmt: skip
        css.append("total" if whole else "")
    columns = [Column("Read by", numeric=False), Column("Input", numeric=False), Column("What changes", numeric=False),
               Column("mIoU"), Column("Change [95 %]", hint="points")]  # fmt: skip
    return Table("decomposition", "From one sensor's score to the other's, one factor at a time",
                 "mIoU in points on the same pixels; each row changes one thing of the row above, and the changes add "
                 "up to the last line. Models trained on each product: the specialist of the product, or else the "
                 "method trained on it and fewest others, so nothing is unknown, but two trainings stand on either "
                 "side of a change. By one method: it need not have trained on the inputs in between, so a change also "
                 "holds what an unknown input costs it. Exploratory." + _units(design), columns, rows, css,
                 sortable=False)  # fmt: skip


def decomposed(frames: Frames) -> str:
    """The first path in one sentence; empty where no path was evaluated."""
    table = frames["decomposition"]
    if table.empty:
        return ""
    first = table[(table["path"] == table["path"].iloc[0]) & (table["label"] == table["label"].iloc[0])]
    *steps, whole = first.iloc[1:].to_dict("records")
    source, target = (BY_SHORT_NAME[str(first["condition"].iloc[place])].name for place in (0, -1))
    listed = [f"{_change(row)} with {row['factor']}" for row in steps]
    return (
        f"Why does {target} score otherwise than {source} on the same pixels? {whole['label']} go from "
        f"{form.points(first['miou'].iloc[0])} to {form.points(whole['miou'])} points, {_change(whole)}: "
        f"{form.listing(listed)} (exploratory)."
    )


def _change(row: Row) -> str:
    bounds = form.interval(row["change_lower"], row["change_upper"], signed=True)
    return f"{form.signed_points(row['change'])} {bounds}"


def missing_factors(design: Mapping[str, Any], tested: set[str]) -> str:
    """A sentence on the conditions that would tell resolution and bands apart; empty when they were evaluated."""
    lacking = sorted(NEEDED - tested)
    if not lacking or not {"S2", "L9"} <= set(design["conditions"]):
        return ""
    return (
        "How much of the difference between Sentinel-2 and Landsat is resolution and how much bands can be told with "
        f"the {'condition' if len(lacking) == 1 else 'conditions'} {form.listing(lacking)}, which this run did not "
        "evaluate: name them under the conditions of the experiment."
    )


def _points(value: float) -> Cell:
    return Cell(form.points(value), value=value)


def _signed(row: Row, name: str, css: str = "") -> Cell:
    bounds = form.interval(row[f"{name}_lower"], row[f"{name}_upper"], signed=True)
    return Cell(form.signed_points(row[name]), bounds, row[name], css=css)


def _units(design: Mapping[str, Any]) -> str:
    return f" n = {form.plural(len(design['blocks']), 'test block')}, {form.plural(len(design['seeds']), 'seed')}."
