"""The score that a training reports while it runs, and the conditions that it is of."""

from collections.abc import Sequence

import numpy as np

from anyband.chips.dataset import ChipDataset
from anyband.conditions import CONDITIONS, PRIMARY_CONDITIONS, TWINS
from anyband.evaluation.confusion import confusion_matrix, mean_iou
from anyband.evaluation.inference import evenly_spaced, logits_of
from anyband.models.core.method import Method

CHIPS = 32


def validation_score(method: Method, table: ChipDataset) -> float:
    """Mean mIoU on evenly spaced validation chips over the primary conditions, or their twins, that can be answered."""
    method.eval()
    indices = evenly_spaced(len(table), CHIPS)
    known: dict[frozenset[str], float] = {}
    scores = []
    for products in watched(method).values():
        if products not in known:
            maps = [logits.argmax(dim=1).numpy() for _, logits in logits_of(method, table, products, indices)]
            matrix = confusion_matrix(table.label[indices], np.concatenate(maps), len(table.classes))
            known[products] = float(mean_iou(matrix))
        scores.append(known[products])
    return float(np.mean(scores))


def answerable(method: Method, conditions: Sequence[str]) -> dict[str, frozenset[str]]:
    """Of `conditions`, those that the method can make a map for, with the products that it then looks at."""
    return {key: used for key in conditions if (used := method.usable(CONDITIONS[key]))}


def watched(method: Method) -> dict[str, frozenset[str]]:
    """The conditions that training is watched on, of products that it reads anyway.

    The primary ones, or their twins when the method can answer none of these, or else whatever it can answer.
    """
    trained = method.training_products
    for conditions in (PRIMARY_CONDITIONS, TWINS, tuple(CONDITIONS)):
        found = {key: used for key, used in answerable(method, conditions).items() if used <= trained}
        if found:
            return found
    return {}
