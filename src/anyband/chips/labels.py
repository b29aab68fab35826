"""The label raster of chips on their 10 m grid.

Labels come in degrees (ESA WorldCover: EPSG:4326, 1/12000 degree), so they alone are warped: nearest neighbour, one
stackstac mosaic for all chips together, since a site may straddle two of the label's maps.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.pairs.scene_pair import ScenePair
from anyband.ground import Array, Footprint, bounding_square
from anyband.landcover import LABEL_PIXEL_M
from anyband.raster.warp import MapWindow, read_warped
from anyband.runtime import UserError

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
    mosaic = read_warped([label.bands[BAND] for label in labels], window, threads)
    size = footprints[0].side_m // LABEL_PIXEL_M
    corners = [(round((top - f.y0) / LABEL_PIXEL_M), round((f.x0 - left) / LABEL_PIXEL_M)) for f in footprints]
    return np.stack([mosaic[row : row + size, col : col + size] for row, col in corners])


class SiteLabels:
    """Labels of a site's chips; the last ones are kept, for all dates share the ground."""

    def __init__(self, site: str, threads: int) -> None:
        """No label yet."""
        self._site, self._threads = site, threads
        self._last: dict[tuple[Any, ...], Array] = {}
        self._any: dict[str, bool] = {}

    def read(self, pair: ScenePair, chips: Sequence[Footprint]) -> Array:
        """Codes (chip, y, x); raises as `read_labels`."""
        key = _names(pair), pair.epsg, chips[0].row, chips[0].col
        if key not in self._last:
            label = read_labels(pair.labels, chips, self._threads)
            self._last = dict([*self._last.items(), (key, label)][-4:])
        return self._last[key]

    def note(self, pair: ScenePair, some: bool) -> None:
        """Whether a label of the pair has a class."""
        names = _names(pair)
        self._any[names] = self._any.get(names, False) or some

    def check(self) -> None:
        """Raise UserError if a label has no class anywhere at the site."""
        for names, some in self._any.items():
            if not some:
                raise UserError(f"item {names}: no class at site {self._site}: choose another site or label")


def _names(pair: ScenePair) -> str:
    return " ".join(label.item_id for label in pair.labels)
