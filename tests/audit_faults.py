"""What goes wrong with real catalogues, done to a finished chip store."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from anyband.products import PRODUCTS

Fault = Callable[[Any], None]
GRIDS = {"sentinel2": (10, 20, 60), "landsat": (30,), "hls_s30": (30,), "hls_l30": (30,)}


def damaged(store: Path, target: Path, fault: Fault) -> Path:
    """A copy of `store` at `target` with the fault in it."""
    shutil.copytree(store, target)
    fault(zarr.open_group(target, mode="r+"))
    return target


def change(product: str, function: Callable[[np.ndarray], np.ndarray]) -> Fault:
    """`function` on the reflectance of all bands of a product."""

    def fault(group: Any) -> None:
        encoding = PRODUCTS[product].encoding
        limits = np.iinfo(encoding.dtype)
        for pixel_m in GRIDS[product]:
            array = group[f"{product}/{pixel_m}m/values"]
            stored = array[...]
            wrong = (function(stored * encoding.scale + encoding.offset) - encoding.offset) / encoding.scale
            wrong = np.clip(np.round(wrong), 1 if limits.min == 0 else limits.min + 1, limits.max)
            array[...] = np.where(stored == encoding.nodata, stored, wrong.astype(stored.dtype))

    return fault


def _place(group: Any, product: str, band: str) -> tuple[Any, int]:
    for pixel_m in GRIDS[product]:
        bands = list(group[f"{product}/{pixel_m}m"].attrs["bands"])
        if band in bands:
            return group[f"{product}/{pixel_m}m/values"], bands.index(band)
    raise AssertionError(band)


def _resampled(pixels: np.ndarray, size: int) -> np.ndarray:
    """Means or repeated pixels, (chip, size, size)."""
    count, old = pixels.shape[:2]
    if old >= size:
        factor = old // size
        return pixels.reshape(count, size, factor, size, factor).mean(axis=(2, 4)).round().astype(pixels.dtype)
    return pixels.repeat(size // old, axis=1).repeat(size // old, axis=2)


def exchange(product: str, first: str, second: str) -> Fault:
    """Two bands under each other's names."""

    def fault(group: Any) -> None:
        (one, i), (two, j) = _place(group, product, first), _place(group, product, second)
        a, b = one[:, i], two[:, j]
        one[:, i] = _resampled(b, a.shape[-1])
        two[:, j] = _resampled(a, b.shape[-1])

    return fault


def replace_band(product: str, band: str, by: str) -> Fault:
    """One band under the name of another as well."""

    def fault(group: Any) -> None:
        (target, i), (source, j) = _place(group, product, band), _place(group, product, by)
        target[:, i] = _resampled(source[:, j], target.shape[-1])

    return fault


def move_grid(product: str, right: float, down: float) -> Fault:
    """Offsets that are not those of the file."""

    def fault(group: Any) -> None:
        for name in (*(f"{m}m" for m in GRIDS[product]), "qa"):
            array = group[f"{product}/{name}/offset_m"]
            array[...] = array[...] + np.array([right, down], np.float32)

    return fault


def other_ground(*products: str) -> Fault:
    """Pixels of another place: those of the chips in reverse order, upside down."""

    def fault(group: Any) -> None:
        for product in products:
            for pixel_m in GRIDS[product]:
                array = group[f"{product}/{pixel_m}m/values"]
                array[...] = array[...][::-1, :, ::-1, ::-1].swapaxes(-1, -2)

    return fault


TWICE = change("sentinel2", lambda values: values - 0.1)
NOT_APPLIED = change("sentinel2", lambda values: values + 0.1)
C1_AS_C2 = change("landsat", lambda values: values * 1e4 * 2.75e-5 - 0.2)
C2_AS_C1 = change("landsat", lambda values: (values + 0.2) / 2.75e-5 * 1e-4)
