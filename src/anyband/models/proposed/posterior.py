"""The spectral posterior: what the bands of an acquisition say about the spectrum, whichever bands they are.

The spectrum of a pixel is described by its values z at knots, the wavelengths of the training bands, with the mean and
covariance N(mu, Sigma) of training pixels. A band b measures y_b = a_b z + e_b: a_b reads the spectrum between the
knots through the band's spectral response, and the variance of e_b grows with what the knots leave unknown there. With
A the rows a_b and R the variances of e_b on the diagonal,

    E[z | y] = mu + Sigma A^T (A Sigma A^T + R)^-1 (y - A mu)
    Var[z | y] = Sigma - Sigma A^T (A Sigma A^T + R)^-1 A Sigma

(Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, equations 2.23 and 2.24). Both are given along
the principal axes of the training spectra, each scaled to variance 1 (Kessy et al. 2018, The American Statistician
72(4), PCA whitening), so that a contrast between bands counts as much as brightness. A few numbers per pixel come out
whatever the number of bands, and a band that training knows nothing about changes them little.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyband.models.core.normalisation import BandMoments, Floats, Statistics, conditional, whitening
from anyband.sensors import Band, SpectralResponse
from anyband.sensors.band import REFLECTANCE

WAVELENGTH_NM: Floats = np.arange(380.0, 2601.0, 5.0)
KNOT_DISTANCE = 0.03  # in ln(wavelength): like bands of two sensors are one knot, neighbours of one sensor are two
LENGTH = 0.3  # correlation length in ln(wavelength) of what knots leave unknown
CONTRAST = 0.3  # share of a band's variance that is not brightness, which knots at any distance tell


@dataclass(frozen=True)
class Conversion:
    """From the bands of an acquisition to whitened knots.

    Attributes:
        centre: (C,) float32, what the prior expects of each band, in its unit.
        gain: (C, K) float32, for values minus `centre`; 0 for a band that says nothing.
        known: (K,) float32 in [0, 1], the share of each axis's prior variance that the bands explain.
    """

    centre: NDArray[np.float32]
    gain: NDArray[np.float32]
    known: NDArray[np.float32]


class SpectralPosterior:
    """Prior over spectra from training pixels, and conversions under it, each computed once.

    Attributes:
        size: number of knots K.
    """

    def __init__(self, statistics: Statistics, noise: float, *, whiten: bool = True) -> None:
        """Prior of `statistics`; `noise` is the standard deviation of a band's error over that of its values.

        Without `whiten` what comes out is along the knots themselves, each scaled to variance 1.
        """
        chosen = knots(statistics.bands)
        self.noise, self.size = noise, len(chosen)
        self.knots = [statistics.bands[i] for i in chosen]
        self.mean: Floats = np.array([knot.mean for knot in self.knots])
        covariance = np.asarray(statistics.covariance, dtype=np.float64)[np.ix_(chosen, chosen)]
        self.covariance, axes, _ = whitening(covariance)
        self.whiten: Floats = axes if whiten else np.diag(1 / np.sqrt(np.diag(self.covariance)))
        self._known: dict[tuple[tuple[Band, ...], bytes, bool], Conversion] = {}
        self._rows: dict[tuple[Band, bool], tuple[Floats, float]] = {}

    def conversion(self, bands: tuple[Band, ...], seen: NDArray[np.bool_], *, gaussian: bool = False) -> Conversion:
        """Conversion of pixels with a value in those of `bands` where `seen` (C,) is true.

        `gaussian` describes responses by centre and width alone, as most catalogues do.
        """
        key = bands, seen.tobytes(), gaussian
        if key not in self._known:
            self._known[key] = self._convert([self._read(band, gaussian) for band in bands], seen)
        return self._known[key]

    def reading(self, bands: tuple[Band, ...]) -> tuple[Floats, Floats]:
        """How bands read whitened knots, (C, K), and what they have at the mean spectrum, (C,).

        A band that the knots say nothing of has a row of 0.
        """
        rows = np.array([self._read(band, gaussian=False)[0] for band in bands])
        return rows @ np.linalg.inv(self.whiten), rows @ self.mean

    def _convert(self, read: list[tuple[Floats, float]], seen: NDArray[np.bool_]) -> Conversion:
        rows, unknown = np.array([row for row, _ in read]), np.array([share for _, share in read])
        gain, known = np.zeros((len(rows), self.size)), np.zeros(self.size)
        told = np.flatnonzero(rows.any(axis=1) & seen)
        if len(told):
            noise = self.noise**2 + CONTRAST * unknown[told]
            solved, explained = conditional(self.covariance, rows[told], self.whiten, noise)
            gain[told], known = solved.T, np.clip(explained, 0.0, 1.0)
        return Conversion(*(part.astype(np.float32) for part in (rows @ self.mean, gain, known)))

    def _read(self, band: Band, gaussian: bool) -> tuple[Floats, float]:
        """How a band reads the knots (K,), 0 where they say nothing of it, and the share that they leave unknown."""
        if (band, gaussian) not in self._rows:
            response = band.response
            if gaussian:
                response = SpectralResponse.gaussian(response.centre_nm, response.fwhm_nm)
            self._rows[band, gaussian] = self._interpolate(band.quantity, response)
        return self._rows[band, gaussian]

    def _interpolate(self, quantity: str, response: SpectralResponse) -> tuple[Floats, float]:
        """Weights by kriging with an exponential kernel in ln(wavelength), seen through the response."""
        row = np.zeros(self.size)
        same = [i for i, knot in enumerate(self.knots) if knot.quantity == quantity]
        if quantity != REFLECTANCE:
            row[same[:1]] = 1.0
            return row, 0.0
        try:
            share = response.quadrature(WAVELENGTH_NM)
        except ValueError:  # outside the range of wavelengths
            return row, 1.0
        on = share > 0
        share, place = share[on], np.log(WAVELENGTH_NM[on])
        at = np.array([math.log(self.knots[i].centre_nm) for i in same])
        across = share @ kernel(place, at)
        weight = np.linalg.solve(kernel(at, at), across)
        row[same] = weight / weight.sum()  # a spectrum that is the same everywhere is read as it is
        return row, max(float(share @ kernel(place, place) @ share - weight @ across), 0.0)


def kernel(first: Floats, second: Floats) -> Floats:
    """Correlation (M, N) of wavelengths given as logarithms (M,) and (N,)."""
    return np.exp(-np.abs(np.subtract.outer(first, second)) / LENGTH)


def knots(bands: tuple[BandMoments, ...]) -> list[int]:
    """Indices of the bands that are knots: in their order, each that is not like one before it."""
    chosen: list[int] = []
    for index, band in enumerate(bands):
        like = [
            other
            for other in (bands[i] for i in chosen)
            if other.quantity == band.quantity
            and (band.quantity != REFLECTANCE or abs(math.log(other.centre_nm / band.centre_nm)) < KNOT_DISTANCE)
        ]
        if not like:
            chosen.append(index)
    return chosen
