"""The leakage certificate: what is shared between the splits, measured from the chips and not from the split's code."""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from anyband.config import Split
from anyband.ground import Array
from anyband.runtime import UserError
from anyband.splits.division import SPLITS
from anyband.splits.index import Survey, Windows
from anyband.splits.spatial import exponential_range, label_variogram, region_names

_LISTED = 20
"""Shared items are named up to this number; the count is always complete."""


def certify(survey: Survey, block: Array, split: Array, classes: Mapping[int, str], settings: Split) -> dict[str, Any]:
    """Measure the independence of the splits; `block` and `split` are (N,) names per chip.

    Scenes shared by two splits are counted but allowed: one Sentinel-2 tile covers many blocks. Pixels are not.
    Chips without coordinates are told apart by their blocks alone: no distance is measured, and `by` says so.

    Returns:
        The certificate, JSON-ready. `violations` is empty and `passes` true, except for the regime "random", which is
        there to show what leaks.

    Raises:
        UserError: one line with every violation.
    """
    members = {name: np.flatnonzero(split == name) for name in SPLITS}
    region = region_names(block, survey.positions) if survey.located else block
    certificate: dict[str, Any] = {
        "regime": settings.regime,
        "by": "distance" if survey.located else "block",
        "buffer_m": settings.buffer_m,
        "block_m": settings.block_m,
        "min_distance_m": {},
        "shared_items": {},
        "shared_pixels": {},
        "duplicate_pixels": {},
        "chips": {str(name): int((split == name).sum()) for name in np.unique(split)},
        "blocks": {name: sorted({str(b) for b in block[members[name]]}) for name in SPLITS},
        "regions": {name: sorted({str(r) for r in region[members[name]]}) for name in SPLITS},
        "class_pixels": _class_pixels(survey, members, classes),
        "label_autocorrelation": _autocorrelation(survey, settings),
    }
    for first, second in combinations(SPLITS, 2):
        key = f"{first}-{second}"
        ours, theirs = members[first], members[second]
        if len(ours) and len(theirs) and survey.located:
            # Rounded down: a certificate must not promise more than was measured.
            certificate["min_distance_m"][key] = math.floor(10 * survey.positions.least_distance(ours, theirs)) / 10
        shared = _items(survey, ours) & _items(survey, theirs)
        certificate["shared_items"][key] = {"count": len(shared), "items": sorted(shared)[:_LISTED]}
        certificate["shared_pixels"][key] = _pairs_sharing_pixels(survey, ours, theirs)
        certificate["duplicate_pixels"][key] = len(_union(survey.digests, ours) & _union(survey.digests, theirs))
    violations = _violations(certificate)
    if violations and settings.regime != "random":
        raise UserError(f"leakage between splits: {'; '.join(violations)}")
    return certificate | {"violations": violations, "passes": not violations}


def _union(sets: list[set[str]], members: Array) -> set[str]:
    return set().union(*(sets[index] for index in members))


def _items(survey: Survey, members: Array) -> set[str]:
    """Source items of some chips."""
    return {str(item) for windows in survey.windows.values() for item in np.unique(windows.item[members])} - {""}


def _pairs_sharing_pixels(survey: Survey, ours: Array, theirs: Array) -> int:
    """Pairs of chips, one of each side, that read a same pixel of a same item in any of their band groups."""
    found: set[tuple[int, int]] = set()
    for windows in survey.windows.values():
        found |= _overlaps(windows, ours, theirs, survey.positions.side_m)
    return len(found)


def _overlaps(windows: Windows, ours: Array, theirs: Array, side_m: float) -> set[tuple[int, int]]:
    """Pairs whose windows of one item overlap; windows of one item lie on its grid, so 1 m tells pixels apart."""
    from scipy.spatial import cKDTree

    found = set()
    for item in {*windows.item[ours]} & {*windows.item[theirs]} - {""}:
        mine, yours = (members[windows.item[members] == item] for members in (ours, theirs))
        first, second = (cKDTree(windows.corner[members]) for members in (mine, yours))
        for index, near in zip(mine, first.query_ball_tree(second, side_m - 1, p=np.inf), strict=True):
            found |= {(int(index), int(yours[other])) for other in near}
    return found


def _class_pixels(survey: Survey, members: Mapping[str, Array], classes: Mapping[int, str]) -> dict[str, Any]:
    return {
        name: {
            str(code): int(pixels)
            for code, pixels in zip(sorted(classes), survey.counts[indices].sum(axis=0), strict=True)
        }
        for name, indices in members.items()
    }


def _autocorrelation(survey: Survey, settings: Split) -> dict[str, Any]:
    """Variogram and range of the labels, and whether a block is as large; no range where it does not show."""
    blocks_known = survey.block is None  # of blocks that came with the chips nobody knows the side
    lag_m, disagreement = label_variogram(survey.mosaics)
    if len(lag_m) < 4:
        return {"range_m": None, "block_at_least_range": None, "lag_m": [], "disagreement": []}
    range_m = exponential_range(lag_m, disagreement)
    known = bool(np.isfinite(range_m)) and blocks_known
    return {
        "range_m": round(range_m) if np.isfinite(range_m) else None,
        "block_at_least_range": bool(settings.block_m >= range_m) if known else None,
        "lag_m": [round(lag) for lag in lag_m.tolist()],
        "disagreement": [round(share, 4) for share in disagreement.tolist()],
    }


def summary(certificate: Mapping[str, Any]) -> list[str]:
    """Lines for the log: the labels' range against the side of a block, and what leaks in the regime "random"."""
    found = certificate["label_autocorrelation"]
    lines = ["label autocorrelation range: longer than a site shows, or no labels to tell; block_m is unproven"]
    if found["range_m"] is not None and found["block_at_least_range"] is not None:
        verdict = "at least" if found["block_at_least_range"] else "SMALLER THAN"
        side = f"blocks of {certificate['block_m']} m are {verdict} that"
        lines = [f"label autocorrelation range: {found['range_m']} m; {side}"]
    if certificate["by"] == "block":
        lines.append("no coordinates: splits are apart by the names of blocks, and no distance is known")
    if certificate["violations"]:
        lines.append(f"regime {certificate['regime']} leaks: {'; '.join(certificate['violations'])}")
    return lines


def _violations(certificate: Mapping[str, Any]) -> list[str]:
    found = []
    for key, distance in certificate["min_distance_m"].items():
        if distance < certificate["buffer_m"]:
            found.append(f"{key} chips {distance:g} m apart, less than buffer_m {certificate['buffer_m']}")
    for key, count in certificate["shared_pixels"].items():
        if count:
            found.append(f"{count} pairs of chips read the same source pixels in {key}")
    for key, count in certificate["duplicate_pixels"].items():
        if count:
            found.append(f"{count} chips with identical pixels in {key}")
    for first, second in combinations(SPLITS, 2):
        shared = set(certificate["blocks"][first]) & set(certificate["blocks"][second])
        if shared:
            found.append(f"block {sorted(shared)[0]} in both {first} and {second}")
        shared = set(certificate["regions"][first]) & set(certificate["regions"][second])
        if shared and certificate["regime"] == "regions":
            found.append(f"region {sorted(shared)[0]} in both {first} and {second}")
    if certificate["label_autocorrelation"]["block_at_least_range"] is False:
        reach = certificate["label_autocorrelation"]["range_m"]
        found.append(f"block_m {certificate['block_m']} is less than the label autocorrelation range of {reach} m")
    for name, pixels in certificate["class_pixels"].items():
        found += [f"class {code} has no scored pixel in {name}" for code, count in pixels.items() if count == 0]
    return found
