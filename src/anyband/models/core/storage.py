"""Models by name, with fresh weights or as a run stored them: weights as safetensors, and as JSON all that builds it.

A model's class is imported when it is asked for.
"""

import importlib
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as as_bytes

from anyband.methods import MODELS, PRETRAINING
from anyband.models.core.method import Method, union, within
from anyband.models.core.normalisation import Statistics
from anyband.runtime import UserError, atomic_path, read_json, write_json

WEIGHTS = "model.safetensors"
SETTINGS = "settings.json"


@dataclass(frozen=True)
class Recipe:
    """What a run is: enough to build the model, and how it was trained.

    Attributes:
        method: name of the method in the configuration.
        model: name in the registry.
        options: the model's options as configured.
        classes: label codes in the order of the logits.
        statistics: of the training data, plain form.
        training: settings of the training loop.
        seed: of weights, batches and augmentation.
        note: what training started from besides random weights; empty for most methods.
        threads: of the training, times its processes; another number sums in another order. 0: not known.
    """

    method: str
    model: str
    options: dict[str, Any]
    classes: tuple[int, ...]
    statistics: dict[str, Any]
    training: dict[str, Any]
    seed: int
    note: str = ""
    threads: int = 0

    def build(self) -> Method:
        """The model with fresh weights."""
        return build(self.model, self.options, Statistics.from_dict(self.statistics), len(self.classes))


def save(directory: Path, recipe: Recipe, method: Method) -> None:
    """Write settings and weights of a trained model; the weights come last, so their presence means complete."""
    write_json(directory / SETTINGS, asdict(recipe))
    state = {name: tensor.detach().contiguous() for name, tensor in method.state_dict().items()}
    with atomic_path(directory / WEIGHTS) as temporary:
        temporary.write_bytes(as_bytes(state))  # the library's own files are closed to others


def read_recipe(directory: Path) -> Recipe:
    """Settings of a trained model.

    Raises:
        UserError: no settings in the folder.
    """
    path = directory / SETTINGS
    if not path.is_file():
        raise UserError(f"{path} does not exist: train this run first")
    document = read_json(path)
    return Recipe(**(document | {"classes": tuple(document["classes"])}))


def load(directory: Path) -> tuple[Recipe, Method]:
    """A trained model in evaluation mode.

    Raises:
        UserError: settings or weights missing, or weights of another architecture.
    """
    recipe = read_recipe(directory)
    path = directory / WEIGHTS
    if not path.is_file():
        raise UserError(f"{path} does not exist: train this run first")
    method = recipe.build()
    try:
        weights = load_file(path)
    except SafetensorError:
        raise UserError(f"{path} is damaged: delete it and train this run again") from None
    try:
        method.load_state_dict(weights)
    except RuntimeError:
        raise UserError(f"{path} does not fit {directory / SETTINGS}: train this run again") from None
    return recipe, method.eval()


def model_class(name: str) -> type[Method]:
    """The class of a model as its file has it.

    Raises:
        UserError: no such model.
    """
    known = MODELS | PRETRAINING
    if name not in known:
        raise UserError(f"model {name!r} does not exist; known: {', '.join(MODELS)}")
    module, _, kind = known[name].partition(":")
    model: type[Method] = getattr(importlib.import_module(module), kind)
    return model


def training_products(
    name: str, options: dict[str, Any], leave_out: str = "none", known: Collection[str] | None = None
) -> frozenset[str]:
    """Products that a model trains on, with one left out unless that is "none", and of those `known` where given.

    Raises:
        UserError: no such model or option, or a model that cannot be trained without the product.
    """
    model = model_class(name)
    steps = model.training_subsets(model.options_type.parse(options, name))
    kept = union(within(steps, union(steps) - {leave_out} - (set() if known is None else union(steps) - set(known))))
    if not kept and known is not None:
        raise UserError(f"model {name!r} cannot be trained on {' and '.join(sorted(known))}: take it out of it")
    if not kept:
        raise UserError(f"model {name!r} cannot be trained without {leave_out}: take it out of this experiment")
    return kept


def build(name: str, options: dict[str, Any], statistics: Statistics, classes: int) -> Method:
    """A model with fresh weights, for training on the products of `statistics`.

    Raises:
        UserError: no such model, or an option that it does not have.
    """
    model = model_class(name)
    return model(model.options_type.parse(options, name), statistics, classes)
