"""The chips of one pair put together as images on the ground, product by product."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from anyband.audit.cells import Grid, area_means
from anyband.chips.selection_read import band_groups, chip_entries
from anyband.ground import Array
from anyband.products import OPTICAL, PRODUCTS
from anyband.runtime import UserError

CELL_M = 60


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
    def cells(self) -> Grid:
        """60 m squares of the Sentinel-2 lattice over the mosaic."""
        per_chip = int(self.group.attrs["chip_m"]) // CELL_M
        rows, cols = (int(place.max() + 1) * per_chip for place in self.places)
        return Grid(0.0, 0.0, CELL_M, rows, cols)

    @property
    def products(self) -> tuple[str, ...]:
        """Optical products of the pair; another pair of the store may have more."""
        return tuple(product for product in OPTICAL if product in self.group and product in self.items)

    def bands(self, product: str) -> Iterator[tuple[str, Grid, Array]]:
        """Name, grid and reflectance (rows, cols) float32, NaN where nodata, of every band, one after the other."""
        encoding = PRODUCTS[product].encoding
        for pixel_m, names in band_groups(self.group, product):
            place = f"{product}/{pixel_m}m"
            stored = self._read(f"{place}/values")
            grid = self._grid(place, pixel_m, stored.shape[-1])
            for position, name in enumerate(names):
                pixels = self._mosaic(stored[:, position], encoding.nodata)
                values = pixels * np.float32(encoding.scale) + np.float32(encoding.offset)
                yield name, grid, np.where(pixels == encoding.nodata, np.float32(np.nan), values)

    def grid(self, product: str) -> Grid:
        """Grid of the product's own quality layer."""
        if f"{product}/qa" in self._grids:
            return self._grids[f"{product}/qa"]
        quality = self.group[f"{product}/qa"]
        return self._grid(f"{product}/qa", int(quality.attrs["pixel_m"]), int(quality["clear"].shape[-1]))

    def clear_on(self, product: str, grid: Grid) -> Array:
        """Where the pixels of `grid` are clear throughout by the product's own layer; False where no chip is."""
        if (product, grid) not in self._clear:
            mask = self._mosaic(self._read(f"{product}/qa/clear"), 0) == 1
            self._clear[product, grid] = np.isfinite(area_means(np.where(mask, 1.0, np.nan), self.grid(product), grid))
        return self._clear[product, grid]

    @cached_property
    def _clear(self) -> dict[tuple[str, Grid], Array]:
        return {}

    @cached_property
    def _grids(self) -> dict[str, Grid]:
        return {}

    def _read(self, name: str) -> Array:
        """The pair's part of an array, so that memory holds one pair at a time."""
        try:
            values: Array = np.asarray(self.group[name][self.first : self.first + len(self.chips)])
        except (KeyError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            where = f"{self.group.attrs.get('site')}.zarr: array {name}"
            raise UserError(f"{where} is missing or damaged ({reason}): run extract again") from None
        return values

    def _grid(self, place: str, pixel_m: int, size: int) -> Grid:
        """Grid of a group's mosaic; all chips of a pair come from one file, so they share its phase."""
        if place in self._grids:
            return self._grids[place]
        offset = self._read(f"{place}/offset_m")
        if not (offset == offset[0]).all():
            site, pair = self.group.attrs.get("site"), self.chips[0]["pair"]
            raise UserError(f"{site}.zarr: chips of pair {pair} lie on different grids in {place}: run extract again")
        rows, cols = (int(position.max() + 1) * size for position in self.places)
        self._grids[place] = Grid(float(offset[0, 0]), float(offset[0, 1]), pixel_m, rows, cols)
        return self._grids[place]

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
