"""Where an acquisition saw the ground, on a common set of points: a coarse and cheap look at its quality layer."""

import numpy as np
from numpy.typing import NDArray

from anyband.catalog.access import sign, why_unreadable
from anyband.catalog.acquisition import Acquisition, UnusableItemError
from anyband.catalog.qa import DECODERS, Mask
from anyband.catalog.search import Site
from anyband.runtime import UserError

SAMPLING_M = 30
"""Distance between points: the finest that both Sentinel-2 SCL (20 m) and Landsat QA_PIXEL (30 m) support."""

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def project(points: Points, source_epsg: int, target_epsg: int) -> Points:
    """Eastings and northings (or longitudes and latitudes), both (n,), of points in another CRS."""
    from rasterio.warp import transform

    if source_epsg == target_epsg:
        return points
    x, y = transform(f"EPSG:{source_epsg}", f"EPSG:{target_epsg}", *points)
    return np.asarray(x), np.asarray(y)


def site_points(site: Site, epsg: int) -> Points:
    """Centres of the `SAMPLING_M` cells of a site's square in the CRS `epsg`, (n,) and (n,), m."""
    x, y = project((np.array([site.longitude]), np.array([site.latitude])), 4326, epsg)
    steps = np.arange(SAMPLING_M / 2, site.extent_m, SAMPLING_M) - site.extent_m / 2
    east, north = np.meshgrid(x[0] + steps, y[0] - steps)
    return east.ravel(), north.ravel()


def site_corners(site: Site, epsg: int) -> list[tuple[float, float]]:
    """Longitude and latitude (degrees) of the corners of a site's square in the CRS `epsg`."""
    x, y = project((np.array([site.longitude]), np.array([site.latitude])), 4326, epsg)
    half = site.extent_m / 2
    east, north = x[0] + half * np.array([-1, 1, 1, -1]), y[0] + half * np.array([-1, -1, 1, 1])
    longitudes, latitudes = project((east, north), epsg, 4326)
    return list(zip(longitudes.tolist(), latitudes.tolist(), strict=True))


def read_clear(acquisition: Acquisition, points: Points, epsg: int) -> Mask:
    """Clear or not at each point (n,) given in the CRS `epsg`; points outside the raster are not clear.

    The CRS of the file is the acquisition's: HLS files carry one without a code.

    Raises:
        UnusableItemError: no quality layer, or its file does not exist.
        UserError: the file exists but cannot be read.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.windows import Window

    qa = acquisition.qa
    if qa is None:
        raise UnusableItemError(f"item {acquisition.item_id}: {acquisition.product} has no quality layer")
    x, y = project(points, epsg, acquisition.epsg)
    clear = np.zeros(x.shape, dtype=bool)
    try:
        with rasterio.open(sign(qa.href)) as source:
            to_pixel = ~source.transform
            column = np.floor(to_pixel.a * x + to_pixel.b * y + to_pixel.c).astype(int)
            row = np.floor(to_pixel.d * x + to_pixel.e * y + to_pixel.f).astype(int)
            inside = (row >= 0) & (row < source.height) & (column >= 0) & (column < source.width)
            if inside.any():
                row, column = row[inside], column[inside]
                top, left = int(row.min()), int(column.min())
                window = Window(left, top, int(column.max()) - left + 1, int(row.max()) - top + 1)
                values = source.read(1, window=window)
                clear[inside] = DECODERS[qa.decoder](values[row - top, column - left])
    except RasterioError as error:
        reason = why_unreadable(qa.href, error)
        line = f"item {acquisition.item_id}: asset {qa.asset}: {reason}"
        raise (UnusableItemError if "does not exist" in reason else UserError)(line) from None
    return clear
