"""The one training loop of all methods.

Everything random in a step follows from the run's seed and the step's number alone, so a run that was killed resumes
to the same weights, and every method sees the same crops in the same order. Several processes (`training.distributed`)
draw the same batch and take a part of it each.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anyband.chips.dataset import ChipDataset, Crop
from anyband.config import Training
from anyband.fingerprint import step_fingerprint
from anyband.models.core.method import Batch, Method
from anyband.models.core.network import IGNORED, class_weights
from anyband.observation import QueryGrid
from anyband.runtime import UserError, asked_to_stop, atomic_path, progress
from anyband.training.augmentation import SYMMETRIES, brighten, turn
from anyband.training.distributed import ALONE, World, compiled

WARM_UP = 0.15
BRIGHTNESS = 0.05
CHECKPOINT = "last.ckpt"
CHECKPOINT_SECONDS = 10.0
HISTORY_ROWS = 20

Score = Callable[[Method], float]


@dataclass
class Progress:
    """Where a training stands: steps done, seconds spent, and rows (step, loss, validation score, seconds).

    `losses` are those of the last steps in this process alone, left where they were computed: asking a GPU for a number
    makes it wait.
    """

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)

    def settle(self, world: World) -> None:
        """Add the last losses of all processes to the sum."""
        for loss in world.sum(self.losses):
            self.loss_sum, self.loss_count = self.loss_sum + loss, self.loss_count + 1
        self.losses = []


def train(
    method: Method,
    table: ChipDataset,
    score: Score,
    settings: Training,
    *,
    seed: int,
    directory: Path,
    identity: str,
    world: World = ALONE,
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
        world: the processes that share the work; all of them call this.

    Raises:
        UserError: SIGTERM came; the state is saved, and the same call goes on from there.
    """
    if not any(parameter.requires_grad for parameter in method.parameters()):
        return fit_at_once(method, table, score, settings, seed)
    optimizer = torch.optim.AdamW(
        method.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    weights = class_weights(method.statistics.label_counts, settings.class_weights)
    done = _resume(directory, identity, method, optimizer)
    loss_of = world.loss_of(method)
    batches = islice(table.random_batches(settings.batch, settings.crop_m, settings.steps, seed), done.step, None)
    saved, label = time.monotonic(), f"training {directory.parent.name} {directory.name}"
    method.train()
    with asked_to_stop() as asked, compiled(method, world):
        for indices, crop in progress(batches, label, settings.steps - done.step):
            started = time.monotonic()
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * one_cycle(done.step / settings.steps)
            optimizer.zero_grad()
            batch = training_batch(method, table, indices, crop, step_seed(seed, done.step))
            done.losses.append(backward(loss_of, batch, weights, world, settings.micro_batch))
            torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
            optimizer.step()
            done.step += 1
            _record(done, method, score, settings, world)
            done.seconds += time.monotonic() - started
            stop = world.any(asked()) and done.step < settings.steps
            if world.any(stop or time.monotonic() - saved > CHECKPOINT_SECONDS):
                _save(directory, identity, method, optimizer, done, world)
                saved = time.monotonic()
            if stop:
                reached = f"after step {done.step} of {settings.steps}"
                raise UserError(f"{label} was told to stop {reached}: its state is saved, run it again to go on")
    return done.history


def backward(loss_of: nn.Module, batch: Batch, weights: Tensor | None, world: World, at_once: int | None) -> Tensor:
    """Add the gradients of the loss of a batch, and return this process's part of the loss.

    The loss is a mean over the batch's scored pixels, so every part counts by its share of them: parts, one after the
    other or in several processes, give the gradients of the whole.
    """
    observation, query, labels = batch
    weights = None if weights is None else weights.to(world.device)
    scored = (labels != IGNORED).sum().clamp_min(1)
    parts = world.parts(len(labels), at_once)
    losses = []
    for part in parts:
        chosen = observation.part(part, world.device), query, labels[part].to(world.device)
        share = ((labels[part] != IGNORED).sum() / scored).to(world.device)
        with nullcontext() if part is parts[-1] else world.without_exchange(loss_of):
            with world.autocast():
                loss = share * loss_of(chosen, weights)
            mean = loss if world.size == 1 else world.size * loss  # processes take the mean of their gradients
            mean.backward()
        losses.append(loss.detach())
    return torch.stack(losses).sum()


def training_batch(method: Method, table: ChipDataset, indices: np.ndarray, crop: Crop, seed: int) -> Batch:
    """One batch with its labels: draw a symmetry, a brightness and which sensors are at hand."""
    torch.manual_seed(seed)
    symmetry = int(torch.randint(SYMMETRIES, ()))
    seen = frozenset(product for product, chips in table.seen.items() if chips[indices].all())
    products = method.drawn(float(torch.rand(())), seen)
    observation = table.observation(indices, products, crop)
    observation, labels = turn(observation, table.labels(indices, crop), symmetry, crop.side_m)
    size = labels.shape[-1]
    return brighten(observation, BRIGHTNESS), QueryGrid(crop.side_m / size, size, size), labels


def fit_at_once(
    method: Method, table: ChipDataset, score: Score, settings: Training, seed: int
) -> list[dict[str, float]]:
    """Train a method without gradients on the batches that the steps of any other method see; one row of history."""
    started = time.monotonic()
    steps = list(table.random_batches(settings.batch, settings.crop_m, settings.steps, seed))
    method.fit(training_batch(method, table, *step, step_seed(seed, number)) for number, step in enumerate(steps))
    seconds = time.monotonic() - started
    weights = class_weights(method.statistics.label_counts, settings.class_weights)
    with torch.no_grad():
        batch = training_batch(method, table, *steps[-1], step_seed(seed, settings.steps - 1))
        loss = float(method.loss(batch, weights))
    return [{"step": settings.steps, "loss": loss, method.validated: score(method), "seconds": seconds}]


def calibration_batches(method: Method, table: ChipDataset) -> Iterator[Batch]:
    """Whole chips of `table` in order that all saw that the method trains on, with all of it, and their labels."""
    size, chips = table.label.shape[-1], table.having(method.training_products)
    for start in range(0, len(chips), 4):
        indices = chips[start : start + 4]
        observation = table.observation(indices, method.training_products)
        yield observation, QueryGrid(table.chip_m / size, size, size), table.labels(indices)


def one_cycle(share: float) -> float:
    """Learning rate over its peak after `share` of all steps: linear rise, then half a cosine down to 0."""
    if share < WARM_UP:
        return 0.05 + 0.95 * share / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP)))


def step_seed(seed: int, step: int) -> int:
    """Seed of everything random in one step."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def _record(done: Progress, method: Method, score: Score, settings: Training, world: World) -> None:
    """Add a row to the history every few steps, with a validation score when one is due."""
    due = {round(settings.steps * (i + 1) / settings.validations) for i in range(settings.validations)}
    every = max(settings.steps // HISTORY_ROWS, 1)
    if done.step in due or done.step % every == 0:
        done.settle(world)
        value = score(method) if done.step in due and world.rank == 0 else float("nan")
        method.train()
        loss = done.loss_sum / done.loss_count
        done.history.append({"step": done.step, "loss": loss, method.validated: value, "seconds": done.seconds})
        done.loss_sum, done.loss_count = 0.0, 0


_code_of = cache(step_fingerprint)


def run_identity(*values: Any) -> str:
    """Hash of settings (anything JSON can hold), of torch's version and of the source that training runs."""
    text = json.dumps([values, torch.__version__, _code_of("train")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _save(
    directory: Path, identity: str, method: Method, optimizer: torch.optim.Optimizer, done: Progress, world: World
) -> None:
    """Keep the state, so that a killed run goes on; all processes have the same one, and the first writes it."""
    done.settle(world)
    if world.rank == 0:
        state = {"model": method.state_dict(), "optimizer": optimizer.state_dict(), "progress": vars(done)}
        with atomic_path(directory / CHECKPOINT) as temporary:
            torch.save({"identity": identity, "state": state}, temporary)


def _resume(directory: Path, identity: str, method: Method, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the state of an unfinished run of the same identity, if there is a readable one."""
    try:
        document = torch.load(directory / CHECKPOINT, weights_only=True)
    except Exception:  # whatever a missing or damaged file raises, the answer is to start again
        return Progress()
    if not isinstance(document, dict) or document.get("identity") != identity:
        return Progress()
    state = document["state"]
    method.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])
