"""The table of products: one row says everything that is fixed about one, and every room reads it here.

A product is what a provider makes of one instrument's acquisitions. Its bands and their pixels are those of its
sensors (`sensors/data`), so a new sensor of an experiment is one YAML file there and one row here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from anyband.ground import Array
from anyband.sensors import get_sensor, platforms
from anyband.sensors.band import REFLECTANCE

REFLECTANCE_LIMITS: Final = (0.0, 1.6)
"""Range of surface reflectance that models see; the ends stand for what lies beyond them."""
BRIGHTEST_MEDIAN: Final = 1.2
"""What the median of a band over clear pixels cannot be above on any ground, snow and dry salt included."""


LARGEST_NUMBER: Final = 1e30
"""Stored floats from here on are the nodata of some software, if they are not infinite."""


@dataclass(frozen=True)
class Encoding:
    """Physical value = stored number * `scale` + `offset`, except `nodata` (NaN: no number is); unit 1."""

    dtype: str
    scale: float
    offset: float
    nodata: float

    def valid(self, stored: Array) -> Array:
        """Where there is a value: bool of the shape of `stored`; numbers that are not finite are none."""
        if stored.dtype.kind != "f":
            return np.asarray(stored != self.nodata)
        with np.errstate(over="ignore", invalid="ignore"):
            # A nodata value may have lost digits where it was written; what large ones stand for is never a value.
            return ~np.isclose(stored, self.nodata, rtol=1e-5, atol=0.0) & (np.abs(stored) < LARGEST_NUMBER)

    def physical(self, stored: Array) -> Array:
        """Physical values, float32 of the shape of `stored`; without meaning where not valid."""
        values = stored.astype(np.float32)
        values *= np.float32(self.scale)
        values += np.float32(self.offset)
        return values

    def reflectance(self, stored: Array, clear: Array | None = None) -> tuple[Array, Array]:
        """What a model sees of stored numbers, and where there is anything.

        Args:
            stored: any shape.
            clear: bool that broadcasts against it; what is not clear is not valid.

        Returns:
            Surface reflectance, float32 in `REFLECTANCE_LIMITS`, 0 where not valid; and validity, bool.
        """
        valid = self.valid(stored)
        if clear is not None:
            valid &= clear
        values = self.physical(stored)
        np.clip(values, *REFLECTANCE_LIMITS, out=values)
        if stored.dtype.kind == "f":
            values[~valid] = 0  # not a product: NaN would stay
        else:
            values *= valid
        return values, valid


@dataclass(frozen=True)
class Product:
    """One row.

    Attributes:
        key: name in files, stores and configuration.
        short: name in conditions and figures ("S2"); the label has none.
        name: name in running text.
        title: full name, with the level of processing.
        collections: STAC collections that hold it, in order of preference where one API has several.
        encoding: how the store of chips keeps its pixels, whatever the provider delivered.
        twin: key of the product of HLS that is made from the same acquisitions.
        simulated: only the embedded archive has it, and only where a dataset names it; no method trains on it.
    """

    key: str
    short: str
    name: str
    title: str
    collections: tuple[str, ...]
    encoding: Encoding
    twin: str = ""
    simulated: bool = False

    @property
    def heading(self) -> str:
        """The name as the first word of a line."""
        return self.name[0].upper() + self.name[1:]

    @property
    def pixels_m(self) -> tuple[int, int]:
        """Finest and coarsest pixel (m) of its bands of reflectance, the panchromatic one apart."""
        bands = [band for platform in platforms(self.key) for band in get_sensor(platform, self.key).bands]
        pixels = [round(b.pixel_m) for b in bands if b.quantity == REFLECTANCE and b.concept != "pan"]
        return min(pixels), max(pixels)


# Form of Sentinel-2 Level-2A in Collection 1 and from baseline 04.00 on: (DN - 1000) / 10000.
_L2A = Encoding("uint16", 1e-4, -0.1, 0)
# USGS Landsat Collection 2 Level-2 Science Product Guide, surface reflectance.
_C2 = Encoding("uint16", 2.75e-5, -0.2, 0)
# HLS User Guide v2.0, table of scale factors; the simulated sensors take the same.
_HLS = Encoding("int16", 1e-4, 0.0, -9999)
_CODES = Encoding("uint8", 1.0, 0.0, 0)


def _simulated(key: str, short: str, what: str) -> Product:
    """Row of a sensor that only the embedded archive has."""
    return Product(key, short, key, f"{what} (simulated only)", (f"{key}-l2a",), _HLS, simulated=True)


_ROWS = (
    Product(
        "sentinel2", "S2", "Sentinel-2", "Sentinel-2 Level-2A", ("sentinel-2-l2a", "sentinel-2-c1-l2a"), _L2A, "hls_s30"
    ),
    Product(
        "landsat", "L9", "Landsat", "Landsat Collection 2 Level-2", ("landsat-c2-l2", "landsat-c2l2-sr"), _C2, "hls_l30"
    ),
    Product("hls_s30", "S30", "HLS S30", "HLS v2.0 S30", ("hls2-s30", "HLSS30_2.0"), _HLS),
    Product("hls_l30", "L30", "HLS L30", "HLS v2.0 L30", ("hls2-l30", "HLSL30_2.0"), _HLS),
    Product("label", "", "label", "ESA WorldCover", ("esa-worldcover",), _CODES),
    _simulated("broadband", "BB", "broad bands at 20 m"),
    _simulated("narrowband", "NB", "eight narrow bands at 10 m"),
    _simulated("hyperspectral", "HS", "two hundred bands at 30 m"),
)

PRODUCTS: Final = {product.key: product for product in _ROWS}
"""Rows by key."""

CATALOGUED: Final = tuple(key for key, product in PRODUCTS.items() if not product.simulated)
"""Products that every catalogue has, the label last."""

OPTICAL: Final = tuple(key for key in PRODUCTS if key != "label")
"""Products of reflectance."""

EXTRA: Final = tuple(key for key, product in PRODUCTS.items() if product.simulated)
"""Products of sensors that training never sees."""

SATELLITES: Final = tuple(key for key in OPTICAL if key not in EXTRA)
"""Products of reflectance that every pair of acquisitions has."""

BY_SHORT_NAME: Final = {PRODUCTS[key].short: PRODUCTS[key] for key in OPTICAL}
"""Rows by the name that conditions use."""


def collection_of(product: str) -> str:
    """The collection that the embedded archive, and the Planetary Computer, keep a product in."""
    return PRODUCTS[product].collections[0]


def shift_stored(values: Array, shift: int, nodata: float | None) -> Array:
    """Add `shift` to every pixel of `values` that is not `nodata`, in place and exactly; returns `values`.

    A Sentinel-2 product of a baseline before 04.00 lacks the +1000 of the later ones; adding it puts both on one
    encoding without loss. A sum beyond the integer range stays at its end.
    """
    if shift:
        limits = np.iinfo(values.dtype)
        moved = np.clip(values.astype(np.int32) + shift, limits.min, limits.max)
        np.copyto(values, moved.astype(values.dtype), where=values != nodata)
    return values
