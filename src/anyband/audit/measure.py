"""All figures of one pair of scenes, measured on its mosaic, without a verdict."""

from typing import Any

import numpy as np

from anyband.audit import hypotheses
from anyband.audit.band_statistics import levels, relation, stable_cells
from anyband.audit.cells import area_means
from anyband.audit.compared_bands import COMPARISONS, Comparison
from anyband.audit.limits import MIN_CELLS, MIN_SHIFT_PIXELS, MIN_STABLE
from anyband.audit.mosaic import PairImages
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
        for band, grid, values in pair.bands(product):
            clear = np.where(pair.clear_on(product, grid), values, np.nan)
            products[product][band] = levels(clear)
            cells[product, band] = area_means(clear, grid, pair.cells).astype(np.float32)
            for c in compared:
                if any((product, band) in ((c.first, x), (c.second, y)) for x, y in c.bands):
                    fine[c.name][product, band] = area_means(clear, grid, pair.grid(c.second)).astype(np.float32)
    found = {c.name: _compare(c, pair, fine[c.name]) | {"shift": _shift(c, pair, fine[c.name])} for c in compared}
    return {
        "products": products,
        "same_pixels": {product: _same_pixels(product, cells) for product in pair.products},
        "comparisons": found,
        "offset": _offset(products.get("sentinel2", {}), found),
    }


def _stacks(c: Comparison, images: Images, bands: tuple[tuple[str, str], ...]) -> tuple[list[str], Array, Array]:
    """Names in the first product, and both products' bands (band, rows, cols); bands without any pixel are left out."""
    there = [
        (x, images[c.first, x], images[c.second, y])
        for x, y in bands
        if (c.first, x) in images and (c.second, y) in images
    ]
    there = [(x, a, b) for x, a, b in there if np.isfinite(a).any() and np.isfinite(b).any()]
    if not there:
        nothing = np.empty((0, 0, 0))
        return [], nothing, nothing
    first, second = (np.stack(images).astype(np.float64) for images in list(zip(*there, strict=True))[1:])
    return [x for x, _, _ in there], first, second


def _compare(c: Comparison, pair: PairImages, images: Images) -> dict[str, Any]:
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
    grid = pair.grid(c.second)
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


def _shift(c: Comparison, pair: PairImages, images: Images) -> dict[str, Any] | None:
    """Metres by which the second product has to be moved to lie on the first; None with too few clear pixels."""
    names, first, second = _stacks(c, images, c.sharp)
    if not names:
        return None
    mask = np.isfinite(first + second).all(axis=0)
    if mask.sum() < MIN_SHIFT_PIXELS or (np.array([first[:, mask].std(), second[:, mask].std()]) < 1e-6).any():
        return None
    found, pixel_m = find_shift(zip(first, second, strict=True), mask), pair.grid(c.second).pixel_m
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
