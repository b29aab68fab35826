"""The chips of one pair put together as images on the ground, product by product."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from anyband.chips.store import band_groups, chip_entries
from anyband.ground import Array
from anyband.products import OPTICAL, PRODUCTS
from anyband.runtime import UserError

CELL_M = 60
WHOLE = 1 - 1e-6
"""A square counts when its ground is covered by usable pixels, up to rounding."""


@dataclass(frozen=True)
class MosaicGrid:
    """Square pixels; `left`, `top` are metres right of and below the upper-left corner of the pair's mosaic."""

    left: float
    top: float
    pixel_m: float
    rows: int
    cols: int


@dataclass(frozen=True)
class PairImages:
    """One pair of a site's store; pixels are read when they are asked for.

    Attributes:
        group: the open store.
        chips: the pair's entries of the store's list, in order.
        first: position of its first chip in the store's arrays.
    """

    group: Any
    chips: Sequence[Mapping[str, Any]]
    first: int

    @property
    def items(self) -> dict[str, str]:
        """Item id by product."""
        return {str(product): str(item) for product, item in self.chips[0]["items"].items()}

    @cached_property
    def places(self) -> tuple[Array, Array]:
        """Row and column of every chip in the mosaic, from the chips' corners."""
        side = int(self.group.attrs["chip_m"])
        x, y = (np.array([chip[key] for chip in self.chips]) for key in ("x0", "y0"))
        return ((y.max() - y) / side).round().astype(int), ((x - x.min()) / side).round().astype(int)

    @property
    def cells(self) -> MosaicGrid:
        """60 m squares of the Sentinel-2 lattice over the mosaic."""
        per_chip = int(self.group.attrs["chip_m"]) // CELL_M
        rows, cols = (int(place.max() + 1) * per_chip for place in self.places)
        return MosaicGrid(0.0, 0.0, CELL_M, rows, cols)

    @property
    def products(self) -> tuple[str, ...]:
        """Optical products of the pair; another pair of the store may have more."""
        return tuple(product for product in OPTICAL if product in self.group and product in self.items)

    @cached_property
    def quality_grids(self) -> dict[str, MosaicGrid]:
        """Grid of every product's own quality layer."""
        grids = {}
        for product in self.products:
            quality = self.group[f"{product}/qa"]
            size = int(quality["clear"].shape[-1])
            grids[product] = self._grid(f"{product}/qa", int(quality.attrs["pixel_m"]), size)
        return grids

    def clear_bands(self, product: str) -> Iterator[tuple[str, MosaicGrid, Array]]:
        """Name, grid and reflectance (rows, cols) float32 of every band, one after the other.

        NaN where nodata, outside the chips, and where any part is not clear by the product's own layer.
        """
        encoding = PRODUCTS[product].encoding
        clear = np.where(self._mosaic(self._read(f"{product}/qa/clear"), 0) == 1, 1.0, np.nan)
        for pixel_m, names in band_groups(self.group, product):
            place = f"{product}/{pixel_m}m"
            stored = self._read(f"{place}/values")
            grid = self._grid(place, pixel_m, stored.shape[-1])
            seen = np.isfinite(area_means(clear, self.quality_grids[product], grid))
            for position, name in enumerate(names):
                pixels = self._mosaic(stored[:, position], encoding.nodata)
                usable = seen & encoding.valid(pixels)
                yield name, grid, np.where(usable, encoding.physical(pixels), np.float32(np.nan))

    def _read(self, name: str) -> Array:
        """The pair's part of an array, so that memory holds one pair at a time."""
        try:
            values: Array = np.asarray(self.group[name][self.first : self.first + len(self.chips)])
        except (KeyError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            where = f"{self.group.attrs.get('site')}.zarr: array {name}"
            raise UserError(f"{where} is missing or damaged ({reason}): run extract again") from None
        return values

    def _grid(self, place: str, pixel_m: int, size: int) -> MosaicGrid:
        """MosaicGrid of a group's mosaic; all chips of a pair come from one file, so they share its phase."""
        offset = self._read(f"{place}/offset_m")
        if not (offset == offset[0]).all():
            site, pair = self.group.attrs.get("site"), self.chips[0]["pair"]
            raise UserError(f"{site}.zarr: chips of pair {pair} lie on different grids in {place}: run extract again")
        rows, cols = (int(position.max() + 1) * size for position in self.places)
        return MosaicGrid(float(offset[0, 0]), float(offset[0, 1]), pixel_m, rows, cols)

    def _mosaic(self, chips: Array, fill: float) -> Array:
        size = chips.shape[-1]
        rows, cols = self.places
        whole = np.full(((rows.max() + 1) * size, (cols.max() + 1) * size), fill, chips.dtype)
        for pixels, row, col in zip(chips, rows, cols, strict=True):
            whole[row * size : (row + 1) * size, col * size : (col + 1) * size] = pixels
        return whole


def pairs_of(group: Any) -> Iterator[PairImages]:
    """Pairs of an open store in the order of its chips, which are neighbours in the arrays."""
    chips = chip_entries(group)
    starts = [i for i, chip in enumerate(chips) if i == 0 or chip["pair"] != chips[i - 1]["pair"]]
    for start, stop in zip(starts, [*starts[1:], len(chips)], strict=False):
        yield PairImages(group, chips[start:stop], start)


def area_means(values: Array, source: MosaicGrid, target: MosaicGrid) -> Array:
    """Means of `values` over the pixels of another grid.

    Args:
        values: (rows, cols) float on `source`, NaN where there is none.
        source: grid of the values.
        target: grid that is asked for.

    Returns:
        (rows, cols) float64 on `target`; NaN where any part of a pixel is not covered.
    """
    down = _overlap(source.top, source.rows, source.pixel_m, target.top, target.rows, target.pixel_m)
    right = _overlap(source.left, source.cols, source.pixel_m, target.left, target.cols, target.pixel_m)
    there = np.isfinite(values)
    total = right @ (down @ np.where(there, values, 0)).T
    covered = right @ (down @ there.astype(np.float64)).T
    return np.where(covered > WHOLE, total, np.nan).T


@lru_cache(maxsize=64)
def _overlap(start: float, count: int, step: float, target_start: float, target_count: int, target_step: float) -> Any:
    """Sparse (target, source) matrix: the share of every target interval that lies in every source interval."""
    from scipy.sparse import coo_array

    reach = int(target_step / step) + 2
    lower = target_start + target_step * np.arange(target_count)[:, None]
    index = np.floor((lower - start) / step + 1e-9).astype(np.int64) + np.arange(reach)
    left = start + step * index
    share = (np.minimum(left + step, lower + target_step) - np.maximum(left, lower)) / target_step
    used = (share > 0) & (index >= 0) & (index < count)
    rows = np.broadcast_to(np.arange(target_count)[:, None], index.shape)
    return coo_array((share[used], (rows[used], index[used])), shape=(target_count, count)).tocsr()
