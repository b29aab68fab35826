"""The form to come: STAC 1.1, `bands` for `eo:bands` and `raster:bands`, `proj:code` for `proj:epsg`.

Sentinel-2 has the keys of stactools, with the pixels and baselines of the Planetary Computer. Its collection is called
`sentinel-2-c1-l2a`, since in a `sentinel-2-l2a` with these keys nobody could tell whether the offset was taken off.
Fixed parts: a recorded item of stactools, moved to STAC 1.1 by the migration rules of its extensions.
"""

import copy
import re
from collections.abc import Callable
from typing import Any

from anyband.archive.server.item_index import Item
from anyband.testing.providers import sentinel2_forms
from anyband.testing.providers.common import ADDRESS, Published, api_links, later, template, within_180

API = "stac-1.1"
EO_NAMES = ("common_name", "center_wavelength", "full_width_half_max", "solar_illumination")
RASTER_NAMES = ("scale", "offset", "spatial_resolution", "sampling", "bits_per_sample", "histogram")
SECOND_VERSION = re.compile(r"/(eo|raster|projection|classification)/v1\.\d\.\d/")


def in_new_form(change: Callable[[Item], Item] = dict) -> Callable[[Item], Published]:
    """A dialect that writes a stored item in STAC 1.1, after `change`."""

    def publish(item: Item) -> Published:
        written = upgrade(change(item))
        own = {"self", "parent", "collection", "root"}
        links = [link for link in written["links"] if link["rel"] not in own]
        written["links"] = api_links(API, written, ("collection", "parent", "root", "self")) + links
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


def as_stactools(item: Item) -> Item:
    """A stored Sentinel-2 item with the keys of stactools, in STAC 1.0."""
    stored, described = item["properties"], template("stactools-sentinel-2-c1-l2a")
    zone, band, square = sentinel2_forms.tile_parts(item)
    name = f"S2{stored['platform'][-1]}_T{zone}{band}{square}_{sentinel2_forms.datatake(item)}_L2A"
    for asset in described["assets"].values():
        sentinel2_forms.set_offset(asset, -0.1 if sentinel2_forms.has_offset(item) else 0)
    folder = item["assets"]["product-metadata"]["href"].rsplit("/", 1)[0].removeprefix(ADDRESS)
    assets, _ = sentinel2_forms.attach(item, described["assets"], folder, grid=("proj:bbox", *sentinel2_forms.GRID))
    for key, asset in assets.items():
        if key in sentinel2_forms.STORED_KEYS:
            asset["href"] = item["assets"][sentinel2_forms.STORED_KEYS[key]]["href"]
    kept = (
        "datetime", "eo:cloud_cover", "proj:epsg", "sat:orbit_state", "sat:relative_orbit", "s2:datatake_id",
        "s2:generation_time", "s2:processing_baseline", "s2:product_uri", "s2:reflectance_conversion_factor",
    )  # fmt: skip
    west, south, east, north = item["bbox"]
    names = sentinel2_forms.esa_names(item)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": described["stac_extensions"],
        "id": name,
        "collection": "sentinel-2-c1-l2a",
        "bbox": item["bbox"],
        "geometry": item["geometry"],
        "properties": described["properties"]
        | sentinel2_forms.properties(item, (*kept, *sentinel2_forms.percentages(item)))
        | sentinel2_forms.place_and_sun(item)
        | {
            "created": later(stored["s2:generation_time"], 7_200),
            "eo:snow_cover": stored["s2:snow_ice_percentage"],
            "grid:code": f"MGRS-{zone}{band}{square}",
            "proj:centroid": {"lat": round((south + north) / 2, 5), "lon": round((west + east) / 2, 5)},
            "s2:datastrip_id": names["s2:datastrip_id"],
            "s2:tile_id": names["s2:granule_id"],
        },
        "assets": assets,
        "links": described["links"],
    }
