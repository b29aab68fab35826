"""What the search needs to know of a model's class."""

from collections.abc import Mapping
from typing import Any

from anyband.models.core.method import Method
from anyband.models.core.registry import model_class


def own_space(model: str) -> Mapping[str, tuple[Any, ...]]:
    """The model's own options that are searched, with the values of each."""
    return model_class(model).search


def by_gradient(model: str) -> bool:
    """Whether the model is trained by gradient steps; others have a `fit` of their own."""
    return model_class(model).fit is Method.fit
