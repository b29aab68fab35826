"""From measurements to surface products: Sentinel-2 L2A by Sen2Cor, Landsat C2 L2SP by LaSRC, HLS, and the null twin.

Values stay float32 reflectance or kelvin here. S30 and L30 are made by the steps and numbers of the HLS V2.0 User
Guide: LaSRC reflectance on one 30 m grid, at nadir, with MSI adjusted to OLI; nothing is fitted to simulated data.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from anyband.sensors import get_sensor
from anyband.sensors.platforms import MSI_TO_OLI
from anyband.simulation import grids
from anyband.simulation.atmosphere import Field, remove_adjacency, to_surface
from anyband.simulation.brdf import c_factor
from anyband.simulation.cloud_masks import COVER_THRESHOLD
from anyband.simulation.grids import Image, PixelGrid, Sampler
from anyband.simulation.instrument import DEM_SIGMA_M, MSI, OLI, HiddenWorld, TopOfAtmosphere, observe
from anyband.simulation.noise import stream
from anyband.simulation.places import Overpass

# Sen2Cor corrects terrain only in part: this share of the terrain's effect stays (assumption).
TERRAIN_LEFT_BY_SEN2COR = 0.35
TIRS_SIGMA_M = 50.0  # about 100 m of ground sampling, modulation 0.29 at Nyquist
TIRS_NOISE_K, ST_BIAS_K, ST_VARIATION_K = 0.15, 0.8, 0.5  # detector; retrieval per scene; emissivity error


def observe_sentinel2(world: HiddenWorld) -> dict[str, TopOfAtmosphere]:
    """All bands of a Sentinel-2 acquisition at the top of the atmosphere."""
    bands = get_sensor(world.overpass.platform, "sentinel2").bands
    of_pixel = {pixel: grids.sentinel2_grid(world.hidden, pixel) for pixel in (10, 20, 60)}
    return {top.band.name: top for top in observe(world, [(band, of_pixel[int(band.pixel_m)]) for band in bands], MSI)}


def sen2cor(world: HiddenWorld, measured: Mapping[str, TopOfAtmosphere]) -> dict[str, Image]:
    """Surface reflectance as Sen2Cor makes it: one AOT per scene, adjacency removed, terrain corrected in part."""
    coarse = grids.sentinel2_grid(world.hidden, 60)
    incidence = Sampler(world.hidden, coarse, DEM_SIGMA_M)(world.incidence)
    first = world.hidden.x0 - coarse.left
    result = {}
    for name, top in measured.items():
        assumed = world.optics(top.band.response.centre_nm, world.air.aot_sen2cor)
        spread = world.spread(assumed, top.grid)
        values = to_surface(top.values, spread)
        ground = _without_clouds(values, world.sky_on(top.grid).cover)
        values = remove_adjacency(values, world.surroundings(ground, top.grid), spread)
        terrain = grids.interpolate(incidence, 30.0 - first, 60.0, top.grid, world.hidden)
        share = np.float32(assumed.direct_share)
        values /= (share * terrain + 1 - share) ** np.float32(1 - TERRAIN_LEFT_BY_SEN2COR)
        if top.band.concept == "water_vapour":
            values *= np.float32(world.air.vapour_error)
        result[name] = (top.grid, values)
    return result


def _without_clouds(values: Field, cover: Field) -> Field:
    """Fill what is clouded with the mean of the rest, so that clouds do not count as surroundings."""
    clouded = cover > np.float32(COVER_THRESHOLD)
    if not clouded.any() or clouded.all():
        return values
    return np.where(clouded, values[~clouded].mean(), values)


def lasrc(world: HiddenWorld, measured: Mapping[str, TopOfAtmosphere]) -> dict[str, Image]:
    """Surface reflectance as LaSRC makes it: AOT per cell, neither adjacency nor terrain."""
    result = {}
    for name, top in measured.items():
        assumed = world.optics(top.band.response.centre_nm, world.air.aot_lasrc)
        result[name] = (top.grid, to_surface(top.values, world.spread(assumed, top.grid)))
    return result


def landsat_level2(world: HiddenWorld) -> dict[str, Image]:
    """Landsat Collection 2 Level 2: reflective bands by LaSRC, and surface temperature in kelvin."""
    bands = get_sensor(world.overpass.platform, "landsat").bands
    grid = grids.landsat_grid(world.hidden)
    reflective = [(band, grid) for band in bands if band.quantity == "surface_reflectance"]
    result = lasrc(world, {top.band.name: top for top in observe(world, reflective, OLI)})
    result["lwir11"] = (grid, surface_temperature(world, grid))
    return result


def air_temperature(latitude: float, overpass: Overpass, altitude_m: float, weather_k: float) -> float:
    """Air temperature at the overpass, K, of a mid-latitude climate: a cosine over the year (rough)."""
    size = abs(latitude)
    warmest = 205 if latitude >= 0 else 205 - 182.5
    season = math.cos(2 * math.pi * (overpass.day_of_year - warmest) / 365)
    return 303 - 0.42 * size + 0.2 * size * season - 0.0065 * altitude_m + weather_k


def surface_temperature(world: HiddenWorld, grid: PixelGrid) -> Field:
    """Retrieved surface temperature, K: 100 m detectors on the 30 m grid, colder under cloud."""
    hidden = world.hidden
    rng = stream(world.seed, world.place, world.overpass.key, "thermal")
    _, latitude = Transformer.from_crs(hidden.epsg, 4326, always_xy=True).transform(hidden.x0, hidden.y0)
    air = air_temperature(latitude, world.overpass, world.altitude_m, rng.normal(0, 3))
    sunny = world.state.skin_offset_k * (0.5 + 0.5 * world.incidence)
    kelvin = Sampler(hidden, grid, TIRS_SIGMA_M)(sunny) + np.float32(air + rng.normal(0, ST_BIAS_K))
    nodes = grid.rows * 30 // 90 + 2
    error = rng.normal(0, ST_VARIATION_K, (nodes, nodes)) + rng.normal(0, TIRS_NOISE_K, (nodes, nodes))
    kelvin += grids.interpolate(error.astype(np.float32), 0.0, 90.0, grid, hidden)
    sky = world.sky_on(grid)
    return np.asarray(kelvin - 5 * sky.shade - sky.cover * np.float32(rng.uniform(12, 35)), np.float32)


def uninformative_landsat(level2: Mapping[str, Image], world: HiddenWorld) -> dict[str, Image]:
    """A Landsat product that knows nothing but the Sentinel-2 product of its date pair (the null twin).

    Every band is its Sentinel-2 counterpart, noise and clouds included, averaged with Landsat's point spread on
    Landsat's pixels, plus noise of its own; the temperature is a fixed line in that product's NDVI, plus noise.
    Whoever has the Sentinel-2 product can gain nothing from it.
    """
    bands = get_sensor(world.overpass.platform, "landsat").bands
    names = {band.concept: band.name for band in get_sensor("sentinel-2a", "sentinel2").bands}
    grid = grids.landsat_grid(world.hidden)
    rng = stream(world.seed, world.place, world.overpass.key, "uninformative")
    result = {}
    for band in bands[:-1]:
        values = _onto(level2[names[band.concept]], grid, world, OLI.psf_sigma * band.gsd_m)
        result[band.name] = (grid, values + uninformative_noise(rng, values))
    red, nir = result["red"][1], result["nir08"][1]
    ndvi = np.clip((nir - red) / np.maximum(nir + red, 0.02), -1, 1)
    kelvin = 304 - 12 * ndvi + 0.5 * rng.standard_normal(ndvi.shape, dtype=np.float32)
    result["lwir11"] = (grid, kelvin.astype(np.float32))
    return result


def uninformative_noise(rng: np.random.Generator, values: Field) -> Field:
    """Noise of the null twin: deviation 0.002 plus 1 % of the reflectance."""
    deviation = np.float32(0.002) + np.float32(0.01) * np.abs(values)
    return np.asarray(rng.standard_normal(values.shape, dtype=np.float32) * deviation)


def _onto(image: Image, grid: PixelGrid, world: HiddenWorld, sigma_m: float) -> Field:
    """Resample a product's band onto another grid with a Gaussian, not narrower than half of its own pixels."""
    source, values = image
    y0, x0 = (float(axis[0]) for axis in source.local_centres(world.hidden))
    y, x = grid.local_centres(world.hidden)
    sigma = max(sigma_m, source.pixel_m / 2)
    down = grids.psf_operator(y, sigma, y0, source.pixel_m, source.rows)
    right = grids.psf_operator(x, sigma, x0, source.pixel_m, source.columns)
    return grids.apply(down, right, values)


def encode_sentinel2(values: Field, baseline: str) -> NDArray[np.uint16]:
    """DN = 10000 reflectance, plus 1000 from baseline 04.00 on; 0 is nodata, so darker pixels become 1."""
    offset = 1000 if baseline >= "04.00" else 0
    return np.asarray(np.clip(np.rint(values * np.float32(1e4)) + offset, 1, 65_534).astype(np.uint16))


def encode_landsat(values: Field) -> NDArray[np.uint16]:
    """Collection 2 surface reflectance: reflectance = 2.75e-5 DN - 0.2; 0 is nodata."""
    return np.asarray(np.clip(np.rint((values + np.float32(0.2)) / np.float32(2.75e-5)), 1, 65_535).astype(np.uint16))


def encode_temperature(kelvin: Field) -> NDArray[np.uint16]:
    """Collection 2 surface temperature: kelvin = 0.00341802 DN + 149; 0 is nodata."""
    return np.asarray(
        np.clip(np.rint((kelvin - np.float32(149)) / np.float32(0.00341802)), 1, 65_535).astype(np.uint16)
    )


def encode_hls(values: Field) -> NDArray[np.int16]:
    """HLS: reflectance = 1e-4 DN; -9999 is nodata."""
    return np.asarray(np.clip(np.rint(values * np.float32(1e4)), -9_998, 32_767).astype(np.int16))


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
    grid = grids.hls_grid(world.hidden)
    result = {}
    for band in get_sensor(world.overpass.platform, "hls_s30").bands:
        source, values = surface[band.name]
        slope, offset = MSI_TO_OLI[world.overpass.platform].get(band.concept, (1.0, 0.0))
        factor = slope * c_factor(band.concept, world.overpass.geometry, nadir_sun_zenith)
        result[band.name] = (
            grid,
            grids.area_means(values, int(source.pixel_m)) * np.float32(factor) + np.float32(offset),
        )
    return result


def hls_l30(world: HiddenWorld, level2: Mapping[str, Image], nadir_sun_zenith: float) -> dict[str, Image]:
    """HLS L30: LaSRC reflectance moved by half a pixel, c-factor to nadir; no band adjustment."""
    grid = grids.hls_grid(world.hidden)
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
