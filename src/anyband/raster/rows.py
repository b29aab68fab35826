"""Files of a scene: their grids, and their pixels row by row, so that no more than a strip is in memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.catalog.items.acquisition import Affine6, QualityAsset
from anyband.raster.access import gdal_env, read_raster
from anyband.raster.header import check_grid
from anyband.runtime import UserError

Array = NDArray[Any]
CACHE_MB = 64
"""GDAL block cache; every tile is decoded once, so more would hold what is never asked for again."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        epsg: None where its CRS has no code.
        transform, shape: grid, in metres.
        block_rows: rows of its internal tiles.
        dtypes, scales, offsets: of its bands.
        nodata: None where it names none.
    """

    epsg: int | None
    transform: Affine6
    shape: tuple[int, int]
    block_rows: int
    dtypes: tuple[str, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    nodata: float | None


def read_header(href: str, name: str, epsg: int | None, asset: QualityAsset) -> Header:
    """Open a file for its header.

    Args:
        href: unsigned address or path.
        name: "item X: asset Y".
        epsg: CRS by the item, None where it does not say.
        asset: with the grid by the item.

    Raises:
        UserError: unreadable, not on a north-up grid in metres, or not where the item says.
    """
    import rasterio

    def act(source: Any) -> Header:
        if source.crs is None or not source.crs.is_projected or source.crs.linear_units_factor[1] != 1:
            raise UserError(f"{name}: its CRS is not in metres, reproject the file to UTM first")
        header = Header(
            source.crs.to_epsg(),
            tuple(source.transform)[:6],
            tuple(source.shape),
            int(source.block_shapes[0][0]),
            tuple(source.dtypes),
            tuple(source.scales),
            tuple(source.offsets),
            source.nodata,
        )
        pixel, across, _, along, down, _ = header.transform
        if across or along or pixel <= 0 or not math.isclose(pixel, -down):
            raise UserError(f"{name}: transform {header.transform} is not a north-up grid of square pixels")
        if epsg is not None:
            check_grid(source, name, epsg, asset, _middle(source))
        return header

    with rasterio.Env(**gdal_env()):
        return read_raster(href, act, name)


def _middle(source: Any) -> tuple[float, float]:
    """Longitude and latitude of the middle of an open file."""
    from rasterio.warp import transform

    x, y = source.transform @ (source.width / 2, source.height / 2)
    longitude, latitude = transform(source.crs, "EPSG:4326", [x], [y])
    return longitude[0], latitude[0]


class RowFile:
    """Rows of some bands of a file, asked for downwards; every internal tile is decoded once.

    The file is opened for each row of its tiles and closed again, so signatures are fresh however long it takes.
    """

    def __init__(self, href: str, name: str, header: Header, indexes: Sequence[int] = (1,)) -> None:
        """Nothing is read yet; `name` is what messages call the file, `indexes` the numbers of the bands, from 1."""
        self.href, self.name, self.header, self.indexes = href, name, header, list(indexes)
        self.first, self.held = 0, np.zeros((len(indexes), 0, header.shape[1]), header.dtypes[indexes[0] - 1])

    def rows(self, start: int, stop: int) -> Array:
        """Rows `start` to `stop` of the file (bands, rows, width); those above `start` cannot be asked for again."""
        block = self.header.block_rows
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
            pixels: Array = read_raster(self.href, lambda source: source.read(self.indexes, window=window), self.name)
        return pixels
