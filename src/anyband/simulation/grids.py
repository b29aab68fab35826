"""The grids of the hidden surface and of the products, and the linear operators that carry one onto the other.

Positions are *local* metres from the hidden grid's upper-left corner, x to the right and y downwards, unless a name
says otherwise.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

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


Field = NDArray[np.float32]
Image = tuple[PixelGrid, Field]


def psf_operator(positions: NDArray[np.float64], sigma_m: float, first: float, step: float, count: int) -> csr_array:
    """Gaussian point spread along one axis, as a sparse matrix (positions, count) whose rows sum to 1.

    Args:
        positions: (P,) where the sensor samples, local metres.
        sigma_m: standard deviation of the point spread (optics, detector and resampling together).
        first: centre of the first input sample, local metres.
        step: spacing of the input samples, metres.
        count: number of input samples.
    """
    reach = max(1, math.ceil(3 * sigma_m / step))
    nearest = np.rint((positions - first) / step).astype(np.int64)
    index = nearest[:, None] + np.arange(-reach, reach + 1)
    distance = first + index * step - positions[:, None]
    weight = np.exp(-0.5 * (distance / sigma_m) ** 2) * ((index >= 0) & (index < count))
    weight /= weight.sum(axis=1, keepdims=True)
    starts = np.arange(0, index.size + 1, index.shape[1])
    values = weight.astype(np.float32).ravel()
    return csr_array((values, np.clip(index, 0, count - 1).ravel(), starts), shape=(len(positions), count))


def apply(rows: csr_array, columns: csr_array, image: Field) -> Field:
    """Apply one operator per axis: (Y, y) and (X, x) to an image (y, x), giving (Y, X)."""
    half = np.ascontiguousarray((rows @ image).T)
    return np.ascontiguousarray((columns @ half).T)


class Sampler:
    """Samples the hidden surface onto a product's grid: point spread, grid phase and registration error in one step."""

    def __init__(
        self, hidden: HiddenGrid, grid: PixelGrid, sigma_m: float, shift: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        """Prepare the operators; `shift` (x, y down, metres) is where the sensor really looked, off its geolocation."""
        y, x = grid.local_centres(hidden)
        first = hidden.step_m / 2
        self.rows = psf_operator(y + shift[1], sigma_m, first, hidden.step_m, hidden.size)
        self.columns = psf_operator(x + shift[0], sigma_m, first, hidden.step_m, hidden.size)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the product's grid."""
        return self.rows.shape[0], self.columns.shape[0]

    def __call__(self, image: Field) -> Field:
        """Sample an image (size, size) of the hidden grid."""
        return apply(self.rows, self.columns, image)


@lru_cache(maxsize=64)
def _linear(first: float, step: float, count: int, start: float, pixel: float, size: int) -> Field:
    position = np.clip((start + pixel * np.arange(size) - first) / step, 0.0, count - 1.0)
    left = np.minimum(position.astype(np.int64), count - 2)
    weight = np.zeros((size, count), np.float32)
    rows = np.arange(size)
    weight[rows, left] = 1.0 - (position - left)
    weight[rows, left + 1] = position - left
    return weight


def interpolate(
    field: Field, first: float, step: float, grid: PixelGrid, hidden: HiddenGrid, shift: tuple[float, float] = (0, 0)
) -> Field:
    """Bilinear values of a coarse square field (..., n, n) at the pixel centres of `grid`, moved by `shift`.

    `first` is the local position of the field's first node on both axes, `step` its spacing; outside it is held. The
    shift is in metres, x to the right and y down.
    """
    y, x = grid.local_centres(hidden)
    rows = _linear(first, step, field.shape[-2], float(y[0]) + shift[1], grid.pixel_m, grid.rows)
    columns = _linear(first, step, field.shape[-1], float(x[0]) + shift[0], grid.pixel_m, grid.columns)
    return np.asarray(rows @ field @ columns.T)


def area_means(
    image: Field, fine_m: int, coarse_m: int = 30, size: int | None = None, start: tuple[float, float] = (0.0, 0.0)
) -> Field:
    """Area-weighted means of square pixels on coarser pixels, or copies on finer ones.

    Args:
        image: (n, n) with pixels of `fine_m` metres.
        fine_m: spacing of the input.
        coarse_m: spacing of the result.
        size: side of the result; by default what covers the input.
        start: where the input's upper edge and left edge lie, metres down and right from those of the result.
    """
    weights = []
    for length, first in zip(image.shape, start, strict=True):
        count = size or length * fine_m // coarse_m
        fine = first + np.arange(length) * fine_m
        coarse = np.arange(count)[:, None] * coarse_m
        shared = np.clip(np.minimum(fine + fine_m, coarse + coarse_m) - np.maximum(fine, coarse), 0, None)
        weights.append((shared / shared.sum(axis=1, keepdims=True)).astype(np.float32))
    return np.asarray(weights[0] @ image @ weights[1].T)
