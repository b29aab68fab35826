"""The one training loop of all methods.

Everything random in a step follows from the run's seed and the step's number alone, so a run that was killed resumes
to the same weights, and every method sees the same crops in the same order.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anyband.chips.loader import ChipTable, Crop
from anyband.config import Training
from anyband.models.method import Method
from anyband.observation import Observation, QueryGrid
from anyband.runtime import progress
from anyband.training import checkpoint
from anyband.training.augmentation import SYMMETRIES, brighten, turn
from anyband.training.losses import class_weights, masked_cross_entropy

WARM_UP = 0.15
CHECKPOINT_SECONDS = 10.0
HISTORY_ROWS = 20


@dataclass
class Progress:
    """Where a training stands: steps done, seconds spent, and rows (step, loss, val_miou, seconds)."""

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def train(
    method: Method,
    table: ChipTable,
    score: Callable[[Method], float],
    settings: Training,
    *,
    seed: int,
    directory: Path,
    identity: str,
) -> list[dict[str, float]]:
    """Train `method` in place and return its history.

    Args:
        method: fresh weights.
        table: training chips.
        score: gives the validation score that the history records; it never influences the weights.
        settings: of the loop, the same for every method.
        seed: of batches and augmentation.
        directory: where an unfinished state is kept.
        identity: fingerprint of everything that the result depends on.
    """
    if not any(parameter.requires_grad for parameter in method.parameters()):
        return fit_at_once(method, table, score, settings, seed)
    optimizer = torch.optim.AdamW(
        method.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    weights = class_weights(method.statistics.label_counts, settings.class_weights)
    done = _resume(directory, identity, method, optimizer)
    batches = table.random_batches(settings.batch, settings.crop_m, settings.steps, seed)
    remaining = islice(batches, done.step, None)
    saved, label = time.monotonic(), f"training {directory.parent.name} {directory.name}"
    method.train()
    for indices, crop in progress(remaining, label, settings.steps - done.step):
        started = time.monotonic()
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * one_cycle(done.step / settings.steps)
        loss = training_loss(method, table, indices, crop, weights, step_seed(seed, done.step))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimizer.step()
        done.step += 1
        _record(done, float(loss.detach()), method, score, settings)
        done.seconds += time.monotonic() - started
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            state = {"model": method.state_dict(), "optimizer": optimizer.state_dict(), "progress": vars(done)}
            checkpoint.save(directory, identity, state)
            saved = time.monotonic()
    return done.history


def training_loss(
    method: Method, table: ChipTable, indices: np.ndarray, crop: Crop, weights: torch.Tensor | None, seed: int
) -> torch.Tensor:
    """Loss of one batch."""
    observation, query, labels = training_batch(method, table, indices, crop, seed)
    heads = method.heads(observation, query)
    return torch.stack([masked_cross_entropy(logits, labels, weights) for logits in heads]).mean()


def training_batch(
    method: Method, table: ChipTable, indices: np.ndarray, crop: Crop, seed: int
) -> tuple[Observation, QueryGrid, torch.Tensor]:
    """One batch with its labels: draw a symmetry, a brightness and which sensors are at hand."""
    torch.manual_seed(seed)
    symmetry = int(torch.randint(SYMMETRIES, ()))
    products = method.products_of(float(torch.rand(())))
    observation = table.observation(indices, products, crop)
    observation, labels = turn(observation, table.labels(indices, crop), symmetry, crop.side_m)
    size = labels.shape[-1]
    return brighten(observation, BRIGHTNESS), QueryGrid(crop.side_m / size, size, size), labels


def fit_at_once(
    method: Method, table: ChipTable, score: Callable[[Method], float], settings: Training, seed: int
) -> list[dict[str, float]]:
    """Train a method without gradients on the batches that the steps of any other method see; one row of history."""
    started = time.monotonic()
    steps = list(table.random_batches(settings.batch, settings.crop_m, settings.steps, seed))
    method.fit(training_batch(method, table, *step, step_seed(seed, number)) for number, step in enumerate(steps))
    seconds = time.monotonic() - started
    weights = class_weights(method.statistics.label_counts, settings.class_weights)
    with torch.no_grad():
        loss = float(training_loss(method, table, *steps[-1], weights, step_seed(seed, settings.steps - 1)))
    return [{"step": settings.steps, "loss": loss, "val_miou": score(method), "seconds": seconds}]


BRIGHTNESS = 0.05


def calibration_batches(method: Method, table: ChipTable) -> Iterator[tuple[Observation, QueryGrid, torch.Tensor]]:
    """Whole chips of `table` in order, with everything that the method trains on, and their labels."""
    size = table.label.shape[-1]
    for indices in table.ordered_batches(4):
        observation = table.observation(indices, method.training_products())
        yield observation, QueryGrid(table.chip_m / size, size, size), table.labels(indices)


def one_cycle(share: float) -> float:
    """Learning rate over its peak after `share` of all steps: linear rise, then half a cosine down to 0."""
    if share < WARM_UP:
        return 0.05 + 0.95 * share / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP)))


def step_seed(seed: int, step: int) -> int:
    """Seed of everything random in one step."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def _record(done: Progress, loss: float, method: Method, score: Callable[[Method], float], settings: Training) -> None:
    """Add a row to the history every few steps, with a validation score when one is due."""
    done.loss_sum, done.loss_count = done.loss_sum + loss, done.loss_count + 1
    due = {round(settings.steps * (i + 1) / settings.validations) for i in range(settings.validations)}
    every = max(settings.steps // HISTORY_ROWS, 1)
    if done.step in due or done.step % every == 0:
        value = score(method) if done.step in due else float("nan")
        method.train()
        row = {"step": done.step, "loss": done.loss_sum / done.loss_count, "val_miou": value, "seconds": done.seconds}
        done.history.append(row)
        done.loss_sum, done.loss_count = 0.0, 0


def _resume(directory: Path, identity: str, method: Method, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the state of an unfinished run of the same identity, if there is one."""
    state: dict[str, Any] | None = checkpoint.restore(directory, identity)
    if state is None:
        return Progress()
    method.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])
