"""Scores of confusion matrices: rows are reference classes, columns are predicted classes.

Every function takes counts `(..., K, K)` and works on the last two axes. A class without reference pixels has no
score (NaN) and does not enter a mean; it is never scored 0. A class with reference pixels that is never predicted
scores 0. Predictions of an absent or ignored class on valid reference pixels stay errors of the reference class.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64] | NDArray[np.float64]
Scores = NDArray[np.float64]


def without_ignored(counts: Counts, ignored: Sequence[int]) -> Counts:
    """Remove the reference pixels of the classes at positions `ignored`; the matrix keeps its shape."""
    kept = counts.copy()
    kept[..., list(ignored), :] = 0
    return kept


def present_classes(counts: Counts) -> NDArray[np.bool_]:
    """Say which classes have reference pixels, `(..., K)`."""
    present: NDArray[np.bool_] = counts.sum(axis=-1) > 0
    return present


def class_iou(counts: Counts) -> Scores:
    """Intersection over union of each class, `(..., K)` float64 in [0, 1], NaN without reference pixels."""
    hits, reference, predicted = _margins(counts)
    return _ratio(hits, reference + predicted - hits, reference > 0)


def class_f1(counts: Counts) -> Scores:
    """F1 (Dice) of each class, `(..., K)` float64 in [0, 1], NaN without reference pixels."""
    hits, reference, predicted = _margins(counts)
    return _ratio(2 * hits, reference + predicted, reference > 0)


def mean_iou(counts: Counts) -> Scores:
    """Mean IoU over the classes that occur in the reference, `(...)`; NaN for an empty matrix."""
    return _mean_over_classes(class_iou(counts))


def macro_f1(counts: Counts) -> Scores:
    """Mean F1 over the classes that occur in the reference, `(...)`; NaN for an empty matrix."""
    return _mean_over_classes(class_f1(counts))


def overall_agreement(counts: Counts) -> Scores:
    """Share of reference pixels whose class is predicted, `(...)`.

    The report calls it agreement with the label product: the labels are themselves a map, not ground truth.
    """
    hits, reference, _ = _margins(counts)
    total = reference.sum(axis=-1)
    return _ratio(hits.sum(axis=-1), total, total > 0)


def _margins(counts: Counts) -> tuple[Scores, Scores, Scores]:
    """Diagonal, reference totals and prediction totals, each `(..., K)` float64."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    return hits, counts.sum(axis=-1).astype(np.float64), counts.sum(axis=-2).astype(np.float64)


def _ratio(numerator: Scores, denominator: Scores, defined: NDArray[np.bool_]) -> Scores:
    """Divide where `defined`, NaN elsewhere."""
    out = np.full(np.shape(numerator), np.nan)
    result: Scores = np.divide(numerator, denominator, out=out, where=defined)
    return result


def _mean_over_classes(scores: Scores) -> Scores:
    """Mean of the last axis over its finite entries; NaN when there is none (without a warning)."""
    finite = np.isfinite(scores)
    total = np.where(finite, scores, 0.0).sum(axis=-1)
    count = finite.sum(axis=-1)
    return _ratio(total, count.astype(np.float64), count > 0)
