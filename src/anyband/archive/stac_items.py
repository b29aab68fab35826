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
from typing import TYPE_CHECKING, Any

from anyband.archive.item_properties import (
    PERCENTAGES,
    SIMULATED,
    AssetFile,
    ItemDescription,
    bounding_box,
    item_names,
    item_properties,
    mgrs_tile,
    microseconds,
)
from anyband.products import collection_of
from anyband.sensors import Sensor

if TYPE_CHECKING:  # what serves items stays quick to start
    from anyband.simulation.grids import PixelGrid

HOST = "archive.anyband.test"
BASE = f"http://{HOST}"
"""Stable address of the archive, under which its server is reached as a proxy."""


def item_id(info: ItemDescription) -> str:
    """Identifier of a scene, in the form of its provider."""
    return item_names(info)["id"]


def build_item(info: ItemDescription) -> dict[str, Any]:
    """Build the raw STAC item of a scene.

    Assets that have a file point to `{BASE}/files/{site}/{path}`; those without one point below the same folder,
    where nothing is found.

    Raises:
        ValueError: an asset key, percentage or platform that the dialect does not know, or no file at all.
    """
    collection = collection_of(info.product)
    template = copy.deepcopy(read_template(collection))
    _check(info, template)
    names = item_names(info) | {"base": BASE, "collection": collection}
    ring = _ring(info)
    multi = info.product.startswith("hls")
    properties = template["properties"] | item_properties(info, template, names) | {SIMULATED: info.simulated}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": list(template["stac_extensions"]),
        "id": names["id"],
        "collection": collection,
        "bbox": bounding_box(info.footprint),
        "geometry": {"type": "MultiPolygon" if multi else "Polygon", "coordinates": [[ring]] if multi else [ring]},
        "properties": properties,
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


_DESCRIBED = read_template("described")
_CLASSES = _DESCRIBED["assets"]["mask"]["classification:classes"]
DESCRIBED_MASK: dict[str, int] = {entry["name"]: entry["value"] for entry in _CLASSES}
"""Values of the mask of an extra sensor."""
DESCRIBED_SCALE: float = _DESCRIBED["assets"]["image"]["raster:scale"]
DESCRIBED_NODATA: int = _DESCRIBED["assets"]["image"]["nodata"]


def described_id(info: ItemDescription, sensor: Sensor) -> str:
    """Identifier of a scene of an extra sensor: satellite, time, tile and site."""
    return f"{sensor.platform}_{info.datetime:%Y%m%dT%H%M%S}_{mgrs_tile(*info.centre)}_{info.site}"


def described_item(info: ItemDescription, sensor: Sensor, grid: "PixelGrid") -> dict[str, Any]:
    """The item of a scene of an extra sensor whose files exist.

    STAC 1.1 with `bands` (eo v2, raster v2, projection v2), in no provider's own dialect: wavelengths, scale, grid and
    the meaning of the mask are all said there.
    """
    identifier, collection = described_id(info, sensor), collection_of(info.product)
    url = f"{BASE}/sensors/collections/{collection}"
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _DESCRIBED["stac_extensions"],
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


def _described_properties(info: ItemDescription, sensor: Sensor, grid: "PixelGrid") -> dict[str, Any]:
    scene = replace(
        info, platform=sensor.platform, assets={"image": AssetFile("", grid.epsg, grid.transform, grid.shape)}
    )
    return item_properties(scene, _DESCRIBED, {"epsg": str(grid.epsg), "product": sensor.product}) | {
        "gsd": sensor.bands[0].gsd_m,
        SIMULATED: info.simulated,
    }


def _described_assets(start: str, sensor: Sensor) -> dict[str, Any]:
    """Image and mask; wavelengths in micrometres."""
    assets: dict[str, Any] = copy.deepcopy(_DESCRIBED["assets"])
    for key, asset in assets.items():
        asset |= {"href": f"{start}_{key}.tif", "raster:spatial_resolution": sensor.bands[0].pixel_m}
    assets["image"]["bands"] = [
        {
            "name": band.name,
            "eo:center_wavelength": round(band.response.centre_nm / 1000, 6),
            "eo:full_width_half_max": round(band.response.fwhm_nm / 1000, 6),
        }
        for band in sensor.bands
    ]
    return assets
