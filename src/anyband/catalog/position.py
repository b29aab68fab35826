"""Positions on the globe, and the distance between two of them."""

import math

from anyband.catalog.api import EARTH_RADIUS_M

Position = tuple[float, float]
"""Longitude and latitude, degrees (WGS 84)."""


def distance_m(first: Position, second: Position) -> float:
    """Metres between two positions on a sphere."""
    (lon1, lat1), (lon2, lat2) = (map(math.radians, position) for position in (first, second))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(half, 1.0)))
