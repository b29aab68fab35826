"""Footprints and sites on the globe: what covers what, also across the antimeridian."""

from collections.abc import Collection, Sequence
from typing import Any

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.pairs.clear import site_corners
from anyband.catalog.pairs.selection import Covers
from anyband.catalog.sites import Site

CLOSE_DEG = 1e-6
"""About 0.1 m: neighbouring tiles are published with edges that differ by rounding."""


def site_square(site: Site, epsgs: Collection[int]) -> Any:
    """Shapely polygon (degrees) of a site's square as laid out in each of some CRS together.

    Longitudes go on beyond 180 degrees where the site lies at the antimeridian.
    """
    from shapely import Polygon

    corners = [corner for epsg in sorted(epsgs) for corner in site_corners(site, epsg)]
    return Polygon([(near(longitude, site.longitude), latitude) for longitude, latitude in corners]).convex_hull


def near(longitude: float, centre: float) -> float:
    """A longitude at most half a turn from `centre`, degrees."""
    return longitude + 360 * round((centre - longitude) / 360)


def find_coverage(square: Any) -> Covers:
    """A test whether the valid data of a scene cover a square."""

    def covers(scene: Acquisition) -> bool:
        return bool(_beside(scene, square).covers(square))

    return covers


def _beside(scene: Acquisition, square: Any) -> Any:
    """Footprint of a scene, turned around the globe to the side where the square is."""
    from shapely import make_valid
    from shapely.affinity import translate
    from shapely.geometry import shape

    footprint = shape(dict(scene.footprint))
    footprint = footprint if footprint.is_valid else make_valid(footprint)
    x = footprint.centroid.x
    return translate(footprint, near(x, square.centroid.x) - x)


def covering_labels(labels: Sequence[Acquisition], square: Any) -> list[Acquisition]:
    """The newest label product that covers the whole square: one item, or neighbouring tiles; none if there is none."""
    from shapely import box, union_all

    editions: dict[Any, list[Acquisition]] = {}
    for label in labels:
        editions.setdefault((label.datetime, label.produced), []).append(label)
    for _, members in sorted(editions.items(), reverse=True):
        members = sorted(members, key=lambda label: label.item_id)
        parts = {label.item_id: _beside(label, square).buffer(CLOSE_DEG, join_style="mitre") for label in members}
        whole = [label for label in members if parts[label.item_id].covers(square)]
        if whole:
            return whole[-1:]
        touching = [label for label in members if parts[label.item_id].intersection(box(*square.bounds)).area > 0]
        if touching and union_all([parts[label.item_id] for label in touching]).covers(square):
            return touching
    return []
