"""Bands and sensors as small value types that travel with the data."""

from collections.abc import Iterator
from dataclasses import dataclass

from anyband.sensors.response import SpectralResponse

REFLECTANCE = "surface_reflectance"
TEMPERATURE = "surface_temperature"
QUANTITIES = (REFLECTANCE, TEMPERATURE)

CONCEPT_NM = {
    "coastal": 443.0, "blue": 490.0, "green": 560.0, "red": 665.0, "red_edge_1": 705.0, "red_edge_2": 740.0,
    "red_edge_3": 783.0, "nir_broad": 833.0, "nir_narrow": 865.0, "swir1": 1610.0, "swir2": 2200.0,
}  # fmt: skip
"""What bands of reflectance measure, with the wavelength that stands for it, nm; the rounded centres of Sentinel-2.

`water_vapour` is missing on purpose: only a band that was placed in the absorption measures it, and says so itself.
"""


def nearest_concept(centre_nm: float) -> str:
    """The concept nearest in wavelength, for a band of a sensor whose description names none."""
    return min(CONCEPT_NM, key=lambda concept: abs(CONCEPT_NM[concept] - centre_nm))


@dataclass(frozen=True)
class Band:
    """One band of one platform.

    Attributes:
        name: the product's own name ("B8A", "nir08").
        concept: what it measures across sensors ("nir_narrow"), for correspondence between sensors; several bands of
            one sensor may share it.
        response: spectral response, nm.
        gsd_m: effective ground sampling distance, m (60 for an HLS S30 B01 on its 30 m grid).
        pixel_m: spacing of the delivered pixels, m.
        quantity: "surface_reflectance" (unit 1) or "surface_temperature" (K).
    """

    name: str
    concept: str
    response: SpectralResponse
    gsd_m: float
    pixel_m: float
    quantity: str = REFLECTANCE

    def __post_init__(self) -> None:
        """Refuse sizes that are not positive and unknown quantities.

        Raises:
            ValueError: with the band's name.
        """
        if not (self.gsd_m > 0 and self.pixel_m > 0):
            raise ValueError(f"band {self.name}: gsd_m and pixel_m must be positive metres")
        if self.quantity not in QUANTITIES:
            raise ValueError(f"band {self.name}: quantity {self.quantity!r} is none of {', '.join(QUANTITIES)}")


@dataclass(frozen=True)
class BandSet:
    """The bands of one acquisition that share one pixel grid, in the order of the data's channels."""

    platform: str
    bands: tuple[Band, ...]

    def __len__(self) -> int:
        """Number of bands."""
        return len(self.bands)

    def __iter__(self) -> Iterator[Band]:
        """The bands in channel order."""
        return iter(self.bands)

    def select(self, indices: tuple[int, ...]) -> "BandSet":
        """The bands at `indices`, in that order."""
        return BandSet(self.platform, tuple(self.bands[index] for index in indices))


@dataclass(frozen=True)
class Sensor:
    """A platform's product: all bands it delivers, and where their description comes from."""

    product: str
    platform: str
    bands: tuple[Band, ...]
    source: str

    def band(self, name: str) -> Band:
        """The band called `name`.

        Raises:
            KeyError: with the platform's name and its bands.
        """
        for band in self.bands:
            if band.name == name:
                return band
        raise KeyError(f"{self.product} of {self.platform} has no band {name!r}; it has {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all bands."""
        return tuple(band.name for band in self.bands)

    def band_set(self, names: tuple[str, ...]) -> BandSet:
        """The bands called `names`, in that order.

        Raises:
            ValueError: the bands do not share one pixel spacing.
        """
        bands = tuple(self.band(name) for name in names)
        if len({band.pixel_m for band in bands}) > 1:
            raise ValueError(f"bands {', '.join(names)} of {self.platform} lie on different pixel grids")
        return BandSet(self.platform, bands)

    def groups(self, names: tuple[str, ...] | None = None) -> dict[float, BandSet]:
        """Bands grouped by pixel spacing in m, finest first; `names` restricts and orders them."""
        chosen = [self.band(name) for name in names] if names else list(self.bands)
        spacings = sorted({band.pixel_m for band in chosen})
        return {m: BandSet(self.platform, tuple(b for b in chosen if b.pixel_m == m)) for m in spacings}
