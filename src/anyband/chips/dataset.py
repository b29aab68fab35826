"""A split in memory: integers as stored, turned into reflectance and validity only for the batch that is asked for.

Pixels lie in one array per band group, in memory or mapped from a file (`chip_selection.hold_arrays`). Reading changes
nothing in them, so any number of threads and worker processes may ask one table for batches; which chips and crops a
step gets follows from the seed alone, not from who asks.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anyband.chips.chip_selection import (
    BandGrid,
    Selection,
    cache_folder,
    clear_plan,
    common_grids,
    common_side,
    content_key,
    hold_arrays,
    label_plan,
    select_chips,
    values_plan,
)
from anyband.chips.store import read_array
from anyband.ground import LATTICE_M, Array
from anyband.landcover import LABEL_PIXEL_M
from anyband.observation import BandGroup, Observation, scene_row
from anyband.products import PRODUCTS
from anyband.runtime import UserError, read_csv
from anyband.sensors import BandSet, get_sensor
from anyband.sensors import platforms as known_platforms

__all__ = ["LABEL_PIXEL_M", "ChipDataset", "Crop", "load_split"]


@dataclass(frozen=True)
class Crop:
    """Squares of `side_m` metres, one per sample; `row_m`, `col_m` (B,) metres from the chip's upper-left corner.

    All are multiples of 60 m, so that a crop is whole in pixels of every grid.
    """

    row_m: Array
    col_m: Array
    side_m: int

    def __post_init__(self) -> None:
        """Refuse crops that would cut a 60 m pixel."""
        if self.side_m % LATTICE_M or np.any(self.row_m % LATTICE_M) or np.any(self.col_m % LATTICE_M):
            raise ValueError(f"crops must be aligned to {LATTICE_M} m")


@dataclass(frozen=True)
class BandArray:
    """One band group of all chips: `values` (N, C, H, W) as stored, `clear` (N, H, W) bool, the rest per chip."""

    product: str
    pixel_m: int
    band_sets: tuple[BandSet, ...]
    platform: Array  # (N,) index into band_sets
    seen: Array  # (N,) bool, whether the product saw the chip
    values: Array
    clear: Array
    offset_m: Array  # (N, 2)
    scene: Array  # (N, 4)

    def batch(self, indices: Array, crop: Crop | None) -> BandGroup:
        """Reflectance and validity of some chips; values are 0 where not valid."""
        stored = _cut(self.values, indices, crop, self.pixel_m)
        clear = _cut(self.clear, indices, crop, self.pixel_m)[:, None]
        values, valid = PRODUCTS[self.product].encoding.reflectance(stored, clear)
        present, index = np.unique(self.platform[indices], return_inverse=True)
        return BandGroup(
            product=self.product,
            values=torch.from_numpy(values),
            valid=torch.from_numpy(valid),
            band_sets=tuple(self.band_sets[platform] for platform in present),
            band_set_index=torch.from_numpy(index.astype(np.int64)),
            pixel_m=float(self.pixel_m),
            offset_m=torch.from_numpy(self.offset_m[indices]),
            scene=torch.from_numpy(self.scene[indices]),
        )


def _cut(array: Array, indices: Array, crop: Crop | None, pixel_m: int) -> Array:
    """The crops of some chips: (N, ..., H, W) -> (B, ..., h, w); a view when they are neighbours and whole."""
    if crop is None:
        neighbours = len(indices) > 0 and indices[0] >= 0 and np.all(np.diff(indices) == 1)
        whole: Array = array[indices[0] : indices[-1] + 1] if neighbours else array[indices]
        return whole
    size = crop.side_m // pixel_m
    out = np.empty((len(indices), *array.shape[1:-2], size, size), array.dtype)
    corners = zip(crop.row_m // pixel_m, crop.col_m // pixel_m, strict=True)
    for sample, (index, (row, col)) in enumerate(zip(indices, corners, strict=True)):
        out[sample] = array[index, ..., row : row + size, col : col + size]
    return out


@dataclass(frozen=True)
class ChipDataset:
    """All chips of one split in memory, in the order of the split's table.

    Attributes:
        site, block, chip: (N,) str.
        chip_m: side of a chip, m.
        classes: label code of every class index.
        label: (N, 96, 96) int8 class index on the 10 m grid, -1 = not scored: no label, a class that is not listed,
            or not clear in both Sentinel-2 and Landsat.
        layers: band groups by (product, pixel_m).
        source: arguments of `load_split` that gave the table.
        own: whether the chips are of own files, where a sensor may have missed some.
    """

    site: Array
    block: Array
    chip: Array
    chip_m: int
    classes: tuple[int, ...]
    label: Array
    layers: tuple[BandArray, ...]
    source: tuple[Any, ...]
    own: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process as how to load it, not as its pixels."""
        return load_split, self.source

    def __len__(self) -> int:
        """Number of chips."""
        return len(self.chip)

    @property
    def products(self) -> frozenset[str]:
        """Products in memory."""
        return frozenset(layer.product for layer in self.layers)

    @cached_property
    def seen(self) -> dict[str, Array]:
        """By product in memory, whether it saw each chip (N,) bool; all is seen but in chips of own files."""
        return {layer.product: layer.seen for layer in self.layers}

    def having(self, products: Collection[str]) -> Array:
        """Indices of the chips that each of some products saw."""
        return np.flatnonzero(np.all([self.seen[product] for product in products], axis=0))

    def observation(
        self, indices: Sequence[int] | Array, products: Collection[str], crop: Crop | None = None
    ) -> Observation:
        """What a model sees of the chips `indices` with `products` available; those that saw none of them are absent.

        Raises:
            UserError: a product that was not loaded.
        """
        missing = sorted(set(products) - self.products)
        if missing:
            raise UserError(f"product {missing[0]!r} was not loaded with this split")
        chosen = np.asarray(indices)
        there = [layer for layer in self.layers if layer.product in products and layer.seen[chosen].any()]
        return Observation(tuple(layer.batch(chosen, crop) for layer in there))

    def labels(self, indices: Sequence[int] | Array, crop: Crop | None = None) -> Tensor:
        """Class indices (B, H, W) int64 on the 10 m grid, -1 where not scored."""
        return torch.from_numpy(_cut(self.label, np.asarray(indices), crop, LABEL_PIXEL_M).astype(np.int64))

    def random_batches(self, batch: int, crop_m: int, steps: int, seed: int) -> Iterator[tuple[Array, Crop]]:
        """Chip indices (B,) and random crops for `steps` training steps; the same for the same seed.

        Chips are drawn without replacement, in a new order each time all were used. Those of a batch were seen by the
        same products: the next ones in the order that were seen by those of the first.

        Raises:
            UserError: crops larger than the chips.
        """
        if crop_m > self.chip_m:
            raise UserError(f"crops of {crop_m} m do not fit into chips of {self.chip_m} m: lower training.crop_m")
        random = np.random.default_rng(seed)
        corners = (self.chip_m - crop_m) // LATTICE_M + 1
        queue = np.empty(0, np.int64)
        kind = np.unique(np.stack(list(self.seen.values())), axis=1, return_inverse=True)[1].ravel()
        for _ in range(steps):
            alike = kind[queue] == kind[queue[:1]]
            while alike.sum() < batch:
                queue = np.concatenate([queue, random.permutation(len(self))])
                alike = kind[queue] == kind[queue[0]]
            taken = np.flatnonzero(alike)[:batch]
            indices, queue = queue[taken], np.delete(queue, taken)
            row_m, col_m = random.integers(corners, size=(2, batch)) * LATTICE_M
            yield indices, Crop(row_m, col_m, crop_m)

    def ordered_batches(self, batch: int) -> Iterator[Array]:
        """Indices of all chips in order, at most `batch` at a time."""
        for start in range(0, len(self), batch):
            yield np.arange(start, min(start + batch, len(self)))


def load_split(
    chips: Path,
    splits: Path,
    split: str,
    products: Collection[str],
    classes: Mapping[int, str],
    blocks: Collection[str] | None = None,
) -> ChipDataset:
    """Read one split of a dataset into memory, or map it from files when it does not fit (`cache_folder`).

    Args:
        chips: folder of the sites' stores, `{site}.zarr`.
        splits: the table of splits (`splits/{dataset}.csv`).
        split: "train", "val" or "test".
        products: products to load ("sentinel2", "landsat", "hls_s30", "hls_l30").
        classes: label codes that are scored, as in the configuration; class index = position in ascending code.
        blocks: only chips of these blocks; None for all.

    Raises:
        UserError: a missing, unfinished or damaged store, a chip that a store lacks, stores of different bands, an
            empty split, too little disk space.
    """
    import pandas as pd

    table = read_csv(splits)
    table = table[table["split"] == split]
    if blocks is not None:
        table = table[table["block"].isin(list(blocks))]
    if table.empty:
        raise UserError(f"{splits}: no chip in split {split!r}")
    codes = tuple(sorted(int(code) for code in classes))
    # Chips of one site are neighbours in memory; the order of the sites and of each site's chips is kept.
    parts = [rows for _, rows in table.groupby("site", sort=False)]
    ordered = pd.concat(parts)
    sites = [select_chips(chips / f"{rows['site'].iloc[0]}.zarr", list(rows["chip"])) for rows in parts]
    sites = [site.seen_by(products) for site in sites]
    if any(site.own for site in sites):
        ordered = ordered[ordered["chip"].isin([entry["chip"] for site in sites for entry in site.entries])]
    if ordered.empty:
        raise UserError(f"{splits}: no chip in split {split!r} was seen by {' or '.join(sorted(products))}")
    chip_m = common_side(sites)
    grids = [grid for product in sorted(products) for grid in common_grids(sites, product)]
    plans = [label_plan(sites, codes, chip_m)]
    for grid in grids:
        plans += [values_plan(sites, grid, chip_m), clear_plan(sites, grid, chip_m)]
    key = content_key(sites, codes)
    # Parts of a split have files of their own, or runs side by side would remove each other's.
    label, *pixels = hold_arrays(plans, cache_folder(chips), split if blocks is None else f"{split}-{key}", key)
    layers = (_layer(sites, grid, *pixels[2 * i : 2 * i + 2]) for i, grid in enumerate(grids))
    return ChipDataset(
        site=ordered["site"].to_numpy(str),
        block=ordered["block"].to_numpy(str),
        chip=ordered["chip"].to_numpy(str),
        chip_m=chip_m,
        classes=codes,
        label=label,
        layers=tuple(layers),
        source=(chips, splits, split, tuple(products), dict(classes), None if blocks is None else tuple(blocks)),
        own=any(site.own for site in sites),
    )


def _layer(sites: Sequence[Selection], grid: BandGrid, values: Array, clear: Array) -> BandArray:
    platforms = [platform for site in sites for platform in site.platforms(grid.product)]
    seen = np.array([bool(platform) for platform in platforms])
    stand_in = next(filter(None, platforms), known_platforms(grid.product)[0])  # its pixels are nowhere valid
    names, index = np.unique(np.where(seen, platforms, stand_in), return_inverse=True)
    return BandArray(
        product=grid.product,
        pixel_m=grid.pixel_m,
        band_sets=tuple(get_sensor(str(name), grid.product).band_set(grid.bands) for name in names),
        platform=index,
        seen=seen,
        values=values,
        clear=clear,
        offset_m=np.concatenate([read_array(site.group, f"{grid.name}/offset_m", site.rows) for site in sites]),
        scene=np.concatenate([_scene(site, grid.product) for site in sites]),
    )


def _scene(site: Selection, product: str) -> Array:
    """What is known of each chip's acquisition of a product as a whole, (N, 4) as `BandGroup.scene`."""
    rows = []
    for entry in site.entries:
        angles = entry.get("angles_deg", {}).get(product, {})  # stores made before angles were kept have none
        when = entry["datetimes"].get(product)  # own files need not say
        rows.append(scene_row(datetime.fromisoformat(when) if when else None, **angles))
    return np.array(rows, np.float32)
