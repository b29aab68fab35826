"""Does the metadata fit the pixels? What is compared, the limits, and the answer to each question.

Each question is answered by comparing what would be seen if the metadata did not fit.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from anyband.ground import Array

MIN_CELLS = 200
"""Clear cells (60 m) below which nothing is said about a pair: less than one chip of 960 m."""
MIN_STABLE = 80
MIN_SHIFT_PIXELS = 900
"""Jointly clear 30 m pixels below which no shift is measured: less than one chip."""
MIN_QUALITY = 0.5
"""Quality of a shift below which it says nothing."""
VARIATION = 0.01
"""Standard deviation of a band, reflectance, below which correlation and slope say nothing."""
IMPROVED_GEOLOCATION = "2021-08-23"
"""Sentinel-2 scenes from this day on use the global reference image."""
SYSTEMATIC_PAIRS = 4


class Expected(NamedTuple):
    """A range of one statistic on good pairs; `source` says where it comes from."""

    statistic: str
    comparison: str
    low: float | None
    high: float | None
    source: str

    def holds(self, value: float) -> bool:
        """Whether the value lies in the range."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


_LIMITS = yaml.safe_load(Path(__file__).with_name("limits.yaml").read_text(encoding="utf-8"))
WARN = tuple(Expected(**entry) for entry in _LIMITS["warn"])
STOP: dict[str, float] = _LIMITS["stop"]


class ComparedBands(NamedTuple):
    """Two products and their bands that show the same part of the spectrum.

    Attributes:
        first, second: the products.
        bands: name in the first to name in the second.
        sharp: bands, by their names in the first, that the shift is measured with; B01 of Sentinel-2 has 60 m.
    """

    first: str
    second: str
    bands: Mapping[str, str]
    sharp: Sequence[str]

    @property
    def name(self) -> str:
        """As in the audit's file."""
        return f"{self.first}-{self.second}"


COMPARISONS = tuple(ComparedBands(**entry) for entry in _LIMITS["comparisons"])
"""S30 and L30 are made from the acquisitions of the other two, so a fault shows in every comparison of its product."""

OFFSETS = {"as read": 0.0, "+0.1": 0.1, "-0.1": -0.1}
"""What would have to be added to Sentinel-2 reflectance. +0.1: the offset of baseline 04.00 was taken off although the
pixels do not hold it; -0.1: the pixels hold it and it was not taken off."""

FIT, MARGIN, AGREEMENT = 0.03, 0.04, 2 / 3
"""An answer needs a misfit up to FIT (median over bands; good pairs 0.011), MARGIN to the second, and so many bands."""

IMPOSSIBLE = -0.04
"""Median reflectance of a band that no ground has; hazy corrections of dark water end at about -0.02."""

POSSIBLE = 0.07
"""1st percentile of the darkest band above which 0.1 may be too much; water read right goes down to -0.03."""


def offset_from_twin(differences: Sequence[float]) -> dict[str, Any]:
    """Decide on the offset of Sentinel-2 from another product of the same ground.

    Args:
        differences: median of other - Sentinel-2 on stable cells, one per band.

    Returns:
        `decision` (a key of OFFSETS or "undecided") and the misfit of every hypothesis.
    """
    values = np.array(differences)
    distance = {name: np.abs(values - offset) for name, offset in OFFSETS.items()}
    misfit = {name: float(np.median(found)) for name, found in distance.items()}
    best, second = sorted(misfit, key=lambda name: misfit[name])[:2]
    nearest = np.argmin(np.array(list(distance.values())), axis=0)
    agreement = float((nearest == list(OFFSETS).index(best)).mean())
    sure = misfit[best] <= FIT and misfit[second] - misfit[best] >= MARGIN and agreement >= AGREEMENT
    return {"decision": best if sure else "undecided", "misfit": misfit, "agreement": agreement}


def offset_from_dark(levels: Mapping[str, Mapping[str, float]]) -> str:
    """What the dark pixels of Sentinel-2 alone allow: "+0.1" excludes as read; "-0.1" is only possible, as on sand."""
    found = [band for band in levels.values() if band["pixels"]]
    if not found:
        return "nothing"
    if min(band["median"] for band in found) < IMPOSSIBLE:
        return "+0.1"
    return "-0.1" if min(band["dark"] for band in found) > POSSIBLE else "as read"


def decide_offset(twins: Mapping[str, Mapping[str, Any]], dark: str) -> str:
    """One decision from all evidence; "undecided" rather than a guess.

    A product that agrees with Sentinel-2 as it was read settles it: the other one is then at fault. Dark pixels alone
    decide nothing, but what contradicts them is not believed.
    """
    decisions = {twin["decision"] for twin in twins.values()} - {"undecided"}
    if "as read" in decisions:
        return "as read" if dark != "+0.1" else "undecided"
    if len(decisions) != 1:
        return "undecided"
    decision = decisions.pop()
    return decision if dark in (decision, "nothing") or (decision, dark) == ("+0.1", "as read") else "undecided"


def common_line(first: Array, second: Array) -> dict[str, float] | None:
    """One line for all bands together, second = slope * first + intercept; None when levels hardly differ."""
    x, y = first.ravel(), second.ravel()
    if min(x.std(), y.std()) < 2 * VARIATION:
        return None
    slope, intercept = np.polyfit(x, y, 1)
    return {"slope": float(slope), "intercept": float(intercept), "r": float(np.corrcoef(x, y)[0, 1])}


def highest_r(first: Array, second: Array) -> float | None:
    """Highest correlation of all bands (band, cells) that vary in both; None when fewer than two do."""
    varying = (first.std(axis=1) > VARIATION) & (second.std(axis=1) > VARIATION)
    if varying.sum() < 2:
        return None
    pairs = zip(first[varying], second[varying], strict=True)
    return max(float(np.corrcoef(x, y)[0, 1]) for x, y in pairs)


def exchanged_bands(first: Array, second: Array) -> list[tuple[int, int]]:
    """Pairs of bands that seem exchanged in one of two products, the clearest first.

    The difference of two bands of one product changes its sign when they are exchanged, in level and in pattern, while
    offset, gain and haze of a product drop out of it or keep its sign. That tells apart even B08 and B8A.

    Args:
        first: (band, cells) of one product on stable cells.
        second: the same of the other.
    """
    found = []
    for i in range(len(first)):
        for j in range(i):
            x, y = first[i] - first[j], second[i] - second[j]
            cosine, r = _cosine(x, y), _cosine(x - x.mean(), y - y.mean())
            if cosine < STOP["exchange_cosine"] and r < STOP["exchange_r"]:
                found.append((cosine + r, j, i))
    return [(j, i) for _, j, i in sorted(found)]


def _cosine(x: Array, y: Array) -> float:
    return float((x @ y) / np.sqrt(max(float((x @ x) * (y @ y)), 1e-20)))


def same_pixels(bands: Mapping[str, Array]) -> list[tuple[str, str]]:
    """Bands of one product that hold the same pixels; `bands` (cells,) by name."""
    names = [name for name, values in bands.items() if values.std() > VARIATION / 2]
    return [
        (a, b)
        for k, a in enumerate(names)
        for b in names[k + 1 :]
        if float(np.sqrt(((bands[a] - bands[b]) ** 2).mean())) < STOP["same_pixels"]
    ]


def lone_bands(first: Array, second: Array) -> list[int]:
    """Bands far off on their own, while most of the others agree; not a matter of offset or scale.

    Args:
        first: (band, cells) of one product on stable cells.
        second: the same of the other.
    """
    difference = np.median(second - first, axis=1)
    level = np.maximum(np.abs(np.median(first, axis=1)), np.abs(np.median(second, axis=1)))
    off = np.abs(difference) > STOP["band_offset"] + STOP["band_share"] * level
    return [int(k) for k in np.flatnonzero(off)] if 0 < off.sum() < len(off) / 2 else []
