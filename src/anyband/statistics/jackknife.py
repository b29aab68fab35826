"""Two-way jackknife over test blocks and training seeds.

Neighbouring chips are not independent and a trained model is one draw among many, so the units of resampling are the
spatial blocks and the seeds. For a statistic T (a score, a difference of scores, a calibration error):

    Vb  = delete-one-block jackknife variance      Vs = delete-one-seed jackknife variance
    SE  = sqrt(Vb + Vs)                            df = (Vb + Vs)^2 / (Vb^2 / (B - 1) + Vs^2 / (S - 1))

and the interval is T +- t(df) SE (Satterthwaite 1946 for the degrees of freedom). Vb and Vs are kept apart: they
answer "more blocks or more seeds?".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtr, stdtrit

Array = NDArray[np.float64]
Statistic = Callable[[NDArray[np.float64]], Array]

# Below and above these values a bounded score is close enough to its bound for a symmetric interval to mislead.
LOGIT_BELOW = 0.1
LOGIT_ABOVE = 0.9


@dataclass(frozen=True)
class Replicates:
    """A statistic and its leave-one-out values.

    Attributes:
        value: the statistic on everything, shape E (any, also none).
        without_block: value when one block is left out, `(B, *E)`.
        without_seed: value when one seed is left out, `(S, *E)`; S = 1 holds NaN.
        used: (B,) bool, the blocks that have any count: a sensor may have missed some, which are then no units.
    """

    value: Array
    without_block: Array
    without_seed: Array
    used: NDArray[np.bool_]

    def __sub__(self, other: "Replicates") -> "Replicates":
        """Paired difference: the same block and the same seed are left out on both sides."""
        return combine(np.subtract, self, other)


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; every field has the statistic's shape E (0-d arrays for a single number).

    `variance_blocks`, `variance_seeds`, `standard_error` and `degrees_of_freedom` are on the scale of the
    computation, which is the logit scale when `logit` is set. `p_value` is two-sided for a true value of 0.
    """

    value: Array
    lower: Array
    upper: Array
    standard_error: Array
    degrees_of_freedom: Array
    variance_blocks: Array
    variance_seeds: Array
    p_value: Array
    logit: bool = False

    def columns(self, name: str) -> dict[str, float]:
        """A single number and its bounds as cells of a table's row: `name`, `name_lower`, `name_upper`."""
        return {name: float(self.value), f"{name}_lower": float(self.lower), f"{name}_upper": float(self.upper)}


def combine(function: Callable[..., Array], *parts: Replicates) -> Replicates:
    """Apply an elementwise function to statistics that share their blocks and seeds; units stay paired."""
    used = np.asarray(np.stack([part.used for part in parts]).any(axis=0))
    return Replicates(
        function(*(part.value for part in parts)),
        function(*(part.without_block for part in parts)),
        function(*(part.without_seed for part in parts)),
        used,
    )


def replicate(cells: NDArray[np.int64] | Array, statistic: Statistic) -> Replicates:
    """Compute a statistic on pooled blocks, seed by seed, averaged over seeds, with its leave-one-out values.

    Args:
        cells: additive counts per seed and block, `(S, B, ...)`; they are summed over blocks.
        statistic: maps pooled counts `(n, ...)` to values `(n, *E)`.
    """
    values = np.asarray(cells, dtype=np.float64)
    seeds, blocks = values.shape[:2]
    pooled = values.sum(axis=1)  # (S, ...)
    per_seed = np.asarray(statistic(pooled))  # (S, *E)
    reduced = pooled[:, None] - values  # (S, B, ...)
    without_block = np.asarray(statistic(reduced.reshape(-1, *pooled.shape[1:])))
    without_block = without_block.reshape(seeds, blocks, *per_seed.shape[1:]).mean(axis=0)
    value = per_seed.mean(axis=0)
    without_seed = (seeds * value - per_seed) / (seeds - 1) if seeds > 1 else np.full_like(per_seed, np.nan)
    used = np.asarray(np.moveaxis(values, 1, 0).reshape(blocks, -1).any(axis=1))
    return Replicates(value, without_block, without_seed, used)


def average(parts: Sequence[Replicates], weights: Sequence[float] | None = None) -> Replicates:
    """Mean of statistics that share their blocks and seeds, such as the endpoint over its conditions."""
    return combine(lambda *values: np.asarray(np.average(values, axis=0, weights=weights)), *parts)


def estimate(replicates: Replicates, level: float = 0.95, scale: Literal["linear", "bounded"] = "linear") -> Estimate:
    """Interval and two-sided test of a statistic.

    Args:
        replicates: from `replicate`, `average` or their differences.
        level: coverage, e.g. 0.95.
        scale: "bounded" for single scores in [0, 1]: the interval is computed on the logit scale when the score lies
            near 0 or 1, and clipped to [0, 1]. Use "linear" for differences.
    """
    if scale == "bounded" and _needs_logit(replicates):
        inner = _t_interval(combine(logit, replicates), level)
        return replace(inner, value=replicates.value, lower=expit(inner.lower), upper=expit(inner.upper), logit=True)
    result = _t_interval(replicates, level)
    if scale == "linear":
        return result
    return replace(result, lower=np.clip(result.lower, 0, 1), upper=np.clip(result.upper, 0, 1))


def two_sided_p(value: Array, standard_error: Array, degrees_of_freedom: Array) -> Array:
    """Two-sided p of a t statistic; without any spread it is 1 for an exact 0 and 0 otherwise."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stdtr(degrees_of_freedom, -np.abs(value) / standard_error)
    return np.where(standard_error > 0, p, np.where(np.isfinite(value), (value == 0).astype(float), np.nan))


def _t_interval(replicates: Replicates, level: float) -> Estimate:
    """Two-way jackknife interval on the scale of the replicates."""
    without_block = replicates.without_block[replicates.used]
    variance_blocks = _jackknife_variance(without_block)
    variance_seeds = _jackknife_variance(replicates.without_seed)
    known_seeds = np.where(np.isnan(variance_seeds), 0.0, variance_seeds)
    blocks, seeds = len(without_block), len(replicates.without_seed)
    total = variance_blocks + known_seeds
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = variance_blocks**2 / max(blocks - 1, 1) + known_seeds**2 / max(seeds - 1, 1)
        freedom = np.where(spread > 0, total**2 / spread, np.inf)
    freedom = np.where(np.isnan(total), np.nan, freedom)
    error = np.sqrt(total)
    # stdtrit does not take infinity; a million degrees of freedom are the normal distribution
    half = stdtrit(np.minimum(freedom, 1e6), 0.5 + level / 2) * error
    return Estimate(
        value=replicates.value,
        lower=replicates.value - half,
        upper=replicates.value + half,
        standard_error=error,
        degrees_of_freedom=freedom,
        variance_blocks=variance_blocks,
        variance_seeds=variance_seeds,
        p_value=two_sided_p(replicates.value, error, freedom),
    )


def _jackknife_variance(without_one: Array) -> Array:
    """Delete-one jackknife variance over the first axis; NaN with fewer than two units."""
    units = len(without_one)
    if units < 2:
        return np.full(without_one.shape[1:], np.nan)
    deviation = without_one - without_one.mean(axis=0)
    variance: Array = (units - 1) / units * (deviation**2).sum(axis=0)
    # leave-one-out values of identical units differ by rounding only: that is no spread
    return np.where(variance < 1e-24, 0.0, variance)


def _needs_logit(replicates: Replicates) -> bool:
    """Say whether a single score lies near a bound and all its replicates inside the bounds."""
    if np.ndim(replicates.value) > 0 or LOGIT_BELOW <= replicates.value <= LOGIT_ABOVE:
        return False
    values = np.concatenate([replicates.without_block.ravel(), replicates.without_seed.ravel(), [replicates.value]])
    values = values[np.isfinite(values)]
    return bool(len(values) > 0 and values.min() > 0 and values.max() < 1)
