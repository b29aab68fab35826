"""Small GeoTIFFs for tests of reading."""

from pathlib import Path

import numpy as np

CORNER = (600_000.0, 5_200_020.0)
"""Upper-left corner on the 60 m lattice of EPSG:32632."""


def write_raster(
    path: Path, pixels: np.ndarray, corner: tuple[float, float], pixel_m: float, epsg: int = 32632, tile: int = 64
) -> Path:
    """A tiled GeoTIFF of one band."""
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
        crs=f"EPSG:{epsg}",
        transform=from_origin(*corner, pixel_m, pixel_m),
        tiled=True,
        blockxsize=tile,
        blockysize=tile,
        compress="deflate",
    ) as file:
        file.write(pixels, 1)
    return path
