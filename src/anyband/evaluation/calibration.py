"""Binned confidence counts per block: enough for reliability curves and calibration errors, without inference."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BINS = 15


def binned_confidence(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> pd.DataFrame:
    """Columns bin, count, confidence_sum, correct, for `BINS` equal bins of the confidence in [0, 1].

    Args:
        confidence: (N,) probability of the predicted class.
        correct: (N,) whether that class is the reference.
    """
    index = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return pd.DataFrame(
        {
            "bin": np.arange(BINS),
            "count": np.bincount(index, minlength=BINS),
            "confidence_sum": np.bincount(index, confidence, minlength=BINS).round(3),
            "correct": np.bincount(index, correct, minlength=BINS).astype(np.int64),
        }
    )


def by_block(
    confidence: NDArray[np.floating],
    prediction: NDArray[np.integer],
    reference: NDArray[np.integer],
    block: NDArray[np.str_],
) -> pd.DataFrame:
    """Binned confidences of every block; the first axis of all arrays is the chip, reference < 0 is not scored."""
    frames = []
    for name in np.unique(block):
        inside = block == name
        scored = reference[inside] >= 0
        right = prediction[inside][scored] == reference[inside][scored]
        frame = binned_confidence(confidence[inside][scored].astype(np.float64), right)
        frames.append(frame.assign(block=str(name)))
    return pd.concat(frames, ignore_index=True)[["block", "bin", "count", "confidence_sum", "correct"]]
