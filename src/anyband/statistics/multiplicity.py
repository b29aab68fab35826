"""Corrections for many tests, tie groups and rank intervals."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
    """Benjamini-Hochberg-adjusted p values (1995): false discovery rate, for exploratory tables only; NaN as `holm`."""
    from scipy.stats import false_discovery_control  # a second to import, and the report needs none of it

    p = np.asarray(p_values, dtype=np.float64)
    finite = np.isfinite(p)
    adjusted = np.full(p.shape, np.nan)
    adjusted[finite] = false_discovery_control(p[finite])
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
