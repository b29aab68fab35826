"""Integer confusion matrices, the atom of every table, their scores, and the columns of a run's tables. Without torch.

Rows are reference classes, columns are predicted classes. Scores take counts `(..., K, K)` and work on the last two
axes. A class without reference pixels has no score (NaN) and does not enter a mean; it is never scored 0. A class with
reference pixels that is never predicted scores 0. Predictions of an absent or ignored class on valid reference pixels
stay errors of the reference class.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Counts = NDArray[np.int64] | NDArray[np.float64]
Scores = NDArray[np.float64]


CONFUSION = ("method", "seed", "condition", "block", "reference", "prediction", "count")
"""`confusion.csv`: rows of the matrix are the reference, codes of classes."""

OVERALL = ("count", "confidence_sum", "correct", "nll_sum", "brier_sum")
"""Sums in each bin of `calibration.csv`."""

BY_CLASS = ("count", "probability_sum", "positives")
"""Sums in each bin of `class_calibration.csv`."""

IMAGES = ("rmse", "psnr_db", "ssim", "ergas", "sam_deg")
"""Scores of each band in `image_scores.csv`."""


def confusion_matrix(reference: NDArray[np.integer], prediction: NDArray[np.integer], classes: int) -> Integers:
    """Counts (classes, classes) of class indices; pixels with a reference below 0 are not scored."""
    scored = reference >= 0
    pairs = reference[scored].astype(np.int64) * classes + prediction[scored]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def by_block(
    reference: NDArray[np.integer], prediction: NDArray[np.integer], block: NDArray[np.str_], classes: int
) -> dict[str, Integers]:
    """One confusion matrix per block, blocks in sorted order; the first axis of all arrays is the chip."""
    return {
        str(name): confusion_matrix(reference[block == name], prediction[block == name], classes)
        for name in np.unique(block)
    }


def tidy(matrices: dict[str, Integers], codes: tuple[int, ...]) -> pd.DataFrame:
    """Columns block, reference, prediction, count; all K * K rows of each block, with class codes."""
    cells = pd.MultiIndex.from_product([list(matrices), codes, codes], names=["block", "reference", "prediction"])
    return pd.DataFrame(
        {"count": np.concatenate([matrix.ravel() for matrix in matrices.values()])}, cells
    ).reset_index()


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
