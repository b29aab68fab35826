"""The analytic floor: a Gaussian conversion of any bands to one set of virtual bands, then a classifier of pixels.

Spectra are a Gaussian process over wavelength. With A the responses of the bands that saw a pixel, B those of the
virtual bands, mu and K mean and covariance of spectra and R the noise of the bands,

    E[B rho | y] = B mu + B K A^T (A K A^T + R)^-1 (y - A mu)
    Var[B rho | y] = B K B^T - B K A^T (A K A^T + R)^-1 A K B^T

(Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, equations 2.23 and 2.24, with linear functionals
in place of points). The prior is no spectral library, because a library from which training or test scenes may have
been made would give this method alone a look at them. It stands for smooth random spectra at the level of the training
pixels: mean and standard deviation over wavelength are those of their bands, and the correlation of two wavelengths is
a constant, brightness, plus a Matern 3/2 kernel in ln(wavelength). Only the classifier is trained.
"""

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from anyband.models.baselines.pixel import PixelMethod
from anyband.models.core.band_stack import GRID_M, on_stack_grid, resample, stack_grid
from anyband.models.core.method import Options
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Floats, Statistics, conditional
from anyband.models.core.whitening import patterns
from anyband.observation import Observation, QueryGrid
from anyband.sensors import Band, SpectralResponse
from anyband.sensors.band import REFLECTANCE

WAVELENGTH_NM: Floats = np.arange(400.0, 2501.0, 5.0)
# Centre and full width at half maximum, nm: the reflective windows of land sensors at moderate widths.
VIRTUAL = (
    (443, 20),
    (490, 50),
    (560, 40),
    (660, 30),
    (705, 20),
    (740, 20),
    (783, 20),
    (865, 30),
    (1610, 90),
    (2200, 180),
)


@dataclass(frozen=True)
class AnalyticOptions(Options):
    """The prior, and the classifier's size; the sizes of trunk and decoder are not used.

    Attributes:
        length: correlation length of spectra in ln(wavelength).
        brightness: correlation that is left between wavelengths far from each other.
        noise: standard deviation of a band's noise, over that of its values.
        hidden: width of the classifier's hidden layer.
    """

    length: float = 0.15
    brightness: float = 0.5
    noise: float = 0.03
    hidden: int = 64


@dataclass(frozen=True)
class VirtualConversion:
    """From the bands of one observed pixel to virtual bands, which are 0 at their prior mean and vary by 1.

    Attributes:
        gain: (V, C), 0 for bands that were not seen.
        offset: (V,).
        known: (V,) share of the prior variance that the bands explain, 0 to 1.
    """

    gain: Floats
    offset: Floats
    known: Floats


class SpectralPrior:
    """The Gaussian process, and conversions under it, each computed once."""

    def __init__(self, options: AnalyticOptions, statistics: Statistics) -> None:
        """Mean and spread over wavelength from `statistics`, correlation from `options`."""
        levels = np.array([statistics.at(narrow_band(float(nm))) for nm in WAVELENGTH_NM])
        self.mean, spread = levels[:, 0], levels[:, 1]
        step = np.abs(np.subtract.outer(np.log(WAVELENGTH_NM), np.log(WAVELENGTH_NM)))
        scaled = math.sqrt(3.0) * step / options.length
        matern = (1 + scaled) * np.exp(-scaled)
        correlation = options.brightness + (1 - options.brightness) * matern
        self.covariance: Floats = np.outer(spread, spread) * correlation
        self.noise = options.noise
        self.virtual = np.array([SpectralResponse.gaussian(*v).quadrature(WAVELENGTH_NM) for v in VIRTUAL])
        self.virtual_variance = np.einsum("vi,ij,vj->v", self.virtual, self.covariance, self.virtual)
        self._responses: dict[Band, Floats | None] = {}
        self._known: dict[tuple[tuple[Band, ...], bytes], VirtualConversion] = {}

    def response(self, band: Band) -> Floats | None:
        """Weights over `WAVELENGTH_NM`, or None: no reflectance, or outside the range."""
        if band not in self._responses:
            self._responses[band] = None
            if band.quantity == REFLECTANCE:
                with suppress(ValueError):  # outside the range
                    self._responses[band] = band.response.quadrature(WAVELENGTH_NM)
        return self._responses[band]

    def conversion(self, bands: tuple[Band, ...], seen: NDArray[np.bool_]) -> VirtualConversion:
        """VirtualConversion of pixels with valid values in those of `bands` where `seen` (C,) is true."""
        key = bands, seen.tobytes()
        if key not in self._known:
            self._known[key] = self._convert(bands, seen)
        return self._known[key]

    def _convert(self, bands: tuple[Band, ...], seen: NDArray[np.bool_]) -> VirtualConversion:
        gain, offset, known = np.zeros((len(VIRTUAL), len(bands))), np.zeros(len(VIRTUAL)), np.zeros(len(VIRTUAL))
        responses = {c: self.response(band) for c, band in enumerate(bands) if seen[c]}
        used = {c: response for c, response in responses.items() if response is not None}
        if not used:
            return VirtualConversion(gain, offset, known)
        matrix = np.array(list(used.values()))
        solved, explained = conditional(self.covariance, matrix, self.virtual, self.noise**2)
        scale = np.sqrt(self.virtual_variance)
        gain[:, list(used)] = solved / scale[:, None]
        offset = -(solved @ matrix @ self.mean) / scale
        known = np.clip(explained / self.virtual_variance, 0.0, 1.0)
        return VirtualConversion(gain, offset, known)


def narrow_band(centre_nm: float) -> Band:
    """A reflective band that stands for one wavelength."""
    return Band("spectrum", "spectrum", SpectralResponse.gaussian(centre_nm, 5.0), gsd_m=GRID_M, pixel_m=GRID_M)


class Analytic(PixelMethod):
    """Virtual bands and how well each is known, per pixel, through one hidden layer to logits; no context."""

    label = "Analytic conversion"
    role = "floor"
    family = "pixel classifier"
    colours = ("#8e975a", "#fdfd76")
    marker = "<"
    cite = "anyband"
    options_type = AnalyticOptions
    any_product = True
    options: AnalyticOptions
    search = {"length": (0.1, 0.15, 0.3), "noise": (0.01, 0.03, 0.1)}

    def __init__(self, options: AnalyticOptions, statistics: Statistics, classes: int) -> None:
        """Build the prior and the classifier."""
        super().__init__(options, statistics, classes)
        self.prior = SpectralPrior(options, statistics)
        width = options.hidden
        self.classifier = nn.Sequential(linear(2 * len(VIRTUAL), width), nn.ReLU(), linear(width, classes, gain=0.1))

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        logits = self.classifier(self.features(observation, query))
        read, _ = on_stack_grid(logits).read(query, linear=False)
        return read.permute(0, 3, 1, 2)

    def features(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Virtual bands and their known shares (B, H, W, 2 V) on the 10 m grid that covers the query's extent."""
        grid = stack_grid(query)
        groups = [group for product in sorted(observation.products) for group in observation.of(product)]
        values, valid = zip(*(resample(group, grid, linear=True) for group in groups), strict=True)
        stacked, seen = torch.cat(values, dim=-1), torch.cat(valid, dim=-1)
        converted = []
        for sample in range(observation.batch):
            sets = [group.band_sets[int(group.band_set_index[sample])] for group in groups]
            bands = tuple(band for band_set in sets for band in band_set)
            converted.append(self.convert(stacked[sample].flatten(0, 1), seen[sample].flatten(0, 1), bands))
        return torch.stack(converted).reshape(observation.batch, grid.height, grid.width, -1)

    def convert(self, values: Tensor, seen: Tensor, bands: tuple[Band, ...]) -> Tensor:
        """Virtual bands and known shares (N, 2 V) of pixels.

        Args:
            values: (N, C) in the unit of each band.
            seen: (N, C) bool.
            bands: what the C channels are.
        """
        out = values.new_empty(len(values), 2 * len(VIRTUAL))
        for pattern, rows in patterns(seen):
            conversion = self.prior.conversion(bands, pattern)
            gain, offset, known = (
                torch.from_numpy(a).to(values) for a in (conversion.gain, conversion.offset, conversion.known)
            )
            out[rows] = torch.cat((values[rows] @ gain.T + offset, known.expand(len(rows), -1)), dim=1)
        return out
