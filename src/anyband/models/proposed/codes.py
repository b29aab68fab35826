"""What the proposed encoder is told about a band and about an acquisition, as vectors.

Of a band, an exactly additive code of its spectral response, and its sampling distance:
phi(S) = [integral S(l) sin(w_k u) dl, integral S(l) cos(w_k u) dl] with u = ln(l / 400 nm). Wide bands lose the fast
oscillations by themselves, the code of a mixture of bands is the mixture of their codes, and one logarithmic axis
covers blue to thermal.

Of an acquisition, sun, view and day of the year. Angles and days enter by sines and cosines, so that a year and a turn
close. Each kind of fact has a flag that says that it is absent, whose weights are what is learned to stand for it. The
facts of some training samples are hidden, or nothing would be learned of absence where every item says all.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from anyband.models.core.network import linear
from anyband.observation import SCENE
from anyband.sensors import Band, BandSet, SpectralResponse
from anyband.sensors.band import QUANTITIES

REFERENCE_NM = 400.0
SHORTEST_PERIOD = 0.06  # in ln(wavelength): about two thirds of the distance from red to near infrared / 10
LONGEST_PERIOD = 2 * math.log(14_000.0 / REFERENCE_NM)  # one sign change between blue and the far thermal end
FREQUENCIES = 32


def angular_frequencies() -> np.ndarray:
    """Angular frequencies (K,) float64 in radians per unit of ln(wavelength), periods evenly spaced in logarithm."""
    periods = np.geomspace(SHORTEST_PERIOD, LONGEST_PERIOD, FREQUENCIES)
    return np.asarray(2 * math.pi / periods)


def spectral_code(response: SpectralResponse) -> np.ndarray:
    """Code (2 K,) float64 of a spectral response: sines, then cosines."""
    # A wide band sampled coarsely would alias the fastest frequency, so integrate on at least 200 steps.
    fine = np.linspace(response.wavelength_nm[0], response.wavelength_nm[-1], max(200, 2 * len(response.weight)))
    weight = np.interp(fine, response.wavelength_nm, response.weight)
    angle = angular_frequencies()[:, None] * np.log(fine / REFERENCE_NM)
    area = np.trapezoid(weight, fine)
    return np.concatenate([np.trapezoid(weight * wave(angle), fine, axis=1) / area for wave in (np.sin, np.cos)])


CODE_SIZE = 2 * FREQUENCIES + len(QUANTITIES) + 2


class BandCodes:
    """Codes of bands, computed once per distinct band."""

    def __init__(self, cell_m: float) -> None:
        """Sampling distances are told relative to the cell of `cell_m` metres."""
        self.cell_m = cell_m
        self._known: dict[tuple[Band, bool], np.ndarray] = {}

    def one(self, band: Band, *, gaussian: bool = False) -> np.ndarray:
        """Code (CODE_SIZE,) of a band: spectral code, quantity, ln(FWHM / centre), ln(GSD / cell).

        `gaussian` describes the response by its centre and width alone, as most catalogues do.
        """
        key = (band, gaussian)
        if key not in self._known:
            response = band.response
            if gaussian:
                response = SpectralResponse.gaussian(response.centre_nm, response.fwhm_nm)
            quantity = [float(band.quantity == name) for name in QUANTITIES]
            width = math.log(response.fwhm_nm / response.centre_nm)
            scale = math.log(band.gsd_m / self.cell_m)
            self._known[key] = np.concatenate([spectral_code(response), quantity, [width / 3, scale]])
        return self._known[key]

    def of(self, band_sets: Sequence[BandSet], device: torch.device, *, gaussian: bool = False) -> Tensor:
        """Codes (sets, C, CODE_SIZE) float32 of several descriptions of the same channels."""
        table = np.array([[self.one(band, gaussian=gaussian) for band in band_set] for band_set in band_sets])
        return torch.from_numpy(table.astype(np.float32)).to(device)


class BandWeights(nn.Module):
    """Hyper-network: the code of a band gives the weights and the bias with which its values enter the features."""

    def __init__(self, features: int, hidden: int) -> None:
        """`features` weights and `features` biases per band through one hidden layer of `hidden`."""
        super().__init__()
        last = linear(hidden, 2 * features)
        with torch.no_grad():
            last.weight[features:] *= 0.1  # biases, which are alike for all scenes, start small
        self.layers = nn.Sequential(linear(CODE_SIZE, hidden), nn.GELU(), linear(hidden, hidden), nn.GELU(), last)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and biases, each (..., features), of codes (..., CODE_SIZE)."""
        weight, bias = self.layers(codes).chunk(2, dim=-1)
        return weight, bias


HIDDEN_CHANCE = 0.3
YEAR_DAYS = 365.25
VALUES, FLAGS = 6, 4


class SceneCode(nn.Module):
    """A vector (B, E) for acquisitions of which `scene` (B, 4) is known, in the order of `SCENE`."""

    def __init__(self, width: int) -> None:
        """`width` is E."""
        super().__init__()
        self.weigh = linear(VALUES + FLAGS, width, gain=0.1)

    def forward(self, scene: Tensor) -> Tensor:
        """The vectors; in training, those of a random part of the samples are that of nothing known."""
        if self.training:
            hidden = torch.rand(len(scene), 1) < HIDDEN_CHANCE
            scene = scene.masked_fill(hidden.to(scene.device), math.nan)
        vector: Tensor = self.weigh(encoded(scene))
        return vector


def encoded(scene: Tensor) -> Tensor:
    """Facts (B, 4) as numbers (B, 10) about one: values, 0 where absent, and for each kind a flag that is 1 there.

    Kinds are the height of the sun, the direction of its light over ground (which needs both of its angles), the day of
    the year, and the view.
    """
    facts = dict(zip(SCENE, scene.unbind(-1), strict=True))
    sun, azimuth, view = (facts[name].deg2rad() for name in ("sun_zenith", "sun_azimuth", "view_zenith"))
    day = facts["day_of_year"] * (2 * math.pi / YEAR_DAYS)
    kinds = (
        (sun.cos(),),
        (sun.sin() * azimuth.sin(), sun.sin() * azimuth.cos()),
        (day.sin(), day.cos()),
        (view.cos(),),
    )
    absent = [values[0].isnan().float() for values in kinds]
    return torch.stack([*(value.nan_to_num(0.0) for values in kinds for value in values), *absent], dim=-1)
