"""Integer confusion matrices: the atom of every table, rows = reference, columns = prediction."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def confusion_matrix(reference: NDArray[np.integer], prediction: NDArray[np.integer], classes: int) -> Integers:
    """Counts (classes, classes) of class indices; pixels with a reference below 0 are not scored."""
    scored = reference >= 0
    pairs = reference[scored].astype(np.int64) * classes + prediction[scored]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def mean_iou(matrix: Integers) -> float:
    """Mean intersection over union of the classes that occur in the reference; NaN when none does."""
    hits = np.diag(matrix).astype(float)
    reference = matrix.sum(axis=1)
    union = reference + matrix.sum(axis=0) - hits
    present = reference > 0
    return float((hits[present] / union[present]).mean()) if present.any() else float("nan")


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
    count = len(codes)
    frames = [
        pd.DataFrame(
            {
                "block": name,
                "reference": np.repeat(codes, count),
                "prediction": np.tile(codes, count),
                "count": matrix.ravel(),
            }
        )
        for name, matrix in matrices.items()
    ]
    return pd.concat(frames, ignore_index=True)
