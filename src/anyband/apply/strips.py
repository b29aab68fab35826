"""Strips of ground: the bands of one grid over a scene's whole width, and the mask of what is clear."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from anyband.apply.tiling import Lattice
from anyband.observation import BandGroup
from anyband.products import REFLECTANCE_LIMITS
from anyband.raster.rows import Array, RowFile
from anyband.sensors import BandSet

CLOSE = 1e-6  # of a pixel: rounding noise of a division


@dataclass(frozen=True)
class Frame:
    """Where a raster lies: upper-left corner (`left`, `top`) and spacing in metres, and (rows, columns)."""

    left: float
    top: float
    pixel_m: float
    shape: tuple[int, int]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top."""
        rows, columns = self.shape
        return self.left, self.top - rows * self.pixel_m, self.left + columns * self.pixel_m, self.top

    def row(self, y: float) -> int:
        """Row that contains a northing, or its upper edge."""
        return int(np.floor((self.top - y) / self.pixel_m + CLOSE))

    def column(self, x: float) -> int:
        """Column that contains an easting, or its left edge."""
        return int(np.floor((x - self.left) / self.pixel_m + CLOSE))

    def size(self, lattice: Lattice) -> int:
        """Pixels that cover a tile wherever it lies on the lattice."""
        lengths = (lattice.tile_m, lattice.step_m, self.left - lattice.x, self.top - lattice.y)
        aligned = all(abs(v / self.pixel_m - round(v / self.pixel_m)) < CLOSE for v in lengths)
        return int(np.ceil(lattice.tile_m / self.pixel_m - CLOSE)) + (not aligned)


@dataclass(frozen=True)
class Group:
    """Bands of one grid in the order of their files, and (scale, offset, nodata) of each."""

    bands: BandSet
    frame: Frame
    files: tuple[RowFile, ...]
    encodings: tuple[tuple[float, float, float | None], ...]


@dataclass(frozen=True)
class Strip:
    """Rows of a group over its whole width: values and valid (C, rows, columns), and the northing of the first row."""

    group: Group
    values: Array
    valid: Array
    top: float

    def cut(self, lefts: Sequence[float], top: float, size: int, product: str, facts: tuple[float, ...]) -> BandGroup:
        """The squares of `size` pixels from the pixels that contain the corners (`lefts`, `top`)."""
        frame = self.group.frame
        values = np.zeros((len(lefts), len(self.group.bands), size, size), np.float32)
        valid = np.zeros(values.shape, bool)
        offsets = np.zeros((len(lefts), 2), np.float32)
        for n, left in enumerate(lefts):
            first = frame.column(left)
            start, stop = max(first, 0), min(first + size, frame.shape[1])
            if start < stop:
                target = slice(start - first, stop - first)
                values[n, :, :, target] = self.values[:, :, start:stop]
                valid[n, :, :, target] = self.valid[:, :, start:stop]
            offsets[n] = frame.left + first * frame.pixel_m - left, top - self.top
        return BandGroup(
            product=product,
            values=torch.from_numpy(values),
            valid=torch.from_numpy(valid),
            band_sets=(self.group.bands,),
            band_set_index=torch.zeros(len(lefts), dtype=torch.int64),
            pixel_m=frame.pixel_m,
            offset_m=torch.from_numpy(offsets),
            scene=torch.tensor([facts]),
        )


@dataclass(frozen=True)
class Clear:
    """A clear mask (y, x) and where it lies."""

    mask: Array
    frame: Frame

    def at(self, frame: Frame, top: float, size: int) -> Array:
        """The mask (size, columns) at the pixel centres of `size` rows of `frame` from the northing `top`.

        Up to one pixel beyond its edge the outermost value holds; further off nothing is clear.
        """
        if np.isinf(self.frame.top):
            return np.zeros((size, frame.shape[1]), bool)
        y = self.frame.top - top + (np.arange(size) + 0.5) * frame.pixel_m
        x = frame.left - self.frame.left + (np.arange(frame.shape[1]) + 0.5) * frame.pixel_m
        rows, columns = (np.floor(v / self.frame.pixel_m + CLOSE).astype(int) for v in (y, x))
        inside = np.logical_and.outer(*(_within(i, n) for i, n in zip((rows, columns), self.mask.shape, strict=True)))
        rows, columns = (np.clip(i, 0, n - 1) for i, n in zip((rows, columns), self.mask.shape, strict=True))
        found: Array = self.mask[rows[:, None], columns] & inside
        return found


def _within(index: Array, count: int) -> Array:
    return (index >= -1) & (index <= count)


def reflectance(pixels: Array, scale: float, offset: float, nodata: float | None) -> tuple[Array, Array]:
    """Reflectance in the limits that models see, and where there is any, from stored pixels of any shape."""
    valid = np.isfinite(pixels)
    if nodata is not None:
        valid &= pixels != nodata
    values = np.where(valid, pixels, 0).astype(np.float32) * np.float32(scale) + np.float32(offset)
    return np.clip(values, *REFLECTANCE_LIMITS), valid
