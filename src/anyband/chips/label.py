"""The label raster of a site on its 10 m chip grid.

Labels come in degrees (ESA WorldCover: EPSG:4326, 1/12000 degree), so they alone are warped: nearest neighbour, one
stackstac stack for the whole site. stackstac is behind this one function.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anyband.chips.encoding import LABEL_NODATA, LABEL_PIXEL_M, Array
from anyband.chips.grid import Footprint, bounding_square
from anyband.runtime import UserError


def read_labels(
    item: dict[str, Any], asset: str, footprints: Sequence[Footprint], threads: int, options: Mapping[str, Any]
) -> Array:
    """Label codes (chip, y, x) uint8 on the 10 m grid of the chips; 0 where the product has none.

    Args:
        item: raw STAC item (a dict: pystac would rewrite `proj:epsg`, which stackstac needs), hrefs signed.
        asset: key of the class map.
        footprints: chips in one CRS.
        threads: threads of the read.
        options: GDAL configuration.

    Raises:
        UserError: the label cannot be read, naming item and asset.
    """
    left, bottom, right, top = bounding_square(footprints)
    try:
        mosaic = _stack(item, asset, footprints[0].epsg, (left, bottom, right, top), options)[0, 0].data.compute(
            scheduler="threads", num_workers=threads
        )
    except (RuntimeError, ValueError, KeyError, AssertionError) as error:
        reason = " ".join(str(error).split("?")[0].split())[:240]
        raise UserError(f"item {item.get('id')}, asset {asset}: label cannot be read ({reason})") from None
    size = footprints[0].side_m // LABEL_PIXEL_M
    corners = [(round((top - f.y0) / LABEL_PIXEL_M), round((f.x0 - left) / LABEL_PIXEL_M)) for f in footprints]
    return np.stack([mosaic[row : row + size, col : col + size] for row, col in corners])


def _stack(
    item: dict[str, Any],
    asset: str,
    epsg: int,
    bounds: tuple[float, float, float, float],
    options: Mapping[str, Any],
) -> Any:
    import stackstac
    from rasterio.enums import Resampling

    # Everything is explicit: stackstac's defaults move the grid, rescale by item metadata and turn a missing
    # file into nodata.
    return stackstac.stack(
        [item],
        assets=[asset],
        epsg=epsg,
        bounds=bounds,
        resolution=LABEL_PIXEL_M,
        snap_bounds=False,
        dtype=np.dtype("uint8"),
        fill_value=np.uint8(LABEL_NODATA),
        rescale=False,
        resampling=Resampling.nearest,
        xy_coords=False,
        properties=False,
        band_coords=False,
        errors_as_nodata=(),
        gdal_env=stackstac.DEFAULT_GDAL_ENV.updated(always=dict(options)),
    )
