"""STAC items of simulated scenes, key by key as the Planetary Computer writes them.

The fixed parts (extensions, links, asset descriptions) are in `templates/{collection}.json`, taken from recorded items
of the Planetary Computer (sentinel-2-l2a, landsat-c2-l2), its collection templates (hls2-s30, hls2-l30, with the
exchanged centre wavelengths of L30 B01 and B02 as published) and the stactools package of ESA WorldCover; this module
fills in what differs from scene to scene. One property is ours: `anyband:simulated`.
"""

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from anyband.archive.item_properties import (
    PERCENTAGES,
    PROPERTIES,
    SIMULATED,
    AssetFile,
    ItemDescription,
    bounding_box,
    item_names,
    mgrs_tile,
    microseconds,
)
from anyband.products import collection_of
from anyband.sensors import Sensor
from anyband.simulation.grids import PixelGrid

HOST = "archive.anyband.test"
BASE = f"http://{HOST}"
"""Stable address of the archive, under which its server is reached as a proxy."""


def item_id(info: ItemDescription) -> str:
    """Identifier of a scene, in the form of its provider."""
    return item_names(info)["id"]


def build_item(info: ItemDescription, base_url: str = BASE) -> dict[str, Any]:
    """Build the raw STAC item of a scene.

    Assets that have a file point to `{base_url}/files/{site}/{path}`; those without one point below the same folder,
    where nothing is found.

    Raises:
        ValueError: an asset key, percentage or platform that the dialect does not know, or no file at all.
    """
    collection = collection_of(info.product)
    template = _template(collection)
    _check(info, template)
    names = item_names(info) | {"base": base_url, "collection": collection}
    ring = _ring(info)
    multi = info.product.startswith("hls")
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": list(template["stac_extensions"]),
        "id": names["id"],
        "collection": collection,
        "bbox": bounding_box(info.footprint),
        "geometry": {"type": "MultiPolygon" if multi else "Polygon", "coordinates": [[ring]] if multi else [ring]},
        "properties": template["properties"] | PROPERTIES[info.product](info, names) | {SIMULATED: info.simulated},
        "links": _api_links(names) + [link | {"href": link["href"].format(**names)} for link in template["links"]],
        "assets": _assets(info, template["assets"], names),
    }


def _ring(info: ItemDescription) -> list[list[float]]:
    """The closed footprint."""
    ring = [list(point) for point in info.footprint]
    return ring + ([ring[0]] if ring[0] != ring[-1] else [])


def _check(info: ItemDescription, template: Mapping[str, Any]) -> None:
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


TEMPLATES = Path(__file__).with_name("templates")


@cache
def read_template(collection: str, folder: Path = TEMPLATES) -> dict[str, Any]:
    """The fixed part of a collection's items, as shipped; not to be changed by the caller."""
    path = folder / f"{collection}.json"
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _template(collection: str) -> dict[str, Any]:
    """A copy of the fixed part for one item."""
    return copy.deepcopy(read_template(collection))


def _assets(info: ItemDescription, templates: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
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


def _grid_fields(info: ItemDescription, key: str, template: Mapping[str, Any]) -> dict[str, Any]:
    """Grid of one asset; only Sentinel-2 (its rasters) and WorldCover publish grids there.

    An asset without a file gets the grid of a file of the same scene, scaled to its own pixel size.
    """
    known = info.assets.get(key) or next(iter(info.assets.values()))
    if info.product == "label":
        pixels = {"map": 1, "input_quality": 6}  # in 1/12000 degree
        grid = _scaled(known, pixels[key] / (known.transform[0] * 12_000))
        return {"created": microseconds(info.generation_time)} | _shape_and_transform(grid)
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


DESCRIBED_EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("eo/v2.0.0", "raster/v2.0.0", "projection/v2.0.0", "view/v1.0.0", "classification/v2.0.0")
]
DESCRIBED_MASK = {"no_data": 0, "clear": 1, "cloud": 2, "cloud_shadow": 3, "thin_cirrus": 4}
"""Values of the mask of an extra sensor."""
DESCRIBED_SCALE, DESCRIBED_NODATA = 1e-4, -9999


def described_id(info: ItemDescription, sensor: Sensor) -> str:
    """Identifier of a scene of an extra sensor: satellite, time, tile and site."""
    return f"{sensor.platform}_{info.datetime:%Y%m%dT%H%M%S}_{mgrs_tile(*info.centre)}_{info.site}"


def described_item(info: ItemDescription, sensor: Sensor, grid: PixelGrid) -> dict[str, Any]:
    """The item of a scene of an extra sensor whose files exist.

    STAC 1.1 with `bands` (eo v2, raster v2, projection v2), in no provider's own dialect: wavelengths, scale, grid and
    the meaning of the mask are all said there.
    """
    identifier, collection = described_id(info, sensor), collection_of(info.product)
    url = f"{BASE}/sensors/collections/{collection}"
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": DESCRIBED_EXTENSIONS,
        "id": identifier,
        "collection": collection,
        "bbox": bounding_box(info.footprint),
        "geometry": {"type": "Polygon", "coordinates": [_ring(info)]},
        "properties": _described_properties(info, sensor, grid),
        "links": [
            {"rel": "collection", "type": "application/json", "href": url},
            {"rel": "self", "type": "application/geo+json", "href": f"{url}/items/{identifier}"},
        ],
        "assets": _described_assets(f"{BASE}/files/{info.site}/{collection}/{identifier}/{identifier}", sensor),
    }


def _described_properties(info: ItemDescription, sensor: Sensor, grid: PixelGrid) -> dict[str, Any]:
    return {
        "datetime": microseconds(info.datetime),
        "created": microseconds(info.generation_time),
        "platform": sensor.platform,
        "constellation": sensor.product,
        "gsd": sensor.bands[0].gsd_m,
        "eo:cloud_cover": info.cloud_cover,
        "proj:code": f"EPSG:{grid.epsg}",
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform),
        "view:sun_elevation": 90 - info.sun_zenith,
        "view:sun_azimuth": info.sun_azimuth,
        "view:off_nadir": info.view_zenith,
        "view:azimuth": info.view_azimuth,
        SIMULATED: info.simulated,
    }


def _described_assets(start: str, sensor: Sensor) -> dict[str, Any]:
    media = "image/tiff; application=geotiff; profile=cloud-optimized"
    bands = [
        {
            "name": band.name,
            "eo:center_wavelength": round(band.response.centre_nm / 1000, 6),
            "eo:full_width_half_max": round(band.response.fwhm_nm / 1000, 6),
        }
        for band in sensor.bands
    ]
    image = {
        "href": f"{start}_image.tif",
        "type": media,
        "roles": ["data", "reflectance"],
        "title": "Surface reflectance",
        "data_type": "int16",
        "nodata": DESCRIBED_NODATA,
        "raster:scale": DESCRIBED_SCALE,
        "raster:offset": 0.0,
        "raster:spatial_resolution": sensor.bands[0].pixel_m,
        "bands": bands,
    }
    classes = [
        {"value": value, "name": name, "title": name.replace("_", " ")} for name, value in DESCRIBED_MASK.items()
    ]
    mask = {
        "href": f"{start}_mask.tif",
        "type": media,
        "roles": ["data-mask", "cloud", "cloud-shadow"],
        "title": "Mask of clouds and shadows",
        "data_type": "uint8",
        "nodata": DESCRIBED_MASK["no_data"],
        "raster:spatial_resolution": sensor.bands[0].pixel_m,
        "classification:classes": classes,
    }
    return {"image": image, "mask": mask}
