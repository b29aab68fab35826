"""Statistics of the training pixels that models keep: per band for fixed inputs, over wavelength for any input."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.sensors import Band

# Bands closer than this in ln(wavelength) are averaged: 13 nm in the red, the distance of like bands of two sensors.
SMOOTHING = 0.02
NUGGET = 1e-4
"""Of a band's variance, added to covariances before they are inverted: contrasts of nearly alike bands stay finite."""

Floats = NDArray[np.float64]


def whitening(covariance: Floats, nugget: float = NUGGET) -> tuple[Floats, Floats, Floats]:
    """What makes bands (C,) uncorrelated with variance 1 (Kessy et al. 2018, The American Statistician 72(4)).

    Returns:
        The covariance (C, C) with the nugget on its diagonal; the matrix (C, C) that turns bands about their mean into
        the scaled principal axes of their correlation (PCA-cor whitening); and those axes (C, C), which turn them back
        onto the bands (times that matrix: ZCA-cor whitening, whose outputs are each nearest to one band).
    """
    variance = np.diag(covariance).clip(1e-12)
    with_nugget = covariance + np.diag(nugget * variance)
    spread = np.sqrt(variance)
    values, axes = np.linalg.eigh(with_nugget / np.outer(spread, spread))
    return with_nugget, (axes / np.sqrt(values.clip(nugget / 2))).T / spread, axes


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

    def covariance_of(self, product: str, bands: Sequence[Band | BandMoments]) -> Floats:
        """Covariance (C, C) of bands of a product: as measured between those of training, blended for all others."""
        places = {(entry.product, entry.name): place for place, entry in enumerate(self.bands)}
        rows = np.zeros((len(bands), len(self.covariance)))
        for row, band in zip(rows, bands, strict=True):
            if (place := places.get((product, band.name))) is not None:
                row[place] = 1.0
            elif isinstance(band, Band):
                same, shares = self._blend(band)
                row[same] = shares
        found: Floats = rows @ np.asarray(self.covariance) @ rows.T
        return found

    def at(self, band: Band) -> tuple[float, float]:
        """Mean and standard deviation expected for any band, from its centre wavelength and quantity alone.

        Training bands are blended with weights that fall with the fourth power of the distance in ln(wavelength), so a
        training band keeps its own values and the way from one to the next is smooth. Bands of a quantity that
        training lacks are left as they are.
        """
        same, weight = self._blend(band)
        if not same:
            return 0.0, 1.0
        mean, std = ([getattr(self.bands[place], name) for place in same] for name in ("mean", "std"))
        return float(weight @ mean), float(weight @ std)

    def _blend(self, band: Band) -> tuple[list[int], Floats]:
        """Places of the bands of the same quantity, and the share that each has in what is expected of `band`."""
        same = [place for place, entry in enumerate(self.bands) if entry.quantity == band.quantity]
        distance = np.array([math.log(self.bands[place].centre_nm / band.response.centre_nm) for place in same])
        weight = (distance**2 + SMOOTHING**2) ** -2.0
        return same, weight / weight.sum()
