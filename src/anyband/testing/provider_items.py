"""How providers write the archive's items: what all dialects share, and the form to come.

That is STAC 1.1: `bands` for `eo:bands` and `raster:bands`, `proj:code` for `proj:epsg`, by the migration rules of the
extensions.
"""

import copy
import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyband.archive.item_index import Item
from anyband.archive.item_properties import microseconds
from anyband.archive.stac_items import BASE, read_template
from anyband.testing.changes import made

TEMPLATES = Path(__file__).parent / "templates"
ADDRESS = f"{BASE}/"  # of everything that the host has
OWN_LINKS = ("self", "parent", "collection", "root")
STAC_1_1 = "stac-1.1"  # name of the API with the form to come
EO_NAMES = ("common_name", "center_wavelength", "full_width_half_max", "solar_illumination")
RASTER_NAMES = ("scale", "offset", "spatial_resolution", "sampling", "bits_per_sample", "histogram")
SECOND_VERSION = re.compile(r"/(eo|raster|projection|classification)/v1\.\d\.\d/")


@dataclass(frozen=True)
class Published:
    """An item in a dialect.

    Attributes:
        item: as the API returns it.
        files: path below the archive's host (`files/...`, `made/...`) of each `{bucket}/{key}` that the item names,
            for the addresses that are not such a path already.
    """

    item: Item
    files: dict[str, str] = field(default_factory=dict)


def as_stored(item: Item) -> Published:
    """The form of the Planetary Computer."""
    return Published(item)


def template(name: str) -> Any:
    """A copy of a template's content."""
    own = (TEMPLATES / f"{name}.json").is_file()
    return copy.deepcopy(read_template(name, TEMPLATES) if own else read_template(name))


def stored_path(asset: dict[str, Any], change: str | None = None) -> str:
    """Path below the archive's host of an asset's file, after a change of its pixels if one is named."""
    path = str(asset["href"]).removeprefix(f"{BASE}/")
    return made(path, change) if change else path


def moment(text: str) -> dt.datetime:
    """A published time."""
    return dt.datetime.fromisoformat(text)


def later(text: str, seconds: float) -> str:
    """A published time, moved."""
    return microseconds(moment(text) + dt.timedelta(seconds=seconds))


def api_links(api: str, item: Item) -> list[dict[str, str]]:
    """Links that an API adds to an item: itself, parent, collection, root."""
    root = f"{BASE}/{api}"
    collection = {"href": f"{root}/collections/{item['collection']}", "type": "application/json"}
    known = {
        "self": {"href": f"{collection['href']}/items/{item['id']}", "type": "application/geo+json"},
        "parent": collection,
        "collection": collection,
        "root": {"href": root, "type": "application/json"},
    }
    return [{"rel": name} | known[name] for name in OWN_LINKS]


def written_item(
    item: Item, described: Item, name: str, collection: str, properties: dict[str, Any], assets: dict[str, Any]
) -> Item:
    """An item of a provider without links: place and time of the stored one, the rest from a template and given."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": described["stac_extensions"],
        "id": name,
        "collection": collection,
        "bbox": item["bbox"],
        "geometry": item["geometry"],
        "properties": described["properties"] | properties,
        "assets": assets,
        "links": [],
    }


def centroid(item: Item) -> dict[str, float]:
    """Middle of the bounding box, as `proj:centroid`."""
    west, south, east, north = item["bbox"]
    return {"lat": round((south + north) / 2, 5), "lon": round((west + east) / 2, 5)}


def within_180(item: Item) -> Item:
    """The item with longitudes of -180 to 180; a footprint across the antimeridian becomes one polygon on each side."""
    if item["bbox"][2] <= 180:
        return item
    from shapely.affinity import translate
    from shapely.geometry import MultiPolygon, box, mapping, shape

    whole = shape(item["geometry"])
    west, east = whole.intersection(box(-180, -90, 180, 90)), whole.intersection(box(180, -90, 540, 90))
    parts = [part for part in (west, translate(east, -360)) if part.area > 0]
    polygons = [polygon for part in parts for polygon in getattr(part, "geoms", [part])]
    geometry = polygons[0] if len(polygons) == 1 and item["geometry"]["type"] == "Polygon" else MultiPolygon(polygons)
    first, second = parts[0].bounds, parts[-1].bounds
    bbox = [first[0], min(first[1], second[1]), second[2], max(first[3], second[3])]
    return item | {"geometry": mapping(geometry), "bbox": bbox}


def in_new_form(change: Callable[[Item], Item] = dict) -> Callable[[Item], Published]:
    """A dialect that writes a stored item in STAC 1.1, after `change`."""

    def publish(item: Item) -> Published:
        written = upgrade(change(item))
        links = [link for link in written["links"] if link["rel"] not in OWN_LINKS]
        written["links"] = sorted(api_links(STAC_1_1, written), key=lambda link: link["rel"]) + links
        return Published(within_180(written))

    return publish


def upgrade(item: Item) -> Item:
    """An item of STAC 1.0 in the form of STAC 1.1."""
    written = copy.deepcopy(item) | {"stac_version": "1.1.0"}
    written["stac_extensions"] = [SECOND_VERSION.sub(r"/\1/v2.0.0/", url) for url in item["stac_extensions"]]
    for fields in (written["properties"], *written["assets"].values()):
        if "proj:epsg" in fields:
            fields["proj:code"] = f"EPSG:{fields.pop('proj:epsg')}"
    for asset in written["assets"].values():
        optical, raster = asset.pop("eo:bands", []), asset.pop("raster:bands", [])
        if optical or raster:
            count = max(len(optical), len(raster))
            pairs = zip(_padded(optical, count), _padded(raster, count), strict=True)
            asset["bands"] = [_band(*pair) for pair in pairs]
    return written


def _padded(bands: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return bands + [{}] * (count - len(bands))


def _band(optical: dict[str, Any], raster: dict[str, Any]) -> dict[str, Any]:
    """One entry of `bands`."""
    renamed = {f"raster:{name}" if name in RASTER_NAMES else name: value for name, value in raster.items()}
    return renamed | {f"eo:{name}" if name in EO_NAMES else name: value for name, value in optical.items()}
