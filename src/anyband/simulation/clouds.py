"""The sky of one scene: clouds, their shadows and thin cirrus, and what they do to reflectance.

Fields live on a coarse grid that is larger than the scene, so that clouds outside it cast shadows into it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.simulation.atmosphere import Geometry
from anyband.simulation.grids import HiddenGrid, PixelGrid, interpolate
from anyband.simulation.noise import power_noise

Field = NDArray[np.float32]

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
