"""The square grid on which the hidden surface lives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HiddenGrid:
    """A square, north-up grid in the UTM zone of the Sentinel-2 tile.

    Attributes:
        epsg: code of the CRS (326xx or 327xx).
        x0: easting of the upper-left corner, m, a multiple of 60.
        y0: northing of the upper-left corner, m, a multiple of 60.
        step_m: cell size, m.
        size: cells per side.
    """

    epsg: int
    x0: float
    y0: float
    step_m: float = 5.0
    size: int = 816

    @property
    def extent_m(self) -> float:
        """Side of the square, m."""
        return self.step_m * self.size
