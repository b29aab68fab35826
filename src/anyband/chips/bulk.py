"""Reading whole arrays of chip stores into memory: one zarr call per array, never chip by chip."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anyband.chips.encoding import Array
from anyband.chips.grid import sample_nearest
from anyband.runtime import UserError

UNSCORED = -1
"""Class index of a label pixel that nobody is asked about."""


def open_site(path: Path) -> Any:
    """Open the zarr group of a site's chip store for reading.

    Raises:
        UserError: no store there, or one that was not finished.
    """
    import zarr

    try:
        group = zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError, KeyError):
        raise UserError(f"{path} is not a chip store: run the extract step again") from None
    if group.attrs.get("complete") is not True:
        raise UserError(f"{path} is not complete: delete it and run the extract step again")
    return group


def read_array(group: Any, name: str, chips: Sequence[int] | None = None) -> Array:
    """All of an array, or its entries `chips` along the first axis, in the stored integer type.

    Raises:
        UserError: the array is missing or damaged, naming the store.
    """
    try:
        values: Array = np.asarray(group[name][...])
    except (KeyError, ValueError, RuntimeError) as error:
        where = f"{group.attrs.get('site')}.zarr"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{where}: array {name} is missing or damaged ({reason}): run extract again") from None
    if chips is None or list(chips) == list(range(len(values))):
        return values
    return values[list(chips)]


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
class SiteLayer:
    """One band group of some chips of a site.

    Attributes:
        platforms: one name per chip.
        values: (N, C, H, W) integers as stored.
        clear: (N, H, W) bool, the product's own quality layer on this grid.
        offset_m: (N, 2) float32.
    """

    product: str
    pixel_m: int
    bands: tuple[str, ...]
    platforms: list[str]
    values: Array
    clear: Array
    offset_m: Array


@dataclass(frozen=True)
class SiteArrays:
    """Some chips of one site; `label` (N, 96, 96) int8 class index, -1 = not scored."""

    chip_m: int
    label: Array
    layers: list[SiteLayer]


def read_site(path: Path, chips: list[str], products: list[str], codes: tuple[int, ...]) -> SiteArrays:
    """Read the chips called `chips` with the band groups of `products`; class index = position in `codes`.

    Raises:
        UserError: a missing or unfinished store, or a chip that it lacks.
    """
    group = open_site(path)
    known = {entry["chip"]: position for position, entry in enumerate(group.attrs["chips"])}
    absent = [chip for chip in chips if chip not in known]
    if absent:
        raise UserError(f"{path} lacks chip {absent[0]} of the table of splits: run the split step again")
    rows = [known[chip] for chip in chips]
    entries = [group.attrs["chips"][row] for row in rows]
    index = np.full(256, UNSCORED, np.int8)
    index[list(codes)] = np.arange(len(codes))
    label = index[read_array(group, "label", rows)]
    label[read_array(group, "clear", rows) == 0] = UNSCORED
    layers = [layer for product in products for layer in _read_product(group, product, rows, entries)]
    return SiteArrays(int(group.attrs["chip_m"]), label, layers)


def _read_product(group: Any, product: str, rows: list[int], entries: list[dict[str, Any]]) -> Iterator[SiteLayer]:
    platforms = [str(entry["platforms"][product]) for entry in entries]
    clear = read_array(group, f"{product}/qa/clear", rows).astype(bool)
    clear_offset = read_array(group, f"{product}/qa/offset_m", rows)
    clear_pixel_m = float(group[f"{product}/qa"].attrs["pixel_m"])
    for pixel_m, bands in band_groups(group, product):
        values = read_array(group, f"{product}/{pixel_m}m/values", rows)
        offset = read_array(group, f"{product}/{pixel_m}m/offset_m", rows)
        mask = sample_nearest(clear, clear_pixel_m, clear_offset, pixel_m, offset, values.shape[-1])
        yield SiteLayer(product, pixel_m, bands, platforms, values, mask, offset)
