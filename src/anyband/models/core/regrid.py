"""Maps on grids that are placed in metres: reading them at points, and their moments over cells.

Every grid is given by its number of pixels, its pixel spacing and the offset of its first edge from the chip's, all
along one axis. A map (B, h, w, C) is taken to another grid by one matrix per axis, so any spacing and any phase needs
the same few lines, and nothing is rounded to whole pixels. All front ends make a `FeatureMap`, so methods differ only
in how pixels become features.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from anyband.observation import BandGroup, QueryGrid


@lru_cache(maxsize=4096)
def _reading(pixels: int, pixel_m: float, offset_m: float, points: int, spacing_m: float, linear: bool) -> Tensor:
    """Weights (points, pixels) that read a row of pixels at the centres of `points` steps of `spacing_m`.

    A point outside the row takes the nearest pixel: a chip's own pixels may stop half a pixel short of its edge.
    """
    position = ((np.arange(points) + 0.5) * spacing_m - offset_m) / pixel_m
    weights = np.zeros((points, pixels), np.float32)
    rows = np.arange(points)
    if not linear:
        weights[rows, np.clip(np.floor(position + 1e-6).astype(int), 0, pixels - 1)] = 1.0
        return torch.from_numpy(weights)
    centre = np.clip(position - 0.5, 0, pixels - 1)
    low = np.minimum(np.floor(centre).astype(int), pixels - 1)
    high = np.minimum(low + 1, pixels - 1)
    np.add.at(weights, (rows, low), 1 - (centre - low))
    np.add.at(weights, (rows, high), centre - low)
    return torch.from_numpy(weights)


@lru_cache(maxsize=4096)
def _moments(pixels: int, pixel_m: float, offset_m: float, cells: int, cell_m: float, order: int) -> Tensor:
    """Weights (cells, order, pixels): share of a cell under each pixel, times the mean of cos(pi j u) there.

    u runs from 0 to 1 across the cell. The integral of the cosine over the overlap of pixel and cell is closed form,
    so a pixel may be smaller or larger than the cell and may lie across its edge.
    """
    start = np.maximum((np.arange(pixels) * pixel_m + offset_m)[None] - (np.arange(cells) * cell_m)[:, None], 0.0)
    stop = (np.arange(1, pixels + 1) * pixel_m + offset_m)[None] - (np.arange(cells) * cell_m)[:, None]
    low, high = np.minimum(start / cell_m, 1.0), np.clip(stop / cell_m, 0.0, 1.0)
    high = np.maximum(low, high)
    weights = np.empty((cells, order, pixels))
    weights[:, 0] = high - low
    for j in range(1, order):
        weights[:, j] = math.sqrt(2.0) * (np.sin(math.pi * j * high) - np.sin(math.pi * j * low)) / (math.pi * j)
    return torch.from_numpy(weights.astype(np.float32))


def reading_weights(
    pixels: int, pixel_m: float, offset_m: Tensor, points: int, spacing_m: float, *, linear: bool
) -> Tensor:
    """Weights (B, points, pixels) for one axis; `offset_m` is (B,).

    `linear` interpolates between the two nearest pixel centres; otherwise the pixel that contains the point is read.
    """
    distinct, index = _distinct(offset_m)
    rows = [_reading(pixels, pixel_m, offset, points, spacing_m, linear) for offset in distinct]
    return torch.stack(rows).to(offset_m.device)[index]


def moment_weights(pixels: int, pixel_m: float, offset_m: Tensor, cells: int, cell_m: float, order: int) -> Tensor:
    """Weights (B, cells * order, pixels) for one axis; `offset_m` is (B,)."""
    distinct, index = _distinct(offset_m)
    rows = [_moments(pixels, pixel_m, offset, cells, cell_m, order).flatten(0, 1) for offset in distinct]
    return torch.stack(rows).to(offset_m.device)[index]


def _distinct(offset_m: Tensor) -> tuple[list[float], Tensor]:
    values, index = torch.unique(offset_m, return_inverse=True)
    return [float(value) for value in values], index


def apply_separable(rows: Tensor, columns: Tensor, image: Tensor) -> Tensor:
    """Apply one matrix per axis to a channels-last map.

    Args:
        rows: (B, H, h) weights along y.
        columns: (B, W, w) weights along x.
        image: (B, h, w, C).

    Returns:
        (B, H, W, C).
    """
    batch, height, width, channels = image.shape
    tall = torch.bmm(rows, image.reshape(batch, height, width * channels))
    tall = tall.reshape(batch * rows.shape[1], width, channels)
    return torch.bmm(columns.repeat_interleave(rows.shape[1], dim=0), tall).reshape(
        batch, rows.shape[1], columns.shape[1], channels
    )


def read_points(image: Tensor, pixel_m: float, offset_m: Tensor, query: QueryGrid, *, linear: bool) -> Tensor:
    """A map (B, h, w, C) read at the query's pixel centres: (B, H, W, C).

    Args:
        image: the map.
        pixel_m: its spacing, m.
        offset_m: (B, 2) (dx, dy) m of its corner from the query's.
        query: the grid of the points.
        linear: interpolate between the nearest pixel centres; else take the pixel that contains the point.
    """
    dx, dy = offset_m.unbind(1)
    rows = reading_weights(image.shape[1], pixel_m, dy, query.height, query.pixel_m, linear=linear)
    columns = reading_weights(image.shape[2], pixel_m, dx, query.width, query.pixel_m, linear=linear)
    return apply_separable(rows, columns, image)


def read_group(image: Tensor, group: BandGroup, finest: BandGroup, *, linear: bool) -> Tensor:
    """Read a map (B, h, w, C) of `group` at the pixel centres of `finest`."""
    grid = QueryGrid(finest.pixel_m, *finest.values.shape[2:])
    return read_points(image, group.pixel_m, group.offset_m - finest.offset_m, grid, linear=linear)


def cells_across(points: int, spacing_m: float, cell_m: float) -> int:
    """Number of cells that cover `points` steps of `spacing_m`."""
    return math.ceil(points * spacing_m / cell_m - 1e-6)


@dataclass(frozen=True)
class FeatureMap:
    """Features of one acquisition on one grid.

    Attributes:
        values: (B, h, w, E) float32; 0 where the weight is 0.
        weight: (B, h, w, 1) float32 in [0, 1]: 1 where the pixel was observed.
        pixel_m: spacing, m.
        offset_m: (B, 2) (dx, dy) m of the upper-left corner from the chip's.
    """

    values: Tensor
    weight: Tensor
    pixel_m: float
    offset_m: Tensor

    def read(self, query: QueryGrid, *, linear: bool) -> tuple[Tensor, Tensor]:
        """Features (B, H, W, E) and weight (B, H, W, 1) at the query's pixel centres, by position in metres."""
        height, width = self.values.shape[1:3]
        aligned = self.pixel_m == query.pixel_m and (height, width) == (query.height, query.width)
        if aligned and not self.offset_m.any():
            return self.values, self.weight
        values = read_points(self.values, self.pixel_m, self.offset_m, query, linear=linear)
        weight = read_points(self.weight, self.pixel_m, self.offset_m, query, linear=linear)
        return values * weight.clamp_min(1e-6).reciprocal(), weight


def observed(values: Tensor, weight: Tensor, pixel_m: float, offset_m: Tensor) -> FeatureMap:
    """A feature map of `values` (B, h, w, E) that is 0 where `weight` (B, h, w, 1) is 0."""
    if not bool((weight > 0).all()):
        values = values.where(weight > 0, 0.0)
    return FeatureMap(values, weight, pixel_m, offset_m)


def upsample_cells(cells: Tensor, cell_m: float, query: QueryGrid) -> Tensor:
    """Read cell features (B, Hc, Wc, C) at the query's pixels by linear interpolation between cell centres."""
    down, across = cells.shape[1:3]
    if (query.height * query.pixel_m, query.width * query.pixel_m) == (down * cell_m, across * cell_m):
        image = nn.functional.interpolate(
            cells.permute(0, 3, 1, 2), size=(query.height, query.width), mode="bilinear", align_corners=False
        )
        return image.permute(0, 2, 3, 1)
    offset = torch.zeros(len(cells), 2, device=cells.device)
    return read_points(cells, cell_m, offset, query, linear=True)
