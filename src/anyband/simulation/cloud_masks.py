"""Quality layers as processors would make them: right most of the time, wrong where real ones are wrong.

Clouds are found by a threshold on their opacity that varies from scene to scene and from place to place in a scene, so
thin edges are missed or exaggerated; bright ground is now and then taken for cloud, and part of the shadows is missed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from anyband.simulation.atmosphere import Field, SkyOnGrid
from anyband.simulation.grids import Image, PixelGrid, area_means, sentinel2_grid
from anyband.simulation.instrument import HiddenWorld
from anyband.simulation.noise import stream

Mask = NDArray[np.bool_]

# Opacity above which cloud is found, its deviation from scene to scene and within a scene.
COVER_THRESHOLD, COVER_SCENE_SD, COVER_NOISE_SD = 0.3, 0.06, 0.08
SHADE_THRESHOLD, SHADE_NOISE_SD = 0.35, 0.12
CIRRUS_THRESHOLD, CIRRUS_NOISE_SD = 0.015, 0.003
BRIGHT_BLUE = 0.22  # ground this bright may pass for cloud ...
FALSE_ALARM_NOISE = 1.2  # ... where the error field exceeds this many deviations
HIGH_PROBABILITY = 0.65
_SCL_NAMES = """saturated_defective_pixel dark_features cloud_shadow vegetation not_vegetated water unclassified
medium_proba_clouds high_proba_clouds thin_cirrus snow_ice"""
SCL_CLASSES = {name: code for code, name in enumerate(_SCL_NAMES.split(), 1)}


@dataclass(frozen=True)
class Detected:
    """What a cloud mask finds on one grid, boolean (rows, columns)."""

    cloud: Mask
    shadow: Mask
    cirrus: Mask
    sure: Mask
    doubtful: Mask
    water: Mask


def detect(rng: np.random.Generator, sky: SkyOnGrid, bands: dict[str, Field]) -> Detected:
    """Find clouds, shadows and water.

    Args:
        rng: stream of this product's mask; masks of different products err differently in their thresholds.
        sky: the true sky on the grid.
        bands: surface reflectance of the product on the grid, by concept: blue, green, red, nir_narrow, swir1.
    """
    level = COVER_THRESHOLD + rng.normal(0, COVER_SCENE_SD) + np.float32(COVER_NOISE_SD) * sky.noise
    bright = (bands["blue"] > BRIGHT_BLUE) & (sky.noise > FALSE_ALARM_NOISE)
    cloud = (sky.cover > np.maximum(level, 0.05)) | bright
    shadow = sky.shade > SHADE_THRESHOLD + np.float32(SHADE_NOISE_SD) * sky.noise
    wetness = bands["green"] - np.maximum(bands["nir_narrow"], bands["swir1"])
    return Detected(
        cloud=cloud,
        shadow=shadow & ~cloud,
        cirrus=(sky.cirrus > CIRRUS_THRESHOLD + np.float32(CIRRUS_NOISE_SD) * sky.noise) & ~cloud,
        sure=sky.cover > np.float32(HIGH_PROBABILITY),
        doubtful=(sky.cover > np.float32(0.5) * level) & ~cloud,
        water=(wetness > 0) & (bands["nir_narrow"] < 0.15) & ~cloud,
    )


def scene_classification(found: Detected, bands: dict[str, Field]) -> NDArray[np.uint8]:
    """Sen2Cor's scene classification (SCL); it does not widen clouds."""
    nir, red = bands["nir_narrow"], bands["red"]
    green = (nir - red) > np.float32(0.4) * (nir + red)
    classes = np.where(green, SCL_CLASSES["vegetation"], SCL_CLASSES["not_vegetated"]).astype(np.uint8)
    classes[(nir < 0.06) & (bands["swir1"] < 0.05)] = SCL_CLASSES["dark_features"]
    classes[found.water] = SCL_CLASSES["water"]
    classes[found.doubtful] = SCL_CLASSES["unclassified"]
    classes[found.shadow] = SCL_CLASSES["cloud_shadow"]
    classes[found.cirrus] = SCL_CLASSES["thin_cirrus"]
    classes[found.cloud] = SCL_CLASSES["medium_proba_clouds"]
    classes[found.cloud & found.sure] = SCL_CLASSES["high_proba_clouds"]
    return classes


def from_scene_classification(classes: NDArray[np.uint8]) -> Detected:
    """What a mask can find that knows nothing but a scene classification (for the null twin)."""
    return Detected(
        cloud=(classes == 8) | (classes == 9),
        shadow=classes == 3,
        cirrus=classes == 10,
        sure=classes == 9,
        doubtful=classes == 7,
        water=classes == 6,
    )


def within(mask: Mask, pixels: float) -> Mask:
    """Pixels at most so far from a set pixel, the set ones included."""
    if not mask.any():
        return mask
    return np.asarray(distance_transform_edt(~mask) <= pixels)


def qa_pixel(found: Detected) -> NDArray[np.uint16]:
    """Landsat Collection 2 QA_PIXEL (CFMask): clouds widened by 3 pixels.

    Bits: 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 shadow, 5 snow, 6 clear, 7 water; confidences in pairs from
    bit 8 for cloud (1 low, 2 medium, 3 high), shadow, snow and cirrus (1 low, 3 high).
    """
    widened = within(found.cloud, 3) & ~found.cloud
    value = np.zeros(found.cloud.shape, np.uint16)
    for bit, mask in ((1, widened), (2, found.cirrus), (3, found.cloud), (4, found.shadow), (7, found.water)):
        value |= mask.astype(np.uint16) << np.uint16(bit)
    value |= (~(widened | found.cloud)).astype(np.uint16) << np.uint16(6)
    confidence = np.where(found.cloud, 3, np.where(found.doubtful, 2, 1)).astype(np.uint16)
    value |= confidence << np.uint16(8)
    for first, mask in ((10, found.shadow), (14, found.cirrus)):
        value |= np.where(mask, 3, 1).astype(np.uint16) << np.uint16(first)
    return value | np.uint16(1 << 12)  # low confidence of snow everywhere


def fmask(found: Detected, aerosol: int) -> NDArray[np.uint8]:
    """HLS Fmask: bit 1 cloud, 2 within 5 pixels of cloud or shadow, 3 shadow, 5 water, 6-7 aerosol level (0..3).

    Thin cirrus has no bit of its own (bit 0 is reserved): what Fmask finds of it counts as cloud.
    """
    cloud = found.cloud | found.cirrus
    near = within(cloud | found.shadow, 5) & ~(cloud | found.shadow)
    value = np.full(cloud.shape, aerosol << 6, np.uint8)
    for bit, mask in ((1, cloud), (2, near), (3, found.shadow), (5, found.water)):
        value |= mask.astype(np.uint8) << np.uint8(bit)
    return value


def aerosol_level(aot: float) -> int:
    """HLS aerosol level of a mean AOT at 550 nm: 1 low, 2 moderate, 3 high (limits are ours)."""
    return 1 if aot < 0.15 else 2 if aot < 0.35 else 3


def scl_percentages(classes: NDArray[np.uint8]) -> dict[str, float]:
    """Share of every SCL class in percent, by the name that Sentinel-2 items use."""
    counts = np.bincount(classes.ravel(), minlength=12)
    total = max(int(counts[1:].sum()), 1)
    return {name: round(100 * float(counts[code]) / total, 6) for name, code in SCL_CLASSES.items()} | {
        "nodata_pixel": round(100 * float(counts[0]) / classes.size, 6)
    }


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


def find(world: HiddenWorld, product: str, images: Mapping[str, Image], grid: PixelGrid) -> Detected:
    """What the product's mask finds in its own bands under the scene's sky."""
    rng = stream(world.seed, world.place, world.overpass.key, "mask", product)
    return detect(rng, world.sky_on(grid), bands_of(product, images, grid))


def copied(world: HiddenWorld, grid: PixelGrid, classes: NDArray[np.uint8]) -> Detected:
    """The mask that follows from a Sentinel-2 scene classification (20 m) alone, for the null twin."""
    source = sentinel2_grid(world.hidden, 20)
    (y, x), (first_y, first_x) = grid.local_centres(world.hidden), source.local_centres(world.hidden)
    row = np.clip(np.rint((y - first_y[0]) / 20).astype(int), 0, source.rows - 1)
    column = np.clip(np.rint((x - first_x[0]) / 20).astype(int), 0, source.columns - 1)
    return from_scene_classification(classes[np.ix_(row, column)])


def cloud_percent(found: Detected) -> float:
    """Share of cloud and cirrus in percent."""
    return 100 * float((found.cloud | found.cirrus).mean())
