"""What stated probabilities are worth: sums per block for the comparison, and one temperature for a run and condition.

From the sums calibration is computed without inference. Two kinds of bins over [0, 1], both of `BINS` equal widths:

* by the confidence, the probability of the predicted class (Guo et al. 2017, On calibration of modern neural networks,
  ICML, section 2);
* class by class, by the probability of that class, one against the rest, whichever class is predicted (Kull et al.
  2019, Beyond temperature scaling, NeurIPS, classwise-ECE).

Beside them stand the sums of -ln p(reference) and of the squared distance of all probabilities from the reference
(Brier 1950, Verification of forecasts expressed in terms of probability, in the form that sums over classes: 0 to 2).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyband.chips.dataset import ChipDataset
from anyband.evaluation.confusion import BY_CLASS, OVERALL
from anyband.evaluation.inference import Change, evenly_spaced, logits_of
from anyband.models.baselines.prediction_fusion import fit_log_temperature
from anyband.models.core.method import Method
from anyband.runtime import UserError

BINS = 15

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

COUNTED = ("count", "correct", "positives")

# At most 24 576 pixels: neighbours tell much the same, so many places matter more than many pixels of each.
CHIPS = 48
PIXELS_PER_CHIP = 512


class CalibrationSums:
    """Sums over the scored pixels of every block at one temperature, filled batch by batch.

    Attributes:
        temperature: what logits are divided by before the softmax; 1 leaves them as predicted.
        blocks: names of the blocks, sorted.
        overall: (block, bin, 5) in the order of `OVERALL`; bins of the confidence.
        by_class: (block, class, bin, 3) in the order of `BY_CLASS`; bins of the class's probability.
    """

    def __init__(self, block: NDArray[np.str_], classes: int, temperature: float = 1.0) -> None:
        """Start at 0 for the chips whose blocks are `block` (N,)."""
        self.temperature = temperature
        self.blocks, self._block_of = np.unique(block, return_inverse=True)
        self.overall = np.zeros((len(self.blocks), BINS, len(OVERALL)))
        self.by_class = np.zeros((len(self.blocks), classes, BINS, len(BY_CLASS)))

    def add(self, indices: Integers, logits: Tensor, prediction: Integers, label: Integers) -> None:
        """Count the pixels of some chips.

        Args:
            indices: (B,) which chips.
            logits: (B, classes, H, W) on the CPU.
            prediction: (B, H, W) class index of the largest; rounding at another temperature may not change it.
            label: (B, H, W) class index, below 0 where not scored.
        """
        scored = label.reshape(-1) >= 0
        truth = label.reshape(-1)[scored].astype(np.int64)
        block = np.repeat(self._block_of[indices], label[0].size)[scored]
        # Classes first: a softmax over an inner axis of a few classes takes three times as long.
        pixels = logits.movedim(1, 0).flatten(1)[:, torch.from_numpy(scored)]
        log_probability = (pixels / self.temperature).log_softmax(dim=0)
        probability = log_probability.exp().numpy()
        predicted = prediction.reshape(-1)[scored]
        every, (blocks, classes) = np.arange(len(truth)), self.by_class.shape[:2]
        confidence = probability[predicted, every]
        nll = -log_probability.numpy()[truth, every]
        brier = np.square(probability).sum(axis=0) - 2 * probability[truth, every] + 1
        cell = block * BINS + bin_of(confidence)
        for column, weight in enumerate((None, confidence, predicted == truth, nll, brier)):
            self.overall[..., column] += np.bincount(cell, weight, minlength=blocks * BINS).reshape(-1, BINS)
        cell = (block + np.arange(classes)[:, None] * blocks) * BINS + bin_of(probability)  # (classes, n)
        for column, (where, weight) in enumerate(
            ((cell, None), (cell, probability.ravel()), (cell[truth, every], None))
        ):
            counted = np.bincount(where.ravel(), weight, minlength=blocks * classes * BINS)
            self.by_class[..., column] += counted.reshape(classes, blocks, BINS).swapaxes(0, 1)

    def overall_table(self) -> pd.DataFrame:
        """Columns block, bin and those of `OVERALL`, with every bin."""
        block, index = np.indices(self.overall.shape[:2])
        return _table({"block": self.blocks[block.ravel()], "bin": index.ravel()}, self.overall, OVERALL)

    def class_table(self, codes: Sequence[int]) -> pd.DataFrame:
        """Columns block, class (label code), bin and those of `BY_CLASS`, without empty bins."""
        block, index, place = np.indices(self.by_class.shape[:3])
        name, code = self.blocks[block.ravel()], np.asarray(codes)[index.ravel()]
        table = _table({"block": name, "class": code, "bin": place.ravel()}, self.by_class, BY_CLASS)
        return table[table["count"] > 0]


def bin_of(probability: Floats) -> NDArray[np.int64]:
    """Bin of each probability in [0, 1]; 1 belongs to the last one."""
    return np.minimum((probability * np.float64(BINS)).astype(np.int64), BINS - 1)


def _table(keys: dict[str, NDArray[np.generic]], sums: NDArray[np.float64], names: Sequence[str]) -> pd.DataFrame:
    columns = {name: sums[..., index].ravel() for index, name in enumerate(names)}
    whole = {name: values.astype(np.int64) for name, values in columns.items() if name in COUNTED}
    return pd.DataFrame(keys | {name: values.round(3) for name, values in columns.items()} | whole)


def fit_temperature(
    method: Method, validation: ChipDataset, products: frozenset[str], change: Change | None = None
) -> float:
    """The temperature T > 0 that minimises the negative log likelihood of softmax(logits / T).

    Guo et al. 2017, section 4.2. Dividing all logits of a pixel by one positive number changes its probabilities and
    never which of them is the largest. Fitted on evenly spaced scored pixels of evenly spaced chips, so that it is the
    same every time; 1 where no chip of the validation split was seen by all the products.

    Args:
        method: a trained one.
        validation: chips of the validation split, never of the test split.
        products: that are loaded.
        change: what the method sees of them, if not everything as it is.

    Raises:
        UserError: none of these pixels is scored.
        UnsupportedInputError: the method cannot take the input.
    """
    logits, labels, chips = [], [], validation.having(products)
    if not len(chips):
        return 1.0
    chips = chips[evenly_spaced(len(chips), CHIPS)]
    for part, maps in logits_of(method, validation, products, chips, change):
        for label, one in zip(validation.label[part], maps.flatten(2).numpy(), strict=True):
            scored = np.flatnonzero(label >= 0)
            chosen = scored[evenly_spaced(len(scored), PIXELS_PER_CHIP)]
            logits.append(one[:, chosen].T)
            labels.append(label.reshape(-1)[chosen])
    truth = torch.from_numpy(np.concatenate(labels).astype(np.int64))
    if not len(truth):
        raise UserError("no pixel of the validation chips is scored, so no temperature can be fitted")
    return float(fit_log_temperature(torch.from_numpy(np.concatenate(logits)).double(), truth).exp())
