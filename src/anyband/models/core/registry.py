"""From the name of a model to its class, imported when it is asked for."""

import importlib
from typing import Any

from anyband.methods import MODELS, PRETRAINING
from anyband.models.core.method import Method, union, within
from anyband.models.core.normalisation import Statistics
from anyband.runtime import UserError


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


def training_products(name: str, options: dict[str, Any], leave_out: str = "none") -> frozenset[str]:
    """Products that a model trains on, with one left out unless that is "none".

    Raises:
        UserError: no such model or option, or a model that cannot be trained without the product.
    """
    model = model_class(name)
    steps = model.training_subsets(model.options_type.parse(options, name))
    kept = union(within(steps, union(steps) - {leave_out}))
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
