"""Two imaging instruments as built (responses, point spread, registration, gain, noise), and one acquisition by them.

Nothing here is known downstream: models and processors get the published responses and nominal sampling distances.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.sensors import Band, SpectralResponse
from anyband.simulation import read_table
from anyband.simulation.atmosphere import ASSUMED, Air, Field, Optics, Sky, SkyOnGrid, draw_air, optics, to_top
from anyband.simulation.brdf import draw_strengths, true_factor
from anyband.simulation.grids import HiddenGrid, PixelGrid, Sampler, interpolate, psf_operator
from anyband.simulation.land.landscape import Landscape
from anyband.simulation.land.surface import SurfaceState
from anyband.simulation.noise import power_noise, stream
from anyband.simulation.places import Overpass

# Unit-to-unit and in-orbit uncertainty of a spectral response, nm: drawn between these, either sign.
RESPONSE_SHIFT_NM = (1.0, 2.0)
# Radiometric calibration: fixed per unit and band, and from scene to scene (both within the 3 % goal of MSI and OLI).
UNIT_GAIN_SD, SCENE_GAIN_SD = 0.012, 0.004
# Shot noise makes up this share of the noise variance at the reference radiance (assumption); the rest is constant.
SHOT_SHARE = 0.7
TABLE = read_table("instruments")
SOLAR_WAVELENGTH, SOLAR_IRRADIANCE = (np.array(column) for column in zip(*TABLE["solar_irradiance"], strict=True))
"""Wavelength in nm and W m-2 um-1 outside the atmosphere; it only scales noise, so values between are interpolated."""


def solar_irradiance(wavelength_nm: float) -> float:
    """Solar irradiance outside the atmosphere, W m-2 um-1, at a wavelength in nm (443 to 2202 nm, held outside)."""
    return float(np.exp(np.interp(wavelength_nm, SOLAR_WAVELENGTH, np.log(SOLAR_IRRADIANCE))))


@dataclass(frozen=True)
class Instrument:
    """What an imaging instrument does to the light, beside its spectral bands.

    Attributes:
        signal_to_noise: per concept, (reference radiance W m-2 sr-1 um-1, signal-to-noise ratio there).
        psf_sigma: standard deviation of the Gaussian point spread in units of the ground sampling distance.
        geolocation_sd_m: deviation of a scene's registration per axis, m.
        band_shift_sd: deviation of a band's registration against the scene, in sampling distances.
    """

    signal_to_noise: dict[str, tuple[float, float]]
    psf_sigma: float
    geolocation_sd_m: float
    band_shift_sd: float


def sigma_from_mtf(mtf_at_nyquist: float) -> float:
    """Sigma, in sampling distances, of a Gaussian point spread with this modulation transfer at Nyquist."""
    return math.sqrt(-2 * math.log(mtf_at_nyquist)) / math.pi


def _instrument(stated: dict[str, Any]) -> Instrument:
    """An instrument of the table."""
    known = dict(stated)
    sigma = sigma_from_mtf(known.pop("mtf_at_nyquist")) if "mtf_at_nyquist" in known else known.pop("psf_sigma_m") / 30
    ratios = {concept: (radiance, ratio) for concept, (radiance, ratio) in known.pop("signal_to_noise").items()}
    return Instrument(signal_to_noise=ratios, psf_sigma=sigma, **known)


MSI, OLI = (_instrument(TABLE[name]) for name in ("msi", "oli"))


def true_response(response: SpectralResponse, platform: str, band: str) -> SpectralResponse:
    """The response a unit really has: the published one moved by 1 to 2 nm, always the same for a unit and band."""
    rng = stream(0, "response", platform, band)
    return response.shifted(float(rng.uniform(*RESPONSE_SHIFT_NM) * rng.choice((-1.0, 1.0))))


def unit_gain(platform: str, band: str) -> float:
    """Calibration gain of a unit and band, near 1."""
    return float(1 + stream(0, "gain", platform, band).normal(0, UNIT_GAIN_SD))


def noise_terms(wavelength_nm: float, reference: tuple[float, float], cos_sun: float) -> tuple[float, float]:
    """Constant and signal-proportional part of the noise variance of top-of-atmosphere reflectance.

    Args:
        wavelength_nm: centre of the band.
        reference: radiance (W m-2 sr-1 um-1) and the signal-to-noise ratio there.
        cos_sun: cosine of the sun's zenith angle; a low sun makes less radiance of the same reflectance.

    Returns:
        (a, b): variance = a + b * reflectance.
    """
    radiance, ratio = reference
    level = math.pi * radiance / (solar_irradiance(wavelength_nm) * cos_sun)
    variance = (level / ratio) ** 2
    return (1 - SHOT_SHARE) * variance, SHOT_SHARE * variance / level


def add_noise(rng: np.random.Generator, top: Field, terms: tuple[float | Field, float | Field]) -> Field:
    """Add sensor noise to a reflectance at the top of the atmosphere, in place; returns `top`."""
    constant, shot = (np.asarray(term, np.float32) for term in terms)
    top += np.sqrt(constant + shot * np.maximum(top, 0)) * rng.standard_normal(top.shape, dtype=np.float32)
    return top


# The atmosphere and the surroundings of a pixel vary slowly: nodes of this spacing, m, from the hidden grid's corner.
COARSE_M = 480.0
DEM_SIGMA_M = 30.0  # resolution of the elevation model that processors correct terrain with


def cos_incidence(dem: Field, step_m: float, overpass: Overpass) -> Field:
    """Cosine of the sun's angle to the ground relative to level ground, (n, n); not below 0.05."""
    down, right = np.gradient(dem, np.float32(step_m))
    sun = overpass.geometry
    azimuth, zenith = np.radians(sun.sun_azimuth), np.radians(sun.sun_zenith)
    tilt = np.tan(zenith) * (np.float32(-np.sin(azimuth)) * right + np.float32(np.cos(azimuth)) * down)
    return np.asarray(np.maximum((1 + tilt) / np.sqrt(1 + down * down + right * right), 0.05), np.float32)


@dataclass
class HiddenWorld:
    """The ground, the air and the sky of one acquisition.

    Attributes:
        landscape: the place.
        state: its surface on the day.
        acquisition: which overpass.
        air: true and retrieved atmosphere.
        sky: clouds, shadows, cirrus.
        seed: of the simulation.
        place: name of the place.
    """

    landscape: Landscape
    state: SurfaceState
    overpass: Overpass
    air: Air
    sky: Sky
    seed: int
    place: str

    @classmethod
    def draw(
        cls, landscape: Landscape, state: SurfaceState, overpass: Overpass, seed: int, place: str
    ) -> "HiddenWorld":
        """Draw air and sky from streams that belong to this acquisition alone."""
        hidden = landscape.grid
        nodes = round(hidden.extent_m / COARSE_M) + 2
        rng = stream(seed, place, overpass.key, "air")
        air = draw_air(rng, power_noise(rng, nodes, COARSE_M, 3.0, 2 * COARSE_M, 8_000.0))
        sky = Sky(stream(seed, place, overpass.key, "clouds"), hidden, overpass.geometry)
        return cls(landscape, state, overpass, air, sky, seed, place)

    @property
    def hidden(self) -> HiddenGrid:
        """The hidden grid."""
        return self.landscape.grid

    @cached_property
    def altitude_m(self) -> float:
        """Mean height of the ground, m."""
        return float(self.landscape.dem.mean())

    @cached_property
    def materials(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of the library, as indices that need no further conversion."""
        return self.state.material_a.astype(np.intp).ravel(), self.state.material_b.astype(np.intp).ravel()

    @cached_property
    def incidence(self) -> Field:
        """Sunlight on the terrain relative to level ground, (n, n)."""
        return cos_incidence(self.landscape.dem, self.hidden.step_m, self.overpass)

    @cached_property
    def lit(self) -> Field:
        """Illumination of crowns and terrain together, (n, n)."""
        return self.state.illumination * self.incidence

    @cached_property
    def strengths(self) -> NDArray[np.float32]:
        """Directional scattering of the place's materials: a property of the surface, the same for all scenes."""
        return draw_strengths(stream(self.seed, self.place, "surface", "brdf"), self.landscape.library)

    def surface(self, table: NDArray[np.float32], direct_share: float) -> Field:
        """Reflectance of the hidden surface, (n, n), from one value per material.

        The direct part of the light falls on the terrain, the diffuse part on everything alike.
        """
        result = self.mixture(table)
        light = np.float32(direct_share) * self.lit
        light += np.float32(1 - direct_share) * self.state.illumination
        result *= light
        return result

    def mixture(self, table: NDArray[np.float32]) -> Field:
        """Mean of the two materials of every cell, (n, n), without light, from one value per material."""
        first, second = (np.take(table, rows, mode="clip") for rows in self.materials)
        second -= first
        second *= self.state.fraction_b.ravel()
        second += first
        return second.reshape(self.state.fraction_b.shape)

    def optics(self, wavelength_nm: float, assumed: Field | None = None) -> Optics:
        """Atmosphere of one band on the coarse nodes: the true one, or what follows from an `assumed` AOT."""
        aot, aerosol = (self.air.aot, self.air.aerosol) if assumed is None else (assumed, ASSUMED)
        return optics(wavelength_nm, aot, aerosol, self.overpass.geometry, self.altitude_m)

    def spread(self, coarse: Optics, grid: PixelGrid) -> Optics:
        """Atmosphere at the pixels of a grid."""
        fields = vars(coarse).items()
        return Optics(**{name: interpolate(field, 0.0, COARSE_M, grid, self.hidden) for name, field in fields})

    def surroundings(self, surface: Field, grid: PixelGrid) -> Field:
        """What the surroundings of every pixel reflect on average, (rows, columns)."""
        y, x = grid.local_centres(self.hidden)
        nodes = np.arange(self.air.aot.shape[0], dtype=np.float64) * COARSE_M
        down = psf_operator(nodes, COARSE_M / 1.5, float(y[0]), grid.pixel_m, grid.rows)
        right = psf_operator(nodes, COARSE_M / 1.5, float(x[0]), grid.pixel_m, grid.columns)
        coarse = np.asarray((right @ np.ascontiguousarray((down @ surface).T)).T)
        return interpolate(coarse, 0.0, COARSE_M, grid, self.hidden)

    def sky_on(self, grid: PixelGrid) -> SkyOnGrid:
        """The sky at the pixels of a grid, computed once per grid."""
        cache: dict[PixelGrid, SkyOnGrid] = self.__dict__.setdefault("_skies", {})
        if grid not in cache:
            cache[grid] = self.sky.at(grid)
        return cache[grid]


@dataclass(frozen=True)
class TopOfAtmosphere:
    """One band as measured.

    Attributes:
        band: its published description.
        grid: native pixels.
        values: (rows, columns) float32 reflectance at the top of the atmosphere.
    """

    band: Band
    grid: PixelGrid
    values: Field


def observe(
    world: HiddenWorld, bands: Sequence[tuple[Band, PixelGrid]], instrument: Instrument
) -> Iterator[TopOfAtmosphere]:
    """Measure bands one after the other, each on its grid.

    The true response, the true atmosphere, the scene's registration error and the unit's gain act here; none of them is
    known to the processors.
    """
    overpass = world.overpass
    rng = stream(world.seed, world.place, overpass.key, "instrument")
    offset = rng.normal(0, instrument.geolocation_sd_m, 2)
    responses = [true_response(band.response, overpass.platform, band.name) for band, _ in bands]
    tables = world.landscape.library.band_values(responses)
    for column, (band, grid) in enumerate(bands):
        centre = responses[column].centre_nm
        seen = world.optics(centre)
        values = tables[:, column] * true_factor(band.concept, overpass.geometry, world.strengths)
        share = seen.direct_share
        jitter = rng.normal(0, instrument.band_shift_sd * band.gsd_m, 2)
        shift = (float(offset[0] + jitter[0]), float(offset[1] + jitter[1]))
        sampler = Sampler(world.hidden, grid, instrument.psf_sigma * band.gsd_m, shift)
        ground = sampler(world.surface(np.ascontiguousarray(values), share))
        sky = world.sky_on(grid)
        if sky.shade.any():
            ground *= 1 - np.float32(share) * sky.shade
        top = to_top(ground, world.surroundings(ground, grid), world.spread(seen, grid))
        top = sky.cover_up(top, centre)
        top *= np.float32(unit_gain(overpass.platform, band.name) * (1 + rng.normal(0, SCENE_GAIN_SD)))
        terms = noise_terms(centre, instrument.signal_to_noise[band.concept], overpass.geometry.cos_sun)
        yield TopOfAtmosphere(band, grid, add_noise(rng, top, terms))
