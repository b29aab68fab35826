"""The label product: WorldCover-like codes of the hidden surface, on the 1/12000 degree lattice of EPSG:4326."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.ndimage import convolve1d, distance_transform_edt, label

from anyband.ground import unproject
from anyband.simulation.grids import HIDDEN_MARGIN_M, SCENE_MARGIN_M, HiddenGrid
from anyband.simulation.land.cover import WORLDCOVER
from anyband.simulation.land.landscape import Landscape
from anyband.simulation.noise import Field

PER_DEGREE = 12_000
MINIMUM_MAPPING_CELLS = 3
CODES = np.array([10, 20, 30, 40, 50, 60, 80, 90], np.uint8)
CONTROL_POINTS = 9  # per axis, from which the map projection is interpolated by cubic polynomials (error < 1 cm)


def _fractions(landscape: Landscape) -> Field:
    """Share of the eight label classes on the 10 m grid, weighted over the neighbours, float32 (8, n / 2, n / 2)."""
    lookup = np.zeros(12, np.uint8)
    for hidden, code in WORLDCOVER.items():
        lookup[hidden] = np.flatnonzero(code == CODES)[0]
    index = lookup[landscape.cover]
    half = landscape.grid.size // 2
    shares = np.empty((CODES.size, half, half), np.float32)
    weights = np.array([0.2, 0.6, 0.2], np.float32)
    for k in range(CODES.size):
        member = (index == k).astype(np.float32)
        if CODES[k] == 50:
            # towns are mapped as built although half of them is garden; a road through fields is too narrow to be seen
            member *= np.where(landscape.town, np.float32(1.7), np.float32(0.9))
        mean = member.reshape(half, 2, half, 2).mean(axis=(1, 3), dtype=np.float32)
        shares[k] = convolve1d(convolve1d(mean, weights, axis=0), weights, axis=1)
    return shares


def label_codes(landscape: Landscape) -> NDArray[np.uint8]:
    """WorldCover codes of the hidden surface, (n, n) uint8, the truth without any label noise.

    The class of a 10 m cell is that with the largest share in and around it; patches smaller than three cells are
    filled from their surroundings, as in a product with a minimum mapping unit.
    """
    best = np.argmax(_fractions(landscape), axis=0).astype(np.uint8)
    small = np.zeros(best.shape, bool)
    for k in range(CODES.size):
        patches, count = label(best == k)
        size = np.bincount(patches.ravel(), minlength=count + 1)
        size[0] = MINIMUM_MAPPING_CELLS
        small |= (size < MINIMUM_MAPPING_CELLS)[patches]
    where = distance_transform_edt(small, return_distances=False, return_indices=True)
    codes = CODES[best[tuple(where)]]
    return np.repeat(np.repeat(codes, 2, axis=0), 2, axis=1)


@dataclass(frozen=True)
class LabelRaster:
    """Codes (rows, columns) uint8, 0 nodata, with the affine transform in degrees."""

    codes: NDArray[np.uint8]
    transform: tuple[float, float, float, float, float, float]


def _powers(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic terms of positions scaled to -1..1, (n, 4)."""
    middle, half = (values.max() + values.min()) / 2, np.ptp(values) / 2
    return np.vander((values - middle) / half, 4)


def _project(
    longitudes: NDArray[np.float64], latitudes: NDArray[np.float64], epsg: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Easting and northing at every node of a lon/lat lattice, each (latitudes, longitudes)."""
    picked_x = np.linspace(0, longitudes.size - 1, CONTROL_POINTS).round().astype(int)
    picked_y = np.linspace(0, latitudes.size - 1, CONTROL_POINTS).round().astype(int)
    lon, lat = np.meshgrid(longitudes[picked_x], latitudes[picked_y])
    exact = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    rows, columns = _powers(latitudes), _powers(longitudes)
    back_y, back_x = np.linalg.pinv(rows[picked_y]), np.linalg.pinv(columns[picked_x])
    east, north = (rows @ (back_y @ np.asarray(values) @ back_x.T) @ columns.T for values in exact)
    return east, north


def scene_ring(hidden: HiddenGrid) -> list[tuple[float, float]]:
    """Longitude and latitude of the scene's corners, anticlockwise from the lower left, closed."""
    inset = HIDDEN_MARGIN_M - SCENE_MARGIN_M
    west, east = hidden.x0 + inset, hidden.x0 + hidden.extent_m - inset
    north, south = hidden.y0 - inset, hidden.y0 - hidden.extent_m + inset
    x, y = [west, east, east, west, west], [south, south, north, north, south]
    longitudes, latitudes = unproject(np.array(x), np.array(y), hidden.epsg)
    return [(round(lon, 7), round(lat, 7)) for lon, lat in zip(longitudes.tolist(), latitudes.tolist(), strict=True)]


def label_raster(codes: NDArray[np.uint8], hidden: HiddenGrid) -> LabelRaster:
    """Resample codes (size, size) of the hidden grid to the lattice by the nearest cell; outside it 0.

    The lattice window is the bounding box of the scene, grown to whole pixels.
    """
    longitudes, latitudes = zip(*scene_ring(hidden), strict=True)
    west, east = math.floor(min(longitudes) * PER_DEGREE), math.ceil(max(longitudes) * PER_DEGREE)
    south, north = math.floor(min(latitudes) * PER_DEGREE), math.ceil(max(latitudes) * PER_DEGREE)
    x = (np.arange(west, east) + 0.5) / PER_DEGREE
    y = (np.arange(north, south, -1) - 0.5) / PER_DEGREE
    easting, northing = _project(x, y, hidden.epsg)
    column = np.floor((easting - hidden.x0) / hidden.step_m).astype(np.int64)
    row = np.floor((hidden.y0 - northing) / hidden.step_m).astype(np.int64)
    inside = (row >= 0) & (row < hidden.size) & (column >= 0) & (column < hidden.size)
    result = np.where(inside, codes[np.clip(row, 0, hidden.size - 1), np.clip(column, 0, hidden.size - 1)], 0)
    size = 1 / PER_DEGREE
    return LabelRaster(result.astype(np.uint8), (size, 0.0, west / PER_DEGREE, 0.0, -size, north / PER_DEGREE))
