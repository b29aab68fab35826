"""What a method sees of the chips under a condition."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from anyband.chips.dataset import ChipDataset
from anyband.conditions import KINDS, STANDS_FOR, Condition, Step, parse
from anyband.evaluation.inference import Change
from anyband.evaluation.perturbations import Chips, Groups, perturb
from anyband.models.core.method import Method, UnsupportedInputError
from anyband.observation import Observation


@dataclass(frozen=True)
class View:
    """What a method looks at; equal views give equal maps.

    Attributes:
        products: that are loaded.
        steps: what is done to them.
        shown: of the products that then exist, those that the method is shown.
    """

    products: frozenset[str]
    steps: tuple[Step, ...]
    shown: frozenset[str]

    def change(self, table: ChipDataset) -> Change | None:
        """The steps as a function of chip indices and their observation; None when there is nothing to do."""
        if not self.steps:
            return None

        def apply(indices: NDArray[np.integer], observation: Observation) -> Observation:
            names = tuple(str(name) for name in table.chip[indices])
            chips = Chips(names, lambda product: other_date(table, indices, product))
            shown = perturb(observation, self.steps, chips).only(self.shown)
            if not shown.groups:
                raise UnsupportedInputError("no band is left that the method looks at")
            return shown

        return apply


def views(method: Method, conditions: Sequence[str]) -> dict[str, View]:
    """Views per condition whose products the method can take; what is done to other products is left out."""
    found = {}
    for key in conditions:
        condition = parse(key)
        present, joint = _products(condition)
        if shown := method.usable(present):
            products = frozenset(condition.products) if joint else shown
            found[key] = View(products, _steps(condition, products), shown)
    return found


def _products(condition: Condition) -> tuple[frozenset[str], bool]:
    """Products that exist after all steps, and whether a step made them of others."""
    products, joint = frozenset(condition.products), False
    for step in condition.steps:
        if step.kind == "as":
            products, joint = frozenset({STANDS_FOR[step.values[0]]}), True
        elif KINDS[step.kind].joint:
            products, joint = products - set(step.products[1:]), True
    return products, joint


def _steps(condition: Condition, products: frozenset[str]) -> tuple[Step, ...]:
    """The steps that touch `products`, and of each what it does to them."""
    steps = []
    for step in condition.steps:
        touched = tuple(product for product in step.products if product in products)
        if touched and step.kind != "same":
            steps.append(Step(step.kind, step.values, touched))
    return tuple(steps)


def other_date(table: ChipDataset, indices: NDArray[np.integer], product: str) -> tuple[Groups, torch.Tensor]:
    """Groups of `product` over the same places on another date, and (B,) bool where there is one.

    A chip is called `{site}-{pair}-r{row}c{column}`. The pair before is taken, the last one for the first.
    """
    names = [re.fullmatch(r"(.*)-(\d+)-(r\d+c\d+)", str(name)) for name in table.chip]
    places: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for index, found in enumerate(names):
        if found:
            places.setdefault((found[1], found[3]), []).append((int(found[2]), index))
    others = []
    for index in indices:
        found = names[index]
        dates = sorted(places[found[1], found[3]]) if found else [(0, int(index))]
        others.append(dates[[i for _, i in dates].index(index) - 1][1])
    other = np.array(others)
    return table.observation(other, [product]).of(product), torch.from_numpy(other != indices)
