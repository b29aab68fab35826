"""Bands of one acquisition brought to another grid: interpolated where that is finer, averaged where it is coarser."""

import numpy as np
import torch
from torch import Tensor

from anyband.models.core.regrid import apply_separable, cells_across, moment_weights, reading_weights
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.sensors import Band

CUBIC = -0.5
"""Free parameter of cubic convolution (Keys 1981, IEEE TASSP 29(6)): the third-order accurate choice."""


def resample(observation: Observation, query: QueryGrid, method: str) -> tuple[Tensor, Tensor, tuple[Band, ...]]:
    """All bands of an observation on the query grid.

    Returns:
        Values (B, C, H, W), validity (B, C, H, W) and the C bands of the first sample.
    """
    parts = [_resample(group, query, method) for product in sorted(observation.products)
             for group in observation.of(product)]  # fmt: skip
    values, valid = (torch.cat(tensors, dim=1) for tensors in zip(*parts, strict=True))
    groups = [group for product in sorted(observation.products) for group in observation.of(product)]
    return values, valid, tuple(band for group in groups for band in group.band_sets[0])


def _resample(group: BandGroup, query: QueryGrid, method: str) -> tuple[Tensor, Tensor]:
    """Invalid pixels do not enter; a point is valid when at least half of its weight is."""
    dx, dy = group.offset_m.unbind(1)
    height, width = group.values.shape[2:]
    rows = _weights(height, group.pixel_m, dy, query.height, query.pixel_m, method)
    columns = _weights(width, group.pixel_m, dx, query.width, query.pixel_m, method)
    both = torch.cat((group.values * group.valid, group.valid.float()), dim=1).permute(0, 2, 3, 1)
    total, weight = apply_separable(rows, columns, both).permute(0, 3, 1, 2).chunk(2, dim=1)
    valid = weight > 0.5
    return torch.where(valid, total / weight.clamp_min(0.5), 0.0), valid


def _weights(pixels: int, pixel_m: float, offset_m: Tensor, points: int, spacing_m: float, method: str) -> Tensor:
    """Weights (B, points, pixels) of one axis."""
    if spacing_m > pixel_m:
        cells = cells_across(points, spacing_m, spacing_m)
        return moment_weights(pixels, pixel_m, offset_m, cells, spacing_m, 1)
    if method == "linear" or spacing_m == pixel_m:
        return reading_weights(pixels, pixel_m, offset_m, points, spacing_m, linear=True)
    offsets, index = torch.unique(offset_m, return_inverse=True)
    return torch.stack([_cubic(pixels, pixel_m, float(o), points, spacing_m) for o in offsets])[index]


def _cubic(pixels: int, pixel_m: float, offset_m: float, points: int, spacing_m: float) -> Tensor:
    """Weights (points, pixels) of cubic convolution; beyond its end a row goes on with its last pixel."""
    position = ((np.arange(points) + 0.5) * spacing_m - offset_m) / pixel_m - 0.5
    nearest = np.floor(position).astype(int)
    weights = np.zeros((points, pixels))
    for step in (-1, 0, 1, 2):
        t = np.abs(position - nearest - step)
        near = (CUBIC + 2) * t**3 - (CUBIC + 3) * t**2 + 1
        far = CUBIC * (t**3 - 5 * t**2 + 8 * t - 4)
        target = np.clip(nearest + step, 0, pixels - 1)
        np.add.at(weights, (np.arange(points), target), np.where(t <= 1, near, far))
    return torch.from_numpy(weights.astype(np.float32))
