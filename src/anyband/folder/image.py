"""One image file: a GeoTIFF or another raster, or an array of numpy; pixels are read window by window."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from anyband.ground import LATTICE_M, Array
from anyband.runtime import UserError

ARRAYS = (".npy", ".npz")


@dataclass(frozen=True)
class Image:
    """A file with bands on one grid of square pixels, north up.

    Attributes:
        path: of the file.
        count, rows, cols: its size.
        pixel_m: side of a pixel, m.
        left, top: upper-left corner in metres of `epsg`; 0 where the file has no coordinates.
        epsg: CRS, projected and in metres; 0 where the file has no coordinates.
        nodata: number without data, by the file.
        read: pixels of band `index` (from 1) in a window (row, column, rows, columns) inside the image.
    """

    path: str
    count: int
    rows: int
    cols: int
    pixel_m: float
    left: float
    top: float
    epsg: int
    nodata: float | None
    read: Callable[[int, int, int, int, int], Array]

    def window(self, index: int, row: int, col: int, size: int) -> tuple[Array, Array]:
        """Pixels (size, size) of a square window that may reach beyond the image, and where there are any (bool).

        Raises:
            UserError: the file has no such band, or is damaged.
        """
        if index > self.count:
            raise UserError(f"{self.path}: has {self.count} bands, band {index} is asked for")
        first, left = max(row, 0), max(col, 0)
        height, width = min(row + size, self.rows) - first, min(col + size, self.cols) - left
        inside = np.zeros((size, size), bool)
        if min(height, width) <= 0:
            return np.zeros((size, size)), inside
        pixels = self.read(index, first, left, height, width)
        whole = np.zeros((size, size), pixels.dtype)
        place = slice(first - row, first - row + height), slice(left - col, left - col + width)
        whole[place], inside[place] = pixels, True
        return whole, inside


@lru_cache(maxsize=64)
def open_image(path: str, pixel_m: float | None) -> Image:
    """Open a file; `x.npz:name` is an array in an archive.

    Arrays are (bands, rows, columns), or with the bands last where that axis is the shortest, or (rows, columns).

    Args:
        path: of the file.
        pixel_m: of files without coordinates.

    Raises:
        UserError: one line with the file and what is wrong with it.
    """
    file, _, name = path.partition(".npz:")
    if not Path(f"{file}.npz" if name else path).is_file():
        raise UserError(f"{path} does not exist")
    image = _array(path, pixel_m) if name or Path(path).suffix in ARRAYS else _raster(path, pixel_m)
    if LATTICE_M % image.pixel_m:
        raise UserError(f"{path}: pixels of {image.pixel_m:g} m do not divide {LATTICE_M} m: resample it first")
    return image


def _needed(path: str, pixel_m: float | None) -> float:
    if pixel_m is None:
        raise UserError(f"{path}: has no coordinates: give files.pixel_m and a column block")
    return pixel_m


def _raster(path: str, pixel_m: float | None) -> Image:
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.windows import Window

    try:
        source: Any = rasterio.open(path)
    except RasterioError as error:
        raise UserError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from None

    def read(index: int, row: int, col: int, height: int, width: int) -> Array:
        try:
            return np.asarray(source.read(index, window=Window(col, row, width, height)))
        except RasterioError as error:
            raise UserError(f"{path}: is damaged ({str(error).splitlines()[0]})") from None

    size = source.count, source.height, source.width
    if source.crs is None:
        return Image(path, *size, _needed(path, pixel_m), 0.0, 0.0, 0, source.nodata, read)
    grid, epsg = source.transform, source.crs.to_epsg()
    if not source.crs.is_projected or source.crs.linear_units_factor[1] != 1 or epsg is None:
        raise UserError(f"{path}: its CRS is no projected one in metres with an EPSG code: warp it to UTM first")
    if grid.b or grid.d or grid.a <= 0 or abs(grid.a + grid.e) > 1e-6 * grid.a:
        raise UserError(f"{path}: is not north up with square pixels: warp it first")
    return Image(path, *size, round(grid.a, 6), grid.c, grid.f, epsg, source.nodata, read)


def _array(path: str, pixel_m: float | None) -> Image:
    file, _, name = path.partition(".npz:")
    try:
        found = np.load(f"{file}.npz")[name] if name else np.load(path, mmap_mode="r")
        if not isinstance(found, np.ndarray):
            raise ValueError(f"name one of its arrays: {path}:{found.files[0]}")
        bands = found[None] if found.ndim == 2 else found
        if bands.ndim != 3:
            raise ValueError(f"has {found.ndim} dimensions")
        if bands.shape[2] < min(bands.shape[:2]):
            bands = np.moveaxis(bands, 2, 0)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: is no array of bands ({str(error).splitlines()[0]})") from None

    def read(index: int, row: int, col: int, height: int, width: int) -> Array:
        return np.asarray(bands[index - 1, row : row + height, col : col + width])

    count, rows, cols = bands.shape
    return Image(path, count, rows, cols, _needed(path, pixel_m), 0.0, 0.0, 0, None, read)
