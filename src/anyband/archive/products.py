"""From measurements to the products that providers publish: Sentinel-2 L2A, Landsat C2 L2SP, HLS S30 and L30.

Values stay float32 reflectance (or kelvin) here; `encode` turns them into the integers of each product.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anyband.archive.acquisitions import Acquisition
from anyband.archive.atmosphere import Field, remove_adjacency, to_surface
from anyband.archive.brdf import c_factor
from anyband.archive.instrument import MSI, OLI
from anyband.archive.observe import DEM_SIGMA_M, Scene, TopOfAtmosphere, observe
from anyband.archive.quality import COVER_THRESHOLD
from anyband.archive.sampling import (
    PixelGrid,
    Sampler,
    apply,
    hls_grid,
    interpolate,
    landsat_grid,
    psf_operator,
    sentinel2_grid,
)
from anyband.archive.streams import stream
from anyband.sensors import get_sensor

Image = tuple[PixelGrid, Field]

# Sen2Cor corrects terrain only in part: this share of the terrain's effect stays (assumption).
TERRAIN_LEFT_BY_SEN2COR = 0.35
# MSI to OLI, (slope, offset) by platform and S30 band: HLS V2.0 User Guide, table 5.
BANDPASS = {
    "sentinel-2a": {
        "B01": (0.9959, -0.0002),
        "B02": (0.9778, -0.0040),
        "B03": (1.0053, -0.0009),
        "B04": (0.9765, 0.0009),
        "B8A": (0.9983, -0.0001),
        "B11": (0.9987, -0.0011),
        "B12": (1.0030, -0.0012),
    },
    "sentinel-2b": {
        "B01": (0.9959, -0.0002),
        "B02": (0.9778, -0.0040),
        "B03": (1.0075, -0.0008),
        "B04": (0.9761, 0.0010),
        "B8A": (0.9966, 0.0000),
        "B11": (1.0000, -0.0003),
        "B12": (0.9867, 0.0004),
    },
    "sentinel-2c": {
        "B01": (1.0030, 0.0),
        "B02": (0.9851, -0.0027),
        "B03": (1.0038, -0.0009),
        "B04": (0.9718, 0.0011),
        "B8A": (0.9995, -0.0003),
        "B11": (0.9994, -0.0007),
        "B12": (0.9910, 0.0004),
    },
}
# Cubic convolution (a = -0.5) at half a pixel: HLS moves Landsat from pixel-centre to pixel-corner origin with it.
HALF_PIXEL_TAPS = (-0.0625, 0.5625, 0.5625, -0.0625)
TIRS_SIGMA_M = 50.0  # about 100 m of ground sampling, modulation 0.29 at Nyquist
TIRS_NOISE_K, ST_BIAS_K, ST_VARIATION_K = 0.15, 0.8, 0.5  # detector; retrieval per scene; emissivity error


def observe_sentinel2(scene: Scene) -> dict[str, TopOfAtmosphere]:
    """All bands of a Sentinel-2 acquisition at the top of the atmosphere."""
    bands = get_sensor(scene.acquisition.platform, "sentinel2").bands
    grids = {pixel: sentinel2_grid(scene.hidden, pixel) for pixel in (10, 20, 60)}
    return {top.band.name: top for top in observe(scene, [(band, grids[int(band.pixel_m)]) for band in bands], MSI)}


def sen2cor(scene: Scene, measured: Mapping[str, TopOfAtmosphere]) -> dict[str, Image]:
    """Surface reflectance as Sen2Cor makes it: one AOT per scene, adjacency removed, terrain corrected in part."""
    coarse = sentinel2_grid(scene.hidden, 60)
    incidence = Sampler(scene.hidden, coarse, DEM_SIGMA_M)(scene.incidence)
    first = scene.hidden.x0 - coarse.left
    result = {}
    for name, top in measured.items():
        assumed = scene.optics(top.band.response.centre_nm, scene.air.aot_sen2cor)
        spread = scene.spread(assumed, top.grid)
        values = to_surface(top.values, spread)
        ground = _without_clouds(values, scene.sky_on(top.grid).cover)
        values = remove_adjacency(values, scene.surroundings(ground, top.grid), spread)
        terrain = interpolate(incidence, 30.0 - first, 60.0, top.grid, scene.hidden)
        share = np.float32(assumed.direct_share)
        values /= (share * terrain + 1 - share) ** np.float32(1 - TERRAIN_LEFT_BY_SEN2COR)
        if top.band.concept == "water_vapour":
            values *= np.float32(scene.air.vapour_error)
        result[name] = (top.grid, values)
    return result


def _without_clouds(values: Field, cover: Field) -> Field:
    """Fill what is clouded with the mean of the rest, so that clouds do not count as surroundings."""
    clouded = cover > np.float32(COVER_THRESHOLD)
    if not clouded.any() or clouded.all():
        return values
    return np.where(clouded, values[~clouded].mean(), values)


def lasrc(scene: Scene, measured: Mapping[str, TopOfAtmosphere]) -> dict[str, Image]:
    """Surface reflectance as LaSRC makes it: AOT per cell, neither adjacency nor terrain."""
    result = {}
    for name, top in measured.items():
        assumed = scene.optics(top.band.response.centre_nm, scene.air.aot_lasrc)
        result[name] = (top.grid, to_surface(top.values, scene.spread(assumed, top.grid)))
    return result


def landsat_level2(scene: Scene) -> dict[str, Image]:
    """Landsat Collection 2 Level 2: reflective bands by LaSRC, and surface temperature in kelvin."""
    bands = get_sensor(scene.acquisition.platform, "landsat").bands
    grid = landsat_grid(scene.hidden)
    reflective = [(band, grid) for band in bands if band.quantity == "surface_reflectance"]
    result = lasrc(scene, {top.band.name: top for top in observe(scene, reflective, OLI)})
    result["lwir11"] = (grid, surface_temperature(scene, grid))
    return result


def air_temperature(latitude: float, acquisition: Acquisition, altitude_m: float, weather_k: float) -> float:
    """Air temperature at the overpass, K, of a mid-latitude climate: a cosine over the year (rough, only for levels)."""
    size = abs(latitude)
    warmest = 205 if latitude >= 0 else 205 - 182.5
    season = math.cos(2 * math.pi * (acquisition.day_of_year - warmest) / 365)
    return 303 - 0.42 * size + 0.2 * size * season - 0.0065 * altitude_m + weather_k


def surface_temperature(scene: Scene, grid: PixelGrid) -> Field:
    """Retrieved surface temperature, K: 100 m detectors on the 30 m grid, colder under cloud."""
    from pyproj import Transformer

    hidden = scene.hidden
    rng = stream(scene.seed, scene.place, scene.acquisition.key, "thermal")
    _, latitude = Transformer.from_crs(hidden.epsg, 4326, always_xy=True).transform(hidden.x0, hidden.y0)
    air = air_temperature(latitude, scene.acquisition, scene.altitude_m, rng.normal(0, 3))
    sunny = scene.state.skin_offset_k * (0.5 + 0.5 * scene.incidence)
    kelvin = Sampler(hidden, grid, TIRS_SIGMA_M)(sunny) + np.float32(air + rng.normal(0, ST_BIAS_K))
    nodes = grid.rows * 30 // 90 + 2
    error = rng.normal(0, ST_VARIATION_K, (nodes, nodes)) + rng.normal(0, TIRS_NOISE_K, (nodes, nodes))
    kelvin += interpolate(error.astype(np.float32), 0.0, 90.0, grid, hidden)
    sky = scene.sky_on(grid)
    return np.asarray(kelvin - 5 * sky.shade - sky.cover * np.float32(rng.uniform(12, 35)), np.float32)


def uninformative_landsat(level2: Mapping[str, Image], scene: Scene) -> dict[str, Image]:
    """A Landsat product that knows nothing but the Sentinel-2 product of its date pair (the null twin).

    Every band is its Sentinel-2 counterpart, noise and clouds included, averaged with Landsat's point spread on
    Landsat's pixels, plus noise of its own; the temperature is a fixed line in that product's NDVI, plus noise.
    Whoever has the Sentinel-2 product can gain nothing from it.
    """
    bands = get_sensor(scene.acquisition.platform, "landsat").bands
    names = {band.concept: band.name for band in get_sensor("sentinel-2a", "sentinel2").bands}
    grid = landsat_grid(scene.hidden)
    rng = stream(scene.seed, scene.place, scene.acquisition.key, "uninformative")
    result = {}
    for band in bands[:-1]:
        values = _onto(level2[names[band.concept]], grid, scene, OLI.psf_sigma * band.gsd_m)
        noise = rng.standard_normal(values.shape, dtype=np.float32)
        result[band.name] = (grid, values + noise * (np.float32(0.002) + np.float32(0.01) * np.abs(values)))
    red, nir = result["red"][1], result["nir08"][1]
    ndvi = np.clip((nir - red) / np.maximum(nir + red, 0.02), -1, 1)
    kelvin = 304 - 12 * ndvi + 0.5 * rng.standard_normal(ndvi.shape, dtype=np.float32)
    result["lwir11"] = (grid, kelvin.astype(np.float32))
    return result


def _onto(image: Image, grid: PixelGrid, scene: Scene, sigma_m: float) -> Field:
    """Resample a product's band onto another grid with a Gaussian, not narrower than half of its own pixels."""
    source, values = image
    y0, x0 = (float(axis[0]) for axis in source.local_centres(scene.hidden))
    y, x = grid.local_centres(scene.hidden)
    sigma = max(sigma_m, source.pixel_m / 2)
    down = psf_operator(y, sigma, y0, source.pixel_m, source.rows)
    right = psf_operator(x, sigma, x0, source.pixel_m, source.columns)
    return apply(down, right, values)


def area_means(
    image: Field, fine_m: int, coarse_m: int = 30, size: int | None = None, start: tuple[float, float] = (0.0, 0.0)
) -> Field:
    """Area-weighted means of square pixels on coarser pixels, or copies on finer ones.

    Args:
        image: (n, n) with pixels of `fine_m` metres.
        fine_m: spacing of the input.
        coarse_m: spacing of the result.
        size: side of the result; by default what covers the input.
        start: where the input's upper edge and left edge lie, metres down and right from those of the result.
    """
    weights = []
    for length, first in zip(image.shape, start, strict=True):
        count = size or length * fine_m // coarse_m
        fine = first + np.arange(length) * fine_m
        coarse = np.arange(count)[:, None] * coarse_m
        shared = np.clip(np.minimum(fine + fine_m, coarse + coarse_m) - np.maximum(fine, coarse), 0, None)
        weights.append((shared / shared.sum(axis=1, keepdims=True)).astype(np.float32))
    return np.asarray(weights[0] @ image @ weights[1].T)


def half_pixel_cubic(image: Field) -> Field:
    """Cubic convolution to points half a pixel to the right and below; the result is 3 pixels smaller on each axis."""
    for axis in (0, 1):
        moved = np.moveaxis(image, axis, 0)
        size = moved.shape[0] - 3
        total = sum(np.float32(tap) * moved[k : k + size] for k, tap in enumerate(HALF_PIXEL_TAPS))
        image = np.moveaxis(np.asarray(total), 0, axis)
    return np.ascontiguousarray(image)


def hls_s30(scene: Scene, surface: Mapping[str, Image], nadir_sun_zenith: float) -> dict[str, Image]:
    """HLS S30: LaSRC reflectance on 30 m, c-factor to nadir, then seven bands adjusted to OLI."""
    grid = hls_grid(scene.hidden)
    result = {}
    for band in get_sensor(scene.acquisition.platform, "hls_s30").bands:
        source, values = surface[band.name]
        slope, offset = BANDPASS[scene.acquisition.platform].get(band.name, (1.0, 0.0))
        factor = slope * c_factor(band.concept, scene.acquisition.geometry, nadir_sun_zenith)
        result[band.name] = (grid, area_means(values, int(source.pixel_m)) * np.float32(factor) + np.float32(offset))
    return result


def hls_l30(scene: Scene, level2: Mapping[str, Image], nadir_sun_zenith: float) -> dict[str, Image]:
    """HLS L30: LaSRC reflectance moved by half a pixel, c-factor to nadir; no band adjustment."""
    grid = hls_grid(scene.hidden)
    names = {band.concept: band.name for band in get_sensor(scene.acquisition.platform, "landsat").bands}
    result = {}
    for band in get_sensor(scene.acquisition.platform, "hls_l30").bands:
        factor = np.float32(c_factor(band.concept, scene.acquisition.geometry, nadir_sun_zenith))
        result[band.name] = (grid, half_pixel_cubic(level2[names[band.concept]][1]) * factor)
    return result


def encode_sentinel2(values: Field, baseline: str) -> NDArray[np.uint16]:
    """DN = 10000 reflectance, plus 1000 from baseline 04.00 on; 0 is nodata, so darker pixels become 1."""
    offset = 1000 if baseline >= "04.00" else 0
    return np.clip(np.rint(values * np.float32(1e4)) + offset, 1, 65_534).astype(np.uint16)


def encode_landsat(values: Field) -> NDArray[np.uint16]:
    """Collection 2 surface reflectance: reflectance = 2.75e-5 DN - 0.2; 0 is nodata."""
    return np.clip(np.rint((values + np.float32(0.2)) / np.float32(2.75e-5)), 1, 65_535).astype(np.uint16)


def encode_temperature(kelvin: Field) -> NDArray[np.uint16]:
    """Collection 2 surface temperature: kelvin = 0.00341802 DN + 149; 0 is nodata."""
    return np.clip(np.rint((kelvin - np.float32(149)) / np.float32(0.00341802)), 1, 65_535).astype(np.uint16)


def encode_hls(values: Field) -> NDArray[np.int16]:
    """HLS: reflectance = 1e-4 DN; -9999 is nodata."""
    return np.clip(np.rint(values * np.float32(1e4)), -9_998, 32_767).astype(np.int16)
