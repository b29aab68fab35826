"""Earth Search: `sentinel-2-l2a`, `sentinel-2-c1-l2a` and `landsat-c2-l2`.

The pixels of `sentinel-2-l2a` are without the added 1000 of baselines 04.00 and later, which `boa_offset_applied`
says, while `raster:bands` goes on to publish the offset of -0.1. The pixels of `sentinel-2-c1-l2a` are ESA's of
baseline 05.00 or later, and the published -0.1 holds. Fixed parts: recorded items of `sentinel-2-l2a`, the asset list
of a `sentinel-2-c1-l2a` item with the descriptions of stactools, a Landsat item of stactools.
"""

import copy
from typing import Any

from anyband.archive.server.item_index import Item
from anyband.archive.stac_items import BASE
from anyband.testing.providers import sentinel2_forms
from anyband.testing.providers.common import Published, api_links, later, moment, template, within_180
from anyband.testing.providers.usgs import bucket_key, product_id, suffixes

API, API_C1 = "earth-search", "earth-search-c1"
BUCKET, BUCKET_C1, BUCKET_JP2 = "sentinel-cogs", "e84-earth-search-sentinel-data", "sentinel-s2-l2a"
REPROCESSED_AFTER_S = 100 * 86_400  # a product that is made later than this is a reprocessing
C1_BASELINE, C1_DELAY_S = "05.00", 400 * 86_400


def sentinel2_l2a(item: Item) -> Published:
    """A Sentinel-2 item as Earth Search writes it in `sentinel-2-l2a`."""
    stored, described = item["properties"], template("earth-search-sentinel-2-l2a")
    zone, band, square = sentinel2_forms.tile_parts(item)
    zone, when = str(int(zone)), moment(stored["datetime"])
    age = (moment(stored["s2:generation_time"]) - when).total_seconds()
    sequence = "1" if age > REPROCESSED_AFTER_S else "0"
    satellite = f"S2{stored['platform'][-1]}"
    name = f"{satellite}_{zone}{band}{square}_{when:%Y%m%d}_{sequence}_L2A"
    folder = f"{BUCKET}/sentinel-s2-l2a-cogs/{zone}/{band}/{square}/{when.year}/{when.month}/{name}"
    taken_off = sentinel2_forms.has_offset(item)
    for asset in described["assets"].values():
        sentinel2_forms.set_offset(asset, -0.1 if taken_off else 0)
    change = "without-offset" if taken_off else None
    assets, files = sentinel2_forms.attach(item, described["assets"], folder, change)
    tiles = f"s3://{BUCKET_JP2}/tiles/{zone}/{band}/{square}/{when.year}/{when.month}/{when.day}/{sequence}"
    properties = _sentinel2_properties(item) | {
        "grid:code": f"MGRS-{zone}{band}{square}",
        "s2:sequence": sequence,
        "earthsearch:s3_path": f"s3://{folder}",
        "earthsearch:payload_id": f"roda-sentinel2/workflow-sentinel2-to-stac/{name}",
        "earthsearch:boa_offset_applied": taken_off,
    }
    written = _item(item, described, name, "sentinel-2-l2a", properties, assets | _jp2_twins(assets, tiles))
    written["links"] = _links(API, written, f"s3://{folder}/{name}.json")
    return Published(within_180(written), files)


def sentinel2_c1(item: Item) -> Published:
    """A Sentinel-2 item as Earth Search writes it in `sentinel-2-c1-l2a`; what is older is reprocessed."""
    change = None if sentinel2_forms.has_offset(item) else "with-offset"
    item = _reprocessed(item)
    described = template("earth-search-sentinel-2-c1-l2a")
    zone, band, square = sentinel2_forms.tile_parts(item)
    when = moment(item["properties"]["datetime"])
    name = f"S2{item['properties']['platform'][-1]}_T{zone}{band}{square}_{sentinel2_forms.datatake(item)}_L2A"
    folder = f"{BUCKET_C1}/sentinel-2-c1-l2a/{int(zone)}/{band}/{square}/{when.year}/{when.month}/{name}"
    assets, files = sentinel2_forms.attach(item, described["assets"], folder, change)
    properties = _sentinel2_properties(item) | {
        "grid:code": f"MGRS-{zone}{band}{square}",
        "eo:snow_cover": item["properties"]["s2:snow_ice_percentage"],
        "earthsearch:payload_id": f"roda-sentinel-2-c1-l2a/workflow-sentinel-2-c1-l2a-to-stac/{name}",
    }
    properties["s2:tile_id"] = properties.pop("s2:granule_id")
    written = _item(item, described, name, "sentinel-2-c1-l2a", properties, assets)
    written["links"] = _links(API_C1, written, f"s3://{folder}/{name}.json")
    return Published(within_180(written), files)


def landsat(item: Item) -> Published:
    """A Landsat item as Earth Search writes it: files in the bucket of USGS, where the reader pays."""
    described, product = template("earth-search-landsat-c2-l2"), product_id(item)
    stored, ends = item["properties"], suffixes()
    assets: dict[str, Any] = {}
    files = {}
    for key, asset in item["assets"].items():
        if key in ends:
            place = f"usgs-landsat/{bucket_key(item, product)}{ends[key]}"
            assets[key] = copy.deepcopy(asset) | {"href": f"s3://{place}"}
            files[place] = asset["href"].removeprefix(f"{BASE}/")
    for key, asset in described["assets"].items():
        assets[key] = asset | {"href": f"s3://usgs-landsat/{bucket_key(item, product)}{asset['href']}"}
    west, south, east, north = item["bbox"]
    properties = (
        stored
        | described["properties"]
        | {
            "proj:centroid": {"lat": round((south + north) / 2, 5), "lon": round((west + east) / 2, 5)},
            "landsat:product_generated": stored["created"],
            "grid:code": f"WRS2-{stored['landsat:wrs_path']}{stored['landsat:wrs_row']}",
            "earthsearch:payload_id": f"usgs-landsat/workflow-landsat-to-stac/{product}",
            "updated": stored["created"],
        }
    )
    written = _item(item, described, item["id"], "landsat-c2-l2", properties, assets)
    written["links"] = api_links(API, written, ("self", "parent", "collection", "root"))
    return Published(within_180(written), files)


def _item(
    item: Item, described: Item, name: str, collection: str, properties: dict[str, Any], assets: dict[str, Any]
) -> Item:
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


def _sentinel2_properties(item: Item) -> dict[str, Any]:
    """What both collections say; `datetime` is the time at which the tile was seen."""
    stored = item["properties"]
    kept = (
        "eo:cloud_cover", "proj:epsg", "s2:processing_baseline", "s2:product_uri", "s2:generation_time",
        "s2:datatake_id", "s2:reflectance_conversion_factor",
    )  # fmt: skip
    published = later(stored["s2:generation_time"], 7_200)
    return (
        sentinel2_forms.properties(item, (*kept, *sentinel2_forms.percentages(item)))
        | sentinel2_forms.place_and_sun(item)
        | sentinel2_forms.esa_names(item)
        | {
            "datetime": later(stored["datetime"], sentinel2_forms.sensing_delay_s(item)),
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
    own, parent, collection, root = api_links(api, item, ("self", "parent", "collection", "root"))
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
