"""Bands with their spectral responses, and sensors, as small value types that travel with the data."""

import math
from collections.abc import Iterator, Sequence
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
    """

    wavelength_nm: Floats
    weight: Floats

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
        return cls(wavelength, weight)

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
        return SpectralResponse(self.wavelength_nm + shift_nm, self.weight)


def superpose(responses: Sequence[SpectralResponse], shares: Sequence[float]) -> SpectralResponse:
    """Response of the weighted mean of several bands; `shares` are made to sum to 1."""
    grid = np.unique(np.concatenate([response.wavelength_nm for response in responses]))
    total = sum(shares)
    weight = sum(
        share / total * np.interp(grid, response.wavelength_nm, response.weight, left=0.0, right=0.0)
        for response, share in zip(responses, shares, strict=True)
    )
    return SpectralResponse(grid, np.asarray(weight))


REFLECTANCE = "surface_reflectance"
TEMPERATURE = "surface_temperature"
QUANTITIES = (REFLECTANCE, TEMPERATURE)

CONCEPT_NM = {
    "coastal": 443.0, "blue": 490.0, "green": 560.0, "red": 665.0, "red_edge_1": 705.0, "red_edge_2": 740.0,
    "red_edge_3": 783.0, "nir_broad": 833.0, "nir_narrow": 865.0, "swir1": 1610.0, "swir2": 2200.0,
}  # fmt: skip
"""What bands of reflectance measure, with the wavelength that stands for it, nm; the rounded centres of Sentinel-2.

`water_vapour` is missing on purpose: only a band that was placed in the absorption measures it, and says so itself.
"""


def nearest_concept(centre_nm: float) -> str:
    """The concept nearest in wavelength, for a band of a sensor whose description names none."""
    return min(CONCEPT_NM, key=lambda concept: abs(CONCEPT_NM[concept] - centre_nm))


@dataclass(frozen=True)
class Band:
    """One band of one platform.

    Attributes:
        name: the product's own name ("B8A", "nir08").
        concept: what it measures across sensors ("nir_narrow"), for correspondence between sensors; several bands of
            one sensor may share it.
        response: spectral response, nm.
        gsd_m: effective ground sampling distance, m (60 for an HLS S30 B01 on its 30 m grid).
        pixel_m: spacing of the delivered pixels, m.
        quantity: "surface_reflectance" (unit 1) or "surface_temperature" (K).
    """

    name: str
    concept: str
    response: SpectralResponse
    gsd_m: float
    pixel_m: float
    quantity: str = REFLECTANCE

    def __post_init__(self) -> None:
        """Refuse sizes that are not positive and unknown quantities.

        Raises:
            ValueError: with the band's name.
        """
        if not (self.gsd_m > 0 and self.pixel_m > 0):
            raise ValueError(f"band {self.name}: gsd_m and pixel_m must be positive metres")
        if self.quantity not in QUANTITIES:
            raise ValueError(f"band {self.name}: quantity {self.quantity!r} is none of {', '.join(QUANTITIES)}")


@dataclass(frozen=True)
class BandSet:
    """The bands of one acquisition that share one pixel grid, in the order of the data's channels."""

    platform: str
    bands: tuple[Band, ...]

    def __len__(self) -> int:
        """Number of bands."""
        return len(self.bands)

    def __iter__(self) -> Iterator[Band]:
        """The bands in channel order."""
        return iter(self.bands)

    def select(self, indices: tuple[int, ...]) -> "BandSet":
        """The bands at `indices`, in that order."""
        return BandSet(self.platform, tuple(self.bands[index] for index in indices))


@dataclass(frozen=True)
class Sensor:
    """A platform's product: all bands it delivers."""

    product: str
    platform: str
    bands: tuple[Band, ...]

    def band(self, name: str) -> Band:
        """The band called `name`.

        Raises:
            KeyError: with the platform's name and its bands.
        """
        for band in self.bands:
            if band.name == name:
                return band
        raise KeyError(f"{self.product} of {self.platform} has no band {name!r}; it has {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all bands."""
        return tuple(band.name for band in self.bands)

    def band_set(self, names: tuple[str, ...]) -> BandSet:
        """The bands called `names`, in that order.

        Raises:
            ValueError: the bands do not share one pixel spacing.
        """
        bands = tuple(self.band(name) for name in names)
        if len({band.pixel_m for band in bands}) > 1:
            raise ValueError(f"bands {', '.join(names)} of {self.platform} lie on different pixel grids")
        return BandSet(self.platform, bands)

    def groups(self, names: tuple[str, ...] | None = None) -> dict[float, BandSet]:
        """Bands grouped by pixel spacing in m, finest first; `names` restricts and orders them."""
        chosen = [self.band(name) for name in names] if names else list(self.bands)
        spacings = sorted({band.pixel_m for band in chosen})
        return {m: BandSet(self.platform, tuple(b for b in chosen if b.pixel_m == m)) for m in spacings}
