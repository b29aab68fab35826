"""The legend of the label product, ESA WorldCover (product user manual v2.0, table 3)."""

from dataclasses import dataclass
from typing import Final

NO_LABEL: Final = 0
"""Code of pixels without a label."""

LABEL_PIXEL_M: Final = 10
"""Pixel of the label as chips keep it, m."""


@dataclass(frozen=True)
class LandCover:
    """One class.

    Attributes:
        name: in files.
        title: in tables and settings.
        colour: of the published legend, red, green and blue, 0 to 255.
        muted: the same toned down, for figures on paper.
    """

    name: str
    title: str
    colour: tuple[int, int, int]
    muted: str


LAND_COVER: Final[dict[int, LandCover]] = {
    10: LandCover("tree_cover", "tree cover", (0, 100, 0), "#1d6b3c"),
    20: LandCover("shrubland", "shrubland", (255, 187, 34), "#dba52c"),
    30: LandCover("grassland", "grassland", (255, 255, 76), "#e4e08a"),
    40: LandCover("cropland", "cropland", (240, 150, 255), "#d7a3dd"),
    50: LandCover("built_up", "built-up", (250, 0, 0), "#cf3f33"),
    60: LandCover("bare_or_sparse_vegetation", "bare / sparse", (180, 180, 180), "#b8b2a6"),
    70: LandCover("snow_and_ice", "snow and ice", (240, 240, 240), "#eef1f2"),
    80: LandCover("permanent_water_bodies", "permanent water", (0, 100, 200), "#2d74c0"),
    90: LandCover("herbaceous_wetland", "herbaceous wetland", (0, 150, 160), "#35a39c"),
    95: LandCover("mangroves", "mangroves", (0, 207, 117), "#12a878"),
    100: LandCover("moss_and_lichen", "moss and lichen", (250, 230, 160), "#d9d3b0"),
}
"""Classes by code."""

NAMES: Final = {code: entry.name for code, entry in LAND_COVER.items()}
"""Names in files by code."""

SCORED: Final = {code: LAND_COVER[code].title for code in (10, 20, 30, 40, 50, 60, 80, 90)}
"""Classes that are scored unless a configuration says otherwise, with their titles."""
