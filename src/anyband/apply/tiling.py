"""Where a map lies, the lattice of overlapping tiles, and the map that is put together from them row by row.

Tiles are as large as the chips that methods are scored on and lie on a lattice that belongs to the CRS, not to the
scene: a part of a scene gets the same map as the whole. Neighbours overlap by a quarter; weights that rise linearly
from a tile's edge add up to one everywhere, so no edge shows.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from torch import Tensor

from anyband.ground import CHIP_M, FALSE_NORTHING_M, LATTICE_M, is_south
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top."""
Compute = Callable[[Observation, QueryGrid], tuple[Tensor, Tensor]]
"""Values (B, K, H, W) on the query grid, and where they hold (B, H, W)."""

BATCH = 4
CLOSE = 1e-6  # of a pixel or a tile: rounding noise of a division


@dataclass(frozen=True)
class Lattice:
    """Squares of `tile_m` every `step_m` metres; one has its upper-left corner at easting `x`, northing `y`."""

    tile_m: float = float(CHIP_M)
    step_m: float = 720.0
    x: float = 0.0
    y: float = 0.0

    @classmethod
    def of(cls, grid: GeoBox) -> "Lattice":
        """The lattice of a grid's CRS: its corners are corners of Sentinel-2's 60 m pixels, in zones south too."""
        epsg = grid.crs.epsg if grid.crs else None
        return cls(y=FALSE_NORTHING_M if epsg and is_south(epsg) else 0.0)

    def pixels(self, grid: GeoBox) -> int:
        """Pixels of a grid that cover a tile wherever it lies."""
        pixel_m = grid.affine.a
        lengths = (self.tile_m, self.step_m, grid.affine.c - self.x, grid.affine.f - self.y)
        aligned = all(abs(v / pixel_m - round(v / pixel_m)) < CLOSE for v in lengths)
        return math.ceil(self.tile_m / pixel_m - CLOSE) + (not aligned)


def row_at(grid: GeoBox, y: float) -> int:
    """Row of a north-up grid that contains a northing, or its upper edge."""
    return math.floor((grid.affine.f - y) / grid.affine.a + CLOSE)


def column_at(grid: GeoBox, x: float) -> int:
    """Column of a north-up grid that contains an easting, or its left edge."""
    return math.floor((x - grid.affine.c) / grid.affine.a + CLOSE)


def map_grid(grids: Sequence[tuple[str, GeoBox]], pixel_m: float, bbox: Bounds | None) -> GeoBox:
    """Pixels of `pixel_m` that lie in all grids and, in part at least, in the box.

    Args:
        grids: names of items and their finest grids, in one CRS.
        pixel_m: of the map; must divide the 60 m to which tiles keep.
        bbox: west, south, east, north in degrees, everything for None.

    Raises:
        UserError: `pixel_m` does not fit, or nothing is common to all.
    """
    first = grids[0][1]
    lattice = Lattice.of(first)
    if not 0 < pixel_m <= LATTICE_M or abs(LATTICE_M / pixel_m - round(LATTICE_M / pixel_m)) > CLOSE:
        raise UserError(f"--gsd {pixel_m:g}: pixels must divide {LATTICE_M} m (10, 15, 20, 30 or 60, say)")
    common = first.boundingbox.bbox
    for item, grid in grids:
        common = _intersection(common, grid.boundingbox.bbox)
        if not _has_area(common):
            raise UserError(f"item {item} does not overlap with the ones before it")
    # Pixels wholly inside the items, but all that the box touches.
    pixels = _pixels(common, lattice, pixel_m, inwards=True)
    if bbox is not None:
        pixels = _intersection(pixels, _pixels(_projected(bbox, str(first.crs)), lattice, pixel_m, inwards=False))
    if not _has_area(pixels):
        raise UserError("--bbox does not overlap with the items (west south east north, in degrees)")
    left, bottom, right, top = pixels
    corner = lattice.x + left * pixel_m, lattice.y + top * pixel_m
    return GeoBox((int(top - bottom), int(right - left)), from_origin(*corner, pixel_m, pixel_m), first.crs)


def _pixels(bounds: Bounds, lattice: Lattice, pixel_m: float, *, inwards: bool) -> Bounds:
    """Bounds in whole pixels from the lattice's corner."""
    left, bottom, right, top = (
        (value - origin) / pixel_m for value, origin in zip(bounds, (lattice.x, lattice.y) * 2, strict=True)
    )
    low, high, close = (math.ceil, math.floor, CLOSE) if inwards else (math.floor, math.ceil, 0.0)
    return low(left - close), low(bottom - close), high(right + close), high(top + close)


def _intersection(one: Bounds, other: Bounds) -> Bounds:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _has_area(bounds: Bounds) -> bool:
    return bounds[0] < bounds[2] and bounds[1] < bounds[3]


def _projected(bbox: Bounds, crs: str) -> Bounds:
    """A box of degrees in metres; across the antimeridian west is greater than east."""
    from pyproj import Transformer

    west, south, east, north = bbox
    if not (-90 <= south < north <= 90 and abs(west) <= 180 and abs(east) <= 180):
        raise UserError(f"--bbox {west:g} {south:g} {east:g} {north:g} is not west south east north in degrees")
    bounds: Bounds = Transformer.from_crs(4326, crs, always_xy=True).transform_bounds(*bbox)
    return bounds


@dataclass(frozen=True)
class Rows:
    """Finished rows of a map from `start` on: values (K, rows, W), and where there are any (rows, W)."""

    start: int
    values: Floats
    seen: Mask


Cut = Callable[[Sequence[float]], Observation]
"""Cuts the tiles with given left edges out of what was read."""
Read = Callable[[float], Cut]
"""Reads the ground below a northing."""


def map_rows(grid: GeoBox, lattice: Lattice, read: Read, compute: Compute, channels: int) -> Iterator[Rows]:
    """Map a grid tile by tile; what is in memory depends on its width, not on its height.

    The next row of tiles is read while one is computed.

    Args:
        grid: pixels of the map.
        lattice: of the tiles, whole in pixels of the map.
        read: gives the tiles of a row.
        compute: maps tiles.
        channels: K of the values.
    """
    from concurrent.futures import ThreadPoolExecutor

    pixel_m, left, upper = grid.affine.a, grid.affine.c, grid.affine.f
    size, step = (round(length / pixel_m) for length in (lattice.tile_m, lattice.step_m))
    columns = _tiles(left - lattice.x, grid.width * pixel_m, lattice)
    rows = _tiles(lattice.y - upper, grid.height * pixel_m, lattice)
    lefts = [lattice.x + column * lattice.step_m for column in columns]
    canvas = Canvas(channels, size, step, len(lefts))
    skip = round((left - lefts[0]) / pixel_m)
    with ThreadPoolExecutor(1) as ahead:
        tops = [lattice.y - row * lattice.step_m for row in rows]
        waiting = ahead.submit(read, tops[0])
        for top, following in zip(tops, [*tops[1:], None], strict=True):
            cut = waiting.result()
            if following is not None:
                waiting = ahead.submit(read, following)
            for first in range(0, len(lefts), BATCH):
                part = lefts[first : first + BATCH]
                canvas.add(first, *_computed(cut(part), QueryGrid(pixel_m, size, size), compute))
            values, seen = canvas.finished()
            start = round((upper - top) / pixel_m)
            inner = slice(max(-start, 0), min(step, grid.height - start))
            inside = slice(skip, skip + grid.width)
            if inner.start < inner.stop:
                yield Rows(max(start, 0), values[:, inner, inside], seen[inner, inside])


def _tiles(offset_m: float, length_m: float, lattice: Lattice) -> range:
    """Numbers of the tiles of an axis that reach into the `length_m` metres from `offset_m` on."""
    first = math.floor((offset_m - lattice.tile_m) / lattice.step_m + CLOSE) + 1
    return range(first, math.ceil((offset_m + length_m) / lattice.step_m - CLOSE))


def _computed(observation: Observation, query: QueryGrid, compute: Compute) -> tuple[Floats, Mask]:
    """What `compute` makes of the tiles of which something was seen; the others are empty."""
    some = torch.stack([group.valid.flatten(1).any(dim=1) for group in observation.groups]).any(dim=0)
    if not some.any():
        return np.zeros((observation.batch, 0, query.height, query.width), np.float32), np.zeros(0, bool)
    with torch.inference_mode():
        values, valid = compute(observation, query)
    return values.numpy(), valid.numpy()


class Canvas:
    """A row of tiles that are blended."""

    def __init__(self, channels: int, size: int, step: int, tiles: int) -> None:
        """Room for `tiles` tiles of `size` pixels side by side, one every `step` pixels."""
        self.size, self.step = size, step
        width = (tiles - 1) * step + size
        self.values = np.zeros((channels, size, width), np.float32)
        self.weight = np.zeros((size, width), np.float32)
        ramp = np.clip((np.arange(size) + 0.5) / max(size - step, 1), 0, 1)
        edge = np.minimum(ramp, ramp[::-1])
        self.taper = np.outer(edge, edge).astype(np.float32)

    def add(self, first: int, values: Floats, valid: Mask) -> None:
        """Add tiles (B, K, H, W) from the number `first` on; nothing of those without channels."""
        if not values.shape[1]:
            return
        for number, (tile, mask) in enumerate(zip(values, valid, strict=True), start=first):
            weight = self.taper * mask
            part = slice(number * self.step, number * self.step + self.size)
            self.values[:, :, part] += tile * weight
            self.weight[:, part] += weight

    def finished(self) -> tuple[Floats, Mask]:
        """Values (K, step, width) of the rows to which no later tile adds, and where there are any; then move on."""
        weight = self.weight[: self.step]
        values = (self.values[:, : self.step] / np.maximum(weight, 1e-12)).astype(np.float32)
        seen = weight > 0
        for array in (self.values, self.weight):
            array[..., : self.size - self.step, :] = array[..., self.step :, :]
            array[..., self.size - self.step :, :] = 0
        return values, seen
