"""All figures of one pair of scenes, measured on its mosaic, without a verdict."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from anyband.audit import hypotheses
from anyband.audit.hypotheses import COMPARISONS, MIN_CELLS, MIN_SHIFT_PIXELS, MIN_STABLE, ComparedBands
from anyband.audit.mosaic import PairImages, area_means
from anyband.audit.shift import find_shift
from anyband.ground import Array

Images = dict[tuple[str, str], Array]
"""Clear bands on one grid by (product, band): (rows, cols) float32, NaN where any part is not clear or not covered."""


def measure(pair: PairImages) -> dict[str, Any]:
    """Statistics, evidence and shifts of one pair.

    Returns:
        `products`: levels by product and band; `same_pixels`: pairs of bands by product; `comparisons`: by name, see
        `_compare`; `offset`: evidence on the offset of Sentinel-2 and the decision.

    Raises:
        UserError: the store is damaged.
    """
    compared = [c for c in COMPARISONS if {c.first, c.second} <= set(pair.products)]
    cells: Images = {}
    fine: dict[str, Images] = {c.name: {} for c in compared}
    products: dict[str, dict[str, Any]] = {}
    for product in pair.products:
        products[product] = {}
        for band, grid, clear in pair.clear_bands(product):
            products[product][band] = levels(clear)
            cells[product, band] = area_means(clear, grid, pair.cells).astype(np.float32)
            for c in compared:
                if any((product, band) in ((c.first, x), (c.second, y)) for x, y in c.bands.items()):
                    target = pair.quality_grids[c.second]
                    fine[c.name][product, band] = area_means(clear, grid, target).astype(np.float32)
    found = {c.name: _compare(c, pair, fine[c.name]) | {"shift": _shift(c, pair, fine[c.name])} for c in compared}
    return {
        "products": products,
        "same_pixels": {product: _same_pixels(product, cells) for product in pair.products},
        "comparisons": found,
        "offset": _offset(products.get("sentinel2", {}), found),
    }


def _stacks(c: ComparedBands, images: Images, wanted: Iterable[str]) -> tuple[list[str], Array, Array]:
    """Both products' bands (band, rows, cols) and their names in the first; bands without any pixel are left out."""
    keys = {x: ((c.first, x), (c.second, y)) for x, y in c.bands.items() if x in wanted}
    names = [x for x, both in keys.items() if all(key in images and np.isfinite(images[key]).any() for key in both)]
    if not names:
        nothing = np.empty((0, 0, 0))
        return [], nothing, nothing
    stack = np.stack([[images[key] for key in keys[x]] for x in names], axis=1).astype(np.float64)
    return names, stack[0], stack[1]


def _compare(c: ComparedBands, pair: PairImages, images: Images) -> dict[str, Any]:
    """Relations of all bands on clear and on stable cells, and what they say about the metadata.

    The first product has been averaged over the pixels of the second; both are averaged from there to 60 m cells, so
    that the half pixel between their grids smooths both alike.

    Returns:
        `cells`, `stable_cells`; with enough of them `bands` (by name in the first product: `clear`, `stable`,
        `difference` = median of second - first on stable cells), `line` of all bands together, `highest_r`,
        `exchanged` and `lone` bands.
    """
    names, *fine = _stacks(c, images, c.bands)
    if not names:
        return {"cells": 0, "stable_cells": 0}
    grid = pair.quality_grids[c.second]
    first, second = (np.stack([area_means(band, grid, pair.cells) for band in bands]) for bands in fine)
    clear = np.isfinite(first + second).all(axis=0)
    stable = stable_cells(first, second, clear)
    counts = {"cells": int(clear.sum()), "stable_cells": int(stable.sum())}
    if counts["cells"] < MIN_CELLS or counts["stable_cells"] < MIN_STABLE:
        return counts
    x, y = first[:, stable], second[:, stable]
    bands = {
        name: {
            "clear": relation(first[k][clear], second[k][clear]),
            "stable": relation(x[k], y[k]),
            "difference": float(np.median(y[k] - x[k])),
        }
        for k, name in enumerate(names)
    }
    exchanged = [(names[i], names[j]) for i, j in hypotheses.exchanged_bands(x, y)]
    return counts | {
        "bands": bands,
        "line": hypotheses.common_line(x, y),
        "highest_r": hypotheses.highest_r(first[:, clear], second[:, clear]),
        "exchanged": exchanged,
        "lone": [names[k] for k in hypotheses.lone_bands(x, y)],
    }


def _shift(c: ComparedBands, pair: PairImages, images: Images) -> dict[str, Any] | None:
    """Metres by which the second product has to be moved to lie on the first; None with too few clear pixels."""
    names, first, second = _stacks(c, images, c.sharp)
    if not names:
        return None
    mask = np.isfinite(first + second).all(axis=0)
    if mask.sum() < MIN_SHIFT_PIXELS or (np.array([first[:, mask].std(), second[:, mask].std()]) < 1e-6).any():
        return None
    found, pixel_m = find_shift(zip(first, second, strict=True), mask), pair.quality_grids[c.second].pixel_m
    return {
        "east_m": found.right * pixel_m,
        "south_m": found.down * pixel_m,
        "distance_m": float(np.hypot(found.right, found.down)) * pixel_m,
        "quality": found.quality,
        "pixels": int(mask.sum()),
    }


def _same_pixels(product: str, images: Images) -> list[tuple[str, str]]:
    bands = {band: values for (owner, band), values in images.items() if owner == product}
    there = np.isfinite(np.stack(list(bands.values()))).all(axis=0)
    if there.sum() < MIN_STABLE:
        return []
    return hypotheses.same_pixels({band: values[there].astype(np.float64) for band, values in bands.items()})


def _offset(levels_of_sentinel2: dict[str, Any], comparisons: dict[str, Any]) -> dict[str, Any]:
    """Evidence of every twin and of the dark pixels, and the decision."""
    twins = {
        name.removeprefix("sentinel2-"): hypotheses.offset_from_twin([b["difference"] for b in found["bands"].values()])
        for name, found in comparisons.items()
        if name.startswith("sentinel2-") and "bands" in found
    }
    dark = hypotheses.offset_from_dark(levels_of_sentinel2)
    return {"decision": hypotheses.decide_offset(twins, dark), "twins": twins, "dark": dark}


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
