"""Which conditions a method can answer."""

from typing import TYPE_CHECKING

from anyband.conditions import CONDITIONS, PRIMARY_CONDITIONS, TWINS

if TYPE_CHECKING:
    from anyband.models.core.method import Method


def answerable(method: "Method", conditions: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Of `conditions`, those that the method can make a map for, with the products that it then looks at."""
    return {key: method.uses(CONDITIONS[key]) for key in conditions if method.accepts(CONDITIONS[key])}


def watched(method: "Method") -> dict[str, frozenset[str]]:
    """The conditions that training is watched on, of products that it reads anyway.

    The primary ones, or their twins when the method can answer none of these, or else whatever it can answer.
    """
    trained = method.training_products()
    for conditions in (PRIMARY_CONDITIONS, TWINS, tuple(CONDITIONS)):
        found = {key: used for key, used in answerable(method, conditions).items() if used <= trained}
        if found:
            return found
    return {}
