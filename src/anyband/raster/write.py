"""Writing GeoTIFFs: whole rasters as providers publish them, and maps row by row that become cloud-optimised."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.shutil import copy
from rasterio.transform import Affine
from rasterio.windows import Window

from anyband.runtime import atomic_path, check_disk, remove

LARGEST_TILE = 256
NO_TAGS: Mapping[str, str] = {}
HLS_DATUM = "Not_specified_based_on_WGS_84_spheroid"
COG_BLOCK = 512
CACHE_MB = 32
WriteRows = Callable[[int, NDArray[Any]], None]
"""Writes rows (bands, rows, width) from a row on."""


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
    """Write one band (rows, columns) or several (bands, rows, columns), tiled and compressed, without sidecar files.

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


@dataclass(frozen=True)
class CogContent:
    """What a cloud-optimised file holds besides pixels.

    Attributes:
        dtype, nodata: of the pixels.
        names: of the bands.
        scale: physical value = pixel * `scale`, of all bands.
        tags: of the file.
        band_tags: of each band.
        colours: red, green, blue of the values of a single band.
        overviews: how they are made.
    """

    dtype: str
    nodata: int
    names: Sequence[str]
    scale: float = 1.0
    tags: Mapping[str, str] = field(default_factory=dict)
    band_tags: Sequence[Mapping[str, str]] = ()
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    overviews: str = "average"


@contextmanager
def writing_cog(path: Path, grid: GeoBox, content: CogContent) -> Iterator[WriteRows]:
    """Give what writes the rows of a grid; the file is there when all went well, and otherwise not.

    Rows that are not written are nodata. Plain rows go to the disk first, then GDAL's COG driver makes the file.

    Raises:
        UserError: too little space on the disk.
    """
    check_disk(path, 2 * len(content.names) * grid.height * grid.width * np.dtype(content.dtype).itemsize)
    with atomic_path(path) as finished, rasterio.Env(GDAL_CACHEMAX=CACHE_MB):
        # The suffix lets the sweep of `atomic_path` find what a killed run left.
        rows = finished.with_name(f".{path.name}.rows.{finished.name.split('.')[-2]}.partial")
        try:
            with rasterio.open(
                rows,
                "w",
                driver="GTiff",
                count=len(content.names),
                dtype=content.dtype,
                nodata=content.nodata,
                height=grid.height,
                width=grid.width,
                crs=str(grid.crs),
                transform=grid.affine,
                interleave="band",
                bigtiff="IF_SAFER",
            ) as target:
                _describe(target, content)

                def write(start: int, pixels: NDArray[Any]) -> None:
                    target.write(pixels, window=Window(0, start, grid.width, pixels.shape[1]))

                yield write
            copy(
                rows,
                finished,
                driver="COG",
                COMPRESS="DEFLATE",
                PREDICTOR="YES" if len(content.names) > 1 else "NO",
                BLOCKSIZE=COG_BLOCK,
                BIGTIFF="IF_SAFER",
                OVERVIEW_RESAMPLING=content.overviews.upper(),
                NUM_THREADS="ALL_CPUS",
            )
        finally:
            remove(rows)


def _describe(target: Any, content: CogContent) -> None:
    target.update_tags(**content.tags)
    for number, name in enumerate(content.names, start=1):
        target.set_band_description(number, name)
        if content.band_tags:
            target.update_tags(number, **content.band_tags[number - 1])
    if content.scale != 1.0:
        target.scales, target.offsets = [content.scale] * len(content.names), [0.0] * len(content.names)
    if content.colours:
        target.write_colormap(1, {value: (*colour, 255) for value, colour in content.colours.items()})
