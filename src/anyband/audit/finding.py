"""One remark on a pair, and the words that remarks share."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from anyband.products import PRODUCTS

PASS, WARNING, CONTRADICTION, TOO_FEW = "pass", "warn", "contradiction", "too few pixels"


@dataclass(frozen=True)
class Finding:
    """One remark on a pair.

    Attributes:
        kind: "offset", "scale", "bands", "shift", "ground", "statistic" ...
        verdict: WARNING or CONTRADICTION.
        products: whose items it is about.
        found: what was measured.
        cause: what probably lies behind it.
    """

    kind: str
    verdict: str
    products: tuple[str, ...]
    found: str
    cause: str

    def as_dict(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self)


def culprits(off: set[str], measured: set[str]) -> tuple[str, ...]:
    """Products to blame when the comparisons `off` are off and the others of `measured` are not.

    S30 belongs to Sentinel-2 and L30 to Landsat: S30 - Sentinel-2 - Landsat - L30 is a chain, and a fault of one
    product breaks all its links and no other.
    """
    products = sorted({product for name in measured for product in name.split("-")})
    fitting = [p for p in products if {name for name in measured if p in name.split("-")} == off]
    if fitting:
        return tuple(fitting)
    return tuple(sorted({product for name in off for product in name.split("-")}))


def pretty(name: str) -> str:
    """The two products of a comparison in words."""
    return " - ".join(PRODUCTS[product].heading for product in name.split("-"))


def listed(products: Iterable[str]) -> str:
    """Products in words."""
    return " and ".join(PRODUCTS[product].heading for product in products)


def moved(shift: Mapping[str, float]) -> str:
    """A shift in words: "14.5 m east and 15.0 m south"."""
    east, south = shift["east_m"], shift["south_m"]
    across, along = "east" if east >= 0 else "west", "south" if south >= 0 else "north"
    return f"{abs(east):.1f} m {across} and {abs(south):.1f} m {along}"
