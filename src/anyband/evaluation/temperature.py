"""Temperature scaling: one number per run and condition that all logits are divided by, fitted on validation chips.

Guo, Pleiss, Sun and Weinberger 2017, On calibration of modern neural networks, ICML, section 4.2. Dividing all logits
of a pixel by one positive number changes its probabilities and never which of them is the largest.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from anyband.chips.dataset import ChipTable
from anyband.evaluation.scored_maps import logits_of
from anyband.evaluation.views import View
from anyband.models.baselines.prediction_fusion import fit_log_temperature
from anyband.models.core.method import Method
from anyband.runtime import UserError

# At most 24 576 pixels: neighbours tell much the same, so many places matter more than many pixels of each.
CHIPS = 48
PIXELS_PER_CHIP = 512


def fit_temperature(method: Method, validation: ChipTable, view: View) -> float:
    """The temperature T > 0 that minimises the negative log likelihood of softmax(logits / T).

    Fitted on evenly spaced scored pixels of evenly spaced chips, so that it is the same every time.

    Args:
        method: a trained one.
        validation: chips of the validation split, never of the test split.
        view: what the method sees of them.

    Raises:
        UserError: none of these pixels is scored.
        UnsupportedInputError: the method cannot take the view.
    """
    logits, labels = [], []
    for part, maps in logits_of(method, validation, view, evenly_spaced(len(validation), CHIPS)):
        for label, one in zip(validation.label[part], maps.flatten(2).numpy(), strict=True):
            scored = np.flatnonzero(label >= 0)
            chosen = scored[evenly_spaced(len(scored), PIXELS_PER_CHIP)]
            logits.append(one[:, chosen].T)
            labels.append(label.reshape(-1)[chosen])
    truth = torch.from_numpy(np.concatenate(labels).astype(np.int64))
    if not len(truth):
        raise UserError("no pixel of the validation chips is scored, so no temperature can be fitted")
    return float(fit_log_temperature(torch.from_numpy(np.concatenate(logits)).double(), truth).exp())


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the indices below `count`, from the first to the last at even distances."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
