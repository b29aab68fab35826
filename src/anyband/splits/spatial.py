"""Where chips lie with respect to each other: ground distances, blocks of the UTM grid, and regions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from anyband.ground import EARTH_RADIUS_M, FALSE_NORTHING_M, Array
from anyband.landcover import LABEL_PIXEL_M, NO_LABEL

_ECCENTRICITY_SQUARED = 6.694379990141e-3  # WGS84
_ROUND = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
_LATITUDE_BANDS = "CDEFGHJKLMNPQRSTUVWX"


@dataclass(frozen=True)
class Positions:
    """Chips on the ground: `x`, `y` (N,) centres in metres of the UTM zones `epsg` (N,), all of side `side_m`."""

    x: Array
    y: Array
    epsg: Array
    side_m: float

    @cached_property
    def northing(self) -> Array:
        """(N,) metres north of the equator."""
        return np.asarray(self.y - FALSE_NORTHING_M * (self.epsg // 100 == 327))

    @cached_property
    def corners(self) -> Array:
        """(N, 4, 3) metres in the Earth-centred frame of WGS84, at height 0."""
        return np.stack([self.moved(right * self.side_m, up * self.side_m, 4978) for right, up in _ROUND], axis=1)

    @cached_property
    def centres(self) -> Array:
        """(N, 3) means of the corners."""
        return np.asarray(self.corners.mean(axis=1))

    @cached_property
    def reach(self) -> float:
        """Metres by which the distance of two centres may exceed that of the chips."""
        return 2 * float(np.linalg.norm(self.corners - self.centres[:, None], axis=2).max())

    def moved(self, dx: float, dy: float, crs: int) -> Array:
        """(N, 3) coordinates in EPSG:`crs` of the points `dx`, `dy` metres from the centres, at height 0."""
        from pyproj import Transformer

        points = np.stack([self.x + dx, self.y + dy, np.zeros(len(self.x))], axis=1)
        for epsg in np.unique(self.epsg):
            here = self.epsg == epsg
            into = Transformer.from_crs(int(epsg), crs, always_xy=True)
            points[here] = np.stack(into.transform(*points[here].T), axis=1)
        return points

    def degrees(self) -> tuple[Array, Array]:
        """Longitude and latitude (N,) of the centres."""
        longitude, latitude, _ = self.moved(0, 0, 4326).T
        return longitude, latitude

    def grid_zones(self) -> Array:
        """(N,) zones of 6 by 8 degrees that the centres lie in, "32U": those of the Military Grid Reference System."""
        longitude, latitude = self.degrees()
        zone = np.floor((longitude + 180) / 6).astype(int) % 60 + 1
        band = np.clip(np.floor((latitude + 80) / 8).astype(int), 0, len(_LATITUDE_BANDS) - 1)
        return np.array([f"{number}{_LATITUDE_BANDS[letter]}" for number, letter in zip(zone, band, strict=True)])

    def distance(self, first: Array, second: Array) -> Array:
        """Great-circle metres between the nearest edges of chips `first` and `second` (P,), 0 where they touch.

        Both squares are laid into the tangent plane halfway between them, whatever their zones, so that neither the
        scale of a projection nor the border of a zone enters.
        """
        import shapely

        ours, theirs = self.corners[first], self.corners[second]
        middle = (self.centres[first] + self.centres[second])[:, None] / 2
        plane = _tangent_plane(middle[:, 0])
        first_shape, second_shape = (np.asarray(shapely.polygons((c - middle) @ plane)) for c in (ours, theirs))
        chord = np.asarray(shapely.distance(first_shape, second_shape))
        return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.minimum(chord / (2 * EARTH_RADIUS_M), 1)))

    def pairs_within(self, radius_m: float, group: Array) -> Array:
        """(P, 2) pairs of chips of different `group` (N,) that are nearer than `radius_m`, edge to edge."""
        pairs = _tree(self.centres).query_pairs(radius_m + self.reach, output_type="ndarray")
        pairs = pairs[group[pairs[:, 0]] != group[pairs[:, 1]]]
        near: Array = pairs[self.distance(pairs[:, 0], pairs[:, 1]) < radius_m]
        return near

    def least_distance(self, first: Array, second: Array) -> float:
        """Least distance in metres between the chips `first` and the chips `second` (index arrays, not empty)."""
        ours, theirs = _tree(self.centres[first]), _tree(self.centres[second])
        nearest = float(np.min(theirs.query(self.centres[first])[0]))
        if nearest < 0.99 * self.side_m:  # the circles inside two chips overlap
            return 0.0
        # The nearest centres need not be the nearest edges: look at every pair that could beat them.
        lists = ours.query_ball_tree(theirs, nearest + self.reach)
        left = np.repeat(np.arange(len(first)), [len(found) for found in lists])
        right = np.array([index for found in lists for index in found], np.int64)
        return float(self.distance(first[left], second[right]).min())


def _tree(points: Array) -> Any:
    from scipy.spatial import cKDTree

    return cKDTree(points)


def _tangent_plane(point: Array) -> Array:
    """(P, 3, 2) unit vectors to the east and to the north at points (P, 3) of the Earth-centred frame."""
    up = point / np.array([1, 1, 1 - _ECCENTRICITY_SQUARED])
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    east = np.cross([0.0, 0.0, 1.0], up)
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    return np.stack([east, np.cross(up, east)], axis=-1)


def block_names(site: Array, positions: Positions, block_m: float) -> Array:
    """(N,) name of every chip's block, a cell of `block_m` of its UTM grid: "32632:30:260" = zone, column, row.

    A site that is not larger than a block belongs wholly to the cell of its centre, in the zone of most of its chips:
    a cell border through the middle of a place would put neighbouring chips on two sides of the split.
    """
    names = np.empty(len(site), dtype=object)
    for place in np.unique(site):
        here = np.flatnonzero(site == place)
        x, y, epsg = positions.x[here], positions.y[here], positions.epsg[here]
        zones, count = np.unique(epsg, return_counts=True)
        same_zone = epsg == zones[np.argmax(count)]
        spread = max(np.ptp(x[same_zone]), np.ptp(y[same_zone])) + positions.side_m
        if spread <= block_m:
            x = np.full(len(here), (x[same_zone].min() + x[same_zone].max()) / 2)
            y = np.full(len(here), (y[same_zone].min() + y[same_zone].max()) / 2)
            epsg = np.full(len(here), zones[np.argmax(count)])
        cells = zip(epsg, np.floor(x / block_m), np.floor(y / block_m), strict=True)
        names[here] = [f"{zone}:{int(column)}:{int(row)}" for zone, column, row in cells]
    return names.astype(str)


def region_names(block: Array, positions: Positions) -> Array:
    """(N,) name of every chip's region, the grid zone ("32U") that holds most chips of its block."""
    zone = positions.grid_zones()
    names = np.empty(len(block), dtype=zone.dtype)
    for name in np.unique(block):
        here = block == name
        found, count = np.unique(zone[here], return_counts=True)
        names[here] = found[np.argmax(count)]
    return names


_STRIDE = 3
"""Labels are compared on every third pixel (30 m); shorter lags do not matter for blocks of kilometres."""


def label_variogram(mosaics: Sequence[Array]) -> tuple[Array, Array]:
    """Pooled variogram of label rasters (y, x) uint8 of 10 m, 0 = none.

    Args:
        mosaics: one raster per site; pairs are taken along rows and columns within a site.

    Returns:
        Lags (L,) in metres that some pair of pixels has, and (L,) the share of those whose classes differ, the sum of
        the indicator semivariograms.
    """
    coarse = [mosaic[::_STRIDE, ::_STRIDE] for mosaic in mosaics]
    longest = max((min(raster.shape) for raster in coarse), default=0) // 2
    lags = np.unique(np.geomspace(1, max(longest, 1), 24).astype(int))
    differing, pairs = np.zeros(len(lags)), np.zeros(len(lags))
    for raster in coarse:
        for index, lag in enumerate(lags):
            for here, there in ((raster[lag:], raster[:-lag]), (raster[:, lag:], raster[:, :-lag])):
                labelled = (here != NO_LABEL) & (there != NO_LABEL)
                pairs[index] += labelled.sum()
                differing[index] += (labelled & (here != there)).sum()
    used = pairs > 0
    return lags[used] * float(_STRIDE * LABEL_PIXEL_M), differing[used] / pairs[used]


def exponential_range(lag_m: Array, disagreement: Array) -> float:
    """Practical range `a` in metres of nugget + sill (1 - exp(-3 h / a)), least squares with both not negative.

    Infinite when the best range is beyond twice the longest lag: then the data show no levelling off.
    """
    from scipy.optimize import nnls

    limit = 2.0 * float(lag_m.max())
    candidates = np.geomspace(lag_m.min(), 1.05 * limit, 160)
    misfit = []
    for candidate in candidates:
        design = np.stack([np.ones_like(lag_m), 1 - np.exp(-3 * lag_m / candidate)], axis=1)
        misfit.append(nnls(design, disagreement)[1])
    best = float(candidates[int(np.argmin(misfit))])
    return best if best < limit else float("inf")
