"""Pixels of a map window through stackstac, behind one function: what has to be warped, and what is read a second time.

The label map and previews are read here, and the pixels that `anyband verify` compares chips with, cut by our own plan.
stackstac reads nothing but STAC items, so it gets one of our own making, of one plain form whatever the provider's
dialect is: a raw dict with `proj:epsg` (pystac would turn it into `proj:code`, which stackstac does not read), a media
type, and an address that is signed just before it is opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anyband.ground import Array
from anyband.raster.access import gdal_env, sign, with_retries
from anyband.raster.asset import RasterAsset
from anyband.raster.header import read_header

MEDIA_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True)
class MapWindow:
    """A north-up rectangle of pixels: upper-left corner (`left`, `top`) and `pixel` in units of the CRS `epsg`."""

    epsg: int
    left: float
    top: float
    pixel: float
    width: int
    height: int

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top."""
        return self.left, self.top - self.pixel * self.height, self.left + self.pixel * self.width, self.top


def read_warped(files: Sequence[RasterAsset], window: MapWindow, threads: int = 1) -> Array:
    """Stored integers (y, x) of `window`, nearest neighbour; where files overlap, the last one with data counts.

    Args:
        files: of one data type and nodata value.
        window: on the files' own grid their pixels come out as they are.
        threads: threads of the read.

    Raises:
        UnusableItemError: a file does not exist, stays damaged, or is not what its item announces.
        UserError: access is refused, or the provider stays out of reach.
    """
    from rasterio.errors import RasterioError

    # The headers tell which file is at fault, and its grid.
    headers = [read_header(file) for file in files]
    known = [replace(f, transform=h.transform, shape=h.shape) for f, h in zip(files, headers, strict=True)]

    def act(first: str) -> Array:
        addresses = [first, *(sign(file.href) for file in known[1:])]
        pairs = zip(known, addresses, strict=True)
        items = [plain_item(file, _one_band(file, address), n) for n, (file, address) in enumerate(pairs)]
        return _stackstac(items, files[0], window, threads)

    name = " ".join(file.name for file in files)
    return with_retries(files[0].href, act, name, failures=(RuntimeError, RasterioError))


def plain_item(file: RasterAsset, address: str, number: int = 0) -> dict[str, Any]:
    """A raw item of one asset, `band`, with `address` as its href."""
    nodata = {"nodata": file.nodata, "data_type": file.dtype}
    asset: dict[str, Any] = {"href": address, "type": MEDIA_TYPE, "roles": ["data"], "raster:bands": [nodata]}
    properties: dict[str, Any] = {"datetime": "2000-01-01T00:00:00Z", "proj:epsg": file.epsg}
    if file.transform is not None and file.shape is not None:
        properties |= {"proj:shape": list(file.shape), "proj:transform": list(file.transform)}
    extensions = ["projection/v1.1.0", "raster/v1.1.0"]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [f"https://stac-extensions.github.io/{name}/schema.json" for name in extensions],
        "id": f"{number}-{file.item}",
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": {"band": asset},
    }


def _one_band(file: RasterAsset, address: str) -> str:
    """An address of a file's band alone: stackstac reads no file of several bands."""
    if file.count == 1:
        return address
    return f"vrt://{f'/vsicurl/{address}' if '://' in address else address}?bands={file.index}"


def _stackstac(items: list[dict[str, Any]], file: RasterAsset, window: MapWindow, threads: int) -> Array:
    import stackstac
    from dask import local, threaded
    from rasterio.enums import Resampling
    from stackstac.rio_env import LayeredEnv

    # Everything is explicit: stackstac's defaults move the grid, rescale by item metadata and turn a missing
    # file into nodata.
    stack = stackstac.stack(
        items,
        assets=["band"],
        epsg=window.epsg,
        bounds=window.bounds,
        resolution=window.pixel,
        snap_bounds=False,
        dtype=np.dtype(file.dtype),
        fill_value=np.dtype(file.dtype).type(file.nodata or 0),
        rescale=False,
        resampling=Resampling.nearest,
        xy_coords=False,
        properties=False,
        band_coords=False,
        errors_as_nodata=(),
        gdal_env=LayeredEnv(gdal_env(file.href)),
    )
    if 0 in stack.shape:  # it leaves out items that do not reach into the window
        return np.full((window.height, window.width), file.nodata, file.dtype)
    flat = stackstac.mosaic(stack, dim="time", nodata=file.nodata)
    # Threads of dask take longer to start than most windows to read.
    scheduler = threaded.get if threads > 1 else local.get_sync
    values: Array = flat.data[0].compute(scheduler=scheduler, num_workers=threads)
    return values
