"""Logits of the chips of a split, batch by batch: every map of an evaluation is made here."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyband.chips.dataset import ChipDataset
from anyband.models.core.method import Method
from anyband.observation import Observation, QueryGrid

BATCH = 4

Change = Callable[[NDArray[np.integer], Observation], Observation]
"""What is done to the observation of some chips before a method sees it."""


def label_grid(table: ChipDataset) -> QueryGrid:
    """The grid of a chip's labels."""
    height, width = table.label.shape[1:]
    return QueryGrid(table.chip_m / width, height, width)


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the indices below `count`, from the first to the last at even distances."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


@torch.inference_mode()
def logits_of(
    method: Method,
    table: ChipDataset,
    products: frozenset[str],
    indices: NDArray[np.integer],
    change: Change | None = None,
) -> Iterator[tuple[NDArray[np.integer], Tensor]]:
    """Some of the chips `indices` (B,) and their logits (B, classes, H, W) float32 on the CPU, until all had a turn.

    Args:
        method: that makes the maps, on the labels' 10 m grid.
        table: the chips.
        products: that are loaded.
        indices: of the chips wanted.
        change: what the method sees of them, if not everything as it is.

    Raises:
        UnsupportedInputError: the method cannot take what `change` makes of the observation.
    """
    query = label_grid(table)
    device = next(method.parameters(), torch.empty(0)).device
    for first in range(0, len(indices), BATCH):
        part = indices[first : first + BATCH]
        observation = table.observation(part, products)
        seen = observation if change is None else change(part, observation)
        yield part, method(seen.part(slice(None), device), query).float().cpu()
