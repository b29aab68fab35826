"""Writing the rasters: tiled, compressed GeoTIFFs as providers publish them, without GDAL's sidecar files."""

import math
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine

LARGEST_TILE = 256
NO_TAGS: Mapping[str, str] = {}
HLS_DATUM = "Not_specified_based_on_WGS_84_spheroid"


@lru_cache(maxsize=32)
def hls_crs(zone: int) -> CRS:
    """The CRS that HLS files carry: a northern UTM zone on an unnamed datum, for which no EPSG code is found."""
    meridian = 6 * zone - 183
    return CRS.from_wkt(
        f'PROJCS["UTM Zone {zone}, Northern Hemisphere",GEOGCS["Unknown datum based upon the WGS 84 ellipsoid",'
        f'DATUM["{HLS_DATUM}",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
        'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
        f'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",{meridian}],PARAMETER["scale_factor",0.9996],'
        'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1],'
        'AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
    )


@lru_cache(maxsize=32)
def epsg_crs(epsg: int) -> CRS:
    """CRS of an EPSG code."""
    return CRS.from_epsg(epsg)


def tile_size(size: int) -> int:
    """Side of square tiles, a multiple of 16 not above 256, that cover `size` pixels with little left over."""
    tiles = math.ceil(size / LARGEST_TILE)
    return math.ceil(size / tiles / 16) * 16


def write_raster(
    path: Path,
    values: NDArray[np.generic],
    crs: CRS,
    transform: tuple[float, float, float, float, float, float],
    nodata: float | None,
    scale: float | None = None,
    tags: Mapping[str, str] = NO_TAGS,
) -> None:
    """Write one band (rows, columns) or several (bands, rows, columns).

    `nodata` None writes no tag, `scale` sets GDAL's scale tag.
    ZSTD level 1 with the horizontal predictor decodes three times as fast as DEFLATE at almost the same size.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tile = tile_size(max(values.shape[-2:]))
    stack = values if values.ndim == 3 else values[None]
    # One band after the other: a reader who wants some bands need not fetch them all.
    order = {"interleave": "band"} if len(stack) > 1 else {}
    with rasterio.open(
        os.fspath(path),
        "w",
        driver="GTiff",
        width=stack.shape[2],
        height=stack.shape[1],
        count=len(stack),
        dtype=values.dtype,
        crs=crs,
        transform=Affine(*transform),
        nodata=nodata,
        tiled=True,
        blockxsize=tile,
        blockysize=tile,
        compress="zstd",
        zstd_level=1,
        predictor=2,
        **order,
    ) as file:
        file.write(stack)
        file.update_tags(**tags)
        if scale is not None:
            file.scales = (scale,) * len(stack)
