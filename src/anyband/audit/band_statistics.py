"""Statistics of two bands on common cells, and which cells are stable ground."""

from typing import Any

import numpy as np

from anyband.ground import Array

STEEPEST = 0.2
"""Share of the cells with the strongest local contrast that is left out: there, registration decides the difference."""
OUTLIER = 4.0
"""Residuals beyond so many robust deviations in any band count as change (harvest, missed cloud, flood)."""
ROUNDS = 3
SATURATED = 1.599
"""End of the range of Landsat's integers (1.602) and of LaSRC; nothing on the ground reflects so much."""


def relation(x: Array, y: Array) -> dict[str, float]:
    """How y follows x: number, means, deviations, bias y - x, RMSE, r, and the lines by OLS and reduced major axis.

    Figures that need variation are left out where x or y is constant.
    """
    found = {
        "n": int(x.size),
        "mean_first": float(x.mean()),
        "mean_second": float(y.mean()),
        "bias": float((y - x).mean()),
        "rmse": float(np.sqrt(((y - x) ** 2).mean())),
    }
    deviation_x, deviation_y = float(x.std()), float(y.std())
    found |= {"std_first": deviation_x, "std_second": deviation_y}
    if min(deviation_x, deviation_y) < 1e-6:
        return found
    r = float(((x - x.mean()) * (y - y.mean())).mean() / (deviation_x * deviation_y))
    ratio = deviation_y / deviation_x
    major = ratio if r >= 0 else -ratio
    return found | {
        "r": r,
        "slope": r * ratio,
        "intercept": float(y.mean() - r * ratio * x.mean()),
        "rma_slope": major,
        "rma_intercept": float(y.mean() - major * x.mean()),
        "std_ratio": ratio,
    }


def stable_cells(first: Array, second: Array, clear: Array) -> Array:
    """Clear cells away from edges whose difference is that of most cells.

    Args:
        first: (band, rows, cols) bands of one product, NaN where there is nothing.
        second: the corresponding bands of the other.
        clear: (rows, cols) bool, clear in both products.

    Returns:
        (rows, cols) bool.
    """
    usable = clear & np.isfinite(first).all(axis=0) & np.isfinite(second).all(axis=0)
    steep = np.zeros(clear.shape)
    for image in (*first, *second):
        down, right = np.gradient(np.where(clear, image, np.nan))  # NaN beside clouds and gaps, which go too
        steep += np.hypot(down, right) / max(float(np.nanstd(image[usable])) if usable.any() else 0.0, 1e-6)
    usable &= np.isfinite(steep)
    if not usable.any():
        return usable
    usable &= steep <= np.quantile(steep[usable], 1 - STEEPEST)
    keep = np.ones(int(usable.sum()), bool)
    x, y = first[:, usable], second[:, usable]
    for _ in range(ROUNDS):
        if keep.sum() < 3:
            break
        keep = np.max([_outlyingness(a, b, keep) for a, b in zip(x, y, strict=True)], axis=0) < OUTLIER
    usable[usable] = keep
    return usable


def _outlyingness(x: Array, y: Array, keep: Array) -> Array:
    """Distance of every cell from the line through the kept ones, in robust deviations."""
    found = relation(x[keep], y[keep])
    slope = found.get("slope", 0.0)
    residual = y - slope * x
    residual -= np.median(residual[keep])
    # 0.0005: differences below the products' own precision are no change.
    deviation = 1.4826 * float(np.median(np.abs(residual[keep]))) + 5e-4
    return np.asarray(np.abs(residual) / deviation)


def levels(values: Array) -> dict[str, Any]:
    """Of clear pixels (NaN elsewhere): number, shares below zero and saturated, 1st percentile and median."""
    pixels = values[np.isfinite(values)]
    if not pixels.size:
        return {"pixels": 0}
    dark, middle = np.percentile(pixels, (1, 50))
    return {
        "pixels": int(pixels.size),
        "negative": float((pixels < 0).mean()),
        "saturated": float((pixels >= SATURATED).mean()),
        "dark": float(dark),
        "median": float(middle),
    }
