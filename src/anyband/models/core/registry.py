"""From the name of a model to its class, imported when it is asked for."""

import importlib
from typing import Any

from anyband.methods import MODELS, PRETRAINING
from anyband.models.core.method import Method
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


def model_type(name: str, leave_out: str = "none", options: dict[str, Any] | None = None) -> type[Method]:
    """The class of a model, with a product left out of all training unless that is "none".

    Of the `options` only the product of `sensor-only` decides.

    Raises:
        UserError: no such model, or one that cannot be trained without the product.
    """
    model = model_class(name).of(options or {})
    kept = tuple(products for products in model.trained_on if leave_out not in products)
    if not kept:
        raise UserError(f"model {name!r} cannot be trained without {leave_out}: take it out of this experiment")
    # A class of its own, because what a method trains on is asked of its class before there is a model.
    return model if kept == model.trained_on else type(model.__name__, (model,), {"trained_on": kept})


def build(name: str, options: dict[str, Any], statistics: Statistics, classes: int, leave_out: str = "none") -> Method:
    """A model with fresh weights; `leave_out` as in `model_type`.

    Raises:
        UserError: no such model, or an option that it does not have.
    """
    model = model_type(name, leave_out, options)
    return model(model.options_type.parse(options, name), statistics, classes)
