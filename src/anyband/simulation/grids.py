"""The grids of the simulation: that on which the hidden surface lives, and those of the products.

Positions are *local* metres from the hidden grid's upper-left corner, x to the right and y downwards, unless a name
says otherwise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.ground import FALSE_NORTHING_M, is_south

Positions = NDArray[np.float64]

# The hidden surface reaches this far beyond the square that chips are cut from, and a scene's rasters this far:
# the difference feeds point spread, registration error and cubic convolution.
HIDDEN_MARGIN_M = 120
SCENE_MARGIN_M = 60


@dataclass(frozen=True)
class HiddenGrid:
    """A square, north-up grid in the UTM zone of the Sentinel-2 tile.

    Attributes:
        epsg: code of the CRS (326xx or 327xx).
        x0: easting of the upper-left corner, m, a multiple of 60.
        y0: northing of the upper-left corner, m, a multiple of 60.
        step_m: cell size, m.
        size: cells per side.
    """

    epsg: int
    x0: float
    y0: float
    step_m: float = 5.0
    size: int = 816

    @property
    def extent_m(self) -> float:
        """Side of the square, m."""
        return self.step_m * self.size


@dataclass(frozen=True)
class PixelGrid:
    """A north-up raster grid: CRS, upper-left corner in its metres, square pixels."""

    epsg: int
    left: float
    top: float
    pixel_m: float
    rows: int
    columns: int

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Affine coefficients a, b, c, d, e, f: x = a*column + b*row + c, y = d*column + e*row + f."""
        return (self.pixel_m, 0.0, self.left, 0.0, -self.pixel_m, self.top)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return (self.rows, self.columns)

    def local_centres(self, hidden: HiddenGrid) -> tuple[Positions, Positions]:
        """Local y of the rows' and local x of the columns' centres."""
        shift = FALSE_NORTHING_M if is_south(hidden.epsg) and not is_south(self.epsg) else 0.0
        y = hidden.y0 - shift - self.top + (np.arange(self.rows, dtype=np.float64) + 0.5) * self.pixel_m
        x = self.left - hidden.x0 + (np.arange(self.columns, dtype=np.float64) + 0.5) * self.pixel_m
        return y, x


def northern(hidden: HiddenGrid) -> tuple[int, float]:
    """EPSG code of the northern zone and the hidden grid's top there: negative northings south of the equator."""
    return 32600 + hidden.epsg % 100, hidden.y0 - (FALSE_NORTHING_M if is_south(hidden.epsg) else 0.0)


def sentinel2_grid(hidden: HiddenGrid, pixel_m: int) -> PixelGrid:
    """Sentinel-2 pixels of 10, 20 or 60 m over the scene; all share one corner, as in a real tile.

    Extra sensors come in the same tiling, with pixels of 30 m too.
    """
    inset = HIDDEN_MARGIN_M - SCENE_MARGIN_M
    size = round((hidden.size * hidden.step_m - 2 * inset) / pixel_m)
    return PixelGrid(hidden.epsg, hidden.x0 + inset, hidden.y0 - inset, float(pixel_m), size, size)


def hls_grid(hidden: HiddenGrid) -> PixelGrid:
    """HLS pixels of 30 m from the Sentinel-2 corner, always in the northern zone."""
    epsg, top = northern(hidden)
    inset = HIDDEN_MARGIN_M - SCENE_MARGIN_M
    size = round((hidden.size * hidden.step_m - 2 * inset) / 30)
    return PixelGrid(epsg, hidden.x0 + inset, top - inset, 30.0, size, size)


def landsat_grid(hidden: HiddenGrid) -> PixelGrid:
    """Landsat Collection 2 pixels: edges at odd multiples of 15 m, always in the northern zone.

    Reaches half a pixel beyond `hls_grid` plus the one pixel more that cubic convolution to it reads.
    """
    scene = hls_grid(hidden)
    return PixelGrid(scene.epsg, scene.left - 45, scene.top + 45, 30.0, scene.rows + 3, scene.columns + 3)
