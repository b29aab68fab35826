"""The table of what is left of every method's score when something is done to its input."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from anyband.report import formatting as form
from anyband.report.tables.table import Cell, Column, Table


def robustness(frames: Mapping[str, pd.DataFrame], design: Mapping[str, Any]) -> Table:
    """One row per perturbed condition, one column per method; a dash where the method cannot take the input."""
    table = frames["robustness"]
    methods = [method for method in frames["general"]["method"] if method in set(table["method"])]
    rows = []
    for condition in dict.fromkeys(table["condition"]):
        own = table[table["condition"] == condition].set_index("method")
        cells = [Cell(condition, value=condition)]
        for method in methods:
            if method not in own.index:
                cells.append(Cell(form.DASH))
                continue
            row = own.loc[method]
            change = f"{form.signed_points(row['change'])} "
            change += form.interval(row["change_lower"], row["change_upper"], signed=True)
            cells.append(Cell(form.points(row["miou"]), change, float(row["miou"])))
        rows.append(cells)
    columns = [Column("Input", numeric=False), *(Column(design["labels"][method]) for method in methods)]
    return Table(
        "robustness", "When something is wrong with the input",
        "mIoU in points, and its paired change [95 %] from the same sensors undisturbed. The same disturbed pixels for "
        "every method and seed. A dash: the method cannot take the input. No method is trained for these inputs "
        "unless its own training varies them. Exploratory: no claim rests on it. "
        f"n = {form.plural(len(design['blocks']), 'test block')}, {form.plural(len(design['seeds']), 'seed')}.",
        columns, rows,
    )  # fmt: skip
