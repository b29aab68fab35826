"""Traps: what real catalogues contain and a careless pipeline falls into, as named switches of the server.

`ProviderServer(root, traps=("tier-2", "mgrs-overlap"))` serves the archive's items with these changes, in every
dialect. The FIRST scene of a product is the earliest one of each site.

============================  =========================================================================================
name                          what changes
============================  =========================================================================================
mgrs-overlap                  every Sentinel-2 and S30 scene is there a second time, as a cut of the neighbouring tile
reprocessed                   the first Sentinel-2 scene is there a second time: baseline 05.10, generated later
                              (with 1000 added to pixels that had no offset)
tier-2                        the first Landsat scene is T2
landsat-7                     one more scene on the day of the first Landsat scene, of Landsat 7
l2sr-without-lwir11           the first Landsat scene is L2SR: no surface temperature
no-cloud-cover                the first Landsat scene does not say its cloud cover
row-overlap                   the first Landsat scene is there a second time, as a cut of the next row, 24 s later
hls-wrong-hemisphere          HLS items name a UTM zone of the other hemisphere (PlanetaryComputer issue 486)
hls-without-platform          HLS items of the first acquisitions do not name the satellite
earth-search-71               Earth Search says that the offset is in the pixels of its first item of baseline 04.00
                              or later, while it has been taken off (earth-search issue 71); other dialects: nothing
asset-404                     the file of the red band of the first Landsat scene is gone
missing-asset                 the first Sentinel-2 scene has no B8A
partial-sentinel2             the first Sentinel-2 scene ends in the middle: footprint and pixels in the west only
partial-landsat               the same for the first Landsat scene
partial-hls                   the first scenes of S30 and L30 are triangles
beyond-180                    longitudes west of Greenwich are written as 180 to 360 degrees
newest-satellites             Sentinel-2C and Landsat 9 everywhere (items only; tags in HLS files stay)
no-nodata-tag                 Sentinel-2 files without nodata tag (PlanetaryComputer issue 460)
small-pages                   a page of a search holds one item, whatever was asked for
============================  =========================================================================================
"""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from anyband.archive.item_index import Item, start_time
from anyband.archive.item_properties import microseconds
from anyband.runtime import UserError
from anyband.testing.changes import change_files, first_scenes, renamed

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


def _tier_2(items: list[Item]) -> list[Item]:
    for item in first_scenes(items, LANDSAT):
        item.update(renamed(item, ("_02_T1", "_02_T2")))
        item["properties"]["landsat:collection_category"] = "T2"
    return items


def _landsat_7(items: list[Item]) -> list[Item]:
    twins = []
    for item in first_scenes(items, LANDSAT):
        twin = renamed(item, ("LC08_", "LE07_"), ("LC09_", "LE07_"), ("LC8", "LE7"), ("LC9", "LE7"))
        twin["properties"] |= {"platform": "landsat-7", "instruments": ["etm+"]}
        twin["assets"].pop("coastal", None)
        twins.append(twin)
    return items + twins


def _l2sr(items: list[Item]) -> list[Item]:
    temperature = ("lwir11", "atran", "cdist", "drad", "urad", "trad", "emis", "emsd", "qa")
    for item in first_scenes(items, LANDSAT):
        item.update(renamed(item, ("_L2SP_", "_L2SR_")))
        item["properties"]["landsat:correction"] = "L2SR"
        item["assets"] = {key: asset for key, asset in item["assets"].items() if key not in temperature}
    return items


def _no_cloud_cover(items: list[Item]) -> list[Item]:
    for item in first_scenes(items, LANDSAT):
        item["properties"].pop("eo:cloud_cover", None)
    return items


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


def _hls_without_platform(items: list[Item]) -> list[Item]:
    for item in first_scenes(items, S30, L30):
        item["properties"].pop("platform", None)
    return items


def _asset_404(items: list[Item]) -> list[Item]:
    for item in first_scenes(items, LANDSAT):
        item["assets"]["red"]["href"] += ".gone.tif"
    return items


def _missing_asset(items: list[Item]) -> list[Item]:
    for item in first_scenes(items, S2):
        item["assets"].pop("B8A", None)
    return items


def _partial(change: str, *collections: str) -> Trap:
    def apply(items: list[Item]) -> list[Item]:
        from shapely.geometry import MultiPolygon, Polygon, box, mapping, shape

        for item in first_scenes(items, *collections):
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
        return items

    return apply


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


def _newest_satellites(items: list[Item]) -> list[Item]:
    for item in items:
        changes = {
            S2: [("S2A_", "S2C_"), ("S2B_", "S2C_"), ("Sentinel-2A", "Sentinel-2C"), ("Sentinel-2B", "Sentinel-2C")],
            S30: [("sentinel-2a", "sentinel-2c"), ("sentinel-2b", "sentinel-2c")],
            LANDSAT: [("LC08_", "LC09_"), ("LC8", "LC9"), ("landsat-8", "landsat-9")],
            L30: [("landsat-8", "landsat-9")],
        }.get(item["collection"], [])
        item.update(renamed(item, *changes))
    return items


def _no_nodata_tag(items: list[Item]) -> list[Item]:
    for item in items:
        if item["collection"] == S2:
            change_files(item, "untagged")
    return items


def _earth_search_71(items: list[Item]) -> list[Item]:
    seen = set()
    for item in sorted(items, key=lambda item: (start_time(item), item["id"])):
        place = item["properties"].get("grid:code")
        if item["properties"].get(FLAG) and place not in seen:
            seen.add(place)
            item["properties"][FLAG] = False
    return items


STORED: dict[str, Trap] = {
    "mgrs-overlap": _mgrs_overlap,
    "reprocessed": _reprocessed,
    "tier-2": _tier_2,
    "landsat-7": _landsat_7,
    "l2sr-without-lwir11": _l2sr,
    "no-cloud-cover": _no_cloud_cover,
    "row-overlap": _row_overlap,
    "hls-wrong-hemisphere": _hls_wrong_hemisphere,
    "hls-without-platform": _hls_without_platform,
    "asset-404": _asset_404,
    "missing-asset": _missing_asset,
    "partial-sentinel2": _partial("west", S2),
    "partial-landsat": _partial("west", LANDSAT),
    "partial-hls": _partial("triangle", S30, L30),
    "beyond-180": _beyond_180,
    "newest-satellites": _newest_satellites,
    "no-nodata-tag": _no_nodata_tag,
}
"""Changes of the stored items, before they are written in a dialect."""

EMITTED: dict[str, Trap] = {"earth-search-71": _earth_search_71}
"""Changes of items in the dialect of one API."""

NAMES = (*STORED, *EMITTED, SMALL_PAGES)


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
