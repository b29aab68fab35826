"""Fields: blocks of land between roads, cut into rotated rectangles whose size and direction belong to the block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.simulation.noise import Cells, Field, Labels, power_noise, scatter, worley

WARP_M = 25.0


@dataclass(frozen=True, eq=False)
class Parcels:
    """Blocks and the parcels in them.

    Attributes:
        blocks: Worley cells of about 0.85 km.
        parcel: (n, n) int32 number of the parcel, 0 to count - 1, all of them present.
        edge_m: (n, n) float32 distance to the next parcel border inside the block, m.
        edge: (n, n) int32 number of that border, for choosing hedges.
        along_m: (n, n) float32 coordinate along the block's direction, m.
        across_m: (n, n) float32 coordinate across it, m.
        count: number of parcels.
    """

    blocks: Cells
    parcel: Labels
    edge_m: Field
    edge: Labels
    along_m: Field
    across_m: Field
    count: int


def compact(label: NDArray[np.int64]) -> tuple[Labels, int]:
    """Renumbers non-negative labels to 0, 1, 2 ... without gaps; faster than numpy.unique for small ranges."""
    present = np.zeros(int(label.max()) + 1, bool)
    present[label] = True
    number = np.cumsum(present, dtype=np.int32) - np.int32(1)
    return number[label], int(number[-1]) + 1


def make_parcels(
    rng: np.random.Generator,
    size: int,
    step_m: float,
    block_m: float,
    width_m: tuple[float, float],
    length_m: tuple[float, float],
) -> Parcels:
    """Cuts the window into blocks and parcels.

    Args:
        rng: random source.
        size: side of the window in cells.
        step_m: cell size, m.
        block_m: mean side of a block, m.
        width_m: range of parcel widths, m.
        length_m: range of parcel lengths, m.
    """
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(step_m)
    # fields are nearly straight; only the roads between the blocks wind
    x = axis[None, :] + np.float32(WARP_M) * power_noise(rng, size, step_m, 4.0, 300.0, 2500.0)
    y = axis[:, None] + np.float32(WARP_M) * power_noise(rng, size, step_m, 4.0, 300.0, 2500.0)
    blocks = worley(rng, x, y, block_m, size * step_m)
    angle = rng.uniform(0.0, np.pi, blocks.count).astype(np.float32)
    width = rng.uniform(*width_m, blocks.count).astype(np.float32)
    length = rng.uniform(*length_m, blocks.count).astype(np.float32)
    home = blocks.nearest
    cosine, sine = np.cos(angle)[home], np.sin(angle)[home]
    along, across = x * cosine + y * sine, y * cosine - x * sine
    u = across / width[home]
    strip = np.floor(u)
    # strips of unequal width: every second line is moved, and parcels of neighbouring strips do not line up
    v = along / length[home] + scatter(strip.astype(np.int32), home, 3)
    piece = np.floor(v)
    du, dv = u - strip, v - piece
    to_strip = np.minimum(du, 1 - du) * width[home]
    to_piece = np.minimum(dv, 1 - dv) * length[home]
    column, row = strip.astype(np.int64), piece.astype(np.int64)
    column -= column.min()
    row -= row.min()
    label, count = compact((home * (column.max() + 1) + column) * (row.max() + 1) + row)
    # a border has the same number seen from both of its parcels
    side = np.where(to_strip <= to_piece, np.rint(u).astype(np.int32) * 2, np.rint(v).astype(np.int32) * 2 + 1)
    edge = (side + home * np.int32(4096)).astype(np.int32)
    return Parcels(blocks, label, np.minimum(to_strip, to_piece), edge, along, across, count)


def parcel_mean(field: Field, parcels: Parcels) -> NDArray[np.float64]:
    """Mean of a field (n, n) over every parcel, (count,) float64."""
    total = np.bincount(parcels.parcel.ravel(), weights=field.ravel(), minlength=parcels.count)
    return total / np.bincount(parcels.parcel.ravel(), minlength=parcels.count)


def cells_per_parcel(mask: NDArray[np.bool_], parcels: Parcels) -> NDArray[np.float64]:
    """Number of set cells of a mask (n, n) in every parcel, (count,) float64."""
    return np.bincount(parcels.parcel[mask], minlength=parcels.count).astype(np.float64)


def choose_area(
    rng: np.random.Generator,
    score: NDArray[np.float64],
    area: NDArray[np.float64],
    free: NDArray[np.bool_],
    wanted: float,
) -> NDArray[np.bool_]:
    """Takes free parcels by falling score until their area reaches `wanted`.

    Args:
        rng: breaks ties at random.
        score: (count,) what speaks for a parcel.
        area: (count,) usable area in the unit of `wanted`.
        free: (count,) parcels that may be taken.
        wanted: area to reach.

    Returns:
        (count,) bool.
    """
    order = np.lexsort((rng.random(score.size), -score))
    order = order[free[order] & (area[order] > 0)]
    before = np.cumsum(area[order]) - area[order]
    chosen = np.zeros(score.size, bool)
    # stop when less than half of the next parcel is still wanted, so the area is met on average
    chosen[order[before + 0.5 * area[order] <= wanted]] = True
    return chosen
