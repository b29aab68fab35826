"""The label raster of chips on their 10 m grid.

Labels come in degrees (ESA WorldCover: EPSG:4326, 1/12000 degree), so they alone are warped: nearest neighbour, one
stackstac mosaic for all chips together, since a site may straddle two of the label's maps.
"""

from collections.abc import Sequence

import numpy as np

from anyband.catalog.items.acquisition import Acquisition
from anyband.ground import Array, Footprint, bounding_square
from anyband.landcover import LABEL_PIXEL_M
from anyband.raster.warp import MapWindow, read_stackstac

BAND = "map"


def read_labels(labels: Sequence[Acquisition], footprints: Sequence[Footprint], threads: int) -> Array:
    """Label codes (chip, y, x) uint8 on the 10 m grid of the chips; 0 where the product has none.

    Args:
        labels: the maps.
        footprints: chips in one CRS.
        threads: threads of the read.

    Raises:
        UnusableItemError: a map does not exist, stays damaged, or is not what its item announces.
        UserError: access is refused, or the provider stays out of reach.
    """
    left, bottom, right, top = bounding_square(footprints)
    width, height = (round(length / LABEL_PIXEL_M) for length in (right - left, top - bottom))
    window = MapWindow(footprints[0].epsg, left, top, LABEL_PIXEL_M, width, height)
    mosaic = read_stackstac([label.bands[BAND] for label in labels], window, threads)
    size = footprints[0].side_m // LABEL_PIXEL_M
    corners = [(round((top - f.y0) / LABEL_PIXEL_M), round((f.x0 - left) / LABEL_PIXEL_M)) for f in footprints]
    return np.stack([mosaic[row : row + size, col : col + size] for row, col in corners])
