"""Where chips lie with respect to each other: blocks of the UTM grid, and ground distances between chips."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from anyband.chips.encoding import Array
from anyband.chips.grid import FALSE_NORTHING_M


@dataclass(frozen=True)
class Positions:
    """Chips on the ground: `x`, `y` (N,) centres in metres of the UTM zones `epsg` (N,), all of side `side_m`."""

    x: Array
    y: Array
    epsg: Array
    side_m: float

    @cached_property
    def zone(self) -> Array:
        """(N,) UTM zone number, the same in both hemispheres."""
        return np.asarray(self.epsg % 100)

    @cached_property
    def northing(self) -> Array:
        """(N,) metres north of the equator."""
        return np.asarray(self.y - FALSE_NORTHING_M * (self.epsg // 100 == 327))

    @cached_property
    def geocentric(self) -> Array:
        """(N, 3) metres in the Earth-centred frame of WGS84, at height 0."""
        from pyproj import Transformer

        longitude, latitude = np.empty(len(self.x)), np.empty(len(self.x))
        for epsg in np.unique(self.epsg):
            here = self.epsg == epsg
            to_degrees = Transformer.from_crs(int(epsg), 4326, always_xy=True)
            longitude[here], latitude[here] = to_degrees.transform(self.x[here], self.y[here])
        return geocentric(longitude, latitude)

    @property
    def reach(self) -> float:
        """Metres by which the distance of two centres may exceed that of the chips, with 1 % for the projection."""
        return 1.01 * float(np.hypot(self.side_m, self.side_m))

    def distance(self, first: Array, second: Array) -> Array:
        """Metres between the nearest edges of chips `first` and `second` (P,), 0 when they touch.

        Exact within a UTM zone; across zones a lower bound, from the centres.
        """
        gap_x = np.abs(self.x[first] - self.x[second]) - self.side_m
        gap_y = np.abs(self.northing[first] - self.northing[second]) - self.side_m
        planar = np.hypot(np.maximum(gap_x, 0), np.maximum(gap_y, 0))
        chord = np.linalg.norm(self.geocentric[first] - self.geocentric[second], axis=1)
        bound = np.maximum(chord - self.reach, 0)
        return np.asarray(np.where(self.zone[first] == self.zone[second], planar, bound))

    def pairs_within(self, radius_m: float) -> Array:
        """(P, 2) pairs of chips nearer than `radius_m`, edge to edge."""
        from scipy.spatial import cKDTree

        tree = cKDTree(self.geocentric)
        pairs = tree.query_pairs(radius_m + self.reach, output_type="ndarray")
        near: Array = pairs[self.distance(pairs[:, 0], pairs[:, 1]) < radius_m]
        return near

    def least_distance(self, first: Array, second: Array) -> float:
        """Least distance in metres between the chips `first` and the chips `second` (index arrays, not empty)."""
        from scipy.spatial import cKDTree

        ours, theirs = cKDTree(self.geocentric[first]), cKDTree(self.geocentric[second])
        nearest = float(np.min(theirs.query(self.geocentric[first])[0]))
        # The nearest centres need not be the nearest edges: look at every pair that could beat them.
        lists = ours.query_ball_tree(theirs, nearest + self.reach)
        left = np.repeat(np.arange(len(first)), [len(found) for found in lists])
        right = np.array([index for found in lists for index in found], np.int64)
        return float(self.distance(first[left], second[right]).min())


def geocentric(longitude: Array, latitude: Array) -> Array:
    """(N, 3) metres in the Earth-centred frame from degrees on the WGS84 ellipsoid."""
    semi_major, eccentricity_squared = 6_378_137.0, 6.694379990141e-3
    lon, lat = np.radians(longitude), np.radians(latitude)
    normal = semi_major / np.sqrt(1 - eccentricity_squared * np.sin(lat) ** 2)
    return np.stack(
        [
            normal * np.cos(lat) * np.cos(lon),
            normal * np.cos(lat) * np.sin(lon),
            normal * (1 - eccentricity_squared) * np.sin(lat),
        ],
        axis=-1,
    )


def block_names(site: Array, positions: Positions, block_m: float) -> Array:
    """(N,) name of every chip's block, a cell of `block_m` of its UTM grid: "32632:30:260" = zone, column, row.

    A site that is not larger than a block belongs wholly to the cell of its centre: a cell border through the middle
    of a place would put neighbouring chips on two sides of the split.
    """
    names = np.empty(len(site), dtype=object)
    for place in np.unique(site):
        here = np.flatnonzero(site == place)
        x, y, epsg = positions.x[here], positions.y[here], positions.epsg[here]
        same_zone = epsg == epsg[0]
        spread = max(np.ptp(x[same_zone]), np.ptp(y[same_zone])) + positions.side_m
        if spread <= block_m:
            x = np.full(len(here), (x[same_zone].min() + x[same_zone].max()) / 2)
            y = np.full(len(here), (y[same_zone].min() + y[same_zone].max()) / 2)
            epsg = np.full(len(here), epsg[0])
        cells = zip(epsg, np.floor(x / block_m), np.floor(y / block_m), strict=True)
        names[here] = [f"{zone}:{int(column)}:{int(row)}" for zone, column, row in cells]
    return names.astype(str)
