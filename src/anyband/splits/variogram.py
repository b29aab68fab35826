"""How far labels resemble each other: the range beyond which a place says nothing more about its neighbour."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anyband.ground import Array
from anyband.landcover import LABEL_PIXEL_M, NO_LABEL

_STRIDE = 3
"""Labels are compared on every third pixel (30 m); shorter lags do not matter for blocks of kilometres."""


@dataclass(frozen=True)
class Variogram:
    """Share of differing label pairs by lag, and the practical range of the exponential model through it.

    Attributes:
        lag_m: (L,) metres.
        disagreement: (L,) share of pixel pairs whose classes differ = sum of the indicator semivariograms.
        range_m: lag at which the model reaches 95 % of its sill; infinite when it never turns within the data.
    """

    lag_m: Array
    disagreement: Array
    range_m: float


def label_variogram(mosaics: Sequence[Array]) -> Variogram | None:
    """Pooled variogram of label rasters (y, x) uint8 of 10 m, 0 = none; None when they hold no pair of pixels.

    Args:
        mosaics: one raster per site; pairs are taken along rows and columns within a site.
    """
    coarse = [mosaic[::_STRIDE, ::_STRIDE] for mosaic in mosaics]
    longest = max((min(raster.shape) for raster in coarse), default=0) // 2
    lags = np.unique(np.geomspace(1, max(longest, 1), 24).astype(int))
    differing, pairs = np.zeros(len(lags)), np.zeros(len(lags))
    for raster in coarse:
        for index, lag in enumerate(lags):
            for here, there in ((raster[lag:], raster[:-lag]), (raster[:, lag:], raster[:, :-lag])):
                labelled = (here != NO_LABEL) & (there != NO_LABEL)
                pairs[index] += labelled.sum()
                differing[index] += (labelled & (here != there)).sum()
    used = pairs > 0
    if used.sum() < 4:
        return None
    lag_m = lags[used] * float(_STRIDE * LABEL_PIXEL_M)
    disagreement = differing[used] / pairs[used]
    return Variogram(lag_m, disagreement, exponential_range(lag_m, disagreement))


def exponential_range(lag_m: Array, disagreement: Array) -> float:
    """Practical range `a` in metres of nugget + sill (1 - exp(-3 h / a)), least squares with both not negative.

    Infinite when the best range is beyond twice the longest lag: then the data show no levelling off.
    """
    from scipy.optimize import nnls

    limit = 2.0 * float(lag_m.max())
    candidates = np.geomspace(lag_m.min(), 1.05 * limit, 160)
    misfit = []
    for candidate in candidates:
        design = np.stack([np.ones_like(lag_m), 1 - np.exp(-3 * lag_m / candidate)], axis=1)
        misfit.append(nnls(design, disagreement)[1])
    best = float(candidates[int(np.argmin(misfit))])
    return best if best < limit else float("inf")
