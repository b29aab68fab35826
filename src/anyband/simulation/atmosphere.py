"""A small analytic atmosphere, how two processors take it out again, and the sky of clouds, shadows and cirrus.

The true atmosphere and the one that a processor assumes go through the same formulas but differ in the amount of
aerosol, its variation over the scene and its type; so the retrieved reflectance is wrong by what such an error costs.

Sources: Rayleigh optical thickness Hansen & Travis 1974 (Space Sci. Rev. 16:527, eq. 2.29); single-scattering path
reflectance and diffuse transmittance after Gordon et al. 1983 (Appl. Opt. 22:20); aerosol phase function Henyey &
Greenstein 1941; spherical albedo by the Eddington two-stream result for a conservative layer (Meador & Weaver 1980,
J. Atmos. Sci. 37:630); adjacency term and its removal as in Vermote et al. 1997 (6S) and Richter's q-factor.
Aerosol types: rounded from Dubovik et al. 2002 (J. Atmos. Sci. 59:590). Absorption by gases is taken as known.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.simulation.grids import HiddenGrid, PixelGrid, interpolate
from anyband.simulation.noise import power_noise

Field = NDArray[np.float32]

SCALE_HEIGHT_M = 8_000.0
# AOT at 550 nm: lognormal, median 0.12; a typical clear continental summer sky (assumption).
AOT_MEDIAN, AOT_LOG_SD, AOT_RANGE = 0.12, 0.5, (0.03, 0.6)
AOT_VARIATION = 0.08  # relative deviation of the smooth field within a scene


@dataclass(frozen=True)
class Aerosol:
    """Optical properties of an aerosol: Angstrom exponent, single-scattering albedo, asymmetry of scattering."""

    angstrom: float
    albedo: float
    asymmetry: float


AEROSOLS = {
    "continental": Aerosol(1.4, 0.95, 0.66),
    "maritime": Aerosol(0.5, 0.98, 0.73),
    "smoke": Aerosol(1.9, 0.90, 0.60),
}
ASSUMED = AEROSOLS["continental"]  # what both processors believe


def mixed(a: Aerosol, b: Aerosol, share: float) -> Aerosol:
    """An aerosol between two types; `share` is the part of `b`, 0..1."""
    pairs = ((a.angstrom, b.angstrom), (a.albedo, b.albedo), (a.asymmetry, b.asymmetry))
    return Aerosol(*((1 - share) * first + share * second for first, second in pairs))


@dataclass(frozen=True)
class Geometry:
    """Directions of sun and sensor as seen from the ground, degrees; azimuths clockwise from north."""

    sun_zenith: float
    sun_azimuth: float
    view_zenith: float
    view_azimuth: float

    @property
    def cos_sun(self) -> float:
        """Cosine of the sun's zenith angle."""
        return math.cos(math.radians(self.sun_zenith))

    @property
    def cos_view(self) -> float:
        """Cosine of the view zenith angle."""
        return math.cos(math.radians(self.view_zenith))

    @property
    def cos_scattering(self) -> float:
        """Cosine of the angle by which sunlight is turned towards the sensor."""
        sines = math.sin(math.radians(self.sun_zenith)) * math.sin(math.radians(self.view_zenith))
        return -(self.cos_sun * self.cos_view + sines * math.cos(math.radians(self.sun_azimuth - self.view_azimuth)))


@dataclass(frozen=True)
class Optics:
    """The atmosphere in one band; fields share the shape of the AOT field, unit 1.

    Attributes:
        path: reflectance of the atmosphere itself.
        down: total transmittance from the sun to the ground.
        down_direct: its direct part.
        up_direct: direct transmittance from the ground to the sensor.
        up_diffuse: what reaches the sensor from around the pixel.
        albedo: spherical albedo of the atmosphere.
    """

    path: Field
    down: Field
    down_direct: Field
    up_direct: Field
    up_diffuse: Field
    albedo: Field

    @property
    def direct_share(self) -> float:
        """Mean share of direct sunlight in the light that reaches the ground."""
        return float((self.down_direct / self.down).mean())


def rayleigh_thickness(wavelength_um: float) -> float:
    """Rayleigh optical thickness at sea level for a wavelength in micrometres (Hansen & Travis 1974)."""
    inverse = wavelength_um**-2
    return 0.008569 * inverse**2 * (1 + 0.0113 * inverse + 0.00013 * inverse**2)


def optics(wavelength_nm: float, aot: Field, aerosol: Aerosol, geometry: Geometry, altitude_m: float) -> Optics:
    """Transmittances and path reflectance of one band.

    Args:
        wavelength_nm: centre of the band, nm.
        aot: aerosol optical thickness at 550 nm, any shape.
        aerosol: its type.
        geometry: sun and view.
        altitude_m: mean height of the ground, m.
    """
    rayleigh = rayleigh_thickness(wavelength_nm / 1000) * math.exp(-altitude_m / SCALE_HEIGHT_M)
    thick = aot * np.float32((wavelength_nm / 550) ** -aerosol.angstrom)
    sun, view, turn = geometry.cos_sun, geometry.cos_view, geometry.cos_scattering
    g = aerosol.asymmetry
    phase_aerosol = (1 - g * g) / (1 + g * g - 2 * g * turn) ** 1.5
    phase_rayleigh = 0.75 * (1 + turn * turn)
    path = (rayleigh * phase_rayleigh + aerosol.albedo * thick * phase_aerosol) / (4 * sun * view)
    # Light scattered forward still arrives: half of what Rayleigh scatters, (1 + g) / 2 of what aerosol scatters.
    lost = 0.5 * rayleigh + thick * (1 - aerosol.albedo * (1 + g) / 2)
    # Delta scaling (Joseph et al. 1976): the forward peak, g^2 of the scattering, stays within the pixel.
    gone = rayleigh + thick * (1 - aerosol.albedo * g * g)
    up, up_direct = np.exp(-lost / view), np.exp(-gone / view)
    layer = 0.75 * (rayleigh + aerosol.albedo * (1 - g) * thick)
    parts = (path, np.exp(-lost / sun), np.exp(-gone / sun), up_direct, up - up_direct, layer / (1 + layer))
    return Optics(*(part.astype(np.float32) for part in parts))


def to_top(surface: Field, environment: Field, seen: Optics) -> Field:
    """Reflectance at the top of the atmosphere of a surface whose surroundings reflect `environment` on average."""
    light = seen.down / (1 - seen.albedo * environment)
    return np.asarray(seen.path + light * (seen.up_direct * surface + seen.up_diffuse * environment))


def to_surface(top: Field, assumed: Optics) -> Field:
    """Surface reflectance from the top of the atmosphere for a uniform surface (no adjacency): LaSRC."""
    ratio = (top - assumed.path) / (assumed.down * (assumed.up_direct + assumed.up_diffuse))
    return np.asarray(ratio / (1 + assumed.albedo * ratio), np.float32)


def remove_adjacency(surface: Field, environment: Field, assumed: Optics) -> Field:
    """Sen2Cor's second step: take out the light of the surroundings with Richter's q = diffuse / direct."""
    return np.asarray(surface + assumed.up_diffuse / assumed.up_direct * (surface - environment))


@dataclass(frozen=True)
class Air:
    """The true atmosphere of a scene and what the two processors retrieve of it.

    Attributes:
        aot: true AOT at 550 nm on a coarse grid.
        aerosol: true type.
        aot_lasrc: as `aot`, retrieved per cell (LaSRC; both Landsat and HLS).
        aot_sen2cor: one value for the scene (Sen2Cor).
        vapour_error: factor on the band in the water vapour window after correction.
    """

    aot: Field
    aerosol: Aerosol
    aot_lasrc: Field
    aot_sen2cor: Field
    vapour_error: float


def draw_air(rng: np.random.Generator, shape: Field) -> Air:
    """Draw the air of one scene; `shape` is a smooth unit-variance field that gives the variation over the scene."""
    mean = float(np.clip(np.exp(rng.normal(math.log(AOT_MEDIAN), AOT_LOG_SD)), *AOT_RANGE))
    aot = (mean * np.exp(AOT_VARIATION * shape)).astype(np.float32)
    other = AEROSOLS["maritime" if rng.random() < 0.5 else "smoke"]
    aerosol = mixed(ASSUMED, other, float(rng.random()))
    # LaSRC: 0.03 + 12 % (assumption, near its specification 0.05 + 20 %); Sen2Cor: 0.05 + 15 % and no variation.
    lasrc = aot + rng.normal(0, 0.03 + 0.12 * mean) + rng.normal(0, 0.01, aot.shape)
    sen2cor = np.full_like(aot, mean + rng.normal(0, 0.05 + 0.15 * mean))
    return Air(
        aot=aot,
        aerosol=aerosol,
        aot_lasrc=np.maximum(lasrc, 0.01).astype(np.float32),
        aot_sen2cor=np.maximum(sen2cor, 0.01),
        vapour_error=float(np.exp(rng.normal(0, 0.06))),
    )


# The sky. Fields live on a coarse grid that is larger than the scene, so that clouds outside it cast shadows into it.

NODE_M = 40.0
BASE_RANGE_M = (400.0, 1_800.0)  # height of the shadow-casting cloud layer above ground (assumption)
REACH_M = 3_600.0  # how far outside the scene clouds are modelled: 3 km of height under a sun at 50 degrees
# Share of a scene under cloud: most scenes of 4 km are clear, some partly clouded, a few nearly overcast (assumption;
# with shadows, margins and two independent skies a pair this loses about a fifth of the 960 m chips).
CLEAR_SCENES, OVERCAST_SCENES, MOST_CLOUD, CLOUD_SHAPE = 0.62, 0.025, 0.32, 3.5
CIRRUS_SCENES = 0.2
CIRRUS_MEDIAN = 0.006  # reflectance of cirrus where it is, median over scenes
# Reflectance of thick cloud relative to the visible, nm -> share: ice and water absorb in the SWIR.
CLOUD_WAVELENGTH = (400.0, 1000.0, 1600.0, 2200.0)
CLOUD_SPECTRUM = (1.0, 0.98, 0.72, 0.48)
SHADE = 0.85  # of the direct light that thick cloud takes away


def draw_cloud_share(rng: np.random.Generator) -> float:
    """Share of the scene under cloud, 0..1."""
    kind, amount = rng.random(), rng.random()
    if kind < CLEAR_SCENES:
        return 0.0
    if kind > 1 - OVERCAST_SCENES:
        return float(0.7 + 0.3 * amount)
    return float(MOST_CLOUD * amount**CLOUD_SHAPE)


def smoothstep(value: Field) -> Field:
    """0 below 0, 1 above 1, smooth between."""
    clipped = np.clip(value, 0.0, 1.0)
    return np.asarray(clipped * clipped * (np.float32(3.0) - np.float32(2.0) * clipped), np.float32)


@dataclass(frozen=True)
class SkyOnGrid:
    """The sky at the pixels of one grid, all (rows, columns) float32.

    Attributes:
        cover: opacity of clouds, 0..1.
        brightness: visible reflectance of the cloud where it is opaque.
        shade: share of direct sunlight that is missing, 0..1.
        cirrus: visible reflectance of thin cirrus.
        noise: unit-variance smooth noise, for detection errors.
    """

    cover: Field
    brightness: Field
    shade: Field
    cirrus: Field
    noise: Field

    def reflectance(self, wavelength_nm: float) -> Field:
        """Reflectance of opaque cloud at the top of the atmosphere in a band."""
        return self.brightness * np.float32(np.interp(wavelength_nm, CLOUD_WAVELENGTH, CLOUD_SPECTRUM))

    def cover_up(self, top: Field, wavelength_nm: float) -> Field:
        """Put cirrus and clouds over a reflectance at the top of the atmosphere, in place; returns `top`."""
        if self.cirrus.any():
            ice = np.float32(np.interp(wavelength_nm, CLOUD_WAVELENGTH, (1.0, 1.0, 0.6, 0.4)))
            top *= 1.0 - 2.0 * ice * self.cirrus
            top += ice * self.cirrus
        if self.cover.any():
            top += self.cover * (self.reflectance(wavelength_nm) - top)
        return top


class Sky:
    """Cloud, shadow and cirrus fields of one scene."""

    def __init__(self, rng: np.random.Generator, hidden: HiddenGrid, geometry: Geometry) -> None:
        """Draw the sky over a hidden grid; the sun's direction sets where shadows fall."""
        self.hidden = hidden
        self.first = -REACH_M + NODE_M / 2
        size = round((hidden.extent_m + 2 * REACH_M) / NODE_M)
        self.share = draw_cloud_share(rng)
        thickness = power_noise(rng, size, NODE_M, float(rng.uniform(3.2, 4.2)), 8 * NODE_M, 12_000.0)
        inner = slice(round(REACH_M / NODE_M), size - round(REACH_M / NODE_M))
        level = float(np.quantile(thickness[inner, inner], 1.0 - self.share))
        # Half-opaque at the wanted level; the softness decides how wide the fuzzy edges are.
        softness = float(rng.uniform(0.15, 0.6))
        self.cloud = ((thickness - level) / softness + 0.5).astype(np.float32)
        self.texture = power_noise(rng, size, NODE_M, 2.4, 4 * NODE_M, 2_000.0)
        self.cirrus = self._draw_cirrus(rng, size)
        self.errors = power_noise(rng, size, NODE_M, 1.5, 4 * NODE_M, 1_500.0)
        self.brightness = float(rng.uniform(0.45, 0.75))
        height = float(rng.uniform(*BASE_RANGE_M))
        away = min(height * math.tan(math.radians(geometry.sun_zenith)), REACH_M)
        azimuth = math.radians(geometry.sun_azimuth)
        # The cloud that shades a point stands towards the sun: x to the east, y downwards (south).
        self.towards_sun = (away * math.sin(azimuth), -away * math.cos(azimuth))

    def _draw_cirrus(self, rng: np.random.Generator, size: int) -> Field:
        present, amount = rng.random(), math.exp(rng.normal(math.log(CIRRUS_MEDIAN), 0.6))
        field = power_noise(rng, size, NODE_M, 3.4, 8 * NODE_M, 6_000.0)
        if present > CIRRUS_SCENES:
            return np.zeros((size, size), np.float32)
        return np.asarray(min(amount, 0.05) * np.clip(0.7 + field, 0.0, 2.0), np.float32)

    def at(self, grid: PixelGrid) -> SkyOnGrid:
        """The sky at the pixels of a grid."""

        def values(field: Field, shift: tuple[float, float] = (0.0, 0.0)) -> Field:
            return interpolate(field, self.first, NODE_M, grid, self.hidden, shift)

        nothing = np.zeros(grid.shape, np.float32)
        cirrus = values(self.cirrus) if self.cirrus.any() else nothing
        if not self.share:
            return SkyOnGrid(nothing, nothing, nothing, cirrus, values(self.errors))
        excess = values(self.cloud)
        brightness = self.brightness * (0.8 + 0.25 * np.tanh(excess - 0.5)) + 0.03 * values(self.texture)
        return SkyOnGrid(
            cover=smoothstep(excess),
            brightness=np.clip(brightness, 0.2, 1.0),
            shade=np.float32(SHADE) * smoothstep(values(self.cloud, self.towards_sun)),
            cirrus=cirrus,
            noise=values(self.errors),
        )
