"""Maps of a split under one condition, with what their probabilities are worth, batch by batch."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyband.chips.dataset import ChipTable
from anyband.evaluation.calibration_sums import CalibrationSums
from anyband.evaluation.inference import BATCH, label_grid
from anyband.evaluation.views import View
from anyband.models.core.method import Method


@dataclass(frozen=True)
class ScoredMaps:
    """Maps of all chips of a split.

    Attributes:
        prediction: (N, H, W) class index.
        as_predicted: calibration of the probabilities that the method gives.
        scaled: the same after temperature scaling; None where no temperature was given.
        seconds: time that the maps took, without the sums.
    """

    prediction: NDArray[np.uint8]
    as_predicted: CalibrationSums
    scaled: CalibrationSums | None
    seconds: float


@torch.inference_mode()
def logits_of(
    method: Method, table: ChipTable, view: View, indices: NDArray[np.integer]
) -> Iterator[tuple[NDArray[np.integer], Tensor]]:
    """Some of the chips `indices` (B,) and their logits (B, classes, H, W) float32 on the CPU, until all had a turn.

    Raises:
        UnsupportedInputError: the method cannot take the view.
    """
    query, change = label_grid(table), view.change(table)
    device = next(method.parameters(), torch.empty(0)).device
    for first in range(0, len(indices), BATCH):
        part = indices[first : first + BATCH]
        observation = table.observation(part, view.products)
        seen = observation if change is None else change(part, observation)
        yield part, method(seen.part(slice(None), device), query).float().cpu()


def score_maps(method: Method, table: ChipTable, view: View, temperature: float | None = None) -> ScoredMaps:
    """Map every chip; no probabilities are kept beyond their batch.

    Args:
        method: that makes the maps.
        table: the chips, with labels.
        view: what the method sees of them.
        temperature: for a second look at the same probabilities, fitted on other chips.

    Raises:
        UnsupportedInputError: the method cannot take the view.
    """
    prediction = np.empty(table.label.shape, np.uint8)
    as_predicted = CalibrationSums(table.block, len(table.classes))
    scaled = None if temperature is None else CalibrationSums(table.block, len(table.classes), temperature)
    seconds, start = 0.0, time.perf_counter()
    for part, logits in logits_of(method, table, view, np.arange(len(table))):
        prediction[part] = logits.argmax(dim=1).numpy()
        seconds += time.perf_counter() - start
        for sums in (as_predicted, scaled):
            if sums is not None:
                sums.add(part, logits, prediction[part], table.label[part])
        start = time.perf_counter()
    return ScoredMaps(prediction, as_predicted, scaled, seconds)
