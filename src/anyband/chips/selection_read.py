"""Reading chip stores in bulk: hundreds of chips per zarr call, never chip by chip."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.cache import Plan
from anyband.chips.store import LAYOUT
from anyband.ground import Array, sample_nearest
from anyband.landcover import LABEL_PIXEL_M
from anyband.products import PRODUCTS
from anyband.runtime import UserError

UNSCORED = -1
"""Class index of a label pixel that nobody is asked about."""

PART_CHIPS = 256
"""Chips that are read at once, whole shards of 64: some tens of MB."""


def open_site(path: Path) -> Any:
    """Open the zarr group of a site's chip store for reading.

    Raises:
        UserError: no store there, one that was not finished, or one of another layout.
    """
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError, KeyError):
        raise UserError(f"{path} is not a chip store: run the extract step again") from None
    if group.attrs.get("complete") is not True:
        raise UserError(f"{path} is not complete: delete it and run the extract step again")
    if group.attrs.get("layout") != LAYOUT:
        found = group.attrs.get("layout", "an earlier version")
        raise UserError(f"{path} has the layout of {found}, not {LAYOUT}: delete it and run the extract step again")
    return group


def chip_entries(group: Any) -> list[dict[str, Any]]:
    """What an open store says about each of its chips, that of their pairs with it, in the order of the arrays.

    Keys: chip (name), pair, row, col, x0, y0 (m), clear_joint; the pair's epsg; items, platforms, datetimes and
    angles_deg by product.
    """
    pairs = group.attrs["pairs"]
    return [pairs[str(entry["pair"])] | entry for entry in group.attrs["chips"]]


def read_array(group: Any, name: str, chips: Sequence[int] | Array | None = None) -> Array:
    """All of an array, or its entries `chips` along the first axis, in the stored integer type.

    Raises:
        UserError: the array is missing or damaged, naming the store.
    """
    values = _read(group, name, slice(None))
    return values if chips is None else values[np.asarray(chips, np.int64)]


Parts = Iterator[tuple[Array, Array]]
"""Pieces of an array over chips: positions (n,) and the values (n, ...) there."""


def read_parts(group: Any, name: str, chips: Array | None = None) -> Parts:
    """The entries `chips` (all by default) of an array, some hundreds at a time.

    Yields:
        Positions (n,) in `chips`, and the values (n, ...) there.

    Raises:
        UserError: the array is missing or damaged, naming the store.
    """
    chosen = np.arange(len(group.attrs["chips"])) if chips is None else chips
    part = chosen // PART_CHIPS
    for number in np.unique(part):
        where = np.flatnonzero(part == number)
        values = _read(group, name, slice(number * PART_CHIPS, (number + 1) * PART_CHIPS))
        yield where, values[chosen[where] - number * PART_CHIPS]


def _read(group: Any, name: str, entries: slice) -> Array:
    try:
        return np.asarray(group[name][entries])
    except (KeyError, ValueError, RuntimeError) as error:
        where = f"{group.attrs.get('site')}.zarr"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{where}: array {name} is missing or damaged ({reason}): run extract again") from None


def band_groups(group: Any, product: str) -> list[tuple[int, tuple[str, ...]]]:
    """Pixel size in m and band names of every band group of `product` in a store, finest first.

    Raises:
        UserError: the store has no such product.
    """
    if product not in group:
        raise UserError(f"{group.attrs.get('site')}.zarr holds no product {product!r}: extract it first")
    members = {name: child for name, child in group[product].groups() if name != "qa"}
    return sorted((int(child.attrs["pixel_m"]), tuple(child.attrs["bands"])) for child in members.values())


@dataclass(frozen=True)
class SiteSelection:
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


def select_chips(path: Path, chips: Sequence[str]) -> SiteSelection:
    """Find the chips called `chips` in the store at `path`.

    Raises:
        UserError: a missing or unfinished store, or a chip that it lacks.
    """
    group = open_site(path)
    known = {entry["chip"]: position for position, entry in enumerate(group.attrs["chips"])}
    absent = [chip for chip in chips if chip not in known]
    if absent:
        raise UserError(f"{path} lacks chip {absent[0]} of the table of splits: run the split step again")
    return SiteSelection(path, group, np.array([known[chip] for chip in chips]))


@dataclass(frozen=True)
class Grid:
    """A band group that all stores have."""

    product: str
    pixel_m: int
    bands: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its group in a store."""
        return f"{self.product}/{self.pixel_m}m"


def common_grids(sites: Sequence[SiteSelection], product: str) -> list[Grid]:
    """The band groups of a product, finest first.

    Raises:
        UserError: a store without the product, or stores of different bands.
    """
    found = {site.path.name: band_groups(site.group, product) for site in sites}
    return [Grid(product, *grid) for grid in _common(found, f"{product}: pixel sizes and bands")]


def common_side(sites: Sequence[SiteSelection]) -> int:
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


def content_key(sites: Sequence[SiteSelection], codes: tuple[int, ...]) -> str:
    """Changes with what the plans of these chips would read, and with the code that reads it."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + repr(codes).encode())
    for site in sites:
        digest.update(site.fingerprint().encode())
    return digest.hexdigest()[:16]


def label_plan(sites: Sequence[SiteSelection], codes: tuple[int, ...], chip_m: int) -> Plan:
    """(N, y, x) int8 index of the class in `codes` on the 10 m grid, -1 where no listed class or not jointly clear."""
    index = np.full(256, UNSCORED, np.int8)
    index[list(codes)] = np.arange(len(codes))

    def read(site: SiteSelection) -> Parts:
        parts = (read_parts(site.group, name, site.rows) for name in ("label", "clear"))
        for (where, label), (_, clear) in zip(*parts, strict=True):
            yield where, np.where(clear == 1, index[label], np.int8(UNSCORED))

    return _plan("label", sites, (chip_m // LABEL_PIXEL_M,) * 2, "int8", read)


def values_plan(sites: Sequence[SiteSelection], grid: Grid, chip_m: int) -> Plan:
    """(N, band, y, x) integers of a band group as stored."""
    shape = len(grid.bands), chip_m // grid.pixel_m, chip_m // grid.pixel_m

    def read(site: SiteSelection) -> Parts:
        return read_parts(site.group, f"{grid.name}/values", site.rows)

    return _plan(f"{grid.product}-{grid.pixel_m}m", sites, shape, PRODUCTS[grid.product].encoding.dtype, read)


def clear_plan(sites: Sequence[SiteSelection], grid: Grid, chip_m: int) -> Plan:
    """(N, y, x) bool, the product's own quality layer on the grid of a band group."""
    size = chip_m // grid.pixel_m

    def read(site: SiteSelection) -> Parts:
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
    sites: Sequence[SiteSelection],
    shape: tuple[int, ...],
    dtype: str,
    read: Callable[[SiteSelection], Parts],
) -> Plan:
    """All chips of all sites, one site after the other; a site's parts say where in the site they belong."""

    def fill(array: Array) -> None:
        first = 0
        for site in sites:
            for where, values in read(site):
                array[first + where] = values
            first += len(site.rows)

    return Plan(name, (sum(len(site.rows) for site in sites), *shape), np.dtype(dtype), fill)
