"""Which product a condition is of, and what a method was trained on."""

from collections.abc import Iterable, Mapping
from typing import Any

from anyband.products import BY_SHORT_NAME
from anyband.statistics.cube import ConfusionCube
from anyband.statistics.protocol import FLOORS, MAJORITY

AS = "as-"  # `L9/as-S2`: Landsat as the nearest bands of Sentinel-2

Trained = Mapping[str, frozenset[str]]


def trained_on(costs: Mapping[tuple[str, int], Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Products that each method was trained on, as its evaluation wrote them; methods whose runs do not say are absent.

    Args:
        costs: (method, seed) -> content of `cost.json`.
    """
    return {
        method: frozenset(content["trained_on"]) for (method, _), content in costs.items() if "trained_on" in content
    }


def specialist(cube: ConfusionCube, trained: Trained, condition: str) -> str | None:
    """The first method of the experiment that was trained on exactly the product of `condition`."""
    product = frozenset({BY_SHORT_NAME[condition].key})
    return next((method for method in cube.methods if trained.get(method) == product), None)


def reader(cube: ConfusionCube, trained: Trained, condition: str) -> str | None:
    """Who tells best what a product holds: its specialist, or else the method trained on it and on fewest others.

    Floors are left out: what they miss is theirs, not the product's. Of equals the first of the experiment.
    """
    product = BY_SHORT_NAME[condition].key
    able = [
        method
        for method in cube.methods
        if method not in FLOORS and product in trained.get(method, ()) and cube.takes(method, (condition,))
    ]
    return min(able, key=lambda method: len(trained[method]), default=None)


def zero_shot(cube: ConfusionCube, trained: Trained, condition: str) -> list[str]:
    """Methods that answer a condition whose product they were not trained on."""
    return [
        method
        for method in cube.methods
        if method != MAJORITY
        and method in trained
        and BY_SHORT_NAME[condition].key not in trained[method]
        and cube.takes(method, (condition,))
    ]


def short_names(products: Iterable[str]) -> str:
    """Products as people write them: {"sentinel2", "landsat"} -> "S2+L9"."""
    known = set(products)
    return "+".join(short for short, product in BY_SHORT_NAME.items() if product.key in known)
