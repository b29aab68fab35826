"""The lattice of overlapping tiles, and the map that is put together from them row by row.

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
from torch import Tensor

from anyband.ground import FALSE_NORTHING_M
from anyband.observation import Observation, QueryGrid

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Compute = Callable[[Observation, QueryGrid], tuple[Tensor, Tensor]]
"""Values (B, K, H, W) on the query grid, and where they hold (B, H, W)."""

BATCH = 4
ROUNDING = 1e-6


@dataclass(frozen=True)
class Lattice:
    """Squares of `tile_m` every `step_m` metres; one has its upper-left corner at easting `x`, northing `y`."""

    tile_m: float = 960.0
    step_m: float = 720.0
    x: float = 0.0
    y: float = 0.0

    @classmethod
    def of(cls, epsg: int) -> "Lattice":
        """The lattice of a CRS: its corners are corners of Sentinel-2's 60 m pixels, in zones south too."""
        return cls(y=FALSE_NORTHING_M if epsg // 100 == 327 else 0.0)


@dataclass(frozen=True)
class Area:
    """A map that is asked for: upper-left corner (`left`, `top`) in the CRS `epsg`, `pixel_m`, and its pixels."""

    epsg: int
    left: float
    top: float
    pixel_m: float
    height: int
    width: int


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


def map_rows(area: Area, lattice: Lattice, read: Read, compute: Compute, channels: int) -> Iterator[Rows]:
    """Map an area tile by tile; what is in memory depends on its width, not on its height.

    The next row of tiles is read while one is computed.

    Args:
        area: what to map.
        lattice: of the tiles, whole in pixels of the area.
        read: gives the tiles of a row.
        compute: maps tiles.
        channels: K of the values.
    """
    from concurrent.futures import ThreadPoolExecutor

    size, step = (round(length / area.pixel_m) for length in (lattice.tile_m, lattice.step_m))
    columns = _tiles(area.left - lattice.x, area.width * area.pixel_m, lattice)
    rows = _tiles(lattice.y - area.top, area.height * area.pixel_m, lattice)
    lefts = [lattice.x + column * lattice.step_m for column in columns]
    canvas = Canvas(channels, size, step, len(lefts))
    skip = round((area.left - lefts[0]) / area.pixel_m)
    with ThreadPoolExecutor(1) as ahead:
        tops = [lattice.y - row * lattice.step_m for row in rows]
        waiting = ahead.submit(read, tops[0])
        for top, following in zip(tops, [*tops[1:], None], strict=True):
            cut = waiting.result()
            if following is not None:
                waiting = ahead.submit(read, following)
            for first in range(0, len(lefts), BATCH):
                part = lefts[first : first + BATCH]
                canvas.add(first, *_computed(cut(part), QueryGrid(area.pixel_m, size, size), compute))
            values, seen = canvas.finished()
            start = round((area.top - top) / area.pixel_m)
            inner = slice(max(-start, 0), min(step, area.height - start))
            inside = slice(skip, skip + area.width)
            if inner.start < inner.stop:
                yield Rows(max(start, 0), values[:, inner, inside], seen[inner, inside])


def _tiles(offset_m: float, length_m: float, lattice: Lattice) -> range:
    """Numbers of the tiles of an axis that reach into the `length_m` metres from `offset_m` on."""
    first = math.floor((offset_m - lattice.tile_m) / lattice.step_m + ROUNDING) + 1
    return range(first, math.ceil((offset_m + length_m) / lattice.step_m - ROUNDING))


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
