"""Files of an item: their grids, and their pixels row by row, so that no more than a strip is in memory."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from anyband.raster.access import read_raster
from anyband.raster.asset import RasterAsset
from anyband.raster.header import Header, check_header
from anyband.raster.own_mask import own_mask
from anyband.runtime import UserError

Pixels = np.ma.MaskedArray[Any, Any]


def read_metric_header(asset: RasterAsset) -> Header:
    """Open a file for its header, which must have square pixels in metres.

    Raises:
        UserError: unreadable, not on a north-up grid in metres, or not where the item says.
    """

    def act(source: Any) -> Header:
        if source.crs is None or not source.crs.is_projected or source.crs.linear_units_factor[1] != 1:
            raise UserError(f"{asset.name}: its CRS is not in metres, reproject the file to UTM first")
        pixel, across, _, along, down, _ = transform = tuple(source.transform)[:6]
        if across or along or pixel <= 0 or not math.isclose(pixel, -down):
            raise UserError(f"{asset.name}: transform {transform} is not a north-up grid of square pixels")
        names = tuple((name or "").strip() for name in source.descriptions)
        data = sum(colour.name != "alpha" for colour in source.colorinterp)
        return replace(check_header(source, asset), names=names, data_bands=data)

    return read_raster(asset.href, act, asset.name)


class RowFile:
    """Rows of some bands of a file, asked for downwards; every internal tile is decoded once.

    The file is opened for each row of its tiles and closed again, so signatures are fresh however long it takes.
    """

    def __init__(self, asset: RasterAsset, header: Header, bands: Sequence[RasterAsset] = ()) -> None:
        """Nothing is read yet; `bands` are those of the file that are wanted, `asset` alone if not given."""
        self.asset, self.header, self.bands = asset, header, bands or [asset]
        self.indexes = [band.index for band in self.bands]
        self.crop(0, header.shape[1])

    def crop(self, left: int, right: int) -> None:
        """Read only the columns `left` to `right` from now on."""
        self.left, self.width = left, right - left
        dtype = np.dtype(self.header.dtypes[self.indexes[0] - 1])
        self.first, self.held = 0, np.ma.zeros((len(self.indexes), 0, self.width), dtype)

    def rows(self, start: int, stop: int) -> Pixels:
        """Rows `start` to `stop` of the file (bands, rows, width), masked where the file itself calls them invalid.

        Those above `start` cannot be asked for again.
        """
        block = self.header.tile[0]
        if start >= self.first + self.held.shape[1]:
            self.first, self.held = start // block * block, self.held[:, :0]
        else:
            self.first, self.held = start, self.held[:, start - self.first :]
        end = self.first + self.held.shape[1]
        if stop > end:
            fresh = self._read(end, min(math.ceil(stop / block) * block, self.header.shape[0]))
            joined: Any = np.ma.concatenate  # numpy gives it no types
            self.held = joined([self.held, fresh], axis=1) if end > self.first else fresh
        found: Pixels = self.held[:, start - self.first : stop - self.first]
        return found

    def _read(self, start: int, stop: int) -> Pixels:
        from rasterio.windows import Window

        window = Window(self.left, start, self.width, stop - start)

        def act(source: Any) -> Pixels:
            pixels: Pixels = np.ma.masked_array(source.read(self.indexes, window=window))
            for number, band in enumerate(self.bands):
                invalid = own_mask(source, band.index, band.nodata, self.indexes)
                if invalid is not None:
                    pixels[number, invalid(pixels.data[number], window)] = np.ma.masked
            return pixels

        return read_raster(self.asset.href, act, self.asset.name)
