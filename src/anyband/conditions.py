"""The conditions of an experiment: which products are at hand, and what was done to them. Imports no torch.

    condition    = availability { "/" perturbation [ "@" product ] }
    availability = S2 | L9 | S2+L9 | S30 | L30 | S30+L30 | BB | NB | HS

as in `S2`, `S2+L9/drop-red-edge`, `S2/gsd-30-wrong` or `S2+L9/cloudy-50@S2`. Perturbations are done from left to right;
`KINDS` lists them with what follows their name. Without `@`, those that happen to one sensor (registration, clouds,
lateness) happen to the last product named, all others to every product. Every number and seed is fixed in
`evaluation.perturbations`, so a name stands for one input, the same for every method and every seed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from anyband.products import BY_SHORT_NAME, EXTRA, PRODUCTS, SATELLITES
from anyband.runtime import nearest

STANDS_FOR = {PRODUCTS[key].short: key for key in SATELLITES}
"""Product that an observation is of after `as-...`, by its short name."""

PRIMARY_CONDITIONS = ("S2", "L9", "S2+L9")
"""The mean of their mIoU is the primary endpoint, and training is watched on them."""

TWINS = tuple(
    "+".join(PRODUCTS[BY_SHORT_NAME[part].twin].short for part in key.split("+")) for key in PRIMARY_CONDITIONS
)
"""The same acquisitions as HLS products, in the same order: they stand for them where a method reads only HLS."""


def primary_conditions(tested: Iterable[str]) -> tuple[str, ...]:
    """The conditions of the primary endpoint: the twins where only HLS is tested."""
    known = set(tested)
    return TWINS if known & set(TWINS) and not known & set(PRIMARY_CONDITIONS) else PRIMARY_CONDITIONS


CONDITIONS: dict[str, frozenset[str]] = {
    key: frozenset(BY_SHORT_NAME[part].key for part in key.split("+"))
    for key in (*PRIMARY_CONDITIONS, *TWINS, *(PRODUCTS[product].short for product in EXTRA))
}
"""Which products are at hand at test time, by the name of the availability."""

FAMILIES: dict[str, frozenset[str]] = {
    "coastal": frozenset({"coastal"}),
    "rgb": frozenset({"blue", "green", "red"}),
    "rgb-nir": frozenset({"blue", "green", "red", "nir_broad", "nir_narrow"}),
    "red-edge": frozenset({"red_edge_1", "red_edge_2", "red_edge_3"}),
    "nir": frozenset({"nir_broad", "nir_narrow"}),
    "swir": frozenset({"swir1", "swir2"}),
}
"""Families of bands by what they measure (`Band.concept`)."""

_FAMILY = "(" + "|".join(sorted(FAMILIES, key=len, reverse=True)) + ")"
_PERCENT = "([1-9][0-9]?)"


@dataclass(frozen=True)
class Kind:
    """A kind of perturbation.

    Attributes:
        pattern: what follows the name and a hyphen; its groups are the perturbation's values. Empty for nothing.
        examples: full names that stand for what is possible.
        one_sensor: happens to the last product named unless told, else to all.
        joint: is done to all its products at once.
    """

    pattern: str
    examples: tuple[str, ...]
    one_sensor: bool = False
    joint: bool = False


KINDS: dict[str, Kind] = {
    # Nothing: the reference of all others.
    "same": Kind("", ("same",)),
    # Without a family of bands; only one family; without N percent of the bands, drawn once per draw (0 unless told).
    "drop": Kind(_FAMILY, tuple(f"drop-{family}" for family in FAMILIES)),
    "keep": Kind(_FAMILY, tuple(f"keep-{family}" for family in FAMILIES)),
    "drop-random": Kind(_PERCENT + "(?:-([0-9]))?", ("drop-random-50", "drop-random-50-1")),
    # More bands than any acquisition had: both sensors as one acquisition; a second copy of a family's bands.
    "merged": Kind("", ("merged",), joint=True),
    "duplicate": Kind(_FAMILY, tuple(f"duplicate-{family}" for family in FAMILIES)),
    # Bands that are finer come at N metres, with true, wrong (as before) or no sampling distance stated.
    "gsd": Kind("([1-9][0-9]*)(?:-(wrong|absent))?", ("gsd-30", "gsd-30-wrong", "gsd-30-absent")),
    # Responses are those of other bands, or not stated.
    "srf": Kind("(wrong|absent)", ("srf-wrong", "srf-absent")),
    # Nothing is known of the acquisition as a whole: sun, view, date.
    "scene": Kind("(absent)", ("scene-absent",)),
    # The stated position is N metres off; the pixels lie N metres off, whole pixels of every grid.
    "offset": Kind(r"([1-9][0-9]*(?:\.[0-9])?)", ("offset-15",), one_sensor=True),
    "moved": Kind("([1-9][0-9]*)", ("moved-30",), one_sensor=True),
    # N percent of the ground under clouds; the acquisition of another date in its place.
    "cloudy": Kind(_PERCENT, ("cloudy-50",), one_sensor=True),
    "late": Kind("", ("late",), one_sensor=True),
    # As if it were of another sensor, or had all its bands: each has the values of the nearest band at hand.
    "as": Kind(f"({'|'.join(STANDS_FOR)})", tuple(f"as-{name}" for name in STANDS_FOR), joint=True),
}

FEWER = ("drop", "keep", "drop-random")  # kinds that take bands away


@dataclass(frozen=True)
class Step:
    """One perturbation: its kind, the values in its name ("" where one is left out) and the products it is done to."""

    kind: str
    values: tuple[str, ...]
    products: tuple[str, ...]


@dataclass(frozen=True)
class Condition:
    """A parsed condition: products in the order named, and what is done to them."""

    key: str
    products: tuple[str, ...]
    steps: tuple[Step, ...]


def parse(key: str) -> Condition:
    """Read a condition.

    Raises:
        ValueError: one line with the part that is wrong and the nearest one that is not.
    """
    first, *rest = key.split("/")
    if first not in CONDITIONS:
        raise ValueError(f"condition {key!r}: {first!r} is no availability{nearest(first, CONDITIONS)}")
    products = tuple(_product(name) for name in first.split("+"))
    steps = tuple(_step(key, word, products) for word in rest)
    if any(step.kind == "late" for step in steps[1:]):
        raise ValueError(f"condition {key!r}: late reads other pixels, so it must come first")
    if any(step.kind == "as" for step in steps[:-1]):
        raise ValueError(f"condition {key!r}: after as-... it is another sensor, so that must come last")
    itself = any(step.kind == "as" and step.products == (STANDS_FOR[step.values[0]],) for step in steps)
    if itself and not any(step.kind in FEWER for step in steps):
        raise ValueError(f"condition {key!r}: {rest[-1]} is what it is already, as no band was dropped before")
    return Condition(key, products, steps)


def _product(name: str) -> str:
    (product,) = CONDITIONS[name]
    return product


def _step(key: str, text: str, products: tuple[str, ...]) -> Step:
    word, at, target = text.partition("@")
    names = [name for name in key.split("/")[0].split("+")]
    if at and target not in names:
        raise ValueError(f"condition {key!r}: {target!r} is not among its products{nearest(target, names)}")
    for kind in sorted(KINDS, key=len, reverse=True):
        pattern = KINDS[kind].pattern
        found = re.fullmatch(f"{kind}-{pattern}" if pattern else kind, word)
        if found:
            break
    else:
        known = [example for kind in KINDS.values() for example in kind.examples]
        raise ValueError(f"condition {key!r}: {word!r} is no perturbation{nearest(word, known)}")
    chosen = (_product(target),) if at else products[-1:] if KINDS[kind].one_sensor else products
    step = Step(kind, tuple(value or "" for value in found.groups()), chosen)
    if problem := _problem(step):
        raise ValueError(f"condition {key!r}: {word} {problem}")
    return step


def _problem(step: Step) -> str:
    """Why a well-spelt perturbation would do nothing, or cannot be done."""
    if step.kind == "merged" and len(step.products) < 2:
        return "needs two products"
    if step.kind == "as" and len(step.products) > 1:
        return "takes one product"
    if step.kind == "gsd":
        finest = min(PRODUCTS[product].pixels_m[0] for product in step.products)
        if int(step.values[0]) <= finest:
            return f"is not coarser than the {finest} m pixels there"
    if step.kind == "moved":
        coarsest = max(PRODUCTS[product].pixels_m[1] for product in step.products)
        if int(step.values[0]) % coarsest:
            return f"is not whole in the {coarsest} m pixels there"
    return ""
