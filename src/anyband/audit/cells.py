"""Area means on a common support: every product averaged over the same squares of ground, whatever its own grid.

A pixel counts with the share of its ground that lies in the square, so the half pixel (15 m) by which Landsat's grid
differs from that of Sentinel-2 is handled exactly and nothing is interpolated.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from anyband.ground import Array

WHOLE = 1 - 1e-6
"""A square counts when its ground is covered by usable pixels, up to rounding."""


@dataclass(frozen=True)
class Grid:
    """Square pixels; `left`, `top` are metres right of and below the upper-left corner of the pair's mosaic."""

    left: float
    top: float
    pixel_m: float
    rows: int
    cols: int


def area_means(values: Array, source: Grid, target: Grid) -> Array:
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
