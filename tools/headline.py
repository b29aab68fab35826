"""The headline table of a finished default run, for a README.

    python -m tools.headline results README.md

Fills the README between `<!-- headline -->` and `<!-- /headline -->`, and writes the same numbers, unrounded and with
the commit that made them, to `docs/default-run.csv` beside it. A test holds that the two agree.
"""

import argparse
import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from anyband.conditions import PRIMARY_CONDITIONS
from anyband.report import formatting as form
from anyband.runtime import UserError, read_csv, step_main, write_csv, write_text

EXPERIMENT = "main"
NUMBERS = Path("docs/default-run.csv")
START, END = "<!-- headline -->", "<!-- /headline -->"
KEPT = [
    "method", "label", "role", "miou", "miou_lower", "miou_upper", "difference", "difference_lower", "difference_upper",
    "p_holm",
]  # fmt: skip


def numbers(results: Path) -> pd.DataFrame:
    """One row per method: endpoint, difference of the proposed method to it, score under each of its conditions.

    Raises:
        UserError: the run is unfinished, or its report was made from another comparison.
    """
    comparison, data = results / "comparison" / EXPERIMENT, results / "report_data"
    copied = data / "comparison" / EXPERIMENT
    for path in (comparison / "general.csv", copied / "general.csv", data / "provenance.json"):
        if not path.is_file():
            raise UserError(f"{path} is missing: run the workflow to its end first")
    for name in ("general.csv", "conditions.csv", "design.json"):
        if (comparison / name).read_bytes() != (copied / name).read_bytes():
            raise UserError(f"{data} was made from another comparison than {comparison}: write the report again")
    design, origin = (json.loads(path.read_text()) for path in (comparison / "design.json", data / "provenance.json"))
    table = read_csv(comparison / "general.csv")[KEPT]
    scores = read_csv(comparison / "conditions.csv").pivot(index="method", columns="condition", values="miou")
    table = table.merge(scores.reindex(columns=list(PRIMARY_CONDITIONS)), how="left", on="method")
    return table.assign(
        twins=table["method"].map({m: " ".join(own) for m, own in design["endpoint_twins"].items()}),
        seeds=len(design["seeds"]),
        blocks=len(design["blocks"]),
        simulated=any(entry["simulated"] for entry in origin["datasets"].values()),
        commit=origin["git_commit"] or "unknown",
    )


def markdown(table: pd.DataFrame) -> str:
    """The table as a README shows it, with what it takes to read it; `table` as `numbers` gives it."""
    own = table.loc[table["role"] == "proposed", "label"].iloc[0]
    headings = ["Method", *PRIMARY_CONDITIONS, "Endpoint [95 %]", f"{own} minus this [95 %]", "Holm p"]
    lines = ["| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in table.to_dict("records")]
    first = table.iloc[0]
    scenes = "**simulated** scenes" if first["simulated"] else "real scenes"
    marked = "; \\* on the HLS products of the same acquisitions" if table["twins"].notna().any() else ""
    note = (
        f"mIoU in points on {scenes}; the endpoint is the mean over {form.listing(list(PRIMARY_CONDITIONS))}{marked}. "
        f"Two-way jackknife intervals over {form.plural(int(first['blocks']), 'held-out block')} and "
        f"{form.plural(int(first['seeds']), 'seed')}. Made by commit `{first['commit'][:12]}`; the numbers unrounded: "
        f"[{NUMBERS}]({NUMBERS})."
    )
    return "\n".join([*lines, "", textwrap.fill(note, 118, break_long_words=False, break_on_hyphens=False)])


def _cells(row: Mapping[Any, Any]) -> list[str]:
    """One line of the table; the proposed method's is bold, floors are in italics."""
    mark = {"proposed": "**", "floor": "*"}.get(str(row["role"]), "")
    twin = "\\*" if isinstance(row["twins"], str) else ""
    score = f"{form.points(row['miou'])} {form.interval(row['miou_lower'], row['miou_upper'])}".strip() + twin
    change = form.interval(row["difference_lower"], row["difference_upper"], signed=True)
    return [
        f"{mark}{row['label']}{mark}",
        *(form.points(row[condition]) for condition in PRIMARY_CONDITIONS),
        f"{mark}{score}{mark}" if row["role"] == "proposed" else score,
        f"{form.signed_points(row['difference'])} {change}".strip(),
        form.p_value(row["p_holm"]),
    ]


def between(text: str) -> str:
    """What stands between the markers.

    Raises:
        UserError: the text does not have each marker once.
    """
    found = re.fullmatch(f".*{START}(.*){END}.*", text, re.DOTALL)
    if found is None or text.count(START) != 1 or text.count(END) != 1:
        raise UserError(f"the README needs one line {START} and after it one line {END}")
    return found[1].strip("\n")


def fill(readme: Path, table: pd.DataFrame) -> None:
    """Write the table between the markers of the README, and the numbers beside it."""
    text = readme.read_text()
    between(text)
    head, tail = text.split(START)[0], text.split(END)[1]
    write_csv(readme.parent / NUMBERS, table)
    write_text(readme, f"{head}{START}\n{markdown(table)}\n{END}{tail}")


def main() -> None:
    """Fill the README that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of a finished run")
    parser.add_argument("readme", type=Path, help="the README to fill")
    arguments = parser.parse_args()
    fill(arguments.readme, numbers(arguments.results))


if __name__ == "__main__":
    step_main(main)
