"""How providers write the archive's items: Earth Search, USGS, LP DAAC, stactools, and the form to come (STAC 1.1).

What a dialect says and under which names is in `templates/{dialect}.json`, from recorded items: `kept` is a pattern of
the stored properties that are taken over, `filled` and `named` lead from properties to the values below and to patterns
of them, `stored` from assets to the archive's own. What needs more than names is here.

Earth Search, `sentinel-2-l2a`: pixels without the added 1000 of baselines 04.00 and later, which `boa_offset_applied`
says, while `raster:bands` goes on to publish the offset of -0.1. `sentinel-2-c1-l2a`: pixels of ESA of baseline 05.00
or later, and the published -0.1 holds. Landsat of both lies in a bucket of USGS where the reader pays. LP DAAC: made
from CMR's metadata, so neither grid, satellite, bands nor media types. stactools: the pixels and baselines of the
Planetary Computer; its collection is called `sentinel-2-c1-l2a`, since in a `sentinel-2-l2a` with these keys nobody
could tell whether the offset was taken off.
"""

import copy
import datetime as dt
import hashlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyband.archive.item_properties import SIMULATED, microseconds
from anyband.archive.stac_api import Item
from anyband.archive.stac_items import BASE, read_template
from anyband.testing.traps import made

TEMPLATES = Path(__file__).parent / "templates"
ADDRESS = f"{BASE}/"  # of everything that the host has
OWN_LINKS = ("self", "parent", "collection", "root")


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


def moment(text: str) -> dt.datetime:
    """A published time."""
    return dt.datetime.fromisoformat(text)


def later(text: str, seconds: float) -> str:
    """A published time, moved."""
    return microseconds(moment(text) + dt.timedelta(seconds=seconds))


def api_links(api: str, item: Item) -> dict[str, dict[str, str]]:
    """Links that an API adds to an item, by relation: itself, parent, collection, root."""
    root = f"{BASE}/{api}"
    collection = f"{root}/collections/{item['collection']}"
    addresses = (f"{collection}/items/{item['id']}", collection, collection, root)
    links = {
        relation: {"rel": relation, "href": address, "type": "application/json"}
        for relation, address in zip(OWN_LINKS, addresses, strict=True)
    }
    links["self"]["type"] = "application/geo+json"
    return links


def write(item: Item, dialect: str, values: Mapping[str, Any], change: str | None = None) -> Published:
    """An item in the form of a template.

    Args:
        item: as stored; place and time are its own.
        dialect: name of the template.
        values: what its patterns name, beside the stored properties.
        change: of the pixels of reflectance bands, see `changes.made`.
    """
    form, stored = copy.deepcopy(read_template(dialect, TEMPLATES)), item["properties"]
    west, south, east, north = item["bbox"]
    centroid = {"lat": round((south + north) / 2, 5), "lon": round((west + east) / 2, 5)}
    known: dict[str, Any] = stored | {"stored_id": item["id"], "centroid": centroid, "when": moment(stored["datetime"])}
    known |= values
    known["id"] = form["id"].format_map(known)
    known["folder"] = form["folder"].format_map(known)
    assets, files = _assets(item, form, known, change)
    written = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": form["stac_extensions"],
        "id": known["id"],
        "collection": form["collection"].format_map(known),
        "bbox": item["bbox"],
        "geometry": item["geometry"],
        "properties": form["properties"]
        | {name: value for name, value in stored.items() if re.fullmatch(form["kept"], name)}
        | {name: known[value] for name, value in form["filled"].items() if known.get(value) is not None}
        | {name: pattern.format_map(known) for name, pattern in form["named"].items()}
        | {SIMULATED: stored[SIMULATED]},
        "assets": assets,
    } | form.get("top", {})
    own = api_links(form["api"], written)
    known["self"] = own["self"]["href"]
    written["links"] = [own.get(link["rel"]) or _formatted(link, known) for link in form["links"]]
    return Published(within_180(written), files)


def _formatted(entry: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """A link or an asset with its names filled in."""
    return {name: value.format_map(known) if isinstance(value, str) else value for name, value in entry.items()}


def _assets(
    item: Item, form: Mapping[str, Any], known: Mapping[str, Any], change: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The assets without those whose stored one is missing, and the files behind them by bucket and key."""
    assets, files = {}, {}
    for key, described in form["assets"].items():
        name = form["stored"].get(key)
        source = item["assets"].get(name)
        if name and source is None:
            continue
        assets[key] = _formatted(described, known)
        if "://" not in assets[key]["href"]:
            place = known["folder"] + assets[key]["href"]
            assets[key]["href"] = form["address"] + place
            if source is not None:
                path = str(source["href"]).removeprefix(ADDRESS)
                files[place] = made(path, change) if change and name.startswith("B") else path
    return assets, files


# Sentinel-2.

BANDS = [
    "coastal",
    "blue",
    "green",
    "red",
    "rededge1",
    "rededge2",
    "rededge3",
    "nir",
    "nir08",
    "nir09",
    "swir16",
    "swir22",
]
GRID_KEYS = {10: ("B02", "B08", "AOT"), 20: ("B05", "SCL", "B11"), 60: ("B01", "B09")}
GRID = ("proj:shape", "proj:transform")
REPROCESSED_AFTER_S = 100 * 86_400  # a product that is made later than this is a reprocessing
C1_BASELINE, C1_DELAY_S = "05.00", 400 * 86_400
FIRST_BASELINE_WITH_OFFSET = "04.00"
SECONDS_PER_DEGREE = 60 * 98.6 / 360  # of a whole orbit


def sentinel2_l2a(item: Item) -> Published:
    """A Sentinel-2 item as Earth Search writes it in `sentinel-2-l2a`."""
    values = _sentinel2_values(item)
    taken_off = values["has_offset"]
    published = write(item, "earth-search-sentinel-2-l2a", values, "without-offset" if taken_off else None)
    assets = published.item["assets"]
    _finish_sentinel2(item, assets, taken_off, GRID)
    # The same rasters as ESA delivers them, in a bucket where the reader pays; the archive does not hold them.
    pattern = "s3://sentinel-s2-l2a/tiles/{utm}/{band}/{square}/{when.year}/{when.month}/{when.day}/{sequence}/"
    for key in [key for key, asset in assets.items() if asset["href"].endswith(".tif")]:
        file = assets[key]["href"].rsplit("/", 1)[1].replace(".tif", ".jp2")
        assets[f"{key}-jp2"] = assets[key] | {"href": pattern.format_map(values) + file, "type": "image/jp2"}
    return published


def sentinel2_c1(item: Item) -> Published:
    """A Sentinel-2 item as Earth Search writes it in `sentinel-2-c1-l2a`; what is older is reprocessed."""
    change = None if _sentinel2_values(item)["has_offset"] else "with-offset"
    item = _reprocessed(item)
    published = write(item, "earth-search-sentinel-2-c1-l2a", _sentinel2_values(item), change)
    _finish_sentinel2(item, published.item["assets"], True, GRID)
    return published


def as_stactools(item: Item) -> Item:
    """A stored Sentinel-2 item with the keys of stactools, in STAC 1.0."""
    values = _sentinel2_values(item)
    values["metadata_folder"] = item["assets"]["product-metadata"]["href"].rsplit("/", 1)[0].removeprefix(ADDRESS)
    published = write(item, "stactools-sentinel-2-c1-l2a", values)
    assets = published.item["assets"]
    for key, asset in assets.items():
        path = published.files.get(asset["href"].removeprefix(ADDRESS))
        assets[key]["href"] = ADDRESS + path if path else asset["href"]
    _finish_sentinel2(item, assets, values["has_offset"], ("proj:bbox", *GRID))
    return published.item


def _sentinel2_values(item: Item) -> dict[str, Any]:
    """What the templates name: tile, times, sun and ESA's names of an item.

    Every datatake begins as if at the northernmost point, and names of granule and datastrip are those by ESA's own
    processing, not by Microsoft's.
    """
    stored = item["properties"]
    tile, when, made_at = stored["s2:mgrs_tile"], moment(stored["datetime"]), stored["s2:generation_time"]
    north = min(max(item["bbox"][3], -80), 84)
    return {
        "when": when,
        "zone": tile[:2],
        "utm": int(tile[:2]),
        "band": tile[2],
        "square": tile[3:],
        "platform": stored["platform"].lower(),
        "satellite": f"S2{stored['platform'][-1]}",
        "has_offset": stored["s2:processing_baseline"] >= FIRST_BASELINE_WITH_OFFSET,
        "sequence": "1" if (moment(made_at) - when).total_seconds() > REPROCESSED_AFTER_S else "0",
        "seen": later(stored["datetime"], round(SECONDS_PER_DEGREE * (90 - north), 3)),
        "published": later(made_at, 7_200),
        "sun_elevation": 90 - stored["s2:mean_solar_zenith"],
        "granule": stored["s2:granule_id"].replace("_MSFT_", "_2APS_"),
        "datastrip": stored["s2:datastrip_id"].replace("_MSFT_", "_2APS_"),
    }


def _finish_sentinel2(item: Item, assets: dict[str, Any], has_offset: bool, names: tuple[str, ...]) -> None:
    """Give assets the named fields of their grids, and those of reflectance the published offset, in place."""
    for asset in assets.values():
        bands = asset.get("raster:bands", [])
        for band in bands:
            if band.get("scale") == 1e-4:
                band["offset"] = -0.1 if has_offset else 0
        # 10 m for the true-colour image, 0 for what is no raster
        pixel_m = asset.get("gsd", 10 if asset.get("roles") == ["visual"] else 0)
        pixel_m = bands[0].get("spatial_resolution", pixel_m) if bands else pixel_m
        stored = (item["assets"].get(key, {}) for key in GRID_KEYS.get(round(pixel_m), ()))
        grid = next((fields for fields in stored if "proj:shape" in fields), None)
        asset |= {name: grid[name] for name in names} if grid else {}


def _reprocessed(item: Item) -> Item:
    """The item of a product with a baseline of Collection 1."""
    properties = dict(item["properties"])
    old, made_at = properties["s2:processing_baseline"], properties["s2:generation_time"]
    if old >= C1_BASELINE:
        return item
    again = later(made_at, C1_DELAY_S)
    texts = {
        f"N{old}": f"N{C1_BASELINE}",
        f"N{old.replace('.', '')}": f"N{C1_BASELINE.replace('.', '')}",
        f"{moment(made_at):%Y%m%dT%H%M%S}": f"{moment(again):%Y%m%dT%H%M%S}",
    }
    for name in ("s2:granule_id", "s2:datatake_id", "s2:product_uri", "s2:datastrip_id"):
        for before, after in texts.items():
            properties[name] = properties[name].replace(before, after)
    properties |= {"s2:processing_baseline": C1_BASELINE, "s2:generation_time": again}
    return item | {"properties": properties}


# Landsat.

LOGIN = "https://landsatlook.usgs.gov/data/"
BUCKET = "s3://usgs-landsat/"


def earth_search_landsat(item: Item) -> Published:
    """A Landsat item as Earth Search writes it."""
    published = write(item, "earth-search-landsat-c2-l2", _landsat_values(item))
    assets = published.item["assets"]
    for key, asset in assets.items():
        assets[key] = copy.deepcopy(item["assets"].get(key, {})) | asset
    return published


def usgs_landsat(item: Item) -> Published:
    """A Landsat item as USGS writes it: addresses that want a login in a browser, with the bucket as alternate."""
    published = write(item, "usgs-landsat-c2l2-sr", _landsat_values(item))
    for key, asset in published.item["assets"].items():
        bucket = {"storage:platform": "AWS", "storage:requester_pays": True, "href": asset["href"]}
        place = asset["href"].removeprefix(BUCKET)
        asset["href"] = LOGIN + place
        if key == "index":  # a page, which is in no bucket and has no checksum
            asset["href"] = asset["href"].replace("/data/", "/stac-browser/")
            continue
        # A multihash (sha2-512) in the right form, of the name: the archive's files are not USGS's, byte by byte.
        checksum = "1340" + hashlib.sha512(place.encode()).hexdigest()
        asset |= {"alternate": {"s3": bucket}, "file:checksum": checksum}
    return published


def _landsat_values(item: Item) -> dict[str, str]:
    """What the templates name: USGS's name of the product, with the day on which it was made, and its folder."""
    stored = item["properties"]
    made_on = f"{moment(stored['created']):%Y%m%d}"
    return {
        "product": re.sub(r"_(\d{8})_02_", rf"_\1_{made_on}_02_", str(item["id"])),
        "sensor": "etm" if stored["platform"] == "landsat-7" else "oli-tirs",
        "path": stored["landsat:wrs_path"],
        "row": stored["landsat:wrs_row"],
        "satellite": stored["platform"].upper().replace("-", "_"),
    }


def hls(item: Item) -> Published:
    """An HLS item as LP DAAC writes it."""
    stored, name = item["properties"], str(item["id"])
    kind = item["collection"][-3:].upper()
    values = {"short_name": f"HLS{kind}.020", "collection": f"HLS{kind}_2.0"}
    for key in ("datetime", "start_datetime", "end_datetime"):
        when = moment(stored[key]).astimezone(dt.UTC)
        values[key] = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    cover = stored.get("eo:cloud_cover")
    polygons = item["geometry"]["coordinates"]
    geometry = {"type": "Polygon", "coordinates": polygons[0]} if len(polygons) == 1 else item["geometry"]
    rounded = None if cover is None else round(cover)
    published = write(item | {"geometry": geometry}, "lpcloud-hls2", values | {"cloud_cover": rounded})
    bands = [key for key in item["assets"] if key != "thumbnail"]
    for number, key in enumerate(bands):
        place = f"lp-prod-protected/{values['short_name']}/{name}/{name}.{key}.tif"
        said = {"description": f"Download {name}.{key}.tif", "roles": ["data"]}
        bucket = {"href": f"s3://{place}", "title": f"s3_{name}.{key}", "storage:refs": ["aws"]}
        published.item["assets"] |= {
            key: said | {"href": ADDRESS + place, "title": f"Direct Download [{number}]"},
            f"s3_{key}": said | bucket,
        }
        published.files[place] = item["assets"][key]["href"].removeprefix(ADDRESS)
    return published


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


# STAC 1.1: `bands` for `eo:bands` and `raster:bands`, `proj:code` for `proj:epsg`, by the migration rules.

STAC_1_1 = "stac-1.1"  # name of the API with the form to come
EO_NAMES = ("common_name", "center_wavelength", "full_width_half_max", "solar_illumination")
RASTER_NAMES = ("scale", "offset", "spatial_resolution", "sampling", "bits_per_sample", "histogram")
SECOND_VERSION = re.compile(r"/(eo|raster|projection|classification)/v1\.\d\.\d/")


def in_new_form(item: Item) -> Published:
    """An item of STAC 1.0 in STAC 1.1; one of Sentinel-2 with the keys of stactools."""
    written = upgrade(as_stactools(item) if item["collection"] == "sentinel-2-l2a" else item)
    links = [link for link in written["links"] if link["rel"] not in OWN_LINKS]
    own = api_links(STAC_1_1, written)
    written["links"] = [own[relation] for relation in sorted(own)] + links
    return Published(within_180(written))


def upgrade(item: Item) -> Item:
    """An item of STAC 1.0 in the form of STAC 1.1."""
    written = copy.deepcopy(item) | {"stac_version": "1.1.0"}
    written["stac_extensions"] = [SECOND_VERSION.sub(r"/\1/v2.0.0/", url) for url in item["stac_extensions"]]
    for fields in (written["properties"], *written["assets"].values()):
        if "proj:epsg" in fields:
            fields["proj:code"] = f"EPSG:{fields.pop('proj:epsg')}"
    for asset in written["assets"].values():
        optical, raster = asset.pop("eo:bands", []), asset.pop("raster:bands", [])
        pairs: list[tuple[Item, Item]] = [*itertools.zip_longest(optical, raster, fillvalue={})]
        if pairs:
            asset["bands"] = [_band(*pair) for pair in pairs]
    return written


def _band(optical: dict[str, Any], raster: dict[str, Any]) -> dict[str, Any]:
    """One entry of `bands`."""
    renamed = {f"raster:{name}" if name in RASTER_NAMES else name: value for name, value in raster.items()}
    return renamed | {f"eo:{name}" if name in EO_NAMES else name: value for name, value in optical.items()}
