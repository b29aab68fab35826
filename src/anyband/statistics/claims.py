"""Sentences that the report may print, each from one template and only when its conditions hold."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from anyband.statistics.paired import Comparison
from anyband.statistics.protocol import ALPHA, CLAIM_BLOCKS, CLAIM_SEEDS

Kind = Literal[
    "better", "equivalent", "not worse", "no difference shown", "second sensor helps", "unseen sensor"
]  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One sentence about two methods with the conditions that were checked.

    Attributes:
        kind: which template.
        first, second: keys of the methods in the order of the sentence.
        text: the sentence.
        checks: condition in words -> whether it holds.
    """

    kind: Kind
    first: str
    second: str
    text: str
    checks: dict[str, bool]


def why_no_claims(seeds: int, blocks: int) -> str | None:
    """A sentence when the design is too small for claims, otherwise None."""
    missing = []
    if seeds < CLAIM_SEEDS:
        missing.append(f"{seeds} of the {CLAIM_SEEDS} required seeds")
    if blocks < CLAIM_BLOCKS:
        missing.append(f"{blocks} of the {CLAIM_BLOCKS} required test blocks")
    if not missing:
        return None
    return f"No claims are made: the comparison has only {' and '.join(missing)}. The numbers stand as they are."


def make_claim(comparison: Comparison, adjusted_p: float, margin: float, labels: dict[str, str]) -> Claim:
    """Choose the strongest template whose conditions hold (protocol: better, equivalent, not worse, none).

    Args:
        comparison: difference on the primary endpoint.
        adjusted_p: Holm-adjusted p within the declared family.
        margin: equivalence margin in mIoU.
        labels: method key -> name.
    """
    positive = bool(comparison.difference.value > 0)
    checks = _better_checks(comparison, adjusted_p)
    better, worse = (comparison.first, comparison.second)[:: 1 if positive else -1]
    numbers = _numbers(comparison, adjusted_p, flip=False)
    if all(checks.values()):
        text = f"{labels[better]} is better than {labels[worse]} {_numbers(comparison, adjusted_p, not positive)}."
        return Claim("better", better, worse, text, checks)
    first, second = labels[comparison.first], labels[comparison.second]
    points = f"{100 * margin:g} mIoU point" + ("" if margin == 0.01 else "s")
    lower, upper = float(comparison.difference.lower), float(comparison.difference.upper)
    if -margin < lower and upper < margin:
        text = f"{first} and {second} are equivalent within {points} {numbers}."
        return Claim("equivalent", comparison.first, comparison.second, text, checks)
    if lower > -margin:
        text = f"{first} is not worse than {second} by more than {points} {numbers}."
        return Claim("not worse", comparison.first, comparison.second, text, checks)
    text = f"No difference shown between {first} and {second} {numbers}."
    return Claim("no difference shown", comparison.first, comparison.second, text, checks)


def _better_checks(comparison: Comparison, adjusted_p: float) -> dict[str, bool]:
    """Conditions of "A is better than B"; the direction is that of the difference."""
    difference = comparison.difference
    value = float(difference.value)
    seeds = len(comparison.per_seed)
    direction = np.sign(value)
    return {
        f"Holm-adjusted p below {ALPHA:g}": bool(adjusted_p < ALPHA),
        "95 % interval excludes 0": bool(difference.lower > 0 or difference.upper < 0),
        "difference above the resolution floor": abs(value) > comparison.resolution,
        "within-block differences point the same way": bool(np.sign(comparison.block_direction) == direction != 0),
        f"most seeds point the same way ({comparison.seeds_agree} of {seeds})": comparison.seeds_agree > seeds / 2,
    }


def _numbers(comparison: Comparison, adjusted_p: float, flip: bool) -> str:
    """Difference, interval and p in parentheses; `flip` states it from the second method's side."""
    sign = -1 if flip else 1
    value, lower, upper = (100 * sign * float(x) for x in (comparison.difference.value, *_bounds(comparison, flip)))
    p = "p < 0.001" if adjusted_p < 0.001 else f"p = {adjusted_p:.3f}"
    return f"({signed(value)} points mIoU, 95 % interval {signed(lower)} to {signed(upper)}, Holm-adjusted {p})"


def _bounds(comparison: Comparison, flip: bool) -> tuple[float, float]:
    lower, upper = float(comparison.difference.lower), float(comparison.difference.upper)
    return (upper, lower) if flip else (lower, upper)


def signed(value: float) -> str:
    """A number with its sign and a typographic minus; no sign before a rounded zero."""
    text = f"{value:+.1f}".replace("-", "−")
    return "0.0" if text == "−0.0" else text
