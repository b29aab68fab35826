"""The ground: distances on the globe, UTM, the lattice that chips lie on, and the native pixels of a chip.

A chip is a square on the 60 m lattice of the Sentinel-2 tile. Nothing is resampled: a group whose pixels do not start
at the chip's corner (Landsat Collection 2 lies half a pixel off) takes its nearest native pixels, and the distance of
their corner from the chip's is kept as the offset in metres.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from anyband.runtime import UserError

Array = NDArray[Any]
"""Pixels or positions of any type; the docstrings give shapes and types."""

Position = tuple[float, float]
"""Longitude and latitude, degrees (WGS84)."""

EARTH_RADIUS_M = 6_371_000.0
"""Radius of the sphere that distances are measured on, the mean one to 9 m."""

LATTICE_M = 60
"""Coarsest Sentinel-2 pixel. Chip corners lie on it, so that 10, 20 and 60 m pixels all start at the corner."""

CHIP_M = 960
"""Usual side of a chip, m: the shortest that is whole in 10, 20, 30 and 60 m pixels and leaves room for context."""

FALSE_NORTHING_M = 10_000_000.0
"""Northing of the equator in the UTM zones south (EPSG:327xx); 0 in the zones north (EPSG:326xx)."""

Affine6 = tuple[float, float, float, float, float, float]
"""Pixel to ground, GDAL order a, b, c, d, e, f of rasterio: x = a*col + b*row + c, y = d*col + e*row + f."""


class Footprint(NamedTuple):
    """A chip on the ground: UTM `epsg`, upper-left corner (x0, y0) in metres, `row` and `col` within the site."""

    epsg: int
    x0: float
    y0: float
    side_m: int
    row: int
    col: int


class Window(NamedTuple):
    """Native pixels of one chip in one raster, and the corner's ground offset (x right, y down) from the chip's."""

    row: int
    col: int
    size: int
    dx: float
    dy: float


def distance_m(first: Position, second: Position) -> float:
    """Metres between two positions on a sphere."""
    (lon1, lat1), (lon2, lat2) = (map(math.radians, position) for position in (first, second))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(half, 1.0)))


@lru_cache(maxsize=64)
def _transformer(epsg: int) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(4326, epsg, always_xy=True)


def project(longitude: float, latitude: float, epsg: int) -> tuple[float, float]:
    """Easting and northing in metres of a WGS84 position (degrees) in the UTM zone `epsg`."""
    x, y = _transformer(epsg).transform(longitude, latitude)
    return float(x), float(y)


def unproject(x: Array, y: Array, epsg: int) -> tuple[Array, Array]:
    """Longitudes and latitudes (WGS84, degrees) of positions in metres in the UTM zone `epsg`, any shape."""
    longitude, latitude = _transformer(epsg).transform(x, y, direction="INVERSE")
    return longitude, latitude


def utm_epsg(longitude: float, latitude: float) -> int:
    """EPSG code of the UTM zone of a WGS84 position (degrees), without the exceptions of Norway and Svalbard.

    Zones are 6 degrees wide and begin at the antimeridian, so 180 and -180 are both the west edge of zone 1.
    """
    return (32700 if latitude < 0 else 32600) + int((longitude + 180) // 6) % 60 + 1


def is_south(epsg: int) -> bool:
    """Whether a CRS is a UTM zone of the southern hemisphere (EPSG:327xx)."""
    return epsg // 100 == 327


def site_footprints(centre: tuple[float, float], epsg: int, extent_m: int, chip_m: int) -> list[Footprint]:
    """Cut the square of `extent_m` around `centre` (metres in `epsg`) into chips of `chip_m`, row by row.

    Corners of Sentinel-2 tiles are multiples of 60 m in the zones north. In the zones south the northing is one only
    after the false northing is taken off (10 000 000 mod 60 = 40).
    """
    if chip_m % LATTICE_M or extent_m % chip_m:
        raise UserError(f"extent_m {extent_m} must be a multiple of chip_m {chip_m}, and chip_m of {LATTICE_M} m")
    left = _snap(centre[0] - extent_m / 2, 0.0)
    top = _snap(centre[1] + extent_m / 2, FALSE_NORTHING_M if is_south(epsg) else 0.0)
    side = extent_m // chip_m
    return [
        Footprint(epsg, left + col * chip_m, top - row * chip_m, chip_m, row, col)
        for row in range(side)
        for col in range(side)
    ]


def _snap(value: float, phase: float) -> float:
    return phase + LATTICE_M * math.floor((value - phase) / LATTICE_M + 0.5)


def northing_shift(source_epsg: int, target_epsg: int) -> float:
    """Metres to add to a northing when going between the two CRS of one UTM zone; an error for different zones.

    Sentinel-2 uses EPSG:327xx south of the equator, Landsat and HLS use 326xx with negative northings: the same
    transverse Mercator, 10 000 000 m apart, so the move is exact.
    """
    if source_epsg % 100 != target_epsg % 100 or {source_epsg // 100, target_epsg // 100} - {326, 327}:
        raise UserError(
            f"EPSG:{target_epsg} is not the UTM zone of EPSG:{source_epsg}: no exact shift between them, "
            "choose items of one zone"
        )
    return FALSE_NORTHING_M * (target_epsg // 100 - source_epsg // 100)


def chip_window(footprint: Footprint, epsg: int, transform: Affine6) -> Window:
    """Window of the native pixels nearest to a chip in a north-up raster, square pixels, `transform` in `epsg`.

    A corner exactly between two pixels (Landsat, 15 m) takes the pixel to the right and below, for every chip alike.
    The window is not clipped to the raster: the reader says when a chip is not wholly inside.
    """
    pixel, across, left, along, minus_pixel, top = transform
    if across or along or pixel <= 0 or minus_pixel != -pixel:
        raise UserError(f"transform {transform} is not a north-up grid of square pixels")
    if footprint.side_m % pixel:
        raise UserError(f"pixel of {pixel} m does not divide the chip side of {footprint.side_m} m")
    northing = footprint.y0 + northing_shift(footprint.epsg, epsg)
    col = _nearest((footprint.x0 - left) / pixel)
    row = _nearest((top - northing) / pixel)
    return Window(
        row=row,
        col=col,
        size=round(footprint.side_m / pixel),
        dx=left + col * pixel - footprint.x0,
        dy=northing - (top - row * pixel),
    )


def overlaps(window: Window, shape: tuple[int, int]) -> bool:
    """Whether any pixel of a window lies inside a raster of `shape` (rows, columns)."""
    rows, cols = shape
    return -window.size < window.row < rows and -window.size < window.col < cols


def _nearest(index: float) -> int:
    # The small term keeps ties on one side when the division leaves rounding noise.
    return math.floor(index + 0.5 + 1e-9)


def bounding_square(footprints: Sequence[Footprint]) -> tuple[float, float, float, float]:
    """Left, bottom, right, top (metres) of the footprints together."""
    side = footprints[0].side_m
    return (
        min(f.x0 for f in footprints),
        min(f.y0 for f in footprints) - side,
        max(f.x0 for f in footprints) + side,
        max(f.y0 for f in footprints),
    )


def sample_nearest(
    layer: Array,
    layer_pixel_m: float,
    layer_offset_m: Array,
    pixel_m: float,
    offset_m: Array,
    size: int,
) -> Array:
    """Value of `layer` at the centre of every pixel of another grid of the same chips, by ground position.

    Beyond the layer's edge (a grid half a pixel off leaves 15 m) its outermost pixel is taken.

    Args:
        layer: (chip, y, x) any type.
        layer_pixel_m: spacing of the layer, m.
        layer_offset_m: (chip, 2) offsets (dx, dy) of the layer's corner from the chip's, m.
        pixel_m: spacing of the grid that is asked for, m.
        offset_m: (chip, 2) its offsets, m.
        size: its pixels per side.

    Returns:
        (chip, size, size) in the layer's type.
    """
    centres = (np.arange(size) + 0.5) * pixel_m
    position = centres[None, :, None] + (offset_m - layer_offset_m)[:, None, :]  # (chip, size, xy)
    index = np.clip(np.floor(position / layer_pixel_m).astype(np.int64), 0, layer.shape[-1] - 1)
    chips = np.arange(len(layer))[:, None, None]
    sampled: Array = layer[chips, index[:, :, 1][:, :, None], index[:, :, 0][:, None, :]]
    return sampled
