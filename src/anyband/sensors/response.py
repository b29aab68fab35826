"""The spectral response of a band: how much it weighs each wavelength."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# FWHM of a Gaussian in units of its standard deviation: 2 sqrt(2 ln 2).
FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


@dataclass(frozen=True, eq=False)
class SpectralResponse:
    """Relative response over wavelength, normalised to area 1.

    Attributes:
        wavelength_nm: (W,) float64, strictly increasing, nm.
        weight: (W,) float64, 1/nm, integrates to 1 by the trapezium rule.
        source: "measured" (table), or "gaussian" (from centre and FWHM).
    """

    wavelength_nm: Floats
    weight: Floats
    source: str = "measured"

    def __post_init__(self) -> None:
        """Check the table and scale it to area 1.

        Raises:
            ValueError: wavelengths not increasing, shapes differ, or no positive area.
        """
        wavelength = np.asarray(self.wavelength_nm, dtype=np.float64)
        weight = np.asarray(self.weight, dtype=np.float64)
        if wavelength.shape != weight.shape or wavelength.ndim != 1 or wavelength.size < 2:
            raise ValueError("a spectral response needs two equal, one-dimensional columns of two or more rows")
        if not (np.diff(wavelength) > 0).all():
            raise ValueError("wavelengths of a spectral response must increase")
        area = np.trapezoid(weight, wavelength)
        if not area > 0:
            raise ValueError("a spectral response must have a positive area")
        object.__setattr__(self, "wavelength_nm", wavelength)
        object.__setattr__(self, "weight", weight / area)

    @classmethod
    def gaussian(cls, centre_nm: float, fwhm_nm: float) -> "SpectralResponse":
        """A Gaussian response from centre and full width at half maximum, both nm, cut at 4 sigma."""
        sigma = fwhm_nm / FWHM_PER_SIGMA
        wavelength = centre_nm + np.linspace(-4.0, 4.0, 81) * sigma
        weight = np.exp(-0.5 * ((wavelength - centre_nm) / sigma) ** 2)
        return cls(wavelength, weight, source="gaussian")

    @cached_property
    def centre_nm(self) -> float:
        """Response-weighted mean wavelength, nm."""
        return float(np.trapezoid(self.weight * self.wavelength_nm, self.wavelength_nm))

    @cached_property
    def fwhm_nm(self) -> float:
        """Distance between the outermost half-maximum crossings, nm."""
        half = self.weight.max() / 2
        above = np.flatnonzero(self.weight >= half)
        return self._crossing(above[-1], +1, half) - self._crossing(above[0], -1, half)

    def _crossing(self, index: int, step: int, half: float) -> float:
        """Wavelength at which the response falls to `half` next to `index`, by linear interpolation."""
        neighbour = index + step
        here = float(self.wavelength_nm[index])
        if not 0 <= neighbour < self.weight.size:
            return here
        fall = self.weight[index] - self.weight[neighbour]
        share = (self.weight[index] - half) / fall if fall > 0 else 0.0
        return here + float(share) * (float(self.wavelength_nm[neighbour]) - here)

    def mean(self, wavelength_nm: Floats, values: Floats) -> Floats:
        """Band value of spectra: the response-weighted mean.

        Args:
            wavelength_nm: (W,) nm, where the spectra are given.
            values: (..., W) spectra, any unit.

        Returns:
            (...,) band values in the unit of `values`.
        """
        return np.asarray(values @ self.quadrature(wavelength_nm))

    def quadrature(self, wavelength_nm: Floats) -> Floats:
        """Weights (W,) that sum to 1 and turn spectra on `wavelength_nm` (nm) into band values.

        The response is integrated over the linear interpolation of the spectrum, so a narrow band on a coarse
        spectral grid loses nothing.

        Raises:
            ValueError: less than 90 % of the response lies inside the range of `wavelength_nm`.
        """
        grid = np.asarray(wavelength_nm, dtype=np.float64)
        fine = np.union1d(self.wavelength_nm, grid)
        fine = fine[(fine >= grid[0]) & (fine <= grid[-1])]
        response = np.interp(fine, self.wavelength_nm, self.weight, left=0.0, right=0.0)
        step = np.gradient(fine) if fine.size > 1 else np.zeros(1)
        step[[0, -1]] /= 2
        mass = response * step
        if mass.sum() < 0.9:
            span = f"{grid[0]:.0f}-{grid[-1]:.0f} nm"
            raise ValueError(f"band at {self.centre_nm:.0f} nm lies outside the spectra's {span}")
        right = np.clip(np.searchsorted(grid, fine, side="right"), 1, grid.size - 1)
        share = (fine - grid[right - 1]) / (grid[right] - grid[right - 1])
        weights = np.bincount(right - 1, mass * (1 - share), grid.size) + np.bincount(right, mass * share, grid.size)
        return np.asarray(weights / weights.sum())

    def shifted(self, shift_nm: float) -> "SpectralResponse":
        """The same response moved by `shift_nm` towards longer wavelengths."""
        return SpectralResponse(self.wavelength_nm + shift_nm, self.weight, self.source)


def superpose(responses: Sequence[SpectralResponse], shares: Sequence[float]) -> SpectralResponse:
    """Response of the weighted mean of several bands; `shares` are made to sum to 1."""
    grid = np.unique(np.concatenate([response.wavelength_nm for response in responses]))
    total = sum(shares)
    weight = sum(
        share / total * np.interp(grid, response.wavelength_nm, response.weight, left=0.0, right=0.0)
        for response, share in zip(responses, shares, strict=True)
    )
    return SpectralResponse(grid, np.asarray(weight), source="measured")
