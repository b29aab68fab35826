"""The HLS recipe: S30 and L30 from LaSRC surface reflectance, on one 30 m grid, at nadir, with MSI adjusted to OLI.

Steps and numbers as published in the HLS V2.0 User Guide; nothing is fitted to simulated data.
"""

from collections.abc import Mapping

import numpy as np

from anyband.sensors import get_sensor
from anyband.sensors.hls_bandpass import MSI_TO_OLI
from anyband.simulation.grids import hls_grid
from anyband.simulation.instrument.observe import HiddenWorld
from anyband.simulation.processors.surface_products import uninformative_noise
from anyband.simulation.rng import stream
from anyband.simulation.sampling import Image, area_means
from anyband.simulation.sky.atmosphere import Field
from anyband.simulation.sky.brdf import c_factor

# Cubic convolution (a = -0.5) at half a pixel: HLS moves Landsat from pixel-centre to pixel-corner origin with it.
HALF_PIXEL_TAPS = (-0.0625, 0.5625, 0.5625, -0.0625)


def half_pixel_cubic(image: Field) -> Field:
    """Cubic convolution to points half a pixel to the right and below; the result is 3 pixels smaller on each axis."""
    for axis in (0, 1):
        moved = np.moveaxis(image, axis, 0)
        size = moved.shape[0] - 3
        total = sum(np.float32(tap) * moved[k : k + size] for k, tap in enumerate(HALF_PIXEL_TAPS))
        image = np.moveaxis(np.asarray(total), 0, axis)
    return np.ascontiguousarray(image)


def hls_s30(world: HiddenWorld, surface: Mapping[str, Image], nadir_sun_zenith: float) -> dict[str, Image]:
    """HLS S30: LaSRC reflectance on 30 m, c-factor to nadir, then seven bands adjusted to OLI."""
    grid = hls_grid(world.hidden)
    result = {}
    for band in get_sensor(world.overpass.platform, "hls_s30").bands:
        source, values = surface[band.name]
        slope, offset = MSI_TO_OLI[world.overpass.platform].get(band.concept, (1.0, 0.0))
        factor = slope * c_factor(band.concept, world.overpass.geometry, nadir_sun_zenith)
        result[band.name] = (grid, area_means(values, int(source.pixel_m)) * np.float32(factor) + np.float32(offset))
    return result


def hls_l30(world: HiddenWorld, level2: Mapping[str, Image], nadir_sun_zenith: float) -> dict[str, Image]:
    """HLS L30: LaSRC reflectance moved by half a pixel, c-factor to nadir; no band adjustment."""
    grid = hls_grid(world.hidden)
    names = {band.concept: band.name for band in get_sensor(world.overpass.platform, "landsat").bands}
    result = {}
    for band in get_sensor(world.overpass.platform, "hls_l30").bands:
        factor = np.float32(c_factor(band.concept, world.overpass.geometry, nadir_sun_zenith))
        result[band.name] = (grid, half_pixel_cubic(level2[names[band.concept]][1]) * factor)
    return result


def uninformative_l30(s30: Mapping[str, Image], world: HiddenWorld) -> dict[str, Image]:
    """An L30 product that knows nothing but the S30 product of its date pair (the null twin).

    Every band is its S30 counterpart plus noise of its own, as in `products.uninformative_landsat`.
    """
    names = {band.concept: band.name for band in get_sensor("sentinel-2a", "hls_s30").bands}
    rng = stream(world.seed, world.place, world.overpass.key, "uninformative", "hls")
    result = {}
    for band in get_sensor(world.overpass.platform, "hls_l30").bands:
        grid, values = s30[names[band.concept]]
        result[band.name] = (grid, values + uninformative_noise(rng, values))
    return result
