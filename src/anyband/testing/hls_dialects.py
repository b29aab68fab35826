"""LP DAAC `HLSS30_2.0` and `HLSL30_2.0`: made from CMR's metadata, so neither grid, satellite, bands nor media types.

Forms of assets, links and extensions: source of nasa/cmr-stac and what is known of its items since June 2026.
"""

from datetime import UTC
from typing import Any

from anyband.archive.item_index import Item
from anyband.archive.item_properties import SIMULATED
from anyband.archive.stac_items import BASE
from anyband.testing.provider_items import ADDRESS, Published, api_links, moment, within_180, written_item

API = "lpcloud"
BUCKET, PUBLIC = "lp-prod-protected", "lp-prod-public"
COLLECTIONS = {"hls2-s30": ("HLSS30_2.0", "HLSS30.020"), "hls2-l30": ("HLSL30_2.0", "HLSL30.020")}
EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.0.0/schema.json",
    "https://stac-extensions.github.io/storage/v2.0.0/schema.json",
]
SCHEMES = {
    "aws": {
        "type": "aws-s3",
        "platform": "https://{bucket}.s3.{region}.amazonaws.com",
        "bucket": BUCKET,
        "region": "us-west-2",
        "requester_pays": False,
    }
}


def hls(item: Item) -> Published:
    """An HLS item as LP DAAC writes it."""
    stored, name = item["properties"], str(item["id"])
    collection, folder = COLLECTIONS[item["collection"]]
    when = {key: _milliseconds(stored[key]) for key in ("datetime", "start_datetime", "end_datetime")}
    keys = [key for key in item["assets"] if key != "thumbnail"]
    assets: dict[str, Any] = {}
    files = {}
    for number, key in enumerate(keys):
        place = f"{BUCKET}/{folder}/{name}/{name}.{key}.tif"
        said = {"description": f"Download {name}.{key}.tif", "roles": ["data"]}
        assets[key] = {"href": ADDRESS + place, "title": f"Direct Download [{number}]", **said}
        assets[f"s3_{key}"] = {"href": f"s3://{place}", "title": f"s3_{name}.{key}", **said, "storage:refs": ["aws"]}
        files[place] = item["assets"][key]["href"].removeprefix(ADDRESS)
    browse = f"{PUBLIC}/{folder}/{name}/{name}.jpg"
    assets["browse"] = {"href": ADDRESS + browse, "title": f"Download {name}.jpg", "roles": ["browse"]}
    assets["thumbnail_0"] = {"href": ADDRESS + browse, "title": "Thumbnail [0]", "roles": ["thumbnail"]}
    assets["thumbnail_1"] = {"href": f"s3://{browse}", "title": "Thumbnail [1]", "roles": ["thumbnail"]}
    metadata = f"{BASE}/search/concepts/{name}.json"
    assets["metadata"] = {"href": metadata, "title": "Metadata", "type": "application/json"}
    polygons = item["geometry"]["coordinates"]
    properties = when | _cloud_cover(item) | {"storage:schemes": SCHEMES, SIMULATED: stored[SIMULATED]}
    described = {"stac_extensions": EXTENSIONS, "properties": {}}
    written = written_item(item, described, name, collection, properties, assets) | {"stac_version": "1.1.0"}
    if len(polygons) == 1:
        written["geometry"] = {"type": "Polygon", "coordinates": polygons[0]}
    written["links"] = _links(written)
    return Published(within_180(written), files)


def _cloud_cover(item: Item) -> dict[str, int]:
    cover = item["properties"].get("eo:cloud_cover")
    return {} if cover is None else {"eo:cloud_cover": round(cover)}


def _milliseconds(text: str) -> str:
    when = moment(text).astimezone(UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _links(item: Item) -> list[dict[str, str]]:
    concept = f"{BASE}/search/concepts/{item['id']}"
    return [
        *api_links(API, item),
        {"rel": "provider", "href": f"{BASE}/{API}", "type": "application/json"},
        {"rel": "via", "href": f"{concept}.json", "title": "CMR JSON metadata for item", "type": "application/json"},
        {
            "rel": "via",
            "href": f"{concept}.umm_json",
            "title": "CMR UMM_JSON metadata for item",
            "type": "application/vnd.nasa.cmr.umm+json",
        },
    ]
