"""Statistics of the training pixels that models keep: per band for fixed inputs, over wavelength for any input."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.sensors import Band

# Bands closer than this in ln(wavelength) are averaged: 13 nm in the red, the distance of like bands of two sensors.
SMOOTHING = 0.02


Floats = NDArray[np.float64]


def conditional(covariance: Floats, seen: Floats, wanted: Floats, noise: Floats | float) -> tuple[Floats, Floats]:
    """Gaussian inference of linear functionals of a spectrum from others, by their rows over its N values.

    Gain = W K A^T (A K A^T + R)^-1 and explained variance diag(gain A K W^T), with K `covariance` (N, N), A `seen`
    (C, N), W `wanted` (V, N) and R diagonal, `noise` (C,) times the variance of each of A (Rasmussen and Williams 2006,
    Gaussian Processes for Machine Learning, equations 2.23 and 2.24).

    Returns:
        Gain (V, C) and explained variance (V,).
    """
    across, within = wanted @ covariance @ seen.T, seen @ covariance @ seen.T
    within[np.diag_indices(len(seen))] *= 1 + noise
    gain = np.asarray(np.linalg.solve(within, across.T).T, dtype=np.float64)
    return gain, (gain * across).sum(axis=1)


@dataclass(frozen=True)
class BandMoments:
    """Mean and standard deviation of one band over the valid training pixels, in the band's own unit."""

    product: str
    name: str
    centre_nm: float
    quantity: str
    mean: float
    std: float


@dataclass(frozen=True)
class Statistics:
    """All that a model keeps of its training data besides weights.

    Attributes:
        bands: one entry per band of every training product, products and bands in the data's order.
        label_counts: training pixels per class, in the order of the model's classes.
        covariance: of all `bands` over ground that all of them saw, in the units of both bands; rows as `bands`.
    """

    bands: tuple[BandMoments, ...]
    label_counts: tuple[int, ...]
    covariance: tuple[tuple[float, ...], ...]

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Statistics":
        """Inverse of `as_dict`."""
        bands = tuple(BandMoments(**entry) for entry in document["bands"])
        covariance = tuple(tuple(row) for row in document["covariance"])
        return cls(bands, tuple(document["label_counts"]), covariance)

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, for JSON."""
        return {
            "bands": [asdict(band) for band in self.bands],
            "label_counts": list(self.label_counts),
            "covariance": [list(row) for row in self.covariance],
        }

    def of(self, products: Iterable[str]) -> tuple[BandMoments, ...]:
        """Entries of `products`, in the order of `products`."""
        return tuple(band for product in products for band in self.bands if band.product == product)

    def at(self, band: Band) -> tuple[float, float]:
        """Mean and standard deviation expected for any band, from its centre wavelength and quantity alone.

        Training bands are blended with weights that fall with the fourth power of the distance in ln(wavelength), so a
        training band keeps its own values and the way from one to the next is smooth. Bands of a quantity that
        training lacks are left as they are.
        """
        same = [entry for entry in self.bands if entry.quantity == band.quantity]
        if not same:
            return 0.0, 1.0
        distance = np.array([math.log(entry.centre_nm / band.response.centre_nm) for entry in same])
        weight = (distance**2 + SMOOTHING**2) ** -2.0
        weight /= weight.sum()
        return float(weight @ [entry.mean for entry in same]), float(weight @ [entry.std for entry in same])
