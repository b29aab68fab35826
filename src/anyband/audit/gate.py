"""The audit: do the pixels of every pair bear out what the metadata say about offset, scale, bands and grid?

Everything is computed from the chip stores: physical values on native grids, their offsets, the clear masks. How far
good pairs are from the limits, and which faults are found, is in docs/audit.md.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from anyband import open_chips
from anyband.audit.hypotheses import IMPROVED_GEOLOCATION, MIN_QUALITY, STOP, SYSTEMATIC_PAIRS, WARN
from anyband.audit.measure import measure
from anyband.audit.mosaic import PairImages, damaged, pairs_of
from anyband.audit.verdict import CONTRADICTION, judge, moved
from anyband.runtime import UserError

KEPT = ("bias", "rmse", "r", "rma_slope")


def audit_stores(stores: Sequence[Path], chip_m: int) -> dict[str, Any]:
    """Audit all pairs of a dataset, one at a time in memory.

    Returns:
        The content of the audit's file: `dataset` (summary), `expected` and `limits`, `sites` with their pairs.

    Raises:
        UserError: a missing, unfinished or damaged store, or one of another chip side.
    """
    name, sites = "", {}
    for path in stores:
        try:
            tree = open_chips(path)
        except KeyError as error:
            raise damaged(path.stem, error) from None
        side, name = tree.attrs["chip_m"], str(tree.attrs["dataset"])
        if side != chip_m:
            raise UserError(f"{path} holds chips of {side} m, the settings say {chip_m} m: extract again")
        pairs = [audit_pair(pair) for pair in pairs_of(tree)]
        sites[str(tree.attrs["site"])] = {"pairs": pairs} | ({} if pairs else {"note": "no pairs, nothing to audit"})
    expected = [entry._asdict() for entry in WARN]
    document = {"dataset": _summarise(name, sites), "expected": expected, "limits": STOP, "sites": sites}
    return {key: _rounded(value) for key, value in document.items()}


def audit_pair(pair: PairImages) -> dict[str, Any]:
    """Figures, verdict and findings of one pair."""
    figures = measure(pair)
    verdict, findings = judge(figures, pair.day)
    return {
        "pair": pair.number,
        "day": pair.day,
        "items": pair.items,
        "chips": pair.chips.stop - pair.chips.start,
        "verdict": verdict,
        "findings": [asdict(finding) for finding in findings],
        **figures,
    }


def _summarise(name: str, sites: Mapping[str, Any]) -> dict[str, Any]:
    pairs = [pair for site in sites.values() for pair in site["pairs"]]
    kinds = Counter(f"{f['kind']}, {f['verdict']}" for pair in pairs for f in pair["findings"])
    return {
        "name": name,
        "sites": len(sites),
        "sites_without_pairs": [site for site, content in sites.items() if not content["pairs"]],
        "pairs": len(pairs),
        "verdicts": dict(Counter(pair["verdict"] for pair in pairs)),
        "offset": dict(Counter(pair["offset"]["decision"] for pair in pairs)),
        "findings": dict(kinds),
        "shift": _systematic_shift(pairs),
        "medians": _medians(pairs),
    }


def _systematic_shift(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Median shift of Landsat over all pairs, and whether it is a property of the grids rather than of scenes."""
    known = [(p, p["comparisons"].get("sentinel2-landsat", {}).get("shift")) for p in pairs]
    sure = [(p, shift) for p, shift in known if shift and shift["quality"] >= MIN_QUALITY]
    if not sure:
        return {"pairs": 0, "systematic": False}
    east, south = (float(np.median([shift[key] for _, shift in sure])) for key in ("east_m", "south_m"))
    improved = all(pair["day"] >= IMPROVED_GEOLOCATION for pair, _ in sure)
    limit = STOP["systematic_m" if improved else "systematic_before_m"]
    systematic = len(sure) >= SYSTEMATIC_PAIRS and float(np.hypot(east, south)) > limit
    return {"pairs": len(sure), "east_m": east, "south_m": south, "systematic": systematic}


def _medians(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Median over pairs of the figures of stable ground, by comparison and band."""
    collected: dict[str, dict[str, list[Mapping[str, float]]]] = {}
    for pair in pairs:
        for name, found in pair["comparisons"].items():
            for band, figures in found.get("bands", {}).items():
                collected.setdefault(name, {}).setdefault(band, []).append(figures["stable"])
    return {
        name: {
            band: {"pairs": len(entries)}
            | {key: float(np.median(v)) for key in KEPT if (v := [e[key] for e in entries if key in e])}
            for band, entries in bands.items()
        }
        for name, bands in collected.items()
    }


def stop_line(document: Mapping[str, Any], file: str) -> str | None:
    """The one line that stops the run; None when nothing contradicts the metadata.

    Args:
        document: of `audit_stores`.
        file: where the findings can be read.
    """
    summary = document["dataset"]
    hits = [
        (site, pair, finding)
        for site, content in document["sites"].items()
        for pair in content["pairs"]
        for finding in pair["findings"]
        if finding["verdict"] == CONTRADICTION
    ]
    if hits:
        site, pair, finding = hits[0]
        alike = len({(place, p["pair"]) for place, p, other in hits if other["kind"] == finding["kind"]})
        items = [pair["items"][product] for product in finding["products"]]
        what = f"site {site}, pair {pair['pair']}, {'item' if len(items) == 1 else 'items'} {' and '.join(items)}"
        advice = f"add the wrong one to datasets.{summary['name']}.exclude"
        if len(items) == 1:
            advice = f"add the item to datasets.{summary['name']}.exclude"
        if alike >= max(3, summary["pairs"] / 2):
            advice = f"{alike} of {summary['pairs']} pairs show it, so it is not the item: choose another catalog"
        return f"{what}: {finding['found']} (likely {finding['cause']}); {advice}; all findings in {file}"
    shift = summary["shift"]
    if not shift["systematic"]:
        return None
    return (
        f"dataset {summary['name']}: over {shift['pairs']} pairs Landsat has to move {moved(shift)} to lie on "
        "Sentinel-2, more than registration explains (likely a grid that was snapped: half a Landsat pixel is 15 m); "
        f"choose another catalog or reader; all findings in {file}"
    )


def _rounded(value: Any, key: str = "") -> Any:
    """Numbers with the digits that mean something: decimetres for metres, 1e-5 for everything else."""
    if isinstance(value, dict):
        return {str(k): _rounded(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry, key) for entry in value]
    if isinstance(value, float):
        return round(value, 1 if key.endswith("_m") else 5)
    return value
