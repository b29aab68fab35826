"""What a method costs: parameters, multiply-accumulates per square kilometre, speed and memory."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from anyband.chips.dataset import ChipDataset
from anyband.evaluation.inference import Change, label_grid
from anyband.models.core.method import Method


def parameters(method: Method) -> int:
    """Number of values that a trained method keeps."""
    return sum(p.numel() for p in method.parameters())


def trainable_parameters(method: Method) -> int:
    """Of these, the number that gradients change: none in a forest, not all in a network that is partly frozen."""
    return sum(p.numel() for p in method.parameters() if p.requires_grad)


def multiply_accumulates_per_km2(
    method: Method, table: ChipDataset, products: frozenset[str], change: Change | None = None
) -> int:
    """Multiply-accumulates of a 10 m map per square kilometre, counted by torch on one chip, after `change` if any."""
    observation = table.observation([0], products)
    if change is not None:
        observation = change(np.array([0]), observation)
    # The fused attention kernel is not in the counter's table on a CPU; the plain one does the same arithmetic.
    with (
        _no_gradients(method),
        torch.inference_mode(),
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        method(observation, label_grid(table))
    operations: int = counter.get_total_flops()
    return round(operations / 2 / (table.chip_m / 1000) ** 2)


@contextmanager
def _no_gradients(method: Method) -> Iterator[None]:
    """No parameter asks for gradients: the counter fails on a layer that is given one as its input."""
    asking = [parameter for parameter in method.parameters() if parameter.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1e6 if sys.platform == "darwin" else peak / 1e3, 1)


def read_train_seconds(history: Path) -> float:
    """Wall time of the training loop, from the last row of its history."""
    last = history.read_text(encoding="utf-8").strip().splitlines()[-1]
    return float(last.rsplit(",", 1)[1])
