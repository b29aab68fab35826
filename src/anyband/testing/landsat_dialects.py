"""Landsat as Earth Search and USGS publish it: files in a bucket of USGS where the reader pays.

Earth Search names the bucket. USGS (`landsat-c2l2-sr`) names addresses that want a login in a browser, with the bucket
as alternate. Fixed parts: a Landsat item of stactools, a recorded item of landsatlook.usgs.gov.
"""

import copy
import hashlib
import re
from typing import Any

from anyband.archive.item_index import Item
from anyband.archive.item_properties import SIMULATED
from anyband.archive.stac_items import BASE
from anyband.testing.provider_items import Published, api_links, centroid, moment, template, within_180, written_item

LOGIN = "https://landsatlook.usgs.gov/data/"
KEPT = """datetime eo:cloud_cover view:sun_azimuth view:sun_elevation landsat:cloud_cover_land landsat:wrs_path
landsat:wrs_row landsat:scene_id landsat:collection_category landsat:correction proj:epsg proj:shape proj:transform
created"""


def product_id(item: Item) -> str:
    """USGS's name of a Landsat product, with the day on which it was made."""
    made = moment(item["properties"]["created"])
    return re.sub(r"_(\d{8})_02_", rf"_\1_{made:%Y%m%d}_02_", str(item["id"]))


def bucket_key(item: Item, product: str) -> str:
    """Start of the keys of a product's files in the bucket `usgs-landsat`."""
    stored = item["properties"]
    sensor = "etm" if stored["platform"] == "landsat-7" else "oli-tirs"
    day = moment(stored["datetime"])
    place = f"{day.year}/{stored['landsat:wrs_path']}/{stored['landsat:wrs_row']}"
    return f"collection02/level-2/standard/{sensor}/{place}/{product}/{product}"


def suffixes() -> dict[str, str]:
    """End of the file name of each stored asset that USGS has."""
    start = "{product}/{product}"
    assets = template("landsat-c2-l2")["assets"]
    return {key: asset["href"][len(start) :] for key, asset in assets.items() if asset["href"].startswith(start)}


def usgs_landsat(item: Item) -> Published:
    """A Landsat item as USGS writes it."""
    described, product = template("usgs-landsat-c2l2-sr"), product_id(item)
    stored, start = item["properties"], bucket_key(item, product)
    by_end = {end: key for key, end in suffixes().items()}
    assets, files = {}, {}
    for key, asset in described["assets"].items():
        source = item["assets"].get(by_end.get(asset["href"], ""))
        if asset["href"] in by_end and source is None:
            continue
        assets[key] = _usgs_asset(key, asset, f"{start}{asset['href']}")
        if source is not None:
            files[f"usgs-landsat/{start}{asset['href']}"] = source["href"].removeprefix(f"{BASE}/")
    properties = {name: stored[name] for name in (*KEPT.split(), SIMULATED) if name in stored}
    properties |= {"platform": stored["platform"].upper().replace("-", "_"), "updated": stored["created"]}
    written = written_item(item, described, f"{product}_SR", "landsat-c2l2-sr", properties, assets)
    written |= {"description": described["description"], "links": api_links("earth-search-c1", written)}
    return Published(within_180(written), files)


def _usgs_asset(key: str, asset: dict[str, Any], place: str) -> dict[str, Any]:
    """One asset with its addresses; the index page is in no bucket and has no checksum."""
    if key == "index":
        return asset | {"href": LOGIN.replace("/data/", "/stac-browser/") + place}
    bucket = {"storage:platform": "AWS", "storage:requester_pays": True, "href": f"s3://usgs-landsat/{place}"}
    # A multihash (sha2-512) in the right form, of the name: the archive's files are not USGS's, byte by byte.
    checksum = "1340" + hashlib.sha512(place.encode()).hexdigest()
    return asset | {"href": LOGIN + place, "alternate": {"s3": bucket}, "file:checksum": checksum}


def earth_search_landsat(item: Item) -> Published:
    """A Landsat item as Earth Search writes it."""
    described, product = template("earth-search-landsat-c2-l2"), product_id(item)
    stored, start = item["properties"], f"usgs-landsat/{bucket_key(item, product)}"
    held = {key: f"{start}{end}" for key, end in suffixes().items() if key in item["assets"]}
    files = {place: item["assets"][key]["href"].removeprefix(f"{BASE}/") for key, place in held.items()}
    assets = {key: copy.deepcopy(item["assets"][key]) | {"href": f"s3://{place}"} for key, place in held.items()}
    for key, asset in described["assets"].items():
        assets[key] = asset | {"href": f"s3://{start}{asset['href']}"}
    properties = (
        stored
        | described["properties"]
        | {
            "proj:centroid": centroid(item),
            "landsat:product_generated": stored["created"],
            "grid:code": f"WRS2-{stored['landsat:wrs_path']}{stored['landsat:wrs_row']}",
            "earthsearch:payload_id": f"usgs-landsat/workflow-landsat-to-stac/{product}",
            "updated": stored["created"],
        }
    )
    written = written_item(item, described, item["id"], "landsat-c2-l2", properties, assets)
    written["links"] = api_links("earth-search", written)
    return Published(within_180(written), files)
