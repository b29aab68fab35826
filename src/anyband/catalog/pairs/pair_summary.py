"""What pairing left of a dataset, read from its tables: for people who choose dates, sites and thresholds."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from anyband.catalog.pairs.site_pairs import DROP_COLUMNS, NOT_NEEDED, PAIR_COLUMNS
from anyband.runtime import UserError, own_files, read_own

_CLOUDY = re.compile(r"clear in both [\d.]+ < ([\d.]+) \(Sentinel-2 ([\d.]+), Landsat ([\d.]+)\)")


@dataclass(frozen=True)
class SitePairs:
    """Tables of one site; `position` is longitude and latitude (degrees), None where no manifest tells it."""

    name: str
    position: tuple[float, float] | None
    pairs: Sequence[Mapping[str, str]]
    drops: Sequence[Mapping[str, str]]

    @property
    def reasons(self) -> Counter[str]:
        """Number of drops by reason; what no pair needed is none."""
        return Counter(entry["reason"] for entry in self.drops if entry["reason"] != NOT_NEEDED)


def read_dataset(results: Path, dataset: str | None) -> tuple[str, list[SitePairs]]:
    """The tables of all sites of a dataset, sorted by name.

    Args:
        results: folder of the results.
        dataset: name; None for the only one.

    Returns:
        Name of the dataset, and its sites.

    Raises:
        UserError: no such dataset, several to choose from, or a table that is not one of ours.
    """
    known = sorted({path.parent.name for path in own_files(results / "pairs", "*/*.csv")})
    if dataset is None and len(known) > 1:
        raise UserError(f"{results} has pairs of several datasets: name one of {', '.join(known)}")
    if not known or (dataset or known[0]) not in known:
        what = f"pairs of dataset {dataset}" if dataset else "pairs"
        raise UserError(
            f"{results} has no {what}: run the workflow first" + (f", known: {', '.join(known)}" if known else "")
        )
    name = dataset or known[0]
    tables = [path for path in own_files(results / "pairs" / name, "*.csv") if not path.stem.endswith(".dropped")]
    return name, [_read_site(results, name, table) for table in tables]


def _read_site(results: Path, dataset: str, table: Path) -> SitePairs:
    dropped = table.with_name(f"{table.stem}.dropped.csv")
    pairs, drops = _read_table(table, PAIR_COLUMNS), _read_table(dropped, DROP_COLUMNS)
    return SitePairs(table.stem, _position(results / "scenes" / dataset / table.stem), pairs, drops)


def _read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(read_own(path), newline=""))
    rows = list(reader)
    if missing := set(columns) - set(reader.fieldnames or ()):
        raise UserError(f"{path} has no column {min(missing)}: run the pairing again")
    return rows


def _position(manifests: Path) -> tuple[float, float] | None:
    """Middle of the box that was searched, which crosses the antimeridian where its west is east of its east."""
    for path in sorted(manifests.glob("*.json")):
        try:
            west, south, east, north = json.loads(path.read_text(encoding="utf-8"))["query"]["bbox"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        longitude = (west + east + (360 if east < west else 0)) / 2
        return (longitude + 180) % 360 - 180, (south + north) / 2
    return None


def cloudy_matches(sites: Sequence[SitePairs]) -> tuple[list[tuple[float, float]], float | None]:
    """Clear shares (Sentinel-2, Landsat) of the matches that were too cloudy, and the threshold they missed."""
    found = [
        match
        for site in sites
        for entry in site.drops
        if entry["reason"] == "cloudy" and (match := _CLOUDY.search(entry["detail"]))
    ]
    threshold = float(found[0][1]) if found else None
    return [(float(match[2]), float(match[3])) for match in found], threshold


def format_table(dataset: str, sites: Sequence[SitePairs]) -> str:
    """One line a site, then the totals, as aligned text."""
    header = ("site", "pairs", "median day gap", "median joint clear", "dropped")
    every = SitePairs("all", None, [p for s in sites for p in s.pairs], [d for s in sites for d in s.drops])
    rows = [header, *map(_cells, sites), _cells(every)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = ["  ".join(_align(cell, width, column) for column, (cell, width) in _numbered(row, widths)) for row in rows]
    lines = [line.rstrip() for line in lines]
    rule = "-" * max(map(len, lines))
    none = sum(not site.pairs for site in sites)
    total = f"{dataset}: {len(every.pairs)} pairs at {len(sites)} sites, {none} of them without pairs"
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], "", total]) + "\n"


def _numbered(row: Sequence[str], widths: Sequence[int]) -> enumerate[tuple[str, int]]:
    return enumerate(zip(row, widths, strict=True))


def _align(cell: str, width: int, column: int) -> str:
    """Text to the left, numbers to the right."""
    return cell.rjust(width) if column in (1, 2, 3) else cell.ljust(width)


def _cells(site: SitePairs) -> tuple[str, ...]:
    gap = f"{median(int(pair['day_gap']) for pair in site.pairs):g}" if site.pairs else "-"
    clear = f"{median(float(pair['clear_joint']) for pair in site.pairs):.2f}" if site.pairs else "-"
    reasons = sorted(site.reasons.items(), key=lambda entry: (-entry[1], entry[0]))
    return site.name, str(len(site.pairs)), gap, clear, ", ".join(f"{count} {reason}" for reason, count in reasons)
