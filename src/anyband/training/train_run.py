"""One training run from settings to files."""

import ctypes
import hashlib
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from anyband.chips.dataset import ChipDataset, load_split
from anyband.config import Run
from anyband.models.core.method import Method
from anyband.models.core.storage import Recipe, load, read_recipe, save, training_products
from anyband.runtime import UserError, read_csv, write_csv
from anyband.training.band_moments import measure
from anyband.training.distributed import joined
from anyband.training.loop import CHECKPOINT, calibration_batches, run_identity, train

Score = Callable[[Method, ChipDataset], float]


def train_run(
    settings: Run, seed: int, chips: Path, splits: Path, directory: Path, score: Score, pretrained: Path | None = None
) -> None:
    """Train one method with one seed and write `model.safetensors`, `settings.json` and `history.csv`.

    Under `torchrun` every process calls this, and the first one writes.

    Args:
        settings: method, loop and classes.
        seed: of weights, batches and augmentation.
        chips: folder of the sites' chip stores.
        splits: the table of splits.
        directory: of the run; a state that an earlier, killed run left there is taken up.
        score: scores a method on the validation chips, for the history.
        pretrained: folder of a pretraining whose weights, and statistics of pixels, this one starts from.

    Raises:
        UserError: a pretraining of another architecture.
    """
    keep_large_blocks()
    directory.mkdir(parents=True, exist_ok=True)
    own, loop = settings.method, settings.training
    products = training_products(own.model, own.options, loop.leave_out, settings.products)
    blocks = training_blocks(splits, loop.label_fraction, seed)
    table = load_split(chips, splits, "train", products, settings.classes, blocks)
    validation = load_split(chips, splits, "val", products, settings.classes)
    recipe = Recipe(
        method=settings.name,
        model=settings.method.model,
        options=settings.method.options,
        classes=table.classes,
        statistics=_statistics(table, products, pretrained),
        training=settings.training.model_dump(mode="json"),
        seed=seed,
        threads=torch.get_num_threads() * int(os.environ.get("WORLD_SIZE", 1)),
    )
    torch.manual_seed(seed)
    method = recipe.build()
    recipe = replace(recipe, note=start_from(method, pretrained) if pretrained else method.prepare())
    with joined() as world:
        history = train(
            method.to(world.device),
            table,
            lambda trained: score(trained, validation),
            settings.training,
            seed=seed,
            directory=directory,
            identity=run_identity(asdict(recipe), torch.get_num_threads(), world.size, world.device.type),
            world=world,
        )
    if world.rank:
        return
    method.cpu().eval()
    method.calibrate(calibration_batches(method, validation))
    write_csv(directory / "history.csv", pd.DataFrame(history).round({"loss": 5, method.validated: 5, "seconds": 2}))
    save(directory, recipe, method)
    (directory / CHECKPOINT).unlink(missing_ok=True)


def _statistics(table: ChipDataset, products: frozenset[str], pretrained: Path | None) -> dict[str, Any]:
    """Of the training pixels; what a pretraining knows of pixels stays as it was, and only labels are counted anew."""
    mine = measure(table, products).as_dict()
    if pretrained is None:
        return mine
    return read_recipe(pretrained).statistics | {"label_counts": mine["label_counts"]}


def start_from(method: Method, pretrained: Path) -> str:
    """Take over all weights of a pretraining but those of the last layer; one line on it for settings and report.

    Raises:
        UserError: a pretraining of another architecture.
    """
    recipe, found = load(pretrained)
    weights = {name.removeprefix("encoder."): tensor for name, tensor in found.state_dict().items()}
    mine = method.state_dict()
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("decoder.head.")}
    if {n: t.shape for n, t in kept.items()} != {n: mine[n].shape for n in mine if not n.startswith("decoder.head.")}:
        raise UserError(f"{pretrained} is of another architecture than {recipe.method}: pretrain it again")
    method.load_state_dict(mine | kept)
    return f"pretrained without labels for {recipe.training['steps']} steps"


def training_blocks(splits: Path, fraction: float, seed: int) -> tuple[str, ...] | None:
    """The training blocks in the table of splits that a run of this seed may use; None for all of them.

    Args:
        splits: the table of splits.
        fraction: share of the training blocks, in (0, 1].
        seed: of the run.
    """
    if fraction == 1:
        return None
    table = read_csv(splits)
    return nested_blocks(table.loc[table["split"] == "train", "block"].unique(), fraction, seed)


def nested_blocks(blocks: Iterable[str], fraction: float, seed: int) -> tuple[str, ...]:
    """A share of `blocks`, at least one, in an order that depends on the seed and the names alone.

    A smaller share is a part of every larger one of the same seed, so a curve over shares adds labels and never swaps
    them, and every method of a seed gets the same blocks.
    """
    known = sorted(set(blocks), key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).hexdigest())
    return tuple(known[: max(1, math.ceil(fraction * len(known) - 1e-9))])


def keep_large_blocks() -> None:
    """Ask the C library to keep freed memory instead of returning it at once, where it has that setting (glibc).

    Feature maps of several MB come and go in every step; asking the kernel for each of them costs a quarter of the
    step. The two numbers are M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h.
    """
    try:
        adjust = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for parameter in (-3, -1):
        adjust(parameter, 2**30)
