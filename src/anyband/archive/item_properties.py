"""Ids, file names and properties of items in the form of each provider."""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anyband.ground import project, utm_epsg

Transform = tuple[float, float, float, float, float, float]

SIMULATED = "anyband:simulated"
_PERCENTAGES = """water snow_ice vegetation thin_cirrus cloud_shadow nodata_pixel unclassified dark_features
not_vegetated degraded_msi_data high_proba_clouds medium_proba_clouds saturated_defective_pixel"""
PERCENTAGES = tuple(_PERCENTAGES.split())


@dataclass(frozen=True)
class AssetFile:
    """One raster of a scene: path below the site's `files/`, CRS, affine (a, b, c, d, e, f), (rows, columns)."""

    path: str
    epsg: int
    transform: Transform
    shape: tuple[int, int]


@dataclass(frozen=True)
class ItemDescription:
    """What a simulated scene has to say about itself in its item.

    Times are UTC, angles degrees, cloud cover and percentages 0..100; `footprint` is the lon/lat ring of valid data;
    `assets` maps the provider's asset keys to the files that exist; `wrs_row` is None for the nearest row.
    """

    product: str
    datetime: dt.datetime
    generation_time: dt.datetime
    dataset: str
    site: str
    epsg: int
    footprint: list[tuple[float, float]]
    simulated: str
    assets: dict[str, AssetFile] = field(default_factory=dict)
    platform: str = ""
    cloud_cover: float = 0.0
    sun_zenith: float = 0.0
    sun_azimuth: float = 0.0
    view_zenith: float = 0.0
    view_azimuth: float = 0.0
    baseline: str | None = None
    percentages: dict[str, float] = field(default_factory=dict)
    wrs_row: int | None = None

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude in the middle of the footprint's bounding box, degrees."""
        west, south, east, north = bounding_box(self.footprint)
        return (west + east) / 2, (south + north) / 2


def bounding_box(ring: list[tuple[float, float]]) -> list[float]:
    """West, south, east, north of a ring of longitudes and latitudes, degrees."""
    longitudes, latitudes = zip(*ring, strict=True)
    return [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]


# One known absolute orbit per unit, from recorded items: (time, absolute orbit, offset to the relative orbit).
_ORBITS_PER_DAY = 14.3
_ORBITS_PER_CYCLE = 143
_ORBIT_REFERENCE = {
    "sentinel-2a": (dt.datetime(2020, 7, 31, 8, 6, 11, tzinfo=dt.UTC), 26673, 2),
    "sentinel-2b": (dt.datetime(2020, 6, 6, 8, 6, 9, tzinfo=dt.UTC), 16978, -27),
}


def item_names(info: ItemDescription) -> dict[str, str]:
    """Everything that goes into ids, file names and links."""
    longitude, latitude = info.centre
    names = {
        "site": info.site,
        "sensing": _compact(info.datetime),
        "generation": _compact(info.generation_time),
        "day": f"{info.datetime:%Y%j}",
        "unit": info.platform[-1:].upper(),
        "baseline": str(info.baseline),
    }
    if info.product == "label":
        # Each site holds its own cut-out of the 3 degree tile, and ids must differ within a collection.
        tile = worldcover_tile(longitude, latitude)
        return names | {"tile": tile, "id": f"ESA_WorldCover_10m_2021_v200_{tile}_{info.site}"}
    if info.product == "landsat":
        path, nearest = wrs_path_row(longitude, latitude)
        row = info.wrs_row or nearest
        start = f"LC0{info.platform[-1]}_L2SP_{path:03d}{row:03d}_{info.datetime:%Y%m%d}"
        return names | {
            "id": f"{start}_02_T1",
            "product": f"{start}_{info.generation_time:%Y%m%d}_02_T1",
            "path": f"{path:03d}",
            "row": f"{row:03d}",
        }
    tile = mgrs_tile(longitude, latitude)
    if info.epsg % 100 != int(tile[:2]):
        raise ValueError(f"{info.product} of {info.site}: EPSG:{info.epsg} is not the zone of its tile {tile}")
    names["tile"] = tile
    if info.product.startswith("hls"):
        return names | {"id": f"HLS.{info.product[-3:].upper()}.T{tile}.{info.datetime:%Y%jT%H%M%S}.v2.0"}
    return names | _sentinel2_names(info, tile)


def _sentinel2_names(info: ItemDescription, tile: str) -> dict[str, str]:
    """Item id, SAFE product name, absolute and relative orbit of a Sentinel-2 scene."""
    if info.baseline is None or info.platform not in _ORBIT_REFERENCE:
        raise ValueError(f"sentinel2 of {info.site}: needs a baseline and one of {', '.join(_ORBIT_REFERENCE)}")
    when, number, offset = _ORBIT_REFERENCE[info.platform]
    orbit = number + round((info.datetime - when).total_seconds() / 86_400 * _ORBITS_PER_DAY)
    relative = (orbit + offset) % _ORBITS_PER_CYCLE + 1
    start = f"S2{info.platform[-1].upper()}_MSIL2A_{_compact(info.datetime)}"
    end = f"R{relative:03d}_T{tile}_{_compact(info.generation_time)}"
    return {
        "id": f"{start}_{end}",
        "product": f"{start}_N{info.baseline.replace('.', '')}_{end}",
        "orbit": f"{orbit:06d}",
        "relative": str(relative),
    }


def hls_tags(info: ItemDescription) -> dict[str, str]:
    """Tags in the header of an HLS file that name the products it was made from, and so the satellite."""
    if info.product == "hls_l30":
        product = item_names(replace(info, product="landsat"))["product"]
        return {"LANDSAT_PRODUCT_ID": product.replace("_L2SP_", "_L1TP_")}
    product = item_names(replace(info, product="sentinel2"))["product"]
    return {"PRODUCT_URI": f"{product.replace('_MSIL2A_', '_MSIL1C_')}.SAFE"}


def item_properties(info: ItemDescription, template: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """What differs from scene to scene, as the collection's template maps it.

    Args:
        info: the scene.
        template: `filled`, property -> one of the scene's values below; `named`, property -> pattern of `names`.
        names: of `item_names`.
    """
    grid = next(iter(info.assets.values()))
    values = vars(info) | {
        "datetime": microseconds(info.datetime),
        "generation_time": microseconds(info.generation_time),
        "shape": list(grid.shape),
        "transform": list(grid.transform),
        "whole_transform": [*grid.transform, 0.0, 0.0, 1.0],
        "sun_elevation": 90 - info.sun_zenith,
        "sun_distance_factor": _sun_distance_factor(info.datetime),
        "relative_orbit": int(names.get("relative", 0)),
    }
    filled = {key: values[name] for key, name in template["filled"].items()}
    filled |= {key: pattern.format(**names) for key, pattern in template["named"].items()}
    if info.product == "sentinel2":
        filled |= {f"s2:{name}_percentage": info.percentages.get(name, 0.0) for name in PERCENTAGES}
    return filled


def _compact(when: dt.datetime) -> str:
    return f"{when:%Y%m%dT%H%M%S}"


def microseconds(when: dt.datetime) -> str:
    """A time as the providers write it: UTC, six decimals, Z."""
    return when.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _sun_distance_factor(when: dt.datetime) -> float:
    """Squared ratio of mean to actual Sun-Earth distance: first order in the eccentricity, perihelion on 4 January."""
    day = when.timetuple().tm_yday
    return 1 / (1 - 0.01673 * math.cos(2 * math.pi * (day - 4) / 365.25)) ** 2


_BANDS = "CDEFGHJKLMNPQRSTUVWX"  # 8 degrees of latitude each from 80 S; X reaches to 84 N
_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")  # 100 km columns of zones 1, 2, 3 and then again
_ROWS = "ABCDEFGHJKLMNPQRSTUV"  # 100 km rows, repeated every 2000 km; even zones start at F
_SQUARE_M = 100_000

# WRS-2 (Landsat 4 to 9): 233 orbits in 16 days, 248 rows an orbit, row 60 descends across the equator.
_PATHS = 233
_ROWS_PER_ORBIT = 248
_DAYS_PER_CYCLE = 16
_INCLINATION = math.radians(98.2)
_PATH_1_LONGITUDE = -64.6  # equator crossing of path 1, degrees east


def utm_zone(longitude: float, latitude: float) -> int:
    """UTM zone 1..60 of a point in degrees, with the exceptions of Norway (32V) and Svalbard (31X to 37X)."""
    if 56 <= latitude < 64 and 3 <= longitude < 12:
        return 32
    if latitude >= 72 and 0 <= longitude < 42:
        return 31 + 2 * int((longitude + 3) // 12)
    return utm_epsg(longitude, latitude) % 100


def mgrs_tile(longitude: float, latitude: float) -> str:
    """Name of the 100 km MGRS square that holds a point in degrees, as Sentinel-2 tiles are called: `32TQM`.

    Raises:
        ValueError: the point lies outside 80 S .. 84 N, where UTM and the tiling end.
    """
    if not -80 <= latitude <= 84:
        raise ValueError(f"no MGRS tile at latitude {latitude}: the grid ends at 80 S and 84 N")
    zone = utm_zone(longitude, latitude)
    east, north = project(longitude, latitude, (32700 if latitude < 0 else 32600) + zone)
    column = _COLUMNS[(zone - 1) % 3][int(east // _SQUARE_M) - 1]
    row = _ROWS[(int(north // _SQUARE_M) + (5 if zone % 2 == 0 else 0)) % len(_ROWS)]
    band = _BANDS[min(int((latitude + 80) // 8), len(_BANDS) - 1)]
    return f"{zone:02d}{band}{column}{row}"


def wrs_path_row(longitude: float, latitude: float) -> tuple[int, int]:
    """WRS-2 path (1..233) and row of the descending pass whose scene centre is nearest to a point in degrees.

    Circular orbit over a sphere: with u the angle along the orbit since the equator, sin(lat) = -sin(i) sin(u); the
    track drifts west by the orbit's tilt and by the Earth's turn of 16/233 of u.
    """
    sine = -math.sin(math.radians(latitude)) / math.sin(_INCLINATION)
    angle = math.asin(max(-1.0, min(1.0, sine)))
    row = 60 + round(math.degrees(angle) * _ROWS_PER_ORBIT / 360)
    tilt = math.degrees(math.atan2(math.cos(_INCLINATION) * math.sin(angle), math.cos(angle)))
    drift = tilt - math.degrees(angle) * _DAYS_PER_CYCLE / _PATHS
    path = round((_PATH_1_LONGITUDE - (longitude - drift)) * _PATHS / 360) % _PATHS + 1
    return path, row


def worldcover_tile(longitude: float, latitude: float) -> str:
    """Name of the 3 degree ESA WorldCover tile that holds a point, after its lower-left corner: `N45E009`."""
    south, west = (3 * math.floor(value / 3) for value in (latitude, longitude))
    return f"{'S' if south < 0 else 'N'}{abs(south):02d}{'W' if west < 0 else 'E'}{abs(west):03d}"
