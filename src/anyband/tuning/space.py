"""The search space, and the settings of each trial.

Draws depend on the seed, the method's name and the trial's number alone: more trials, another method or another order
of work change no trial that was made before.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from anyband.config import Run

# Setting of the loop -> least and greatest value, drawn evenly in its logarithm: the same for all methods.
SPACE = {"learning_rate": (1e-3, 2e-2), "weight_decay": (1e-3, 1e-1)}
DIGITS = 3  # significant ones: what is written down is exactly what was used


def draw(run: Run, trial: int, seed: int, own: Mapping[str, tuple[Any, ...]], by_gradient: bool) -> Run:
    """Settings of a trial of a method.

    Args:
        run: the settings of the configuration, which trial 0 has.
        trial: number of the trial.
        seed: of the whole search.
        own: options of the method's own that are searched, with the values to choose from.
        by_gradient: whether the method is trained by gradient steps; others have no use for the loop's settings.
    """
    if trial == 0:
        return run
    generator = np.random.default_rng([seed, _number(run.name), trial])
    loop = {name: _log_uniform(generator, *bounds) for name, bounds in SPACE.items()}
    options = {name: values[int(generator.integers(len(values)))] for name, values in sorted(own.items())}
    return run.model_copy(
        update={
            "training": run.training.model_copy(update=loop if by_gradient else {}),
            "method": run.method.model_copy(update={"options": run.method.options | options}),
        }
    )


def own_space(model: str) -> Mapping[str, tuple[Any, ...]]:
    """The model's own options that are searched, with the values of each."""
    from anyband.models.core.storage import model_class  # torch, which a ledger that is there can do without

    return model_class(model).search


def by_gradient(model: str) -> bool:
    """Whether the model is trained by gradient steps; others have a `fit` of their own."""
    from anyband.models.core.method import Method
    from anyband.models.core.storage import model_class

    return model_class(model).fit is Method.fit


def _log_uniform(generator: np.random.Generator, least: float, greatest: float) -> float:
    """A value drawn evenly in its logarithm, rounded."""
    value = math.exp(generator.uniform(math.log(least), math.log(greatest)))
    return min(max(float(f"{value:.{DIGITS}g}"), least), greatest)


def _number(name: str) -> int:
    """A number for a name that is the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
