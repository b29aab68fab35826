"""Which chips of a pair are kept: quality layers and labels are read and screened before any band.

Labels come in degrees (ESA WorldCover: EPSG:4326, 1/12000 degree), so they alone are warped: nearest neighbour, one
stackstac mosaic for all chips together, since a site may straddle two of the label's maps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.pairs.scene_pair import ScenePair
from anyband.ground import Array, Footprint, bounding_square, sample_nearest, unproject
from anyband.landcover import LABEL_PIXEL_M
from anyband.raster.asset import QualityAsset, UnusableItemError
from anyband.raster.quality_layers import DECODERS, FILL
from anyband.raster.warp import MapWindow, read_warped
from anyband.raster.windows import Pixels, assemble, read_windows
from anyband.runtime import UserError

JOINT = ("sentinel2", "landsat")
"""Products that must both be clear for a pixel to count."""


@dataclass(frozen=True)
class Quality:
    """Quality layer of one product on its own grid: `values`, `clear` (chip, y, x); `offset_m`, `window` (chip, 2)."""

    values: Array
    clear: Array
    offset_m: Array
    window: Array


@dataclass(frozen=True)
class Screening:
    """What was found of some chips of one pair.

    Attributes:
        clear: (chip,) share that is clear in both Sentinel-2 and Landsat.
        labelled: whether any pixel of any chip has a class.
        reasons: why a chip is left out, None for those kept.
        joint: (kept chip, y, x) bool and
        label: (kept chip, y, x) uint8, on the 10 m grid.
        quality: of the kept chips, by product.
    """

    clear: Array
    labelled: bool
    reasons: list[str | None]
    joint: Array
    label: Array
    quality: Mapping[str, Quality]


def quality_layer(acquisition: Acquisition) -> QualityAsset:
    """The quality layer of an optical acquisition.

    Raises:
        UnusableItemError: it has none.
    """
    if acquisition.qa is None:
        raise UnusableItemError(f"item {acquisition.item_id}: no quality layer, so nothing is known to be clear")
    return acquisition.qa


def read_quality(acquisition: Acquisition, footprints: Sequence[Footprint]) -> Pixels:
    """Read the quality layer of an acquisition for some chips; raises as `quality_layer` and `read_windows`."""
    (pixels,) = read_windows([quality_layer(acquisition)], footprints, promised(acquisition, footprints))
    return pixels


def promised(acquisition: Acquisition, footprints: Sequence[Footprint]) -> list[bool]:
    """Whether the item says that its valid data cover each chip as a whole."""
    from shapely import box, prepare
    from shapely.affinity import translate
    from shapely.geometry import shape

    data = shape(dict(acquisition.footprint))
    prepare(data)
    x = np.array([[f.x0, f.x0 + f.side_m] for f in footprints])
    y = np.array([[f.y0 - f.side_m, f.y0] for f in footprints])
    corners = unproject(x[:, [0, 0, 1, 1]], y[:, [0, 1, 0, 1]], footprints[0].epsg)
    edges = (*(values.min(axis=1) for values in corners), *(values.max(axis=1) for values in corners))
    chips = [box(*edge) for edge in zip(*edges, strict=True)]
    # Some providers count longitudes beyond 180 degrees.
    return [any(data.covers(translate(chip, turn)) for turn in (0, 360, -360)) for chip in chips]


def screen(
    pair: ScenePair, footprints: Sequence[Footprint], read: Mapping[str, Pixels], label: Array, least_clear: float
) -> Screening:
    """Decode what was read of the quality layers and decide.

    Args:
        pair: the scenes.
        footprints: some chips.
        read: their quality layers by product.
        label: (chip, y, x).
        least_clear: least share of a chip that must be clear in both Sentinel-2 and Landsat.
    """
    chip_m = footprints[0].side_m
    quality = {product: _decode(pair.optical[product], pixels, chip_m) for product, pixels in read.items()}
    size = chip_m // LABEL_PIXEL_M
    joint = np.ones((len(footprints), size, size), bool)
    for product in JOINT:
        layer = quality[product]
        pixel_m, corner = chip_m / layer.clear.shape[-1], np.zeros_like(layer.offset_m)
        joint &= sample_nearest(layer.clear, pixel_m, layer.offset_m, LABEL_PIXEL_M, corner, size)
    clear = joint.mean(axis=(1, 2))
    outside = {product: _outside(pair, product, quality[product], least_clear) for product in JOINT}
    reasons: list[str | None] = []
    for chip, share in enumerate(clear):
        beyond = [product for product in JOINT if outside[product][chip]]
        if share < least_clear:
            reasons.append(f"outside the {beyond[0]} scene" if beyond else "cloud")
        else:
            reasons.append(None if label[chip].any() else "no label")
    kept = [chip for chip, reason in enumerate(reasons) if reason is None]
    chosen = {
        product: Quality(*(values[kept] for values in (layer.values, layer.clear, layer.offset_m, layer.window)))
        for product, layer in quality.items()
    }
    return Screening(clear, bool(label.any()), reasons, joint[kept], label[kept], chosen)


def _decode(acquisition: Acquisition, pixels: Pixels, chip_m: int) -> Quality:
    layer = quality_layer(acquisition)
    values = assemble(pixels, layer, round(chip_m / layer.pixel_m))
    offset = np.array([(window.dx, window.dy) for window in pixels.windows], np.float32)
    window = np.array([(window.row, window.col) for window in pixels.windows], np.int32)
    return Quality(values, DECODERS[layer.decoder](values), offset, window)


def _outside(pair: ScenePair, product: str, quality: Quality, least_clear: float) -> Array:
    """Which chips (chip,) lack too much of a product for it to be clouds alone."""
    fill = FILL[quality_layer(pair.optical[product]).decoder]
    missing: Array = (quality.values == fill).mean(axis=(1, 2)) > 1 - least_clear
    return missing


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
