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
from anyband.report.cells import EMPTY, Cell, Column, named, points, text, wrapped
from anyband.report.content import Head, Section, Table, render, worded
from anyband.report.read import records
from anyband.runtime import UserError, own_files, read_csv, read_json, write_text

Change = tuple[str | Cell, str | Cell, str | Cell]
COLUMNS = [text("What", lambda row: row[0]), text("First", lambda row: row[1]), text("Second", lambda row: row[2])]
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
        Section(table.key, title, *(([worded(table, "changes")],) if table.rows else ((), ["Nothing changed."])))
        for title, table in tables.items()
    ]
    head = Head(
        title="What changed between two runs",
        compared=f"First: {one.name}. Second: {other.name}. Everything here comes from the two report_data folders; "
        "what is not listed is the same in both.",
        notices=[],
        outcome=". ".join(lines) + ".",
        figures=[],
        notes=_caution(one, other),
    )
    methods = list(dict.fromkeys(m for run in (one, other) for t in run.headlines.values() for m in t["method"]))
    write_text(out, render([head], sections, methods, "Written by anyband compare-runs."))
    return lines


def _read(folder: Path) -> Recorded:
    data = folder if (folder / "provenance.json").is_file() else folder / "report_data"
    for name in ("provenance.json", "config.json", "claims.json"):
        if not (data / name).is_file():
            raise UserError(f"{data / name} is missing: name a results folder with a report, or its report_data")
    origin, config, claims = (read_json(data / f"{name}.json") for name in ("provenance", "config", "claims"))
    tables = {path.parent.name: read_csv(path, "reference") for path in own_files(data, "comparison/*/general.csv")}
    return Recorded(folder.as_posix(), origin, config, claims, tables)


def _caution(one: Recorded, other: Recorded) -> list[str]:
    """Where scores of the two runs do not compare."""
    datasets, files = (_changed_keys(one.origin[key], other.origin[key]) for key in ("datasets", "files_sha256"))
    splits = [name for name in files if name.startswith("splits/") and name.endswith(".csv")]
    other_data = [*datasets, *(name.removeprefix("splits/").removesuffix(".csv") for name in splits)]
    if not other_data:
        return ["Both runs were scored on the same scenes and splits. Differences between runs are not paired by seed."]
    listed = form.listing(list(dict.fromkeys(other_data)))
    return [f"Scenes or splits of {listed} differ, so scores of the two runs are not on the same pixels."]


def _changed_keys(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Keys of both whose values differ."""
    return [key for key in sorted(set(first) & set(second)) if first[key] != second[key]]


def _results(one: Recorded, other: Recorded) -> Table:
    """Endpoint of every method of the experiments that either run has; unchanged ones are left out."""
    before, after = (
        {(name, row["method"]): row for name, table in run.headlines.items() for row in records(table)}
        for run in (one, other)
    )
    rows = [
        (*key, before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if _score(before.get(key)) != _score(after.get(key))
    ]

    def change(row: Any) -> Cell:
        known = row[2] is not None and row[3] is not None
        return points(row[3]["miou"] - row[2]["miou"], signed=True) if known else EMPTY

    columns = [
        text("Method", lambda row: named(str((row[3] or row[2])["label"]), row[1])),
        text("Experiment", lambda row: str(row[0])),
        Column("First [95 %]", lambda row: _score(row[2])),
        Column("Second [95 %]", lambda row: _score(row[3])),
        Column("Change", change),
    ]
    return Table("results", columns, rows)


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
    rows = [
        (words, "first" if words in first else "second") for words in (*sorted(first - second), *sorted(second - first))
    ]
    columns = [text("Claim", lambda row: wrapped(row[0])), text("Only in", lambda row: row[1])]
    return Table("claims", columns, rows)


def _flat_changes(key: str, first: Any, second: Any) -> Table:
    """Leaves of two documents that differ, by their path."""
    left, right = dict(_leaves("", first)), dict(_leaves("", second))
    rows: list[Change] = [
        (wrapped(path), wrapped(_short(left.get(path))), wrapped(_short(right.get(path))))
        for path in dict.fromkeys([*left, *right])
        if left.get(path) != right.get(path)
    ]
    return Table(key, COLUMNS, rows)


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
    rows: list[Change] = []
    for name in dict.fromkeys([*one.origin["datasets"], *other.origin["datasets"]]):
        first, second = (run.origin["datasets"].get(name, {}) for run in (one, other))
        items = [set(run.get("item_ids", [])) for run in (first, second)]
        if items[0] != items[1]:
            lost, gained = str(len(items[0] - items[1])), str(len(items[1] - items[0]))
            rows.append((f"{name}: items that the other lacks", lost, gained))
        for key in ("simulated", "endpoints", "retrieved", "classes_sha256"):
            if first.get(key) != second.get(key):
                rows.append((f"{name}: {key}", _short(first.get(key)), _short(second.get(key))))
    before, after = (run.origin["files_sha256"] for run in (one, other))
    for path in sorted(path for path in {*before, *after} if path.startswith(("splits/", "audit/"))):
        if before.get(path) != after.get(path):
            digits = [_short((part.get(path) or "")[:16] or None) for part in (before, after)]
            rows.append((path, digits[0], digits[1]))
    return Table("data", COLUMNS, rows)


def _code(one: Recorded, other: Recorded) -> Table:
    """Versions of this software, of Python and of packages."""
    kept = ("anyband", "git_commit", "python", "machine", "packages", "threads", "seeds")
    return _flat_changes("code", *({key: run.origin.get(key) for key in kept} for run in (one, other)))
