"""Sentences that the report may print, each from one template and only when its conditions hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from anyband.products import BY_SHORT_NAME
from anyband.statistics.paired import Contrast
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


def make_claim(comparison: Contrast, adjusted_p: float, margin: float, labels: dict[str, str]) -> Claim:
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
    numbers = _numbers(comparison, adjusted_p, 1)
    if all(checks.values()):
        stated = _numbers(comparison, adjusted_p, 1 if positive else -1)
        return Claim("better", better, worse, f"{labels[better]} is better than {labels[worse]} {stated}.", checks)
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


def _better_checks(comparison: Contrast, adjusted_p: float) -> dict[str, bool]:
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


def _numbers(comparison: Contrast, adjusted_p: float, sign: int) -> str:
    """Difference, interval and p in parentheses; a `sign` of -1 states it from the second method's side."""
    difference = comparison.difference
    value, lower, upper = (100 * sign * float(x) for x in (difference.value, difference.lower, difference.upper))
    lower, upper = sorted((lower, upper))
    return f"({signed(value)} points mIoU, 95 % interval {signed(lower)} to {signed(upper)}, {_adjusted(adjusted_p)})"


def _adjusted(p: float) -> str:
    return "Holm-adjusted p < 0.001" if p < 0.001 else f"Holm-adjusted p = {p:.3f}"


def signed(value: float) -> str:
    """A number with its sign and a typographic minus; no sign before a rounded zero."""
    text = f"{value:+.1f}".replace("-", "−")
    return "0.0" if text == "−0.0" else text


def sensor_claims(fusion: pd.DataFrame, gaps: pd.DataFrame, seeds: int) -> list[Claim]:
    """Claims whose conditions all hold.

    Args:
        fusion: table of `sensor_gains.fusion`.
        gaps: table of `sensor_gains.gap_closed`.
        seeds: number of training seeds.
    """
    found = [_fusion_claim(row, seeds) for row in fusion.to_dict("records")]
    found += [_zero_shot_claim(row, seeds) for row in gaps.to_dict("records")]
    return [claim for claim in found if all(claim.checks.values())]


def _checks(row: Mapping[Any, Any], name: str, floor: str, seeds: int) -> dict[str, bool]:
    """The conditions of "better", for a positive difference in column `name` with its resolution in `floor`."""
    return {
        f"Holm-adjusted p below {ALPHA:g}": bool(row["p_adjusted"] < ALPHA),
        "95 % interval above 0": bool(row[f"{name}_lower"] > 0),
        "difference above the resolution floor": bool(row[name] > row[floor]),
        "within-block differences point the same way": bool(row["block_direction"] > 0),
        f"most seeds point the same way ({row['seeds_agree']} of {seeds})": bool(row["seeds_agree"] > seeds / 2),
    }


def _fusion_claim(row: Mapping[Any, Any], seeds: int) -> Claim:
    alone = f"{row['rival_label']} on {BY_SHORT_NAME[row['condition']].name} alone"
    text = (
        f"Secondary: with both sensors {row['label']} is {_points(row, 'difference')} above the best result with one "
        f"sensor ({alone}; {_adjusted(row['p_adjusted'])})."
    )
    return Claim("second sensor helps", row["method"], row["rival"], text,
                 _checks(row, "difference", "resolution", seeds))  # fmt: skip


def _zero_shot_claim(row: Mapping[Any, Any], seeds: int) -> Claim:
    source, target = BY_SHORT_NAME[row["source"]].name, BY_SHORT_NAME[row["target"]].name
    p = _adjusted(row["p_adjusted"])
    share = [f"{100 * row[key]:.0f}".replace("-", "−") for key in ("closed", "closed_lower", "closed_upper")]
    text = (
        f"Secondary: without training on {target} data, {row['label']} maps it at held-out places "
        f"{_points(row, 'gain')} better than the {source} specialist on its nearest bands ({p}), "
        f"{share[0]} % [{share[1]}, {share[2]}] of the way to the {target} specialist."
    )
    checks = _checks(row, "gain", "gain_resolution", seeds)
    checks |= {
        "the gap to the specialist exceeds the resolution floor": bool(row["gap_resolved"]),
        "share of the gap that is closed above 0": bool(row["closed_lower"] > 0),
    }
    return Claim("unseen sensor", row["method"], row["source_method"], text, checks)


def _points(row: Mapping[Any, Any], name: str) -> str:
    value, lower, upper = (signed(100 * row[key]) for key in (name, f"{name}_lower", f"{name}_upper"))
    return f"{value} points mIoU [{lower}, {upper}]"
