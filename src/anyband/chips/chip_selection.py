"""Chips chosen from the stores of several sites, and how their arrays are read: hundreds of chips at a time."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.cache import Plan
from anyband.chips.store import Parts, band_groups, chip_entries, open_site, read_array, read_parts
from anyband.ground import Array, sample_nearest
from anyband.landcover import LABEL_PIXEL_M
from anyband.products import PRODUCTS
from anyband.runtime import UserError

UNSCORED = -1
"""Class index of a label pixel that nobody is asked about."""


@dataclass(frozen=True)
class Selection:
    """Some chips of one store: `rows` (n,) of its arrays."""

    path: Path
    group: Any
    rows: Array

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """What the store says about each of the chips."""
        listed = chip_entries(self.group)
        return [listed[row] for row in self.rows]

    def platforms(self, product: str) -> list[str]:
        """Name of the platform of `product` for each of the chips.

        Raises:
            UserError: a chip without that product.
        """
        for entry in self.entries:
            if product not in entry["platforms"]:
                raise UserError(f"{self.path}: chip {entry['chip']} has no {product}: leave that product out")
        return [str(entry["platforms"][product]) for entry in self.entries]

    def fingerprint(self) -> str:
        """Changes when the store is written anew, or other chips are chosen; reads no pixels."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file() and not path.name.startswith("."))
        state = [(str(path.relative_to(self.path)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return hashlib.sha256(repr((state, self.rows.tolist())).encode()).hexdigest()


def select_chips(path: Path, chips: Sequence[str]) -> Selection:
    """Find the chips called `chips` in the store at `path`.

    Raises:
        UserError: a missing or unfinished store, or a chip that it lacks.
    """
    group = open_site(path)
    known = {entry["chip"]: position for position, entry in enumerate(group.attrs["chips"])}
    absent = [chip for chip in chips if chip not in known]
    if absent:
        raise UserError(f"{path} lacks chip {absent[0]} of the table of splits: run the split step again")
    return Selection(path, group, np.array([known[chip] for chip in chips]))


@dataclass(frozen=True)
class BandGrid:
    """A band group that all stores have."""

    product: str
    pixel_m: int
    bands: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its group in a store."""
        return f"{self.product}/{self.pixel_m}m"


def common_grids(sites: Sequence[Selection], product: str) -> list[BandGrid]:
    """The band groups of a product, finest first.

    Raises:
        UserError: a store without the product, or stores of different bands.
    """
    found = {site.path.name: band_groups(site.group, product) for site in sites}
    return [BandGrid(product, *grid) for grid in _common(found, f"{product}: pixel sizes and bands")]


def common_side(sites: Sequence[Selection]) -> int:
    """Side of the chips of all stores in metres.

    Raises:
        UserError: stores of different sides.
    """
    return int(_common({site.path.name: site.group.attrs["chip_m"] for site in sites}, "chip_m"))


def _common(found: dict[str, Any], what: str) -> Any:
    """The value that all stores share; `found` is by name of store."""
    first, expected = next(iter(found.items()))
    for name, value in found.items():
        if value != expected:
            raise UserError(f"{what} {value} in {name}, {expected} in {first}: extract both again")
    return expected


def content_key(sites: Sequence[Selection], codes: tuple[int, ...]) -> str:
    """Changes with what the plans of these chips would read, and with the code that reads it."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + repr(codes).encode())
    for site in sites:
        digest.update(site.fingerprint().encode())
    return digest.hexdigest()[:16]


def label_plan(sites: Sequence[Selection], codes: tuple[int, ...], chip_m: int) -> Plan:
    """(N, y, x) int8 index of the class in `codes` on the 10 m grid, -1 where no listed class or not jointly clear."""
    index = np.full(256, UNSCORED, np.int8)
    index[list(codes)] = np.arange(len(codes))

    def read(site: Selection) -> Parts:
        parts = (read_parts(site.group, name, site.rows) for name in ("label", "clear"))
        for (where, label), (_, clear) in zip(*parts, strict=True):
            yield where, np.where(clear == 1, index[label], np.int8(UNSCORED))

    return _plan("label", sites, (chip_m // LABEL_PIXEL_M,) * 2, "int8", read)


def values_plan(sites: Sequence[Selection], grid: BandGrid, chip_m: int) -> Plan:
    """(N, band, y, x) integers of a band group as stored."""
    shape = len(grid.bands), chip_m // grid.pixel_m, chip_m // grid.pixel_m

    def read(site: Selection) -> Parts:
        return read_parts(site.group, f"{grid.name}/values", site.rows)

    return _plan(f"{grid.product}-{grid.pixel_m}m", sites, shape, PRODUCTS[grid.product].encoding.dtype, read)


def clear_plan(sites: Sequence[Selection], grid: BandGrid, chip_m: int) -> Plan:
    """(N, y, x) bool, the product's own quality layer on the grid of a band group."""
    size = chip_m // grid.pixel_m

    def read(site: Selection) -> Parts:
        quality = f"{grid.product}/qa"
        spacing = float(site.group[quality].attrs["pixel_m"])
        corner = read_array(site.group, f"{quality}/offset_m", site.rows)
        target = read_array(site.group, f"{grid.name}/offset_m", site.rows)
        for where, clear in read_parts(site.group, f"{quality}/clear", site.rows):
            layer = clear.astype(bool)
            yield where, sample_nearest(layer, spacing, corner[where], grid.pixel_m, target[where], size)

    return _plan(f"{grid.product}-{grid.pixel_m}m-clear", sites, (size, size), "bool", read)


def _plan(
    name: str,
    sites: Sequence[Selection],
    shape: tuple[int, ...],
    dtype: str,
    read: Callable[[Selection], Parts],
) -> Plan:
    """All chips of all sites, one site after the other; a site's parts say where in the site they belong."""

    def fill(array: Array) -> None:
        first = 0
        for site in sites:
            for where, values in read(site):
                array[first + where] = values
            first += len(site.rows)

    return Plan(name, (sum(len(site.rows) for site in sites), *shape), np.dtype(dtype), fill)
