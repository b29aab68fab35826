"""The leakage certificate: what is shared between the splits, measured from the chips and not from the split's code."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from anyband.chips.encoding import Array
from anyband.chips.split import SPLITS
from anyband.chips.survey import Survey
from anyband.chips.variogram import label_variogram
from anyband.config import Split
from anyband.runtime import UserError

_LISTED = 20
"""Shared items are named up to this number; the count is always complete."""


def certify(survey: Survey, block: Array, split: Array, classes: Mapping[int, str], settings: Split) -> dict[str, Any]:
    """Measure the independence of the splits; `block` and `split` are (N,) names per chip.

    Scenes shared by two splits are counted but allowed: one Sentinel-2 tile covers many blocks.

    Returns:
        The certificate, JSON-ready, `passes` true.

    Raises:
        UserError: one line with every violation.
    """
    members = {name: np.flatnonzero(split == name) for name in SPLITS}
    pairs = list(combinations(SPLITS, 2))
    certificate: dict[str, Any] = {
        "buffer_m": settings.buffer_m,
        "block_m": settings.block_m,
        "min_distance_m": {},
        "shared_items": {},
        "duplicate_pixels": {},
        "chips": {name: int((split == name).sum()) for name in np.unique(split)},
        "blocks": {name: sorted({str(b) for b in block[members[name]]}) for name in SPLITS},
        "class_pixels": _class_pixels(survey, members, classes),
        "label_autocorrelation": _autocorrelation(survey, settings),
    }
    for first, second in pairs:
        key = f"{first}-{second}"
        ours, theirs = members[first], members[second]
        if len(ours) and len(theirs):
            certificate["min_distance_m"][key] = round(survey.positions.least_distance(ours, theirs), 1)
        shared = _union(survey.items, ours) & _union(survey.items, theirs)
        certificate["shared_items"][key] = {"count": len(shared), "items": sorted(shared)[:_LISTED]}
        certificate["duplicate_pixels"][key] = len(_union(survey.digests, ours) & _union(survey.digests, theirs))
    violations = _violations(certificate, settings)
    if violations:
        raise UserError(f"leakage between splits: {'; '.join(violations)}")
    return certificate | {"passes": True}


def _union(sets: list[frozenset[str]], members: Array) -> frozenset[str]:
    return frozenset().union(*(sets[index] for index in members))


def _class_pixels(survey: Survey, members: Mapping[str, Array], classes: Mapping[int, str]) -> dict[str, Any]:
    return {
        name: {
            str(code): int(pixels)
            for code, pixels in zip(sorted(classes), survey.counts[indices].sum(axis=0), strict=True)
        }
        for name, indices in members.items()
    }


def _autocorrelation(survey: Survey, settings: Split) -> dict[str, Any]:
    """Range of the labels and whether a block is as large; no range where it does not show within a site."""
    variogram = label_variogram(survey.mosaics)
    if variogram is None or not np.isfinite(variogram.range_m):
        return {"range_m": None, "block_at_least_range": None}
    return {
        "range_m": round(variogram.range_m),
        "block_at_least_range": bool(settings.block_m >= variogram.range_m),
    }


def range_line(certificate: Mapping[str, Any]) -> str:
    """One line for the log that compares the labels' autocorrelation range with the side of a block."""
    found = certificate["label_autocorrelation"]
    if found["range_m"] is None:
        return "label autocorrelation range: longer than a site shows, or no labels to tell"
    verdict = "at least" if found["block_at_least_range"] else "SMALLER THAN"
    return f"label autocorrelation range: {found['range_m']} m; blocks of {certificate['block_m']} m are {verdict} that"


def _violations(certificate: Mapping[str, Any], settings: Split) -> list[str]:
    found = []
    for key, distance in certificate["min_distance_m"].items():
        if distance < settings.buffer_m:
            found.append(f"{key} chips {distance:g} m apart, less than buffer_m {settings.buffer_m}")
    for key, count in certificate["duplicate_pixels"].items():
        if count:
            found.append(f"{count} chips with identical pixels in {key}")
    for first, second in combinations(SPLITS, 2):
        shared = set(certificate["blocks"][first]) & set(certificate["blocks"][second])
        if shared:
            found.append(f"block {sorted(shared)[0]} in both {first} and {second}")
    for name, pixels in certificate["class_pixels"].items():
        found += [f"class {code} has no scored pixel in {name}" for code, count in pixels.items() if count == 0]
    return found
