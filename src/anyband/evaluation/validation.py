"""The score that a training reports while it runs."""

import numpy as np

from anyband.chips.dataset import ChipTable
from anyband.evaluation.availability import watched
from anyband.evaluation.confusion import confusion_matrix, mean_iou
from anyband.evaluation.inference import predict
from anyband.models.core.method import Method

CHIPS = 32


def validation_score(method: Method, table: ChipTable) -> float:
    """Mean mIoU on evenly spaced validation chips over the primary conditions, or their twins, that can be answered."""
    method.eval()
    indices = np.unique(np.linspace(0, len(table) - 1, min(len(table), CHIPS)).astype(int))
    known: dict[frozenset[str], float] = {}
    scores = []
    for products in watched(method).values():
        if products not in known:
            maps = predict(method, table, products, indices)
            known[products] = mean_iou(confusion_matrix(table.label[indices], maps.prediction, len(table.classes)))
        scores.append(known[products])
    return float(np.mean(scores))
