"""STAC items of simulated scenes, key by key as the Planetary Computer writes them.

The fixed parts (extensions, links, asset descriptions) are in `templates/{collection}.json`, taken from recorded items
of the Planetary Computer (sentinel-2-l2a, landsat-c2-l2), its collection templates (hls2-s30, hls2-l30, with the
exchanged centre wavelengths of L30 B01 and B02 as published) and the stactools package of ESA WorldCover; this module
fills in what differs from scene to scene. One property is ours: `anyband:simulated`.
"""

import copy
import datetime as dt
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from anyband.archive.geometry_names import mgrs_tile, worldcover_tile, wrs_path_row

Transform = tuple[float, float, float, float, float, float]

SIMULATED = "anyband:simulated"
COLLECTIONS = {
    "sentinel2": "sentinel-2-l2a",
    "landsat": "landsat-c2-l2",
    "hls_s30": "hls2-s30",
    "hls_l30": "hls2-l30",
    "label": "esa-worldcover",
}
PERCENTAGES = (
    "water", "snow_ice", "vegetation", "thin_cirrus", "cloud_shadow", "nodata_pixel", "unclassified", "dark_features",
    "not_vegetated", "degraded_msi_data", "high_proba_clouds", "medium_proba_clouds", "saturated_defective_pixel",
)  # fmt: skip

# One known absolute orbit per unit, from recorded items: (time, absolute orbit, offset to the relative orbit).
_ORBITS_PER_DAY = 14.3
_ORBITS_PER_CYCLE = 143
_ORBIT_REFERENCE = {
    "sentinel-2a": (dt.datetime(2020, 7, 31, 8, 6, 11, tzinfo=dt.UTC), 26673, 2),
    "sentinel-2b": (dt.datetime(2020, 6, 6, 8, 6, 9, tzinfo=dt.UTC), 16978, -27),
}


@dataclass(frozen=True)
class AssetFile:
    """One raster of a scene: path below the site's `files/`, CRS, affine (a, b, c, d, e, f), (rows, columns)."""

    path: str
    epsg: int
    transform: Transform
    shape: tuple[int, int]


@dataclass(frozen=True)
class SceneInfo:
    """What a simulated scene has to say about itself.

    Times are UTC, angles degrees, cloud cover and percentages 0..100; `footprint` is the lon/lat ring of valid data;
    `assets` maps the provider's asset keys to the files that exist.
    """

    product: str
    platform: str
    datetime: dt.datetime
    dataset: str
    site: str
    epsg: int
    assets: dict[str, AssetFile]
    footprint: list[tuple[float, float]]
    cloud_cover: float
    sun_zenith: float
    sun_azimuth: float
    view_zenith: float
    view_azimuth: float
    baseline: str | None
    generation_time: dt.datetime
    simulated: str
    percentages: dict[str, float] = field(default_factory=dict)

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude in the middle of the footprint's bounding box, degrees."""
        west, south, east, north = _bbox(self.footprint)
        return (west + east) / 2, (south + north) / 2


def item_id(info: SceneInfo) -> str:
    """Identifier of a scene, in the form of its provider."""
    return _names(info)["id"]


def build_item(info: SceneInfo, base_url: str = "http://archive.anyband.test") -> dict[str, Any]:
    """Build the raw STAC item of a scene.

    Assets that have a file point to `{base_url}/files/{site}/{path}`; those without one point below the same folder,
    where nothing is found.

    Raises:
        ValueError: an asset key, percentage or platform that the dialect does not know, or no file at all.
    """
    collection = COLLECTIONS[info.product]
    template = _template(collection)
    _check(info, template)
    names = _names(info) | {"base": base_url, "collection": collection}
    ring = [list(point) for point in info.footprint]
    ring += [ring[0]] if ring[0] != ring[-1] else []
    multi = info.product.startswith("hls")
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": list(template["stac_extensions"]),
        "id": names["id"],
        "collection": collection,
        "bbox": _bbox(info.footprint),
        "geometry": {"type": "MultiPolygon" if multi else "Polygon", "coordinates": [[ring]] if multi else [ring]},
        "properties": template["properties"] | _PROPERTIES[info.product](info, names) | {SIMULATED: info.simulated},
        "links": _api_links(names) + [link | {"href": link["href"].format(**names)} for link in template["links"]],
        "assets": _assets(info, template["assets"], names),
    }


def _check(info: SceneInfo, template: Mapping[str, Any]) -> None:
    """Refuse what the dialect has no place for."""
    for what, given, known in (
        ("asset", info.assets, template["assets"]),
        ("percentage", info.percentages, PERCENTAGES),
    ):
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f"{info.product} of {info.site}: unknown {what} {unknown[0]!r}, known: {', '.join(known)}")
    if not info.assets:
        raise ValueError(f"{info.product} of {info.site}: a scene needs at least one file")


@cache
def read_template(collection: str) -> dict[str, Any]:
    """The fixed part of a collection's items, as shipped; not to be changed by the caller."""
    path = Path(__file__).with_name("templates") / f"{collection}.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _template(collection: str) -> dict[str, Any]:
    """A copy of the fixed part for one item."""
    return copy.deepcopy(read_template(collection))


def _names(info: SceneInfo) -> dict[str, str]:
    """Everything that goes into ids, file names and links."""
    longitude, latitude = info.centre
    names = {"site": info.site, "sensing": _compact(info.datetime), "generation": _compact(info.generation_time)}
    if info.product == "label":
        # Each site holds its own cut-out of the 3 degree tile, and ids must differ within a collection.
        tile = worldcover_tile(longitude, latitude)
        return names | {"tile": tile, "id": f"ESA_WorldCover_10m_2021_v200_{tile}_{info.site}"}
    if info.product == "landsat":
        path, row = wrs_path_row(longitude, latitude)
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


def _sentinel2_names(info: SceneInfo, tile: str) -> dict[str, str]:
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


def _sentinel2_properties(info: SceneInfo, names: Mapping[str, str]) -> dict[str, Any]:
    unit, baseline = names["id"][:3], f"N{info.baseline}"
    made = names["generation"]
    return {
        "datetime": _microseconds(info.datetime),
        "platform": f"Sentinel-2{info.platform[-1].upper()}",
        "proj:epsg": info.epsg,
        "eo:cloud_cover": info.cloud_cover,
        "sat:relative_orbit": int(names["relative"]),
        "s2:mgrs_tile": names["tile"],
        "s2:granule_id": f"{unit}_OPER_MSI_L2A_TL_MSFT_{made}_A{names['orbit']}_T{names['tile']}_{baseline}",
        "s2:datatake_id": f"G{unit}_{names['sensing']}_{names['orbit']}_{baseline}",
        "s2:product_uri": f"{names['product']}.SAFE",
        "s2:datastrip_id": f"{unit}_OPER_MSI_L2A_DS_MSFT_{made}_S{names['sensing']}_{baseline}",
        "s2:generation_time": _microseconds(info.generation_time),
        "s2:processing_baseline": info.baseline,
        "s2:mean_solar_zenith": info.sun_zenith,
        "s2:mean_solar_azimuth": info.sun_azimuth,
        "s2:reflectance_conversion_factor": _sun_distance_factor(info.datetime),
    } | {f"s2:{name}_percentage": info.percentages.get(name, 0.0) for name in PERCENTAGES}


def _landsat_properties(info: SceneInfo, names: Mapping[str, str]) -> dict[str, Any]:
    grid = next(iter(info.assets.values()))
    scene = f"LC{info.platform[-1]}{names['path']}{names['row']}{info.datetime:%Y%j}LGN00"
    return {
        "datetime": _microseconds(info.datetime),
        "created": _microseconds(info.generation_time),
        "platform": info.platform,
        "proj:epsg": info.epsg,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform),
        "eo:cloud_cover": info.cloud_cover,
        "landsat:cloud_cover_land": info.cloud_cover,
        "landsat:scene_id": scene,
        "landsat:wrs_path": names["path"],
        "landsat:wrs_row": names["row"],
        "view:sun_elevation": 90 - info.sun_zenith,
        "view:sun_azimuth": info.sun_azimuth,
    }


def _hls_properties(info: SceneInfo, names: Mapping[str, str]) -> dict[str, Any]:
    grid = next(iter(info.assets.values()))
    when = _microseconds(info.datetime)
    return {
        "datetime": when,
        "start_datetime": when,
        "end_datetime": when,
        "platform": info.platform,
        "proj:epsg": info.epsg,
        "proj:shape": list(grid.shape),
        "proj:transform": [*grid.transform, 0.0, 0.0, 1.0],
        "eo:cloud_cover": info.cloud_cover,
        "view:sun_azimuth": info.sun_azimuth,
        "view:azimuth": info.view_azimuth,
    }


def _label_properties(info: SceneInfo, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "proj:epsg": info.epsg,
        "esa_worldcover:product_tile": names["tile"],
        "grid:code": f"ESAWORLDCOVER-{names['tile']}",
    }


_PROPERTIES = {
    "sentinel2": _sentinel2_properties,
    "landsat": _landsat_properties,
    "hls_s30": _hls_properties,
    "hls_l30": _hls_properties,
    "label": _label_properties,
}


def _assets(info: SceneInfo, templates: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """All assets of the dialect, those without a file included."""
    folder = f"{names['base']}/files/{info.site}/"
    assets = {}
    for key, template in templates.items():
        href = template["href"].format(**names)
        if key in info.assets:
            href = folder + info.assets[key].path
        elif "://" not in href:
            href = folder + href
        assets[key] = template | {"href": href} | _grid_fields(info, key, template)
    return assets


def _grid_fields(info: SceneInfo, key: str, template: Mapping[str, Any]) -> dict[str, Any]:
    """Grid of one asset; only Sentinel-2 (its rasters) and WorldCover publish grids there.

    An asset without a file gets the grid of a file of the same scene, scaled to its own pixel size.
    """
    known = info.assets.get(key) or next(iter(info.assets.values()))
    if info.product == "label":
        pixels = {"map": 1, "input_quality": 6}  # in 1/12000 degree
        grid = _scaled(known, pixels[key] / (known.transform[0] * 12_000))
        return {"created": _microseconds(info.generation_time)} | _shape_and_transform(grid)
    if info.product == "sentinel2" and "gsd" in template:
        grid = _scaled(known, template["gsd"] / known.transform[0])
        west, north = grid.transform[2], grid.transform[5]
        south, east = north + grid.shape[0] * grid.transform[4], west + grid.shape[1] * grid.transform[0]
        return {"proj:bbox": [west, south, east, north]} | _shape_and_transform(grid)
    return {}


def _scaled(grid: AssetFile, ratio: float) -> AssetFile:
    """The same ground in pixels that are `ratio` times as large."""
    if math.isclose(ratio, 1):
        return grid
    a, b, c, d, e, f = grid.transform
    rows, columns = (round(size / ratio) for size in grid.shape)
    return replace(grid, transform=(a * ratio, b, c, d, e * ratio, f), shape=(rows, columns))


def _shape_and_transform(grid: AssetFile) -> dict[str, Any]:
    return {"proj:shape": list(grid.shape), "proj:transform": list(grid.transform)}


def _api_links(names: Mapping[str, str]) -> list[dict[str, str]]:
    """Links that the API itself adds to every item."""
    root = f"{names['base']}/stac/"
    collection = f"{root}collections/{names['collection']}"
    return [
        {"rel": "collection", "type": "application/json", "href": collection},
        {"rel": "parent", "type": "application/json", "href": collection},
        {"rel": "root", "type": "application/json", "href": root},
        {"rel": "self", "type": "application/geo+json", "href": f"{collection}/items/{names['id']}"},
    ]


def _bbox(ring: list[tuple[float, float]]) -> list[float]:
    longitudes, latitudes = zip(*ring, strict=True)
    return [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]


def _compact(when: dt.datetime) -> str:
    return f"{when:%Y%m%dT%H%M%S}"


def _microseconds(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _sun_distance_factor(when: dt.datetime) -> float:
    """Squared ratio of mean to actual Sun-Earth distance: first order in the eccentricity, perihelion on 4 January."""
    day = when.timetuple().tm_yday
    return 1 / (1 - 0.01673 * math.cos(2 * math.pi * (day - 4) / 365.25)) ** 2
