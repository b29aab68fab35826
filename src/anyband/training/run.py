"""One training run from settings to files."""

import ctypes
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch

from anyband.chips.loader import ChipTable, load_split
from anyband.config import Run
from anyband.models.method import Method
from anyband.models.registry import model_type
from anyband.models.storage import Recipe, save
from anyband.runtime import write_csv
from anyband.training import checkpoint
from anyband.training.distributed import joined
from anyband.training.labels import training_blocks
from anyband.training.loop import calibration_batches, train
from anyband.training.statistics import measure

Score = Callable[[Method, ChipTable], float]


def train_run(settings: Run, seed: int, chips: Path, splits: Path, directory: Path, score: Score) -> None:
    """Train one method with one seed and write `model.safetensors`, `settings.json` and `history.csv`.

    Under `torchrun` every process calls this, and the first one writes.

    Args:
        settings: method, loop and classes.
        seed: of weights, batches and augmentation.
        chips: folder of the sites' chip stores.
        splits: the table of splits.
        directory: of the run; a state that an earlier, killed run left there is taken up.
        score: scores a method on the validation chips, for the history.
    """
    keep_large_blocks()
    directory.mkdir(parents=True, exist_ok=True)
    model = model_type(settings.method.model, settings.training.leave_out, settings.method.options)
    products = model.training_products()
    blocks = training_blocks(splits, settings.training.label_fraction, seed)
    table = load_split(chips, splits, "train", products, settings.classes, blocks)
    validation = load_split(chips, splits, "val", products, settings.classes)
    recipe = Recipe(
        method=settings.name,
        model=settings.method.model,
        options=settings.method.options,
        classes=table.classes,
        statistics=measure(table, products).as_dict(),
        training=settings.training.model_dump(mode="json"),
        seed=seed,
    )
    torch.manual_seed(seed)
    method = recipe.build()
    recipe = replace(recipe, note=method.prepare())
    with joined() as world:
        history = train(
            method.to(world.device),
            table,
            lambda trained: score(trained, validation),
            settings.training,
            seed=seed,
            directory=directory,
            identity=checkpoint.fingerprint(asdict(recipe), torch.get_num_threads(), world.size, world.device.type),
            world=world,
        )
    if world.rank:
        return
    method.cpu().eval()
    method.calibrate(calibration_batches(method, validation))
    write_csv(directory / "history.csv", pd.DataFrame(history).round({"loss": 5, "val_miou": 5, "seconds": 2}))
    save(directory, recipe, method)
    checkpoint.discard(directory)


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
