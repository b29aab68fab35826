"""Which products are at hand at test time."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyband.models.core.method import Method

CONDITIONS: dict[str, frozenset[str]] = {
    "S2": frozenset({"sentinel2"}),
    "L9": frozenset({"landsat"}),
    "S2+L9": frozenset({"sentinel2", "landsat"}),
    "S30": frozenset({"hls_s30"}),
    "L30": frozenset({"hls_l30"}),
    "S30+L30": frozenset({"hls_s30", "hls_l30"}),
    "BB": frozenset({"broadband"}),
    "NB": frozenset({"narrowband"}),
    "HS": frozenset({"hyperspectral"}),
}

PRIMARY = ("S2", "L9", "S2+L9")
"""Conditions whose mean mIoU is the primary endpoint, and on which training is watched."""


def answerable(method: "Method", conditions: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Of `conditions`, those that the method can make a map for, with the products that it then looks at."""
    return {key: method.uses(CONDITIONS[key]) for key in conditions if method.accepts(CONDITIONS[key])}


TWINS = ("S30", "L30", "S30+L30")
"""The same acquisitions as HLS products, in the order of `PRIMARY`: they stand for it where a method reads only HLS."""


def watched(method: "Method") -> dict[str, frozenset[str]]:
    """The conditions that training is watched on, of products that it reads anyway.

    The primary ones, or their twins when the method can answer none of these, or else whatever it can answer.
    """
    trained = method.training_products()
    for conditions in (PRIMARY, TWINS, tuple(CONDITIONS)):
        found = {key: used for key, used in answerable(method, conditions).items() if used <= trained}
        if found:
            return found
    return {}
