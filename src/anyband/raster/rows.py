"""Files of an item: their grids, and their pixels row by row, so that no more than a strip is in memory."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from anyband.ground import Array
from anyband.raster.access import gdal_env, read_raster
from anyband.raster.asset import RasterAsset
from anyband.raster.header import Header, check_header
from anyband.runtime import UserError

CACHE_MB = 64
"""GDAL block cache; every tile is decoded once, so more would hold what is never asked for again."""


def read_metric_header(asset: RasterAsset) -> Header:
    """Open a file for its header, which must have square pixels in metres.

    Raises:
        UserError: unreadable, not on a north-up grid in metres, or not where the item says.
    """
    import rasterio

    def act(source: Any) -> Header:
        if source.crs is None or not source.crs.is_projected or source.crs.linear_units_factor[1] != 1:
            raise UserError(f"{asset.name}: its CRS is not in metres, reproject the file to UTM first")
        pixel, across, _, along, down, _ = transform = tuple(source.transform)[:6]
        if across or along or pixel <= 0 or not math.isclose(pixel, -down):
            raise UserError(f"{asset.name}: transform {transform} is not a north-up grid of square pixels")
        return check_header(source, asset)

    with rasterio.Env(**gdal_env()):
        return read_raster(asset.href, act, asset.name)


class RowFile:
    """Rows of some bands of a file, asked for downwards; every internal tile is decoded once.

    The file is opened for each row of its tiles and closed again, so signatures are fresh however long it takes.
    """

    def __init__(self, asset: RasterAsset, header: Header, indexes: Sequence[int] = (1,)) -> None:
        """Nothing is read yet; `indexes` are the numbers of the bands, from 1."""
        self.asset, self.header, self.indexes = asset, header, list(indexes)
        self.first, self.held = 0, np.zeros((len(indexes), 0, header.shape[1]), header.dtypes[indexes[0] - 1])

    def rows(self, start: int, stop: int) -> Array:
        """Rows `start` to `stop` of the file (bands, rows, width); those above `start` cannot be asked for again."""
        block = self.header.tile[0]
        if start >= self.first + self.held.shape[1]:
            self.first, self.held = start // block * block, self.held[:, :0]
        else:
            self.first, self.held = start, self.held[:, start - self.first :]
        end = self.first + self.held.shape[1]
        if stop > end:
            fresh = self._read(end, min(math.ceil(stop / block) * block, self.header.shape[0]))
            self.held = np.concatenate([self.held, fresh], axis=1)
        found: Array = self.held[:, start - self.first : stop - self.first]
        return found

    def _read(self, start: int, stop: int) -> Array:
        import rasterio
        from rasterio.windows import Window

        window = Window(0, start, self.header.shape[1], stop - start)
        with rasterio.Env(**gdal_env(), GDAL_CACHEMAX=CACHE_MB):
            pixels: Array = read_raster(
                self.asset.href, lambda source: source.read(self.indexes, window=window), self.asset.name
            )
        return pixels
