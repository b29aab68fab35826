"""Files that the archive does not hold but can make: a stored GeoTIFF with its pixels or tags changed.

Their addresses say what was done: `made/{change}+{change}/{site}/{path}` for the stored `files/{site}/{path}`. Tiling,
compression, CRS, transform and all tags that are not the point of a change stay as stored.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import MemoryFile

FILES, MADE = "files/", "made/"
ADDED_DN = 1000  # in the pixels of Sentinel-2 baselines 04.00 and later

Pixels = NDArray[Any]
Profile = dict[str, Any]


def _without_offset(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Take the added 1000 off; what would be negative becomes 0, as in the files of Earth Search."""
    return np.where(pixels > ADDED_DN, pixels - np.minimum(pixels, ADDED_DN), 0).astype(pixels.dtype), profile


def _with_offset(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Add 1000 wherever there are data, as a reprocessing to baseline 04.00 or later does."""
    raised = np.minimum(pixels.astype(np.uint32) + ADDED_DN, np.iinfo(pixels.dtype).max)
    return np.where(pixels == 0, 0, raised).astype(pixels.dtype), profile


def _untagged(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Leave out the nodata tag."""
    return pixels, profile | {"nodata": None}


def _west(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Data in the western half only."""
    kept = np.broadcast_to(np.arange(pixels.shape[1]) < pixels.shape[1] // 2, pixels.shape)
    return np.where(kept, pixels, _fill(profile)).astype(pixels.dtype), profile


def _triangle(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Data above the diagonal from the lower left to the upper right only."""
    rows, columns = (np.arange(size) / size for size in pixels.shape)
    kept = rows[:, None] + columns[None, :] < 1
    return np.where(kept, pixels, _fill(profile)).astype(pixels.dtype), profile


def _fill(profile: Mapping[str, Any]) -> float:
    return 0 if profile["nodata"] is None else float(profile["nodata"])


CHANGES: dict[str, Callable[[Pixels, Profile], tuple[Pixels, Profile]]] = {
    "without-offset": _without_offset,
    "with-offset": _with_offset,
    "untagged": _untagged,
    "west": _west,
    "triangle": _triangle,
}


def made(path: str, change: str) -> str:
    """Path below the archive's host of a file after one more change."""
    if path.startswith(MADE):
        changes, _, stored = path.removeprefix(MADE).partition("/")
        return f"{MADE}{changes}+{change}/{stored}"
    return f"{MADE}{change}/{path.removeprefix(FILES)}"


def make(stored: Path, changes: str) -> bytes:
    """Content of a stored GeoTIFF after some changes, `+` between them.

    Raises:
        KeyError: an unknown change.
        rasterio.errors.RasterioError: not a raster.
    """
    with rasterio.open(stored) as source:
        profile, pixels = dict(source.profile), source.read(1)
        tags, scales = source.tags(), source.scales
    for name in changes.split("+"):
        pixels, profile = CHANGES[name](pixels, profile)
    compression = {"zstd_level": 1} if profile.get("compress") == "zstd" else {}
    with MemoryFile() as memory:
        with memory.open(**profile | {"predictor": 2} | compression) as target:
            target.write(pixels, 1)
            target.update_tags(**{name: value for name, value in tags.items() if name != "AREA_OR_POINT"})
            if scales != (1.0,):
                target.scales = scales
        return bytes(memory.read())
