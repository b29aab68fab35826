"""Maps of a split under one condition."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from anyband.chips.dataset import ChipTable
from anyband.models.core.method import Method
from anyband.observation import Observation, QueryGrid

BATCH = 4


@dataclass(frozen=True)
class Maps:
    """Maps of some chips: class index and its probability, (N, H, W), and the time they took."""

    prediction: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    seconds: float


def label_grid(table: ChipTable) -> QueryGrid:
    """The grid of a chip's labels."""
    height, width = table.label.shape[1:]
    return QueryGrid(table.chip_m / width, height, width)


Change = Callable[[NDArray[np.integer], Observation], Observation]
"""What is done to the observation of some chips before a method sees it."""


def predict(
    method: Method,
    table: ChipTable,
    products: frozenset[str],
    indices: NDArray[np.integer] | None = None,
    change: Change | None = None,
) -> Maps:
    """Map the chips `indices` (all by default) of a split from `products`, on the labels' 10 m grid.

    Raises:
        UnsupportedInputError: the method cannot take what `change` makes of the observation.
    """
    chosen = np.arange(len(table)) if indices is None else indices
    query = label_grid(table)
    size = query.height
    device = next(method.parameters(), torch.empty(0)).device
    prediction = np.empty((len(chosen), size, size), np.uint8)
    confidence = np.empty((len(chosen), size, size), np.float32)
    start = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, len(chosen), BATCH):
            part = slice(first, first + BATCH)
            observation = table.observation(chosen[part], products)
            seen = observation if change is None else change(chosen[part], observation)
            logits = method(seen.part(slice(None), device), query).float().cpu()
            best, index = logits.max(dim=1)
            prediction[part] = index.numpy()
            confidence[part] = (best - logits.logsumexp(dim=1)).exp().numpy()
    return Maps(prediction, confidence, time.perf_counter() - start)
