"""Sentinel-2 as Earth Search and stactools write it.

Earth Search, `sentinel-2-l2a`: pixels without the added 1000 of baselines 04.00 and later, which `boa_offset_applied`
says, while `raster:bands` goes on to publish the offset of -0.1. `sentinel-2-c1-l2a`: pixels of ESA of baseline 05.00
or later, and the published -0.1 holds. Fixed parts: recorded items, the asset list of a `sentinel-2-c1-l2a` item with
the descriptions of stactools.

stactools: its keys with the pixels and baselines of the Planetary Computer. The collection is called
`sentinel-2-c1-l2a`, since in a `sentinel-2-l2a` with these keys nobody could tell whether the offset was taken off.
"""

import copy
from collections.abc import Iterable
from typing import Any

from anyband.archive.item_index import Item
from anyband.archive.item_properties import SIMULATED
from anyband.testing.provider_items import (
    ADDRESS,
    Published,
    api_links,
    centroid,
    later,
    moment,
    stored_path,
    template,
    within_180,
    written_item,
)

_NAMES = "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09 swir16 swir22"
_STORED = "B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12"
BANDS = dict(zip(_NAMES.split(), _STORED.split(), strict=True))
STORED_KEYS = BANDS | {"aot": "AOT", "wvp": "WVP", "scl": "SCL", "visual": "visual"}
GRID_KEYS = {10: ("B02", "B08", "AOT"), 20: ("B05", "SCL", "B11"), 60: ("B01", "B09")}
GRID = ("proj:shape", "proj:transform")
BUCKET, BUCKET_C1, BUCKET_JP2 = "sentinel-cogs", "e84-earth-search-sentinel-data", "sentinel-s2-l2a"
REPROCESSED_AFTER_S = 100 * 86_400  # a product that is made later than this is a reprocessing
C1_BASELINE, C1_DELAY_S = "05.00", 400 * 86_400
KEPT = """eo:cloud_cover proj:epsg s2:processing_baseline s2:product_uri s2:generation_time s2:datatake_id
s2:reflectance_conversion_factor"""
"""Properties that every provider takes over."""
FIRST_BASELINE_WITH_OFFSET = "04.00"
MINUTES_PER_DEGREE = 98.6 / 360  # of a whole orbit


def has_offset(item: Item) -> bool:
    """Whether ESA's pixels hold the added 1000."""
    return str(item["properties"]["s2:processing_baseline"]) >= FIRST_BASELINE_WITH_OFFSET


def tile_parts(item: Item) -> tuple[str, str, str]:
    """Zone of two digits, latitude band and square of an item's MGRS tile."""
    tile = str(item["properties"]["s2:mgrs_tile"])
    return tile[:2], tile[2], tile[3:]


def sensing_delay_s(item: Item) -> float:
    """Seconds from the start of a datatake to the tile, as if every datatake began at the northernmost point."""
    north = item["bbox"][3]
    return float(round(60 * MINUTES_PER_DEGREE * (90 - min(max(north, -80), 84)), 3))


def grid_of(item: Item, pixel_m: float, names: Iterable[str]) -> dict[str, Any]:
    """The named `proj:` fields of the item's rasters of a pixel size."""
    for key in GRID_KEYS.get(round(pixel_m), ()):
        fields = item["assets"].get(key, {})
        if "proj:shape" in fields:
            return {name: fields[name] for name in names}
    return {}


def pixel_m(described: dict[str, Any]) -> float:
    """Pixel size of a raster asset by its template; 10 for the true-colour image, 0 for what is no raster."""
    bands = described.get("raster:bands") or [{}]
    if "spatial_resolution" in bands[0]:
        return float(bands[0]["spatial_resolution"])
    return float(described.get("gsd", 10 if described.get("roles") == ["visual"] else 0))


def set_offset(described: dict[str, Any], offset: float) -> None:
    """Publish an offset for a reflectance asset; aerosol and water vapour have none."""
    for band in described.get("raster:bands", ()):
        if is_reflectance(band):
            band["offset"] = offset


def is_reflectance(band: dict[str, Any]) -> bool:
    """Whether an entry of `raster:bands` is one of reflectance."""
    return bool(band.get("scale") == 1e-4)


def stored_properties(item: Item, names: Iterable[str]) -> dict[str, Any]:
    """The named stored properties that an item has, its percentages, and ours."""
    stored = item["properties"]
    percentages = [name for name in stored if name.startswith("s2:") and name.endswith("_percentage")]
    return {name: stored[name] for name in (*names, *percentages, SIMULATED) if name in stored}


def place_and_sun(item: Item) -> dict[str, Any]:
    """Platform, tile and sun as Earth Search and stactools write them."""
    zone, band, square = tile_parts(item)
    stored = item["properties"]
    return {
        "platform": stored["platform"].lower(),
        "mgrs:utm_zone": int(zone),
        "mgrs:latitude_band": band,
        "mgrs:grid_square": square,
        "view:sun_azimuth": stored["s2:mean_solar_azimuth"],
        "view:sun_elevation": 90 - stored["s2:mean_solar_zenith"],
    }


def datatake(item: Item) -> str:
    """Start of the datatake, compact."""
    return f"{moment(item['properties']['datetime']):%Y%m%dT%H%M%S}"


def esa_names(item: Item) -> dict[str, str]:
    """Names of granule and datastrip by ESA's own processing, not by Microsoft's."""
    stored = item["properties"]
    return {name: stored[name].replace("_MSFT_", "_2APS_") for name in ("s2:granule_id", "s2:datastrip_id")}


def attach(
    item: Item, assets: dict[str, Any], folder: str, change: str | None = None, grid: Iterable[str] = GRID
) -> tuple[dict[str, Any], dict[str, str]]:
    """Give assets their addresses and grids, and tell which stored files are behind them.

    Args:
        item: as stored.
        assets: from a template, with file names as hrefs.
        folder: `{bucket}/{prefix}` of the item's files.
        change: of the pixels of reflectance bands, see `made`.
        grid: names of the `proj:` fields of rasters.

    Returns:
        The assets, without those whose stored band is missing, and the files by bucket and key.
    """
    attached, files = {}, {}
    for key, described in assets.items():
        stored = item["assets"].get(STORED_KEYS.get(key, ""))
        if key in STORED_KEYS and stored is None:
            continue
        place = f"{folder}/{described['href']}"
        if stored is not None:
            files[place] = stored_path(stored, change if key in BANDS else None)
        attached[key] = described | {"href": f"{ADDRESS}{place}"} | grid_of(item, pixel_m(described), grid)
    return attached, files


def sentinel2_l2a(item: Item) -> Published:
    """A Sentinel-2 item as Earth Search writes it in `sentinel-2-l2a`."""
    stored, described = item["properties"], template("earth-search-sentinel-2-l2a")
    zone, band, square = tile_parts(item)
    zone, when = str(int(zone)), moment(stored["datetime"])
    age = (moment(stored["s2:generation_time"]) - when).total_seconds()
    sequence = "1" if age > REPROCESSED_AFTER_S else "0"
    satellite = f"S2{stored['platform'][-1]}"
    name = f"{satellite}_{zone}{band}{square}_{when:%Y%m%d}_{sequence}_L2A"
    folder = f"{BUCKET}/sentinel-s2-l2a-cogs/{zone}/{band}/{square}/{when.year}/{when.month}/{name}"
    taken_off = has_offset(item)
    for asset in described["assets"].values():
        set_offset(asset, -0.1 if taken_off else 0)
    change = "without-offset" if taken_off else None
    assets, files = attach(item, described["assets"], folder, change)
    tiles = f"s3://{BUCKET_JP2}/tiles/{zone}/{band}/{square}/{when.year}/{when.month}/{when.day}/{sequence}"
    properties = _sentinel2_properties(item) | {
        "grid:code": f"MGRS-{zone}{band}{square}",
        "s2:sequence": sequence,
        "earthsearch:s3_path": f"s3://{folder}",
        "earthsearch:payload_id": f"roda-sentinel2/workflow-sentinel2-to-stac/{name}",
        "earthsearch:boa_offset_applied": taken_off,
    }
    written = written_item(item, described, name, "sentinel-2-l2a", properties, assets | _jp2_twins(assets, tiles))
    written["links"] = _links("earth-search", written, f"s3://{folder}/{name}.json")
    return Published(within_180(written), files)


def sentinel2_c1(item: Item) -> Published:
    """A Sentinel-2 item as Earth Search writes it in `sentinel-2-c1-l2a`; what is older is reprocessed."""
    change = None if has_offset(item) else "with-offset"
    item = _reprocessed(item)
    described = template("earth-search-sentinel-2-c1-l2a")
    zone, band, square = tile_parts(item)
    when = moment(item["properties"]["datetime"])
    name = f"S2{item['properties']['platform'][-1]}_T{zone}{band}{square}_{datatake(item)}_L2A"
    folder = f"{BUCKET_C1}/sentinel-2-c1-l2a/{int(zone)}/{band}/{square}/{when.year}/{when.month}/{name}"
    assets, files = attach(item, described["assets"], folder, change)
    properties = _sentinel2_properties(item) | {
        "grid:code": f"MGRS-{zone}{band}{square}",
        "eo:snow_cover": item["properties"]["s2:snow_ice_percentage"],
        "earthsearch:payload_id": f"roda-sentinel-2-c1-l2a/workflow-sentinel-2-c1-l2a-to-stac/{name}",
    }
    properties["s2:tile_id"] = properties.pop("s2:granule_id")
    written = written_item(item, described, name, "sentinel-2-c1-l2a", properties, assets)
    written["links"] = _links("earth-search-c1", written, f"s3://{folder}/{name}.json")
    return Published(within_180(written), files)


def _sentinel2_properties(item: Item) -> dict[str, Any]:
    """What both collections say; `datetime` is the time at which the tile was seen."""
    stored = item["properties"]
    published = later(stored["s2:generation_time"], 7_200)
    return (
        stored_properties(item, KEPT.split())
        | place_and_sun(item)
        | esa_names(item)
        | {
            "datetime": later(stored["datetime"], sensing_delay_s(item)),
            "created": published,
            "updated": published,
        }
    )


def _reprocessed(item: Item) -> Item:
    """The item of a product with a baseline of Collection 1."""
    old = item["properties"]["s2:processing_baseline"]
    if old >= C1_BASELINE:
        return item
    made = item["properties"]["s2:generation_time"]
    again = later(made, C1_DELAY_S)
    texts = {
        f"N{old}": f"N{C1_BASELINE}",
        f"N{old.replace('.', '')}": f"N{C1_BASELINE.replace('.', '')}",
        f"{moment(made):%Y%m%dT%H%M%S}": f"{moment(again):%Y%m%dT%H%M%S}",
    }
    properties = dict(item["properties"])
    for name in ("s2:granule_id", "s2:datatake_id", "s2:product_uri", "s2:datastrip_id"):
        for before, after in texts.items():
            properties[name] = properties[name].replace(before, after)
    properties |= {"s2:processing_baseline": C1_BASELINE, "s2:generation_time": again}
    return item | {"properties": properties}


def _jp2_twins(assets: dict[str, Any], folder: str) -> dict[str, Any]:
    """The same rasters as ESA delivers them, in a bucket where the reader pays; the archive does not hold them."""
    twins = {}
    for key, asset in assets.items():
        if asset["href"].endswith(".tif"):
            file = asset["href"].rsplit("/", 1)[1].replace(".tif", ".jp2")
            twins[f"{key}-jp2"] = copy.deepcopy(asset) | {"href": f"{folder}/{file}", "type": "image/jp2"}
    return twins


def _links(api: str, item: Item, canonical: str) -> list[dict[str, str]]:
    """Links of a Sentinel-2 item."""
    own, parent, collection, root = api_links(api, item)
    return [
        own,
        {"rel": "canonical", "href": canonical, "type": "application/json"},
        {
            "rel": "license",
            "href": "https://sentinel.esa.int/documents/247904/690755/Sentinel_Data_Legal_Notice",
        },
        parent,
        collection,
        root,
        {"rel": "thumbnail", "href": f"{own['href']}/thumbnail"},
    ]


def as_stactools(item: Item) -> Item:
    """A stored Sentinel-2 item with the keys of stactools, in STAC 1.0."""
    stored, described = item["properties"], template("stactools-sentinel-2-c1-l2a")
    zone, band, square = tile_parts(item)
    name = f"S2{stored['platform'][-1]}_T{zone}{band}{square}_{datatake(item)}_L2A"
    for asset in described["assets"].values():
        set_offset(asset, -0.1 if has_offset(item) else 0)
    folder = item["assets"]["product-metadata"]["href"].rsplit("/", 1)[0].removeprefix(ADDRESS)
    assets, _ = attach(item, described["assets"], folder, grid=("proj:bbox", *GRID))
    for key, asset in assets.items():
        if key in STORED_KEYS:
            asset["href"] = item["assets"][STORED_KEYS[key]]["href"]
    properties = (
        stored_properties(item, (*KEPT.split(), "datetime", "sat:orbit_state", "sat:relative_orbit"))
        | place_and_sun(item)
        | {
            "created": later(stored["s2:generation_time"], 7_200),
            "eo:snow_cover": stored["s2:snow_ice_percentage"],
            "grid:code": f"MGRS-{zone}{band}{square}",
            "proj:centroid": centroid(item),
            "s2:datastrip_id": esa_names(item)["s2:datastrip_id"],
            "s2:tile_id": esa_names(item)["s2:granule_id"],
        }
    )
    written = written_item(item, described, name, "sentinel-2-c1-l2a", properties, assets)
    return written | {"links": described["links"]}
