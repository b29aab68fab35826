"""Paired comparison of two methods on the same blocks and seeds; many tests corrected, and ranks from them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from anyband.evaluation.confusion import mean_iou
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.jackknife import Array, Estimate, Replicates, average, estimate, replicate
from anyband.statistics.protocol import LEVEL, RESOLUTION_FACTOR, SIGN_FLIP_SEEDS

EXACT_UNITS = 14  # 2^14 sign patterns are enumerated; beyond that they are sampled
SAMPLED_PATTERNS = 20_000


@dataclass(frozen=True)
class Contrast:
    """Everything the report says about `first` minus `second` on one endpoint.

    Attributes:
        first, second: keys of the methods.
        difference: score of `first` minus score of `second`, with interval and two-sided p.
        resolution: smallest difference this design resolves with 80 % power (2.8 SE).
        equivalence_p: larger p of the two one-sided tests against the margin.
        improvement: probability that `first` beats `second` on a test block with a seed; interval included.
        block_direction: mean over blocks of the seed-averaged within-block difference.
        block_flip_p: its sign-flip p over blocks.
        seeds_agree: number of seeds whose own difference has the sign of `difference`.
        seed_flip_p: sign-flip p over seeds; NaN below nine seeds, where it cannot become small.
        per_seed: difference of each seed, `(S,)`.
        per_block: seed-averaged within-block difference, `(B,)`.
    """

    first: str
    second: str
    difference: Estimate
    resolution: float
    equivalence_p: float
    improvement: Estimate
    block_direction: float
    block_flip_p: float
    seeds_agree: int
    seed_flip_p: float
    per_seed: Array
    per_block: Array


Weights = Sequence[float] | None
"""What each condition counts in a mean over them; None: all the same."""


def score(cube: ConfusionCube, method: str, conditions: tuple[str, ...], weights: Weights = None) -> Replicates:
    """Pooled mIoU averaged over conditions and seeds, with its leave-one-out values."""
    return average([replicate(cube.cells(method, condition), mean_iou) for condition in conditions], weights)


def seed_scores(cube: ConfusionCube, method: str, conditions: tuple[str, ...], weights: Weights = None) -> Array:
    """Pooled mIoU averaged over conditions, one value per seed, `(S,)`."""
    each = [mean_iou(cube.cells(method, condition).sum(axis=1)) for condition in conditions]
    scores: Array = np.average(each, axis=0, weights=weights)
    return scores


def block_scores(cube: ConfusionCube, method: str, conditions: tuple[str, ...], weights: Weights = None) -> Array:
    """Score (mIoU) inside single blocks over the classes found there, averaged over conditions, `(S, B)`.

    For sensitivity tests and pictures only: a mean over blocks is not the pooled score.
    """
    each = [mean_iou(cube.cells(method, condition)) for condition in conditions]
    scores: Array = np.average(each, axis=0, weights=weights)
    return scores


def contrast(
    cube: ConfusionCube,
    one: tuple[str, tuple[str, ...]],
    other: tuple[str, tuple[str, ...]],
    margin: float,
    weights: Weights = None,
) -> Contrast:
    """Compare a method under its conditions with the same or another one under others, paired by block and seed.

    Args:
        cube: confusion counts.
        one: key of a method and the conditions it is averaged over; positive differences favour it.
        other: the same of its rival.
        margin: equivalence margin in mIoU.
        weights: of the conditions of both.
    """
    difference = estimate(score(cube, *one, weights) - score(cube, *other, weights), LEVEL)
    cells = block_scores(cube, *one, weights) - block_scores(cube, *other, weights)  # (S, B)
    per_seed = seed_scores(cube, *one, weights) - seed_scores(cube, *other, weights)
    per_block = cells.mean(axis=0)
    return Contrast(
        first=one[0],
        second=other[0],
        difference=difference,
        resolution=RESOLUTION_FACTOR * float(difference.standard_error),
        equivalence_p=equivalence_p(difference, margin),
        improvement=improvement_probability(cells),
        block_direction=float(np.nanmean(per_block)),
        block_flip_p=sign_flip_p(per_block),
        seeds_agree=int((np.sign(per_seed) == np.sign(difference.value)).sum()),
        seed_flip_p=sign_flip_p(per_seed) if len(per_seed) >= SIGN_FLIP_SEEDS else float("nan"),
        per_seed=per_seed,
        per_block=per_block,
    )


def equivalence_p(difference: Estimate, margin: float) -> float:
    """Two one-sided tests (Schuirmann 1987): p that the true difference lies outside +-`margin`."""
    value, error = float(difference.value), float(difference.standard_error)
    if not error > 0:
        return float("nan") if np.isnan(error) else float(abs(value) >= margin)
    freedom = float(difference.degrees_of_freedom)
    above = stdtr(freedom, (value - margin) / error)
    below = stdtr(freedom, (-margin - value) / error)
    return float(max(above, below))


def improvement_probability(cells: Array) -> Estimate:
    """Probability that a method is better in a (seed, block) cell; ties count one half.

    Args:
        cells: differences per seed and block, `(S, B)`; NaN (a block without reference pixels) is left out.

    Returns:
        The estimate with the two-way interval. When every cell agrees, the jackknife sees no spread: the interval
        then is the exact binomial one on the blocks, the independent units.
    """
    valid = np.isfinite(cells)
    wins = np.where(valid, (cells > 0) + 0.5 * (cells == 0), 0.0)
    stacked = np.stack([wins, valid.astype(np.float64)], axis=-1)  # (S, B, 2)
    result = estimate(replicate(stacked, lambda pooled: pooled[..., 0] / pooled[..., 1]), LEVEL, "bounded")
    if result.standard_error > 0 or result.value not in (0.0, 1.0):
        return result
    bound = ((1 - LEVEL) / 2) ** (1 / cells.shape[1])
    low, high = (bound, 1.0) if result.value == 1 else (0.0, 1 - bound)
    return replace(result, lower=np.asarray(low), upper=np.asarray(high))


def sign_flip_p(differences: Array) -> float:
    """Two-sided sign-flip test that paired differences are symmetric about 0.

    Exact up to 14 units, otherwise on 20 000 sampled sign patterns (seed fixed; the observed one included).
    """
    values = differences[np.isfinite(differences)]
    if len(values) == 0:
        return float("nan")
    patterns = _sign_patterns(len(values))
    sums = np.abs(patterns @ values)
    observed = abs(values.sum())
    return float(np.mean(sums >= observed - 1e-12))


def _sign_patterns(units: int) -> NDArray[np.float64]:
    """All patterns of +-1, or a sample whose first row is the observed pattern, `(n, units)`."""
    if units <= EXACT_UNITS:
        return np.array(list(itertools.product((1.0, -1.0), repeat=units)))
    patterns = np.random.default_rng(0).choice((1.0, -1.0), size=(SAMPLED_PATTERNS, units))
    patterns[0] = 1.0
    return patterns


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm-adjusted p values (Holm 1979): family-wise error control without assumptions on dependence.

    NaN (untestable) stays NaN and does not count as a member of the family.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    finite = np.flatnonzero(np.isfinite(p))
    order = finite[np.argsort(p[finite], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Benjamini-Hochberg-adjusted p values (1995): false discovery rate, for exploratory tables only; NaN as `holm`.

    The arithmetic is that of `scipy.stats.false_discovery_control`, which takes seconds to import.
    """
    p = np.asarray(p_values, dtype=np.float64)
    finite = np.flatnonzero(np.isfinite(p))
    order, count = finite[np.argsort(p[finite])], len(finite)
    adjusted = np.full(p.shape, np.nan)
    scaled = p[order] * (count / np.arange(1, count + 1))
    adjusted[order] = np.clip(np.minimum.accumulate(scaled[::-1])[::-1], 0, 1)
    return adjusted


def tie_letters(scores: Sequence[float], different: NDArray[np.bool_]) -> list[str]:
    """Compact letter display: two methods share a letter exactly when they are not shown to differ.

    Insert-and-absorb algorithm of Piepho (2004), J. Comput. Graph. Stat. 13, 456-466. Letters follow the scores,
    "a" belongs to the best method.

    Args:
        scores: one finite score per method, higher is better.
        different: symmetric `(n, n)`, True where two methods are shown to differ.
    """
    methods = len(scores)
    groups: list[frozenset[int]] = [frozenset(range(methods))]
    for first in range(methods):
        for second in range(first + 1, methods):
            if different[first, second]:
                groups = _split_groups(groups, first, second)
    ordered = sorted(groups, key=lambda group: sorted(-scores[m] for m in group))
    letters = [""] * methods
    for index, group in enumerate(ordered):
        for method in group:
            letters[method] += chr(ord("a") + index)
    return letters


def _split_groups(groups: list[frozenset[int]], first: int, second: int) -> list[frozenset[int]]:
    """Replace every group that holds both methods by the two groups without one, and drop groups inside others."""
    parts: list[frozenset[int]] = []
    for group in groups:
        parts += [group - {first}, group - {second}] if {first, second} <= group else [group]
    unique = list(dict.fromkeys(parts))
    return [group for group in unique if not any(group < other for other in unique)]


def rank_intervals(scores: Sequence[float], different: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Best and worst rank that the tests leave open for each method (1 is best)."""
    values = np.asarray(scores)
    better = different & (values[None, :] > values[:, None])  # [i, j]: j is shown to be better than i
    worse = different & (values[None, :] < values[:, None])
    count = len(values)
    return [(1 + int(better[i].sum()), count - int(worse[i].sum())) for i in range(count)]
