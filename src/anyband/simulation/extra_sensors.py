"""Sensors that training never sees: other instruments at the overpass of a Sentinel-2 acquisition.

They look at the same ground through the same air and sky, each with optics, noise and registration of its own, and are
corrected as LaSRC does it. Hundreds of bands stay cheap because the ground is sampled a few times only: reflectance is
linear in the spectra of the materials, so a small basis of these spectra is carried onto the sensor's grid, and every
band is a sum of the basis images (`spectral_basis`).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from anyband.runtime import UserError
from anyband.sensors import Sensor, get_sensor, platforms
from anyband.sensors.band import CONCEPT_NM
from anyband.sensors.platforms import description
from anyband.simulation import cloud_masks, instrument
from anyband.simulation.atmosphere import Field, Optics, to_surface, to_top
from anyband.simulation.brdf import true_factor
from anyband.simulation.cloud_masks import MASK_BANDS
from anyband.simulation.grids import PixelGrid, Sampler, interpolate, psf_operator, sentinel2_grid
from anyband.simulation.instrument import HiddenWorld
from anyband.simulation.noise import stream

# Largest error of a band's reflectance by the basis, before light and air: a fifth of the stored digit of 1e-4.
SPECTRAL_TOLERANCE = 2e-5
REFERENCE_REFLECTANCE, REFERENCE_COS_SUN = 0.3, 0.866  # ground and sun (30 degrees) that a signal-to-noise ratio is for


@dataclass(frozen=True)
class Imager:
    """An instrument whose bands are described by wavelength alone.

    Attributes:
        platform: its unit in the registry of sensors.
        noise_nm, signal_to_noise: ratio at the reference ground and sun by wavelength, interpolated between.
        psf_sigma: standard deviation of the Gaussian point spread in sampling distances.
        geolocation_sd_m: deviation of a scene's registration per axis, m.
        detector_shift_sd: deviation of a detector's registration against the scene, in sampling distances.
        detectors: shortest wavelength of every detector, nm; the bands of one share its registration.
    """

    platform: str
    noise_nm: tuple[float, ...]
    signal_to_noise: tuple[float, ...]
    psf_sigma: float
    geolocation_sd_m: float
    detector_shift_sd: float
    detectors: tuple[float, ...]


@cache
def imager_of(product: str) -> Imager:
    """The instrument of an extra sensor, as `instrument` of its sensor file states it.

    The numbers are assumptions near what the makers state for SPOT-4 HRVIR, PlanetScope SuperDove and EnMAP (more than
    400 at 495 nm and 170 at 2200 nm); modulation at Nyquist and registration are within their specifications.

    Raises:
        UserError: the file states none.
    """
    (platform,) = platforms(product)
    stated = description(platform).get("instrument")
    if stated is None:
        raise UserError(f"{platform}.yaml: key 'instrument' is missing, so its scenes cannot be simulated")
    return Imager(
        platform=platform,
        psf_sigma=instrument.sigma_from_mtf(stated["mtf_at_nyquist"]),
        geolocation_sd_m=stated["geolocation_sd_m"],
        detector_shift_sd=stated["detector_shift_sd"],
        **{key: tuple(map(float, stated[key])) for key in ("noise_nm", "signal_to_noise", "detectors")},
    )


@dataclass(frozen=True)
class ExtraImage:
    """A surface product: `values` (bands, rows, columns) float32 on `grid`, and what its cloud mask found there."""

    sensor: Sensor
    grid: PixelGrid
    values: Field
    found: cloud_masks.Detected


def observe_extra(world: HiddenWorld, product: str) -> ExtraImage:
    """Surface reflectance of one extra sensor as LaSRC would make it, with the sensor's own cloud mask."""
    imager = imager_of(product)
    sensor = get_sensor(imager.platform, product)
    grid = sentinel2_grid(world.hidden, round(sensor.bands[0].pixel_m))
    top = _top_of_atmosphere(world, product, sensor, grid)
    assumed = [world.optics(band.response.centre_nm, world.air.aot_lasrc) for band in sensor.bands]
    values = to_surface(top, world.spread(_stacked(assumed), grid))
    rng = stream(world.seed, world.place, world.overpass.key, "mask", product)
    found = cloud_masks.detect(rng, world.sky_on(grid), _mask_bands(sensor, values))
    return ExtraImage(sensor, grid, values, found)


def _top_of_atmosphere(world: HiddenWorld, product: str, sensor: Sensor, grid: PixelGrid) -> Field:
    """Reflectance at the top of the atmosphere as measured, (bands, rows, columns)."""
    imager, platform = imager_of(product), imager_of(product).platform
    rng = stream(world.seed, world.place, world.overpass.key, product, "instrument")
    responses = [instrument.true_response(band.response, platform, band.name) for band in sensor.bands]
    centres = np.array([response.centre_nm for response in responses])
    tables = world.landscape.library.band_values(responses)
    factors = {
        concept: true_factor(concept, world.overpass.geometry, world.strengths)
        for concept in {band.concept for band in sensor.bands}
    }
    tables *= np.stack([factors[band.concept] for band in sensor.bands], axis=1)
    seen = _stacked([world.optics(centre) for centre in centres])
    shares = np.array([np.mean(d / t) for d, t in zip(seen.down_direct, seen.down, strict=True)], np.float32)
    ground = np.empty((len(centres), *grid.shape), np.float32)
    offset = rng.normal(0, imager.geolocation_sd_m, 2)
    nominal = np.array([band.response.centre_nm for band in sensor.bands])
    for first, end in zip(imager.detectors, (*imager.detectors[1:], np.inf), strict=True):
        mine = np.flatnonzero((nominal >= first) & (nominal < end))
        gsd_m = sensor.bands[mine[0]].gsd_m
        moved = offset + rng.normal(0, imager.detector_shift_sd * gsd_m, 2)
        sampler = Sampler(world.hidden, grid, imager.psf_sigma * gsd_m, (float(moved[0]), float(moved[1])))
        ground[mine] = _ground(world, tables[:, mine], shares[mine], sampler)
    sky = world.sky_on(grid)
    if sky.shade.any():
        ground *= 1 - shares[:, None, None] * sky.shade
    top = to_top(ground, _surroundings(world, ground, grid), world.spread(seen, grid))
    for band, centre in zip(top, centres, strict=True):
        sky.cover_up(band, float(centre))
    gains = [
        instrument.unit_gain(platform, band.name) * (1 + rng.normal(0, instrument.SCENE_GAIN_SD))
        for band in sensor.bands
    ]
    top *= np.array(gains, np.float32)[:, None, None]
    return _with_noise(rng, top, imager, centres, world.overpass.geometry.cos_sun)


def spectral_basis(tables: NDArray[np.float32], tolerance: float) -> tuple[Field, Field]:
    """Factors (rows, k) and (k, bands) whose product is `tables` (rows, bands) to `tolerance` in every entry."""
    left, scale, right = np.linalg.svd(tables.astype(np.float64), full_matrices=False)
    rest = tables.astype(np.float64)
    count = 0
    while count < len(scale) and np.abs(rest).max() > tolerance:
        rest -= scale[count] * np.outer(left[:, count], right[count])
        count += 1
    return (left[:, :count] * scale[:count]).astype(np.float32), right[:count].astype(np.float32)


def _ground(world: HiddenWorld, tables: NDArray[np.float32], shares: Field, sampler: Sampler) -> Field:
    """Reflectance of the ground in several bands, (bands, rows, columns), through the basis of their spectra.

    Direct light falls on the terrain, diffuse light on everything alike; a band has its `shares` of the former.
    """
    used = np.unique(np.concatenate(world.materials))
    left, right = spectral_basis(tables[used], SPECTRAL_TOLERANCE)
    weights = np.zeros((len(tables), left.shape[1]), np.float32)
    weights[used] = left
    images = []
    for column in range(left.shape[1]):
        mixture = world.mixture(np.ascontiguousarray(weights[:, column]))
        images.append([sampler(mixture * world.lit), sampler(mixture * world.state.illumination)])
    direct, diffuse = np.array(images, np.float32).reshape(left.shape[1], 2, -1).transpose(1, 0, 2)
    total = (right.T * shares[:, None]) @ direct + (right.T * (1 - shares)[:, None]) @ diffuse
    return np.asarray(total.reshape(len(shares), *sampler.shape))


def _surroundings(world: HiddenWorld, ground: Field, grid: PixelGrid) -> Field:
    """What the surroundings of every pixel reflect on average, (bands, rows, columns)."""
    y, x = grid.local_centres(world.hidden)
    nodes = np.arange(world.air.aot.shape[0], dtype=np.float64) * instrument.COARSE_M
    down = psf_operator(nodes, instrument.COARSE_M / 1.5, float(y[0]), grid.pixel_m, grid.rows).toarray()
    right = psf_operator(nodes, instrument.COARSE_M / 1.5, float(x[0]), grid.pixel_m, grid.columns).toarray()
    return interpolate(down @ ground @ right.T, 0.0, instrument.COARSE_M, grid, world.hidden)


def _stacked(bands: list[Optics]) -> Optics:
    """The atmosphere of several bands, fields (bands, n, n)."""
    return Optics(**{name: np.stack([getattr(band, name) for band in bands]) for name in vars(bands[0])})


def _with_noise(
    rng: np.random.Generator, top: Field, imager: Imager, centres: NDArray[np.float64], cos_sun: float
) -> Field:
    """Add the sensor's noise to all bands, in place; returns `top`."""
    ratios = np.interp(centres, imager.noise_nm, imager.signal_to_noise)
    terms = []
    for centre, ratio in zip(centres.tolist(), ratios.tolist(), strict=True):
        radiance = instrument.solar_irradiance(centre) * REFERENCE_COS_SUN * REFERENCE_REFLECTANCE / np.pi
        terms.append(instrument.noise_terms(centre, (radiance, ratio), cos_sun))
    constant, shot = np.array(terms, np.float32).T[:, :, None, None]
    return instrument.add_noise(rng, top, (constant, shot))


def _mask_bands(sensor: Sensor, values: Field) -> dict[str, Field]:
    """What the cloud mask looks at: for each of its concepts the nearest band that the sensor has."""
    centres = np.array([band.response.centre_nm for band in sensor.bands])
    return {concept: values[int(np.abs(centres - CONCEPT_NM[concept]).argmin())] for concept in MASK_BANDS}
