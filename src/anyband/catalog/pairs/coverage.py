"""What scenes show of a site: their footprints on the globe, and a coarse and cheap look at their quality layers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyband.catalog.items.acquisition import Acquisition
from anyband.catalog.sites import Site
from anyband.raster.access import read_raster
from anyband.raster.asset import ContradictionError, UnusableItemError
from anyband.raster.header import check_header, own_mask
from anyband.raster.quality_layers import DECODERS, FILL, Mask, has_no_data

SAMPLING_M = 30
"""Distance between points: the finest that both Sentinel-2 SCL (20 m) and Landsat QA_PIXEL (30 m) support."""

CLOSE_DEG = 1e-6
"""About 0.1 m: neighbouring tiles are published with edges that differ by rounding."""

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


def project(points: Points, source_epsg: int, target_epsg: int) -> Points:
    """Eastings and northings (or longitudes and latitudes), both (n,), of points in another CRS."""
    from rasterio.warp import transform

    if source_epsg == target_epsg:
        return points
    x, y = transform(f"EPSG:{source_epsg}", f"EPSG:{target_epsg}", *points)
    return np.asarray(x), np.asarray(y)


def site_points(site: Site, epsg: int) -> Points:
    """Centres of the `SAMPLING_M` cells of a site's square in the CRS `epsg`, (n,) and (n,), m."""
    x, y = project((np.array([site.longitude]), np.array([site.latitude])), 4326, epsg)
    steps = np.arange(SAMPLING_M / 2, site.extent_m, SAMPLING_M) - site.extent_m / 2
    east, north = np.meshgrid(x[0] + steps, y[0] - steps)
    return east.ravel(), north.ravel()


def site_corners(site: Site, epsg: int) -> list[tuple[float, float]]:
    """Longitude and latitude (degrees) of the corners of a site's square in the CRS `epsg`."""
    x, y = project((np.array([site.longitude]), np.array([site.latitude])), 4326, epsg)
    half = site.extent_m / 2
    east, north = x[0] + half * np.array([-1, 1, 1, -1]), y[0] + half * np.array([-1, -1, 1, 1])
    longitudes, latitudes = project((east, north), epsg, 4326)
    return list(zip(longitudes.tolist(), latitudes.tolist(), strict=True))


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


def covers(square: Any, scene: Acquisition) -> bool:
    """Whether the valid data of a scene cover a square."""
    return bool(_beside(scene, square).covers(square))


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


@dataclass(frozen=True)
class Look:
    """What a scene shows at the points of a site: `seen` (n,) has data, `clear` (n,) shows the surface."""

    seen: Mask
    clear: Mask


def look_at(acquisition: Acquisition, site: Site) -> Look:
    """Read the quality layer of an acquisition at the points of a site.

    Raises:
        ContradictionError: the file is not where the item says, or not where the site is.
        UnusableItemError: no quality layer, or its file does not exist or is damaged.
        UserError: access is refused, or the provider is out of reach.
    """
    qa = acquisition.qa
    if qa is None:
        raise UnusableItemError(f"item {acquisition.item_id}: {acquisition.product} has no quality layer")
    points = site_points(site, acquisition.epsg)

    def read(source: Any) -> Look:
        check_header(source, qa)
        values, inside = _sample(source, points, FILL[qa.decoder], qa.index)
        if not inside.any():
            raise ContradictionError(
                f"{qa.name}: the item's footprint covers the site, but its file spans {_span(source)} in "
                f"EPSG:{acquisition.epsg} and the site lies at {points[0].mean():.0f}, {points[1].mean():.0f}"
            )
        return Look(inside & ~has_no_data(values, qa.decoder), inside & DECODERS[qa.decoder](values))

    return read_raster(qa.href, read, qa.name)


def _sample(source: Any, points: Points, fill: int, index: int) -> tuple[NDArray[Any], Mask]:
    """Values (n,) of a band at points in its CRS, and which of the points are inside.

    They are `fill` outside of the raster, and where the file itself calls them invalid.
    """
    from rasterio.windows import Window

    to_pixel, (x, y) = ~source.transform, points
    column = np.floor(to_pixel.a * x + to_pixel.b * y + to_pixel.c).astype(int)
    row = np.floor(to_pixel.d * x + to_pixel.e * y + to_pixel.f).astype(int)
    inside = (row >= 0) & (row < source.height) & (column >= 0) & (column < source.width)
    values = np.full(x.shape, fill, source.dtypes[0])
    if inside.any():
        row, column = row[inside], column[inside]
        top, left = int(row.min()), int(column.min())
        window = Window(left, top, int(column.max()) - left + 1, int(row.max()) - top + 1)
        block, invalid = source.read(index, window=window), own_mask(source, index, fill, {index})
        if invalid is not None:
            block[invalid(block, window)] = fill
        values[inside] = block[row - top, column - left]
    return values, inside


def _span(source: Any) -> str:
    """Where a raster lies, in its own coordinates."""
    box = source.bounds
    return f"{box.left:.0f} to {box.right:.0f} east and {box.bottom:.0f} to {box.top:.0f} north"
