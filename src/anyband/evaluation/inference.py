"""Logits of the chips of a split, batch by batch: every map of an evaluation, and the score that a training reports."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anyband.chips.dataset import ChipDataset
from anyband.conditions import CONDITIONS, PRIMARY_CONDITIONS, TWINS
from anyband.evaluation.confusion import confusion_matrix, mean_iou
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


CHIPS = 32


def validation_score(method: Method, table: ChipDataset) -> float:
    """Mean mIoU on evenly spaced validation chips over the primary conditions, or their twins, that can be answered."""
    method.eval()
    known: dict[frozenset[str], float] = {}
    scores = []
    for products in watched(method).values():
        chips = table.having(products)
        if products not in known and len(chips):
            indices = chips[evenly_spaced(len(chips), CHIPS)]
            maps = [logits.argmax(dim=1).numpy() for _, logits in logits_of(method, table, products, indices)]
            matrix = confusion_matrix(table.label[indices], np.concatenate(maps), len(table.classes))
            known[products] = float(mean_iou(matrix))
        if products in known:
            scores.append(known[products])
    return float(np.mean(scores)) if scores else float("nan")


@torch.inference_mode()
def explained(method: Any, table: ChipDataset) -> float:
    """The score of a pretraining: mean over ordered pairs of products, and the bands of the second, of 1 - error.

    The error is the squared one over the variance. On evenly spaced validation chips; the two acquisitions are up to
    some days apart, so 1 is out of reach.

    Args:
        method: a `Reconstruction`.
        table: validation chips.
    """
    method.eval()
    products = method.training_products
    observation, query = table.observation(evenly_spaced(len(table), CHIPS), products), label_grid(table)
    shares: list[float] = []
    for source in sorted(products):
        spectra = method(observation.only(frozenset({source})), query)
        for group in (group for group in observation.groups if group.product != source):
            shares += method.explained(spectra, query, group)
    return float(np.mean(shares)) if shares else float("nan")


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
