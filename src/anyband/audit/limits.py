"""What good pairs look like, and where a difference stops being explainable; every number with its source.

"Warn" ranges hold what was found on good pairs (the embedded archive; one real pair in Alberta, two days apart, before
the improved geolocation) or published, with some room; beyond them a pair is listed. "Stop" limits are far outside.
"""

from dataclasses import asdict, dataclass
from typing import Any

MIN_CELLS = 200
"""Clear cells (60 m) below which nothing is said about a pair: less than one chip of 960 m."""
MIN_STABLE = 80
MIN_SHIFT_PIXELS = 900
"""Jointly clear 30 m pixels below which no shift is measured: less than one chip."""
MIN_QUALITY = 0.5
"""Quality of a shift below which it says nothing."""
VARIATION = 0.01
"""Standard deviation of a band, reflectance, below which correlation and slope say nothing."""


@dataclass(frozen=True)
class Expected:
    """A range of one statistic; `source` says where it comes from."""

    statistic: str
    comparison: str
    low: float | None
    high: float | None
    source: str

    def holds(self, value: float) -> bool:
        """Whether the value lies in the range."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


_PAIR = "Alberta, 7 bands, "
_ALONE = "MSI within 3 % of OLI at simultaneous overpasses"
WARN = (
    Expected(
        "bias", "sentinel2-landsat", -0.035, 0.035, f"{_PAIR}-0.014 to +0.001; simulated -0.025 to +0.025; {_ALONE}"
    ),
    Expected("rmse", "sentinel2-landsat", None, 0.05, f"{_PAIR}0.004 to 0.017; simulated 0.003 to 0.038"),
    Expected("r", "sentinel2-landsat", 0.55, None, f"{_PAIR}0.63 (coastal) to 0.99; simulated 0.80 to 1.00"),
    Expected("rma_slope", "sentinel2-landsat", 0.6, 1.6, f"{_PAIR}0.92 to 1.53 (coastal); simulated 0.69 to 1.27"),
    Expected("bias", "sentinel2-hls_s30", -0.035, 0.035, "simulated -0.021 to +0.012 (Sen2Cor, LaSRC, BRDF to nadir)"),
    Expected("r", "sentinel2-hls_s30", 0.85, None, "simulated 0.95 to 1.00: one acquisition"),
    Expected("rma_slope", "sentinel2-hls_s30", 0.55, 1.3, "simulated 0.60 to 1.10; band adjustment 0.972 to 1.008"),
    Expected("bias", "landsat-hls_l30", -0.025, 0.025, "simulated -0.008 to +0.011 (BRDF to nadir)"),
    Expected("r", "landsat-hls_l30", 0.95, None, "simulated 0.998 and more: the same pixels moved by 15 m"),
    Expected("rma_slope", "landsat-hls_l30", 0.85, 1.2, "simulated 0.99 to 1.08"),
    Expected("negative", "levels", None, 0.25, "simulated up to 0.17 (B01 over forest), mostly 0; dark water and haze"),
    Expected("saturated", "levels", None, 0.01, "reflectance of 1.6 and more; snow and glint stay below 1.2"),
    Expected("dark", "levels", -0.03, 0.3, "1st percentile; simulated -0.012 to 0.23 (B09 over canopy)"),
    Expected("shift_m", "all", None, 8.5, "6 m CE90 with improved geolocation, so 8.5 m for 99 of 100 pairs"),
)

STOP = {
    # One line for all bands, slope and intercept: good pairs 0.91 to 1.10 and -0.013 to +0.010.
    "line_slope_low": 0.7,
    "line_slope_high": 1.45,
    "line_intercept": 0.05,
    "common_r": 0.5,  # highest r of all bands; good pairs 0.97 and more, other ground up to 0.31
    "exchange_cosine": -0.4,  # of band differences; good pairs +0.56 and more, exchanged bands its negative
    "exchange_r": -0.3,  # the same about the means; good pairs +0.60 and more
    "band_offset": 0.05,  # one band alone: median difference beyond 0.05 + 0.3 * level; good pairs up to 0.24 of it
    "band_share": 0.3,
    "same_pixels": 1.5e-4,  # RMS difference of two bands of one product; good pairs 0.0029 and more
    # Two products of one ground, m. 12 m: twice the 6 m CE90 of pairs with improved geolocation, one pair in 10 000.
    # Before it CE90 is more than 12 m, and 38 m (2 sigma) is on record: only a whole Landsat pixel is a contradiction.
    "shift_m": 12.0,
    "shift_before_m": 30.0,
    # Median over the pairs of a dataset: registration errors of scenes are independent, those of a grid are not.
    "systematic_m": 7.0,
    "systematic_before_m": 12.0,
}
IMPROVED_GEOLOCATION = "2021-08-23"
"""Sentinel-2 scenes from this day on use the global reference image."""

SYSTEMATIC_PAIRS = 4


def expected_table() -> list[dict[str, Any]]:
    """All warn ranges for the file."""
    return [asdict(entry) for entry in WARN]


@dataclass(frozen=True)
class ComparedBands:
    """Two products and their bands that show the same part of the spectrum.

    Names repeat with other meanings (B05 is near infrared in L30 and red edge in S30; the near infrared that matches
    Landsat is B8A, not B08), so they are written out.

    Attributes:
        first, second: the products.
        bands: (name in the first, name in the second).
        sharp: bands, by their names in the first, that the shift is measured with; B01 of Sentinel-2 has 60 m.
    """

    first: str
    second: str
    bands: tuple[tuple[str, str], ...]
    sharp: tuple[str, ...]

    @property
    def name(self) -> str:
        """As in the audit's file."""
        return f"{self.first}-{self.second}"


_LANDSAT = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
_LIKE_LANDSAT = ("B01", "B02", "B03", "B04", "B8A", "B11", "B12")
_L30 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07")
_S30 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
COMPARISONS = (
    ComparedBands("sentinel2", "landsat", tuple(zip(_LIKE_LANDSAT, _LANDSAT, strict=True)), _LIKE_LANDSAT[1:]),
    ComparedBands("sentinel2", "hls_s30", tuple(zip(_S30, _S30, strict=True)), ("B04", "B8A", "B11")),
    ComparedBands("landsat", "hls_l30", tuple(zip(_LANDSAT, _L30, strict=True)), ("red", "nir08", "swir16")),
)
"""S30 and L30 are made from the acquisitions of the other two, so a fault shows in every comparison of its product."""
