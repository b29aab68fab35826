"""What the dialects share: addresses of files, times, places and templates."""

import copy
import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyband.archive.item_properties import microseconds
from anyband.archive.server.item_index import Item
from anyband.archive.stac_items import BASE, read_template
from anyband.testing.made import made

TEMPLATES = Path(__file__).parents[1] / "templates"
ADDRESS = f"{BASE}/"  # of everything that the host has
CLOUD_OPTIMISED = "image/tiff; application=geotiff; profile=cloud-optimized"


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


def api_links(api: str, item: Item, names: tuple[str, ...]) -> list[dict[str, str]]:
    """Links that an API adds to an item, by their relations."""
    root = f"{BASE}/{api}"
    collection = {"href": f"{root}/collections/{item['collection']}", "type": "application/json"}
    known = {
        "self": {"href": f"{collection['href']}/items/{item['id']}", "type": "application/geo+json"},
        "parent": collection,
        "collection": collection,
        "root": {"href": root, "type": "application/json"},
    }
    return [{"rel": name} | known[name] for name in names]


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
