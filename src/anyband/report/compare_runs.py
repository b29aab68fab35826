"""What changed between two runs: data, configuration, code, results, as one page.

Reads only the `report_data/` folders that two reports left behind, so the runs themselves may be gone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from anyband.report import formatting as form
from anyband.report.page import Head, Section, render
from anyband.report.tables.table import Cell, Column, Table
from anyband.runtime import UserError, write_text

COLUMNS = (Column("What", numeric=False), Column("First", numeric=False), Column("Second", numeric=False))
LONGEST = 90  # characters of a value that are shown


@dataclass(frozen=True)
class Recorded:
    """What a report left behind: provenance, configuration, claims, and the headline of every experiment."""

    name: str
    origin: Mapping[str, Any]
    config: Mapping[str, Any]
    claims: Mapping[str, Any]
    headlines: Mapping[str, pd.DataFrame]


def compare_runs(first: Path, second: Path, out: Path) -> list[str]:
    """Write the page and return one line per section for the terminal.

    Args:
        first: folder of results, or of `report_data`.
        second: the same of the other run.
        out: the HTML file to write.

    Raises:
        UserError: a folder has no `report_data`, or one that an older version wrote.
    """
    one, other = _read(first), _read(second)
    tables = {
        "Results": _results(one, other),
        "Claims": _claims(one, other),
        "Configuration": _flat_changes("config", one.config, other.config),
        "Data": _data(one, other),
        "Code and software": _code(one, other),
    }
    lines = [f"{title}: {form.plural(len(table.rows), 'change')}" for title, table in tables.items()]
    sections = [
        Section(table.key, title, [table] if table.rows else [], [] if table.rows else ["Nothing changed."])
        for title, table in tables.items()
    ]
    head = Head(
        title="What changed between two runs",
        compared=f"First: {one.name}. Second: {other.name}. Everything here comes from the two report_data folders; "
        "what is not listed is the same in both.",
        notices=[], outcome=". ".join(lines) + ".", figures=[], notes=_caution(one, other),
    )  # fmt: skip
    methods = list(dict.fromkeys(m for run in (one, other) for t in run.headlines.values() for m in t["method"]))
    write_text(out, render([head], sections, methods, "Written by anyband compare-runs."))
    return lines


def _read(folder: Path) -> Recorded:
    data = folder if (folder / "provenance.json").is_file() else folder / "report_data"
    for name in ("provenance.json", "config.json", "claims.json"):
        if not (data / name).is_file():
            raise UserError(f"{data / name} is missing: name a results folder with a report, or its report_data")
    origin, config, claims = (
        json.loads((data / f"{name}.json").read_text()) for name in ("provenance", "config", "claims")
    )
    tables = {path.parent.name: pd.read_csv(path) for path in sorted(data.glob("comparison/*/general.csv"))}
    return Recorded(folder.as_posix(), origin, config, claims, tables)


def _caution(one: Recorded, other: Recorded) -> list[str]:
    """Where scores of the two runs do not compare."""
    names = set(one.origin["datasets"]) & set(other.origin["datasets"])
    other_data = [n for n in sorted(names) if one.origin["datasets"][n] != other.origin["datasets"][n]]
    other_data += [
        name.removeprefix("splits/").removesuffix(".csv")
        for name in sorted(set(one.origin["files_sha256"]) & set(other.origin["files_sha256"]))
        if name.startswith("splits/") and name.endswith(".csv")
        and one.origin["files_sha256"][name] != other.origin["files_sha256"][name]
    ]  # fmt: skip
    if not other_data:
        return ["Both runs were scored on the same scenes and splits. Differences between runs are not paired by seed."]
    listed = form.listing(list(dict.fromkeys(other_data)))
    return [f"Scenes or splits of {listed} differ, so scores of the two runs are not on the same pixels."]


def _results(one: Recorded, other: Recorded) -> Table:
    """Endpoint of every method of the experiments that either run has; unchanged ones are left out."""
    rows = []
    for name in dict.fromkeys([*one.headlines, *other.headlines]):
        first, second = (_by_method(run.headlines.get(name)) for run in (one, other))
        for method in dict.fromkeys([*first, *second]):
            before, after = first.get(method), second.get(method)
            if before is not None and after is not None and _score(before) == _score(after):
                continue
            known = before is not None and after is not None
            change = after["miou"] - before["miou"] if before is not None and after is not None else float("nan")
            label = str((after or before or {})["label"])
            rows.append([
                Cell(label, value=label, method=method), Cell(name), Cell(_score(before)), Cell(_score(after)),
                Cell(form.signed_points(change) if known else form.DASH, value=change),
            ])  # fmt: skip
    columns = [Column("Method", numeric=False), Column("Experiment", numeric=False), Column("First [95 %]"),
               Column("Second [95 %]"), Column("Change")]  # fmt: skip
    return Table("results", "Scores that changed",
                 "Endpoint, mIoU in points, of methods whose score or interval differs. The change carries no "
                 "interval: seeds of two runs are not paired.", columns, rows)  # fmt: skip


def _by_method(table: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    records = [] if table is None else table.to_dict("records")
    return {str(row["method"]): {str(key): value for key, value in row.items()} for row in records}


def _score(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "not in this run"
    return f"{form.points(row['miou'])} {form.interval(row['miou_lower'], row['miou_upper'])}".strip()


def _claims(one: Recorded, other: Recorded) -> Table:
    """Sentences that only one run printed."""
    first, second = (
        {claim["text"] for entry in run.claims.values() for claim in entry["claims"] + entry.get("sensor_claims", [])}
        for run in (one, other)
    )
    rows = [[Cell(text, css="wrap"), Cell("first")] for text in sorted(first - second)]
    rows += [[Cell(text, css="wrap"), Cell("second")] for text in sorted(second - first)]
    columns = [Column("Claim", numeric=False), Column("Only in", numeric=False)]
    return Table("claims", "Claims that only one run makes", "Word for word, so another digit is another claim.",
                 columns, rows)  # fmt: skip


def _flat_changes(key: str, first: Any, second: Any) -> Table:
    """Leaves of two documents that differ, by their path."""
    left, right = dict(_leaves("", first)), dict(_leaves("", second))
    rows = [
        [Cell(path, css="wrap"), Cell(_short(left.get(path)), css="wrap"), Cell(_short(right.get(path)), css="wrap")]
        for path in dict.fromkeys([*left, *right])
        if left.get(path) != right.get(path)
    ]
    return Table(key, "Settings that changed", "Path in the document, and its value in each run.", COLUMNS, rows)


def _leaves(path: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in _leaves(f"{path}.{key}".lstrip("."), inner)]
    return [(path, value)]


def _short(value: Any) -> str:
    if value is None:
        return form.DASH
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _data(one: Recorded, other: Recorded) -> Table:
    """Datasets: items gained and lost, and hashes of splits and audits."""
    rows = []
    for name in dict.fromkeys([*one.origin["datasets"], *other.origin["datasets"]]):
        first, second = (run.origin["datasets"].get(name, {}) for run in (one, other))
        lost, gained = (
            len(set(a.get("item_ids", [])) - set(b.get("item_ids", []))) for a, b in ((first, second), (second, first))
        )
        if lost or gained:
            rows.append([Cell(f"{name}: items that the other lacks"), Cell(str(lost)), Cell(str(gained))])
        for key in ("simulated", "endpoints", "retrieved", "classes_sha256"):
            if first.get(key) != second.get(key):
                rows.append([Cell(f"{name}: {key}"), Cell(_short(first.get(key))), Cell(_short(second.get(key)))])
    files = [run.origin["files_sha256"] for run in (one, other)]
    for path in sorted(p for p in {*files[0], *files[1]} if p.startswith(("splits/", "audit/"))):
        if files[0].get(path) != files[1].get(path):
            rows.append([Cell(path), *(Cell(_short((part.get(path) or "")[:16] or None)) for part in files)])
    return Table("data", "Data that changed", "Scenes by their ids; files by the first digits of their SHA-256.",
                 COLUMNS, rows)  # fmt: skip


def _code(one: Recorded, other: Recorded) -> Table:
    """Versions of this software, of Python and of packages."""
    kept = ("anyband", "git_commit", "python", "machine", "packages", "seeds")
    parts = [{key: run.origin.get(key) for key in kept} for run in (one, other)]
    table = _flat_changes("code", *parts)
    return Table("code", "Software that changed", "Versions and commits of each run.", COLUMNS, table.rows)
