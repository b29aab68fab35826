"""Realism figures of one date pair, as sums that can be pooled over places."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.ground import CHIP_M
from anyband.simulation.atmosphere import Field
from anyband.simulation.grids import HIDDEN_MARGIN_M, HiddenGrid, Image, PixelGrid, area_means, sentinel2_grid

Mask = NDArray[np.bool_]

# The seven bands that Sentinel-2 and Landsat share, by concept: names in S2/S30, Landsat, L30.
COMMON = {
    "coastal": ("B01", "coastal", "B01"),
    "blue": ("B02", "blue", "B02"),
    "green": ("B03", "green", "B03"),
    "red": ("B04", "red", "B04"),
    "nir_narrow": ("B8A", "nir08", "B05"),
    "swir1": ("B11", "swir16", "B06"),
    "swir2": ("B12", "swir22", "B07"),
}
LEVEL_BANDS = ("B02", "B03", "B04", "B05", "B07", "B8A", "B11", "B12")
SCL_CLEAR = (4, 5, 6, 7, 11)


def moments(x: Field, y: Field) -> list[float]:
    """Number, sums, sums of squares and of products of two equally long samples."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    return [
        float(a.size),
        *(round(float(v), 6) for v in (a.sum(), b.sum(), (a * a).sum(), (b * b).sum(), (a * b).sum())),
    ]


def ndvi(red: Field, nir: Field) -> Field:
    """Normalised difference vegetation index, limited to -1..1."""
    return np.asarray(np.clip((nir - red) / np.maximum(nir + red, np.float32(0.02)), -1, 1))


def compare(pair: Sequence[Mapping[str, Field]], clear: Mask) -> dict[str, list[float]]:
    """Moments of two sets of bands, by concept and for NDVI, over the clear pixels."""
    result = {name: moments(*(bands[name][clear] for bands in pair)) for name in COMMON}
    return result | {"ndvi": moments(*(ndvi(bands["red"][clear], bands["nir_narrow"][clear]) for bands in pair))}


def to_60m(values: Field, source: PixelGrid, hidden: HiddenGrid) -> Field:
    """Area means on the scene's 60 m pixels."""
    target = sentinel2_grid(hidden, 60)
    y, x = (float(axis[0]) - source.pixel_m / 2 for axis in source.local_centres(hidden))
    start = HIDDEN_MARGIN_M - 60.0
    return area_means(values, int(source.pixel_m), 60, target.rows, (y - start, x - start))


def class_levels(
    level2: Mapping[str, Image], classes: NDArray[np.uint8], labels: NDArray[np.uint8], hidden: HiddenGrid
) -> dict[str, list[float]]:
    """Number of clear 20 m pixels and sums of their reflectance, by the label at the pixel's centre."""
    y, x = sentinel2_grid(hidden, 20).local_centres(hidden)
    codes = labels[np.ix_((y / hidden.step_m).astype(int), (x / hidden.step_m).astype(int))]
    clear = np.isin(classes, SCL_CLEAR)
    bands = [
        area_means(values, 10, 20) if grid.pixel_m == 10 else values
        for grid, values in (level2[name] for name in LEVEL_BANDS)
    ]
    result = {}
    for code in np.unique(codes):
        here = clear & (codes == code)
        result[str(code)] = [float(here.sum()), *(round(float(b[here].sum(dtype=np.float64)), 4) for b in bands)]
    return result


def negative_counts(level2: Mapping[str, Image], classes: NDArray[np.uint8]) -> dict[str, list[int]]:
    """Clear pixels below zero and clear pixels in all, by band (10 and 20 m bands)."""
    clear = np.isin(classes, SCL_CLEAR)
    fine = clear.repeat(2, axis=0).repeat(2, axis=1)
    result = {}
    for name in LEVEL_BANDS:
        grid, values = level2[name]
        mask = fine if grid.pixel_m == 10 else clear
        result[name] = [int(((values < 0) & mask).sum()), int(mask.sum())]
    return result


def chip_shares(clear: Field) -> list[float]:
    """Mean clear share of every chip from shares on the scene's 60 m pixels, whose outer ring is margin."""
    inner = clear[1:-1, 1:-1]
    side = CHIP_M // 60
    count = inner.shape[0] // side
    means = inner[: count * side, : count * side].reshape(count, side, count, side).mean(axis=(1, 3))
    return [round(float(mean), 4) for mean in means.ravel()]


def pair_figures(
    sentinel2: tuple[Mapping[str, Image], NDArray[np.uint8]],
    landsat: tuple[Mapping[str, Image], NDArray[np.uint16]],
    harmonised: tuple[Mapping[str, Image], Mapping[str, Image], NDArray[np.uint8]],
    labels: NDArray[np.uint8],
    hidden: HiddenGrid,
) -> dict[str, Any]:
    """Sums over the clear pixels of one date pair, from its finished products and their quality layers.

    Args:
        sentinel2: surface reflectance and scene classification.
        landsat: surface reflectance and QA_PIXEL.
        harmonised: S30, L30 and the bits of both Fmasks.
        labels: codes of the hidden grid.
        hidden: that grid.

    Returns:
        clear: share of the scene that is clear, by sensor and jointly.
        chips: joint clear share of every 960 m chip, row by row.
        hls: by concept, (n, sum x, sum y, sum xx, sum yy, sum xy) of x = S30, y = L30.
        level2: the same of x = Sentinel-2, y = Landsat, both averaged to 60 m.
        levels: by label code, pixels and sums of Sentinel-2 reflectance in LEVEL_BANDS.
        negative: by band, clear Sentinel-2 pixels below zero, and their number.
    """
    clear_s2 = np.isin(sentinel2[1], SCL_CLEAR)
    clear_ls = (landsat[1] & 0b11111) == 0
    joint = to_60m(clear_s2.astype(np.float32), sentinel2_grid(hidden, 20), hidden)
    joint = joint * to_60m(clear_ls.astype(np.float32), landsat[0]["red"][0], hidden)
    shares = {"sentinel2": clear_s2.mean(), "landsat": clear_ls.mean(), "joint": joint.mean()}
    level2 = [
        {concept: to_60m(images[names[k]][1], images[names[k]][0], hidden) for concept, names in COMMON.items()}
        for k, images in enumerate((sentinel2[0], landsat[0]))
    ]
    hls = [
        {concept: images[names[k]][1] for concept, names in COMMON.items()}
        for k, images in zip((0, 2), harmonised[:2], strict=True)
    ]
    return {
        "clear": {name: round(float(share), 4) for name, share in shares.items()},
        "chips": chip_shares(joint),
        "hls": compare(hls, (harmonised[2] & 0b1110) == 0),
        "level2": compare(level2, joint > 0.99),
        "levels": class_levels(*sentinel2, labels, hidden),
        "negative": negative_counts(*sentinel2),
    }
