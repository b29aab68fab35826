"""What a model is told about a band: an exactly additive code of its spectral response, and its sampling distance.

phi(S) = [integral S(l) sin(w_k u) dl, integral S(l) cos(w_k u) dl] with u = ln(l / 400 nm). Wide bands lose the fast
oscillations by themselves, the code of a mixture of bands is the mixture of their codes, and one logarithmic axis
covers blue to thermal.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from anyband.models.core.layers import linear
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
