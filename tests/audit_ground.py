"""Stores of pairs that really look at one ground: fields with realistic spectra, seen by two instruments.

The ground has 5 m; Sentinel-2 and Landsat average it over their pixels, off by a registration error, through different
processors and with noise. S30 and L30 are the same measurements on the other grid.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from anyband.products import OPTICAL, PRODUCTS
from whole_store import BandStack, QualityStack, SiteChips, write_store

# Mean reflectance of simulated classes (docs/data.md), B01 to B12 without B10: woods, grass, crops, towns, soil, water.
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
LEVELS = np.array(
    [
        [0.018, 0.022, 0.051, 0.024, 0.071, 0.22, 0.289, 0.292, 0.300, 0.31, 0.150, 0.065],
        [0.028, 0.039, 0.078, 0.062, 0.118, 0.23, 0.284, 0.290, 0.301, 0.31, 0.227, 0.129],
        [0.032, 0.046, 0.089, 0.095, 0.138, 0.26, 0.310, 0.316, 0.326, 0.33, 0.238, 0.153],
        [0.062, 0.079, 0.107, 0.119, 0.144, 0.20, 0.235, 0.236, 0.242, 0.25, 0.238, 0.196],
        [0.068, 0.088, 0.117, 0.138, 0.152, 0.18, 0.202, 0.204, 0.210, 0.22, 0.230, 0.196],
        [0.024, 0.026, 0.041, 0.024, 0.027, 0.04, 0.042, 0.040, 0.038, 0.04, 0.027, 0.017],
    ]
)
S2_GRIDS = {10: ("B02", "B03", "B04", "B08"), 20: ("B05", "B06", "B07", "B8A", "B11", "B12"), 60: ("B01", "B09")}
LANDSAT = {"coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "nir08": "B8A", "swir16": "B11",
           "swir22": "B12"}  # fmt: skip
L30 = dict(zip(("B01", "B02", "B03", "B04", "B05", "B06", "B07"), LANDSAT.values(), strict=True))
S30 = {name: name for name in BANDS if name != "B09"}
STEP, MARGIN = 5, 60
CHIP_M = 960


@dataclass(frozen=True)
class Scene:
    """One pair.

    Attributes:
        day: of the Sentinel-2 scene.
        shift_m: east and south by which Landsat has to move to lie on Sentinel-2.
        cloudy: share of the width, from the west, that is cloudy in Landsat.
        changed: share of the fields harvested between the two acquisitions.
        flat: Landsat sees nothing but one level.
        levels: reflectance by class and band.
        hls: whether there are S30 and L30.
    """

    day: str = "2022-05-10"
    shift_m: tuple[int, int] = (0, 0)
    cloudy: float = 0.0
    changed: float = 0.0
    flat: bool = False
    levels: np.ndarray = field(default_factory=lambda: LEVELS)
    hls: bool = True


def ground_store(path: Path, scenes: list[Scene], side: int = 2, seed: int = 0, epsg: int = 32632) -> Path:
    """Write the pairs of one site of `side` x `side` chips."""
    random = np.random.default_rng(seed)
    stacks: dict[tuple[str, int], list[np.ndarray]] = {}
    masks: dict[str, list[np.ndarray]] = {}
    for scene in scenes:
        for key, pixels in _products(scene, side, random).items():
            (stacks if isinstance(key, tuple) else masks).setdefault(key, []).append(_chips(pixels, side))
    products = [p for p in OPTICAL if p in masks]
    values = {key: np.concatenate(parts) for key, parts in stacks.items()}
    clear = {product: np.concatenate(parts).astype(np.uint8) for product, parts in masks.items()}
    count = side * side * len(scenes)
    names = {("sentinel2", m): bands for m, bands in S2_GRIDS.items()}
    names |= {("landsat", 30): tuple(LANDSAT), ("hls_s30", 30): tuple(S30), ("hls_l30", 30): tuple(L30)}
    offset = {p: np.full((count, 2), 15.0 if p == "landsat" else 0.0, np.float32) for p in products}
    write_store(
        path,
        SiteChips(
            site=path.stem,
            dataset="main",
            epsg=epsg,
            chip_m=CHIP_M,
            chips=[
                _entry(path.stem, n, scene, k, side, epsg, products)
                for n, scene in enumerate(scenes)
                for k in range(side * side)
            ],  # fmt: skip
            dropped=[],
            simulated=None,
            label=np.full((count, 96, 96), 40, np.uint8),
            clear=np.ones((count, 96, 96), np.uint8),
            stacks=[BandStack(p, m, names[p, m], v, offset[p]) for (p, m), v in values.items()],
            qualities=[
                QualityStack(p, 20 if p == "sentinel2" else 30, "QA", clear[p], clear[p], offset[p]) for p in products
            ],  # fmt: skip
        ),
    )
    return path


def _entry(site: str, pair: int, scene: Scene, cell: int, side: int, epsg: int, products: list[str]) -> dict:
    row, col = divmod(cell, side)
    return {
        "chip": f"{site}-{pair}-r{row}c{col}",
        "pair": pair,
        "row": row,
        "col": col,
        "x0": 600_000.0 + CHIP_M * col,
        "y0": 5_200_020.0 - CHIP_M * row,
        "epsg": epsg,
        "clear_joint": 1.0,
        "items": {product: f"{product}-{site}-{pair}" for product in (*products, "label")},
        "platforms": {p: "landsat-9" if p in ("landsat", "hls_l30") else "sentinel-2a" for p in products},
        "datetimes": dict.fromkeys(products, f"{scene.day}T10:30:00+00:00"),
    }


def _fields(size: int, random: np.random.Generator, levels: np.ndarray) -> np.ndarray:
    """Reflectance (band, size, size) of fields of some 200 m with texture."""
    y, x = np.mgrid[:size, :size]
    seeds = random.uniform(0, size, (max(size * size // 1600, 12), 2))
    from scipy.spatial import cKDTree

    nearest = cKDTree(seeds).query(np.stack([y.ravel(), x.ravel()], axis=1))[1].reshape(size, size)
    kind = random.integers(0, len(levels), len(seeds))[nearest]
    brightness = random.normal(1, 0.15, len(seeds))[nearest]
    texture = gaussian_filter(random.normal(0, 1, (size, size)), 3) * 0.5
    # Fields differ in more than brightness: each part of the spectrum has a factor of its own.
    parts = (slice(0, 4), slice(4, 5), slice(5, 10), slice(10, 11), slice(11, 12))
    image = np.empty((len(BANDS), size, size))
    for part in parts:
        own = brightness * random.normal(1, 0.1, len(seeds))[nearest] * (1 + texture)
        image[part] = levels[kind].transpose(2, 0, 1)[part] * np.maximum(own, 0.2)
    # B08 is not B8A: the water vapour band between them acts by field.
    image[7] *= random.normal(0.98, 0.03, len(seeds))[nearest]
    return image


def _products(scene: Scene, side: int, random: np.random.Generator) -> dict:
    size = (side * CHIP_M + 2 * MARGIN) // STEP
    first = _fields(size, random, scene.levels)
    second = first.copy()
    if scene.changed:
        other = _fields(size, random, LEVELS[::-1])
        where = np.zeros((size, size), bool)
        where[:, : int(size * scene.changed)] = True
        second = np.where(where, other, second)
    if scene.flat:
        second[:] = scene.levels.mean(axis=0)[:, None, None]
    east, south = (round(metres / STEP) for metres in scene.shift_m)
    second = np.roll(second, (-south, -east), axis=(1, 2))
    noise = 0.0 if scene.flat else 0.003
    by_name = dict(zip(BANDS, range(len(BANDS)), strict=True))

    def seen(image: np.ndarray, band: str, pixel_m: int, phase: int, gain: float, haze: float) -> np.ndarray:
        start = (MARGIN + phase) // STEP
        count = side * CHIP_M // STEP
        part = image[by_name[band], start : start + count, start : start + count]
        factor = pixel_m // STEP
        mean = part.reshape(count // factor, factor, -1, factor).mean(axis=(1, 3))
        return mean * gain + haze + random.normal(0, noise, mean.shape)

    def stored(product: str, images: list[np.ndarray]) -> np.ndarray:
        encoding = PRODUCTS[product].encoding
        return np.round((np.array(images) - encoding.offset) / encoding.scale).clip(1).astype(encoding.dtype)

    found: dict = {}
    for pixel_m, names in S2_GRIDS.items():
        found["sentinel2", pixel_m] = stored("sentinel2", [seen(first, n, pixel_m, 0, 1.0, 0.0) for n in names])
    found["landsat", 30] = stored("landsat", [seen(second, n, 30, 15, 0.96, -0.003) for n in LANDSAT.values()])
    if scene.hls:
        found["hls_s30", 30] = stored("hls_s30", [seen(first, n, 30, 0, 0.97, -0.002) for n in S30])
        found["hls_l30", 30] = stored("hls_l30", [seen(second, n, 30, 0, 0.98, -0.003) for n in L30.values()])
    pixels = side * CHIP_M // 30
    clear = np.ones((pixels, pixels), bool)
    clear[:, : int(pixels * scene.cloudy)] = False
    found["landsat"] = clear
    found["sentinel2"] = np.ones((pixels * 3 // 2,) * 2, bool)
    if scene.hls:
        found["hls_s30"], found["hls_l30"] = np.ones_like(clear), clear
    return found


def _chips(image: np.ndarray, side: int) -> np.ndarray:
    """(..., side * n, side * n) to (side * side, ..., n, n)."""
    size = image.shape[-1] // side
    rows, cols = range(0, side * size, size), range(0, side * size, size)
    return np.stack([image[..., r : r + size, c : c + size] for r in rows for c in cols])
