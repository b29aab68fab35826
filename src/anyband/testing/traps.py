"""Traps: what real catalogues contain and a careless pipeline falls into, as named switches of the server.

`ProviderServer(root, traps=("tier-2", "mgrs-overlap"))` serves the archive's items with these changes, in every
dialect; `traps.yaml` lists them. The FIRST scene of a product is the earliest one of each site.

Changed files are made on the fly from a stored GeoTIFF, with other pixels or tags. Their addresses say what was done:
`made/{change}+{change}/{site}/{path}` for the stored `files/{site}/{path}`. Tiling, compression, CRS, transform and all
tags that are not the point of a change stay as stored.
"""

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from anyband.archive.item_properties import microseconds
from anyband.archive.stac_api import Item, start_time
from anyband.runtime import UserError

FILES, MADE = "files/", "made/"
_ARCHIVE = re.compile(rf"http://[^/]+/(?=(?:{FILES}|{MADE}[^/]+/)(?P<site>[^/]+)/)")


def site_of(item: Item) -> str:
    """Site that an item's files belong to, "" for an item without any file of the archive."""
    found = (_ARCHIVE.match(asset["href"]) for asset in item["assets"].values())
    return next((match["site"] for match in found if match), "")


def stored_part(path: str) -> str:
    """`{site}/{path}` of `files/{site}/{path}` or of a file that is made from it."""
    if path.startswith(MADE):
        return path.removeprefix(MADE).partition("/")[2]
    return path.removeprefix(FILES)


def first_scenes(items: Sequence[Item], *collections: str) -> list[Item]:
    """The earliest item of every site in each of the collections."""
    first: dict[tuple[str, str], Item] = {}
    for item in sorted(items, key=lambda item: (start_time(item), item["id"])):
        if item["collection"] in collections:
            first.setdefault((site_of(item), item["collection"]), item)
    return list(first.values())


def renamed(item: Item, *changes: tuple[str, str]) -> Item:
    """A copy with other words in id, properties, links and titles, but the same files."""
    hrefs = {key: asset["href"] for key, asset in item["assets"].items()}
    twin = copy.deepcopy(item)

    def replace(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replace(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [replace(entry) for entry in value]
        for old, new in changes if isinstance(value, str) else ():
            value = value.replace(old, new)
        return value

    twin = {key: replace(value) for key, value in twin.items()}
    for key, href in hrefs.items():
        twin["assets"][key]["href"] = href
    return twin


def change_files(item: Item, change: str, keys: Iterable[str] | None = None) -> None:
    """Let an item point to files that are made from its own (see `made`); None for all of the archive's files."""
    for key in list(item["assets"]) if keys is None else keys:
        asset = item["assets"][key]
        found = _ARCHIVE.match(asset["href"])
        if found:
            asset["href"] = found[0] + made(asset["href"][found.end() :], change)


ADDED_DN = 1000  # in the pixels of Sentinel-2 baselines 04.00 and later

Pixels = NDArray[Any]
Profile = dict[str, Any]


def _without_offset(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Take the added 1000 off; what would be negative becomes 0, as in the files of Earth Search."""
    return np.where(pixels > ADDED_DN, pixels - np.minimum(pixels, ADDED_DN), 0).astype(pixels.dtype), profile


def _with_offset(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Add 1000 wherever there are data, as a reprocessing to baseline 04.00 or later does."""
    raised = np.minimum(pixels.astype(np.uint32) + ADDED_DN, np.iinfo(pixels.dtype).max)
    return np.where(pixels == 0, 0, raised).astype(pixels.dtype), profile


def _untagged(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Leave out the nodata tag."""
    return pixels, profile | {"nodata": None}


def _west(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Data in the western half only."""
    kept = np.broadcast_to(np.arange(pixels.shape[1]) < pixels.shape[1] // 2, pixels.shape)
    return np.where(kept, pixels, _fill(profile)).astype(pixels.dtype), profile


def _triangle(pixels: Pixels, profile: Profile) -> tuple[Pixels, Profile]:
    """Data above the diagonal from the lower left to the upper right only."""
    rows, columns = (np.arange(size) / size for size in pixels.shape)
    kept = rows[:, None] + columns[None, :] < 1
    return np.where(kept, pixels, _fill(profile)).astype(pixels.dtype), profile


def _fill(profile: Mapping[str, Any]) -> float:
    return 0 if profile["nodata"] is None else float(profile["nodata"])


CHANGES: dict[str, Callable[[Pixels, Profile], tuple[Pixels, Profile]]] = {
    "without-offset": _without_offset,
    "with-offset": _with_offset,
    "untagged": _untagged,
    "west": _west,
    "triangle": _triangle,
}


def made(path: str, change: str) -> str:
    """Path below the archive's host of a file after one more change."""
    if path.startswith(MADE):
        changes, _, stored = path.removeprefix(MADE).partition("/")
        return f"{MADE}{changes}+{change}/{stored}"
    return f"{MADE}{change}/{path.removeprefix(FILES)}"


def make(stored: Path, changes: str) -> bytes:
    """Content of a stored GeoTIFF after some changes, `+` between them.

    Raises:
        KeyError: an unknown change.
        rasterio.errors.RasterioError: not a raster.
    """
    with rasterio.open(stored) as source:
        profile, pixels = dict(source.profile), source.read(1)
        tags, scales = source.tags(), source.scales
    for name in changes.split("+"):
        pixels, profile = CHANGES[name](pixels, profile)
    compression = {"zstd_level": 1} if profile.get("compress") == "zstd" else {}
    with MemoryFile() as memory:
        with memory.open(**profile | {"predictor": 2} | compression) as target:
            target.write(pixels, 1)
            target.update_tags(**{name: value for name, value in tags.items() if name != "AREA_OR_POINT"})
            if scales != (1.0,):
                target.scales = scales
        return bytes(memory.read())


Trap = Callable[[list[Item]], list[Item]]
SMALL_PAGES = "small-pages"
S2, LANDSAT, S30, L30 = "sentinel-2-l2a", "landsat-c2-l2", "hls2-s30", "hls2-l30"
FLAG = "earthsearch:boa_offset_applied"

_LATER = timedelta(days=400)
_NEXT_ROW = timedelta(seconds=24)
_NEW_BASELINE = "05.10"


def _mgrs_overlap(items: list[Item]) -> list[Item]:
    twins = []
    for item in items:
        if item["collection"] in (S2, S30):
            tile = re.search(r"T(\d{2}[A-Z]{3})", item["id"])
            if tile is None:
                continue
            column = tile[1][3]  # one column to the east, or to the west at the end of the zone
            after = {"H": "G", "Z": "Y", "R": "Q"}.get(column) or chr(ord(column) + (2 if column in "HN" else 1))
            other = tile[1][:3] + after + tile[1][4]
            twins.append(renamed(item, (tile[1], other)))
    return items + twins


def _reprocessed(items: list[Item]) -> list[Item]:
    twins = []
    for item in first_scenes(items, S2):
        old, made_at = item["properties"]["s2:processing_baseline"], item["properties"]["s2:generation_time"]
        later = start_time({"properties": {"datetime": made_at}}) + _LATER
        compact = re.sub(r"[-:]|\..*", "", made_at)
        twin = renamed(
            item,
            (f"N{old}", f"N{_NEW_BASELINE}"),
            (f"N{old.replace('.', '')}", f"N{_NEW_BASELINE.replace('.', '')}"),
            (compact, f"{later:%Y%m%dT%H%M%S}"),
        )
        twin["properties"] |= {"s2:processing_baseline": _NEW_BASELINE, "s2:generation_time": microseconds(later)}
        if old < "04.00":
            change_files(twin, "with-offset", [key for key in twin["assets"] if re.fullmatch(r"B\d[\dA]", key)])
        twins.append(twin)
    return items + twins


def _row_overlap(items: list[Item]) -> list[Item]:
    twins = []
    for item in first_scenes(items, LANDSAT):
        path, row = item["properties"]["landsat:wrs_path"], item["properties"]["landsat:wrs_row"]
        below = f"{int(row) + 1:03d}"
        twin = renamed(item, (path + row, path + below))
        when = microseconds(start_time(item) + _NEXT_ROW)
        twin["properties"] |= {"landsat:wrs_row": below, "datetime": when}
        twins.append(twin)
    return items + twins


def _hls_wrong_hemisphere(items: list[Item]) -> list[Item]:
    for item in items:
        if item["collection"] in (S30, L30):
            code = item["properties"]["proj:epsg"]
            item["properties"]["proj:epsg"] = code + 100 if code < 32_700 else code - 100
    return items


def _asset_404(items: list[Item]) -> list[Item]:
    for item in first_scenes(items, LANDSAT):
        item["assets"]["red"]["href"] += ".gone.tif"
    return items


def _beyond_180(items: list[Item]) -> list[Item]:
    def move(value: Any) -> Any:
        if isinstance(value[0], int | float):
            return [value[0] + 360 if value[0] < 0 else value[0], *value[1:]]
        return [move(entry) for entry in value]

    for item in items:
        item["geometry"] = item["geometry"] | {"coordinates": move(item["geometry"]["coordinates"])}
        west, south, east, north = item["bbox"]
        item["bbox"] = [west + 360 if west < 0 else west, south, east + 360 if east < 0 else east, north]
    return items


def _earth_search_71(items: list[Item]) -> list[Item]:
    seen = set()
    for item in sorted(items, key=lambda item: (start_time(item), item["id"])):
        place = item["properties"].get("grid:code")
        if item["properties"].get(FLAG) and place not in seen:
            seen.add(place)
            item["properties"][FLAG] = False
    return items


def _edit(items: list[Item], edits: Iterable[Mapping[str, Any]]) -> list[Item]:
    """The items after edits of the table."""
    twins = []
    for edit in edits:
        every = [item for item in items if item["collection"] in edit["where"]]
        for item in every if edit.get("every") else first_scenes(items, *edit["where"]):
            changed = renamed(item, *edit.get("rename", ()))
            properties = changed["properties"] | edit.get("set", {})
            gone = edit.get("without", ())
            changed["properties"] = {name: value for name, value in properties.items() if name not in gone}
            gone = edit.get("without_assets", ())
            changed["assets"] = {key: asset for key, asset in changed["assets"].items() if key not in gone}
            if "cut" in edit:
                _cut(changed, edit["cut"])
            if "file" in edit:
                change_files(changed, edit["file"])
            if edit.get("twin"):
                twins.append(changed)
            else:
                item.update(changed)
    return items + twins


def _cut(item: Item, change: str) -> None:
    """Leave the western half of a scene, or a triangle, of footprint and pixels."""
    from shapely.geometry import MultiPolygon, Polygon, box, mapping, shape

    whole = shape(item["geometry"])
    west, south, east, north = whole.bounds
    kept = box(west, south, (west + east) / 2, north)
    if change == "triangle":
        kept = Polygon([(west, south), (west, north), (east, north)])
    part: Any = whole.intersection(kept)
    multi = item["geometry"]["type"] == "MultiPolygon" and part.geom_type == "Polygon"
    item["geometry"] = mapping(MultiPolygon([part]) if multi else part)
    item["bbox"] = list(part.bounds)
    if "s2:nodata_pixel_percentage" in item["properties"]:
        item["properties"]["s2:nodata_pixel_percentage"] = 97.3
    change_files(item, change)


TABLE: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
"""Every trap by name, and what changes."""

_FUNCTIONS: dict[str, Trap] = {
    "mgrs-overlap": _mgrs_overlap,
    "reprocessed": _reprocessed,
    "row-overlap": _row_overlap,
    "hls-wrong-hemisphere": _hls_wrong_hemisphere,
    "asset-404": _asset_404,
    "beyond-180": _beyond_180,
}
STORED: dict[str, Trap] = {
    name: _FUNCTIONS.get(name) or partial(_edit, edits=TABLE[name]["edits"])
    for name in TABLE
    if name in _FUNCTIONS or "edits" in TABLE[name]
}
"""Changes of the stored items, before they are written in a dialect."""

EMITTED: dict[str, Trap] = {"earth-search-71": _earth_search_71}
"""Changes of items in the dialect of one API."""

NAMES = tuple(TABLE)


def check(names: Iterable[str]) -> tuple[str, ...]:
    """The names, if they are traps.

    Raises:
        UserError: naming the first one that is not.
    """
    chosen = tuple(names)
    for name in chosen:
        if name not in NAMES:
            raise UserError(f"unknown trap {name!r}, known: {', '.join(NAMES)}")
    return chosen


def apply_traps(names: Iterable[str], items: list[Item], traps: dict[str, Trap]) -> list[Item]:
    """The items after the named ones of `traps`, in the order of the table; `items` is changed in place."""
    chosen = set(names)
    for name, apply in traps.items():
        if name in chosen:
            items = apply(items)
    return items
