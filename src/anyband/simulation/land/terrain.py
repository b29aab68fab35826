"""Terrain and water bodies: elevation, slope, the river along the valleys, lakes in the hollows, wet ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, gaussian_filter1d
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from anyband.simulation.noise import Field, enlarge, power_noise

Mask = NDArray[np.bool_]
# Terrain has no detail below 150 m wavelength: with finer noise the slopes, not the sensors, ruled every result.
SHORTEST_RELIEF_M = 150.0


def slope_degrees(dem: Field, step_m: float) -> Field:
    """Slope of an elevation model (n, n) in m, in degrees, float32."""
    down, right = np.gradient(dem, np.float32(step_m))
    slope: Field = np.degrees(np.arctan(np.hypot(down, right))).astype(np.float32, copy=False)
    return slope


def elevation(rng: np.random.Generator, size: int, step_m: float, mean_slope: float, base_m: float) -> Field:
    """Elevation in m, (size, size) float32, with the mean slope asked for (degrees)."""
    shape = power_noise(rng, size, step_m, 4.0, SHORTEST_RELIEF_M, 3500.0)
    down, right = np.gradient(shape[::4, ::4], np.float32(4 * step_m))
    steepness = np.hypot(down, right)
    scale = np.tan(np.radians(mean_slope)) / steepness.mean()
    for _ in range(3):  # the mean angle is not the angle of the mean gradient
        scale *= mean_slope / np.degrees(np.arctan(scale * steepness)).mean()
    return (shape * np.float32(scale) + np.float32(base_m)).astype(np.float32, copy=False)


def _steps(height: Field) -> coo_array:
    """Graph of the eight neighbours on a coarse grid (m, m); climbing costs, so the cheapest way follows the valley."""
    side = height.shape[0]
    node = np.arange(side * side).reshape(side, side)
    start, end, cost = [], [], []
    scale = 3.0 / float(height.std())
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, side - down), slice(max(0, -right), side - max(0, right)))
        there = (slice(down, side), slice(max(0, right), side + min(0, right)))
        level = 0.5 * (height[here] + height[there])
        price = np.hypot(down, right) * (
            0.15 + np.exp(scale * (level - height.min())) / np.exp(scale * np.ptp(height) / 2)
        )
        start.append(node[here].ravel())
        end.append(node[there].ravel())
        cost.append(price.ravel())
    return coo_array(
        (np.concatenate(cost), (np.concatenate(start), np.concatenate(end))), shape=(side * side, side * side)
    )


def river_course(rng: np.random.Generator, dem: Field, step_m: float) -> NDArray[np.float64]:
    """Course of a river from one edge to the opposite one as the least-cost path over the terrain.

    Args:
        rng: source of the direction and of small disturbances.
        dem: (n, n) elevation, m.
        step_m: cell size, m.

    Returns:
        (points, 2) float64 (row, column) in cells of `dem`, dense enough to rasterise.
    """
    factor = max(1, round(40.0 / step_m))
    coarse = dem[factor // 2 :: factor, factor // 2 :: factor]
    rough = power_noise(rng, coarse.shape[0], step_m * factor, 2.0, 2.5 * step_m * factor, 1500.0)
    coarse = coarse + rough * (0.15 * coarse.std())
    side = coarse.shape[0]
    turned = bool(rng.integers(0, 2))
    height = coarse.T if turned else coarse
    inner = slice(side // 8, side - side // 8)
    source, mouth = int(np.argmin(height[0, inner])), int(np.argmin(height[-1, inner]))
    first = source + side // 8
    _, before = dijkstra(_steps(height), directed=False, indices=first, return_predecessors=True)
    path = [(side - 1) * side + mouth + side // 8]
    while path[-1] != first:
        path.append(int(before[path[-1]]))
    points = np.stack(np.divmod(np.array(path), side), axis=1).astype(np.float64)
    points = gaussian_filter1d(points, 1.5, axis=0, mode="nearest")
    points[[0, -1], 0] = [side + 1, -2]  # run out of the window
    fine = np.linspace(0, len(points) - 1, len(points) * 3 * factor)
    course = np.stack([np.interp(fine, np.arange(len(points)), points[:, k]) for k in (0, 1)], axis=1)
    course = (course[:, ::-1] if turned else course) * factor + factor / 2
    return np.ascontiguousarray(course)


def distance_m(mask: Mask, step_m: float) -> Field:
    """Distance in m of every cell to the nearest set cell of a half-resolution mask.

    Args:
        mask: (m, m) on a grid twice as coarse as the result.
        step_m: cell size of the result, m.

    Returns:
        (2 m, 2 m) float32; everywhere large when the mask is empty.
    """
    side = 2 * mask.shape[0]
    if not mask.any():
        return np.full((side, side), np.float32(1e6))
    coarse = distance_transform_edt(~mask).astype(np.float32)
    return enlarge(coarse * np.float32(2 * step_m), 2, side)


def upper_share(field: Field, share: float, allowed: Mask | None = None) -> Mask:
    """The cells where `field` is largest: `share` of all cells, inside `allowed` and at most all of it."""
    wanted = int(round(share * field.size))
    values = field if allowed is None else np.where(allowed, field, -np.inf)
    available = field.size if allowed is None else int(np.count_nonzero(allowed))
    wanted = min(wanted, available)
    if wanted == 0:
        return np.zeros(field.shape, bool)
    threshold = np.partition(values.ravel(), field.size - wanted)[field.size - wanted]
    chosen: Mask = values >= threshold
    return chosen


@dataclass(frozen=True, eq=False)
class Waters:
    """Water bodies and wet ground.

    Attributes:
        river: (n, n) bool.
        lake: (n, n) bool.
        wetland: (n, n) bool, none of it open water.
        shore_m: (n, n) float32 distance to open water, m.
        lowness: (n, n) float32, high where the ground lies low against its surroundings (unit variance).
    """

    river: Mask
    lake: Mask
    wetland: Mask
    shore_m: Field
    lowness: Field


def make_waters(
    rng: np.random.Generator, dem: Field, step_m: float, river_width_m: float, water: float, wetland: float
) -> Waters:
    """Places the river, lakes and wetland so that water and wetland take the shares asked for.

    Args:
        rng: random source.
        dem: (n, n) elevation, m; n even.
        step_m: cell size, m.
        river_width_m: mean width, m.
        water: share of the window under open water.
        wetland: share of the window that is wetland.
    """
    size = dem.shape[0]
    course = river_course(rng, dem, step_m)
    mask = np.zeros((size // 2, size // 2), bool)
    cell = np.floor(course / 2).astype(np.int64)
    inside = ((cell >= 0) & (cell < size // 2)).all(axis=1)
    mask[tuple(cell[inside].T)] = True
    course_m = gaussian_filter(distance_m(mask, step_m)[::2, ::2], 1.0)
    # the blur lifts the distance along the axis itself, which would tear narrow rivers apart
    course_m = np.maximum(enlarge(course_m, 2, size) - np.float32(1.2 * step_m), 0)
    wobble = power_noise(rng, size, step_m, 2.5, 40.0, 600.0)
    river = course_m < np.float32(river_width_m / 2) * (1 + np.float32(0.25) * wobble)
    broad = gaussian_filter(dem[::4, ::4], 600.0 / (4 * step_m))
    lowness = enlarge(broad - dem[::4, ::4], 4, size)
    lowness = lowness / lowness.std()
    hollow = lowness + np.float32(0.45) * power_noise(rng, size, step_m, 3.0, 60.0, 1200.0)
    flat = slope_degrees(dem[::2, ::2], 2 * step_m)
    hollow = hollow - enlarge(flat / (flat.mean() + np.float32(0.5)), 2, size) * np.float32(0.5)
    lake = upper_share(hollow, max(water - float(river.mean()), 0.25 * water)) & ~river
    shore_m = distance_m((river | lake)[::2, ::2], step_m)
    wet = np.float32(0.6) * lowness - shore_m / np.float32(90.0) + np.float32(0.5) * wobble
    marsh = upper_share(wet, wetland, ~(river | lake))
    return Waters(river, lake, marsh, shore_m, lowness)
