"""Small GeoTIFFs for tests of reading."""

from pathlib import Path

import numpy as np

CORNER = (600_000.0, 5_200_020.0)
"""Upper-left corner on the 60 m lattice of EPSG:32632."""


HLS_CRS = (
    'PROJCS["UTM Zone 32, Northern Hemisphere",GEOGCS["Unknown datum based upon the WGS 84 ellipsoid",'
    'DATUM["Not specified (based on WGS 84 spheroid)",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],'
    'PARAMETER["central_meridian",9],PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],'
    'PARAMETER["false_northing",0],UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
)
"""As HLS files have it: the zone of EPSG:32632 with a datum of no name."""


def write_raster(
    path: Path,
    pixels: np.ndarray,
    corner: tuple[float, float],
    pixel_m: float,
    epsg: int = 32632,
    tile: int = 64,
    *,
    crs: str | None = None,
    nodata: float | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """A tiled GeoTIFF of one band; `crs` (WKT) goes before `epsg`."""
    import rasterio
    from rasterio.transform import from_origin

    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=pixels.shape[0],
        width=pixels.shape[1],
        count=1,
        dtype=pixels.dtype,
        crs=crs or f"EPSG:{epsg}",
        nodata=nodata,
        transform=from_origin(*corner, pixel_m, pixel_m),
        tiled=True,
        blockxsize=tile,
        blockysize=tile,
        compress="deflate",
    ) as file:
        file.write(pixels, 1)
        file.update_tags(**(tags or {}))
    return path
