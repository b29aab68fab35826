"""Which bands of two products show the same part of the spectrum.

Names repeat with other meanings (B05 is near infrared in L30 and red edge in S30; the near infrared that matches
Landsat is B8A, not B08), so the table is written out.
"""

from dataclasses import dataclass

S30_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


@dataclass(frozen=True)
class Comparison:
    """Two products and their corresponding bands, (name in the first, name in the second).

    `sharp`: the bands that the shift is measured with; B01 of Sentinel-2 has 60 m.
    """

    first: str
    second: str
    bands: tuple[tuple[str, str], ...]
    sharp: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """As in the audit's file."""
        return f"{self.first}-{self.second}"


COMPARISONS = (
    Comparison(
        "sentinel2",
        "landsat",
        (
            ("B01", "coastal"),
            ("B02", "blue"),
            ("B03", "green"),
            ("B04", "red"),
            ("B8A", "nir08"),
            ("B11", "swir16"),
            ("B12", "swir22"),
        ),
        (("B02", "blue"), ("B03", "green"), ("B04", "red"), ("B8A", "nir08"), ("B11", "swir16"), ("B12", "swir22")),
    ),
    Comparison(
        "sentinel2",
        "hls_s30",
        tuple((band, band) for band in S30_BANDS),
        (("B04", "B04"), ("B8A", "B8A"), ("B11", "B11")),
    ),
    Comparison(
        "landsat",
        "hls_l30",
        (
            ("coastal", "B01"),
            ("blue", "B02"),
            ("green", "B03"),
            ("red", "B04"),
            ("nir08", "B05"),
            ("swir16", "B06"),
            ("swir22", "B07"),
        ),
        (("red", "B04"), ("nir08", "B05"), ("swir16", "B06")),
    ),
)
"""S30 and L30 are made from the acquisitions of the other two, so a fault shows in every comparison of its product."""
