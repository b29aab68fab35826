"""The cloud mask of every product: each is made from its own bands, with its own errors."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anyband.simulation.instrument.observe import Scene
from anyband.simulation.instrument.sampling import PixelGrid, area_means, sentinel2_grid
from anyband.simulation.processors import quality
from anyband.simulation.processors.surface_products import Image
from anyband.simulation.rng import stream
from anyband.simulation.sky.atmosphere import Field

MASK_BANDS = ("blue", "green", "red", "nir_narrow", "swir1")
MASK_NAMES = {
    "sentinel2": dict(zip(MASK_BANDS, ("B02", "B03", "B04", "B8A", "B11"), strict=True)),
    "landsat": dict(zip(MASK_BANDS, ("blue", "green", "red", "nir08", "swir16"), strict=True)),
    "hls_s30": dict(zip(MASK_BANDS, ("B02", "B03", "B04", "B8A", "B11"), strict=True)),
    "hls_l30": dict(zip(MASK_BANDS, ("B02", "B03", "B04", "B05", "B06"), strict=True)),
}


def bands_of(product: str, images: Mapping[str, Image], grid: PixelGrid) -> dict[str, Field]:
    """The bands that a product's mask looks at, by concept; finer ones are averaged to `grid`."""
    result = {}
    for concept, name in MASK_NAMES[product].items():
        source, values = images[name]
        coarser = source.pixel_m < grid.pixel_m
        result[concept] = area_means(values, int(source.pixel_m), int(grid.pixel_m)) if coarser else values
    return result


def find(scene: Scene, product: str, images: Mapping[str, Image], grid: PixelGrid) -> quality.Detected:
    """What the product's mask finds in its own bands under the scene's sky."""
    rng = stream(scene.seed, scene.place, scene.acquisition.key, "mask", product)
    return quality.detect(rng, scene.sky_on(grid), bands_of(product, images, grid))


def copied(scene: Scene, grid: PixelGrid, classes: NDArray[np.uint8]) -> quality.Detected:
    """The mask that follows from a Sentinel-2 scene classification (20 m) alone, for the null twin."""
    source = sentinel2_grid(scene.hidden, 20)
    (y, x), (first_y, first_x) = grid.local_centres(scene.hidden), source.local_centres(scene.hidden)
    row = np.clip(np.rint((y - first_y[0]) / 20).astype(int), 0, source.rows - 1)
    column = np.clip(np.rint((x - first_x[0]) / 20).astype(int), 0, source.columns - 1)
    return quality.from_scene_classification(classes[np.ix_(row, column)])


def cloud_percent(found: quality.Detected) -> float:
    """Share of cloud and cirrus in percent."""
    return 100 * float((found.cloud | found.cirrus).mean())
