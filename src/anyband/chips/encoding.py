"""How pixels are stored: one integer encoding per product, whatever the provider delivered."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Integer pixels of any type; the docstrings give shapes and types."""


@dataclass(frozen=True)
class Encoding:
    """Physical value = stored integer * `scale` + `offset`, except `nodata`; unit 1 (surface reflectance)."""

    dtype: str
    scale: float
    offset: float
    nodata: int


ENCODINGS: dict[str, Encoding] = {
    # Collection-1 and baseline >= 04.00 form of Sentinel-2 Level-2A: (DN - 1000) / 10000.
    "sentinel2": Encoding("uint16", 1e-4, -0.1, 0),
    # USGS Landsat Collection 2 Level-2 Science Product Guide, surface reflectance.
    "landsat": Encoding("uint16", 2.75e-5, -0.2, 0),
    # HLS User Guide v2.0, table of scale factors.
    "hls_s30": Encoding("int16", 1e-4, 0.0, -9999),
    "hls_l30": Encoding("int16", 1e-4, 0.0, -9999),
    # Extra sensors of the simulated archive (archive/publish_extra.py).
    "broadband": Encoding("int16", 1e-4, 0.0, -9999),
    "narrowband": Encoding("int16", 1e-4, 0.0, -9999),
    "hyperspectral": Encoding("int16", 1e-4, 0.0, -9999),
}

TITLES = {
    "sentinel2": "Sentinel-2 Level-2A",
    "landsat": "Landsat Collection 2 Level-2",
    "hls_s30": "HLS v2.0 S30",
    "hls_l30": "HLS v2.0 L30",
    "broadband": "broad bands at 20 m (simulated only)",
    "narrowband": "eight narrow bands at 10 m (simulated only)",
    "hyperspectral": "two hundred bands at 30 m (simulated only)",
}

LABEL_NODATA = 0

LABEL_NAMES: dict[int, str] = {
    10: "tree_cover",
    20: "shrubland",
    30: "grassland",
    40: "cropland",
    50: "built_up",
    60: "bare_or_sparse_vegetation",
    70: "snow_and_ice",
    80: "permanent_water_bodies",
    90: "herbaceous_wetland",
    95: "mangroves",
    100: "moss_and_lichen",
}
"""ESA WorldCover classes (WorldCover product user manual v2.0, table 3)."""

LABEL_PIXEL_M = 10


def shift_stored(values: Array, shift: int, nodata: int) -> Array:
    """Add `shift` to every pixel of `values` that is not `nodata`, in place and exactly; returns `values`.

    A Sentinel-2 product of a baseline before 04.00 lacks the +1000 of the later ones; adding it puts both on one
    encoding without loss. A sum beyond the integer range stays at its end.
    """
    if shift:
        limits = np.iinfo(values.dtype)
        moved = np.clip(values.astype(np.int32) + shift, limits.min, limits.max)
        np.copyto(values, moved.astype(values.dtype), where=values != nodata)
    return values
