"""The chips of one pair put together as images on the ground, product by product."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from anyband.ground import LATTICE_M, Array
from anyband.products import OPTICAL
from anyband.runtime import UserError

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
    """One pair of a site; pixels are read when they are asked for.

    Attributes:
        tree: xarray.DataTree of the site, of `open_chips`.
        chips: which of them are the pair's.
    """

    tree: Any
    chips: slice

    @property
    def number(self) -> int:
        """Number of the pair in its site."""
        return int(self.tree["pair"].values[self.chips][0])

    @property
    def day(self) -> str:
        """Day of the Sentinel-2 scene or else of the first product, YYYY-MM-DD; NaT where nobody says."""
        product = "sentinel2" if "sentinel2" in self.products else self.products[0]
        return str(self.tree[f"{product}/qa"]["time"].values[self.chips][0])[:10]

    @cached_property
    def items(self) -> dict[str, str]:
        """Item id by product and of the label."""
        nodes = {product: self.tree[f"{product}/qa"] for product in OPTICAL if product in self.tree}
        items = {
            key: str(max(node["item"].values[self.chips]))
            for key, node in {"label": self.tree["label"], **nodes}.items()
        }
        return {product: item for product, item in items.items() if item}

    @property
    def products(self) -> tuple[str, ...]:
        """Optical products of the pair; another pair of the store may have more."""
        return tuple(product for product in OPTICAL if product in self.items)

    @cached_property
    def places(self) -> tuple[Array, Array]:
        """Row and column of every chip in the mosaic, from the chips' corners."""
        right, down = self._corners(self.tree["label"]).T / self.tree.attrs["chip_m"]
        return (down - down.min()).round().astype(int), (right - right.min()).round().astype(int)

    @property
    def cells(self) -> MosaicGrid:
        """60 m squares of the Sentinel-2 lattice over the mosaic."""
        per_chip = int(self.tree.attrs["chip_m"]) // LATTICE_M
        rows, cols = (int(place.max() + 1) * per_chip for place in self.places)
        return MosaicGrid(0.0, 0.0, LATTICE_M, rows, cols)

    @cached_property
    def quality_grids(self) -> dict[str, MosaicGrid]:
        """Grid of every product's own quality layer."""
        return {product: self._grid(self.tree[f"{product}/qa"]) for product in self.products}

    def clear_bands(self, product: str) -> Iterator[tuple[str, MosaicGrid, Array]]:
        """Name, grid and reflectance (rows, cols) float32 of every band, one after the other.

        NaN where nodata, outside the chips, and where any part is not clear by the product's own layer.
        """
        nodes = dict(self.tree[product].children)
        clear = np.where(self._mosaic(self._read(nodes.pop("qa")["clear"]), 0) == 1, 1.0, np.nan)
        for node in nodes.values():
            grid = self._grid(node)
            seen = np.isfinite(area_means(clear, self.quality_grids[product], grid))
            values = self._read(node["reflectance"])
            for position, name in enumerate(node["band"].values):
                pixels = self._mosaic(values[:, position], np.nan)
                yield str(name), grid, np.where(seen, pixels, np.float32(np.nan))

    def _read(self, array: Any) -> Array:
        """The pair's part of an array, so that memory holds one pair at a time."""
        try:
            return np.asarray(array.isel(chip=self.chips).values)
        except (KeyError, ValueError, RuntimeError) as error:
            raise damaged(self.tree.attrs["site"], error) from None

    def _corners(self, node: Any) -> Array:
        """(chip, 2) left edge and top of the pair's chips in a node, metres to the right and down in the CRS."""
        x, y = (node[axis].values[self.chips] for axis in ("easting", "northing"))
        half = (x[:, 1] - x[:, 0]) / 2
        return np.stack([x[:, 0] - half, -y[:, 0] - half], axis=1)

    def _grid(self, node: Any) -> MosaicGrid:
        """Grid of a node's mosaic; all chips of a pair come from one file, so they share its phase."""
        left, top = (self._corners(node) - self._corners(self.tree["label"])).round(3).T
        if np.ptp(left) or np.ptp(top):
            place = f"{self.tree.attrs['site']}.zarr: chips of pair {self.number}"
            raise UserError(f"{place} lie on different grids in {node.path.strip('/')}: run extract again")
        x = node["easting"].values[self.chips]
        rows, cols = (int(position.max() + 1) * x.shape[1] for position in self.places)
        return MosaicGrid(float(left[0]), float(top[0]), float(x[0, 1] - x[0, 0]), rows, cols)

    def _mosaic(self, chips: Array, fill: float) -> Array:
        size = chips.shape[-1]
        rows, cols = self.places
        whole = np.full(((rows.max() + 1) * size, (cols.max() + 1) * size), fill, chips.dtype)
        for pixels, row, col in zip(chips, rows, cols, strict=True):
            whole[row * size : (row + 1) * size, col * size : (col + 1) * size] = pixels
        return whole


def damaged(site: str, error: Exception) -> UserError:
    """The line on a store that cannot be read."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UserError(f"{site}.zarr: an array is missing or damaged ({reason}): run extract again")


def pairs_of(tree: Any) -> Iterator[PairImages]:
    """Pairs of a site in the order of its chips, which are neighbours in the arrays."""
    pairs = tree["pair"].values
    starts = np.flatnonzero(np.diff(pairs, prepend=-1)).tolist()
    for start, stop in pairwise([*starts, len(pairs)]):
        yield PairImages(tree, slice(start, stop))


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
    from scipy.sparse import csr_array

    pixels = start + step * np.arange(count)
    targets = (target_start + target_step * np.arange(target_count))[:, None]
    shared = np.minimum(pixels + step, targets + target_step) - np.maximum(pixels, targets)
    return csr_array(np.maximum(shared / target_step, 0))
