"""Scenes of an invented site as raw items, for tests of the archive's API and of everything that reads items."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from anyband.archive.item_properties import AssetFile, ItemDescription
from anyband.archive.stac_items import build_item
from anyband.catalog.items.sentinel2 import BANDS
from anyband.catalog.pairs.coverage import project
from anyband.catalog.sites import Site

LONGITUDE, LATITUDE, EPSG = 10.32, 46.02, 32632
NOON = datetime(2022, 5, 10, 10, 15, 30, tzinfo=UTC)
FILES = {  # one file per product, with its pixel in metres
    "sentinel2": {"B02": 10.0, "SCL": 20.0},
    "landsat": {"red": 30.0, "qa_pixel": 30.0},
    "hls_s30": {"B04": 30.0, "Fmask": 30.0},
    "hls_l30": {"B04": 30.0, "Fmask": 30.0},
    "label": {"map": 1 / 12_000},
}
PLATFORMS = dict(zip(FILES, ("sentinel-2a", "landsat-9", "sentinel-2a", "landsat-9", ""), strict=True))


def square(longitude: float = LONGITUDE, latitude: float = LATITUDE, half: float = 0.05) -> list[tuple[float, float]]:
    """A ring of four corners around a position, degrees."""
    west, east, south, north = longitude - half, longitude + half, latitude - half, latitude + half
    return [(west, south), (east, south), (east, north), (west, north)]


def make_scene(product: str, **changes: Any) -> ItemDescription:
    """A scene with plain values; `changes` replaces fields."""
    epsg = 4326 if product == "label" else EPSG
    folder = f"{product}/{changes.get('datetime', NOON):%Y%m%dT%H%M%S}"
    assets = {
        key: AssetFile(f"{folder}_{key}.tif", epsg, (pixel, 0.0, 600_000.0, 0.0, -pixel, 5_100_000.0), (408, 408))
        for key, pixel in FILES[product].items()
    }
    values: dict[str, Any] = {
        "product": product,
        "platform": PLATFORMS[product],
        "datetime": NOON,
        "dataset": "main",
        "site": "aspen",
        "epsg": epsg,
        "assets": assets,
        "footprint": square(),
        "cloud_cover": 12.5,
        "sun_zenith": 33.0,
        "sun_azimuth": 150.0,
        "view_zenith": 3.0,
        "view_azimuth": 100.0,
        "baseline": "04.00" if product == "sentinel2" else None,
        "generation_time": NOON + timedelta(hours=7),
        "simulated": "test",
    }
    return ItemDescription(**(values | changes))


def make_item(product: str, **changes: Any) -> dict[str, Any]:
    """The raw item of `make_scene`."""
    return build_item(make_scene(product, **changes))


def write_items(root: Path, site: str, items: list[dict[str, Any]]) -> None:
    """Put items where the archive keeps those of a site."""
    for item in items:
        path = root / site / "items" / item["collection"] / f"{item['id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(item))


NORTH = Site("aspen", LONGITUDE, LATITUDE, 3840)
CLEAR = {"sentinel2": 4, "landsat": 21824}
CLOUD = {"sentinel2": 9, "landsat": 22280}


def quality_raster(path, site, product, epsg, cloudy_share):
    """A quality layer around a site whose western part is cloudy; its corner lies where the provider's grid has it."""
    pixel, phase = (20, 0) if product == "sentinel2" else (30, 15)
    x, y = (float(value[0]) for value in project((np.array([site.longitude]), np.array([site.latitude])), 4326, epsg))
    left = (x - 2400) // pixel * pixel + phase
    top = (y + 2400) // pixel * pixel + phase
    size = 4800 // pixel
    values = np.full((size, size), CLEAR[product], np.uint8 if product == "sentinel2" else np.uint16)
    edge = x - site.extent_m / 2 + cloudy_share * site.extent_m
    values[:, : max(round((edge - left) / pixel), 0)] = CLOUD[product]
    grid = {"transform": rasterio.Affine(pixel, 0, left, 0, -pixel, top), "crs": f"EPSG:{epsg}"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=size, width=size, count=1, dtype=values.dtype, tiled=True, **grid
    ) as target:
        target.write(values, 1)
    return AssetFile(str(path), epsg, (float(pixel), 0.0, left, 0.0, -float(pixel), top), (size, size))


def site_items(folder, site, cloudy=None, **changes):
    """Raw items of one date, by product, with files on disk; `cloudy` is the clouded share by product."""
    utm = site.utm_epsg
    north = 32600 + utm % 100
    ring = square(site.longitude, site.latitude)
    items = {}
    for product, qa in (("sentinel2", "SCL"), ("landsat", "qa_pixel")):
        epsg = utm if product == "sentinel2" else north
        file = quality_raster(folder / f"{product}.tif", site, product, epsg, (cloudy or {}).get(product, 0.0))
        items[product] = make_item(product, site=site.name, epsg=epsg, assets={qa: file}, footprint=ring, **changes)
        items[product]["assets"][qa]["href"] = file.path
    for product in ("hls_s30", "hls_l30", "label"):
        epsg = {"epsg": north} if product != "label" else {}
        items[product] = make_item(product, site=site.name, footprint=ring, **epsg, **changes)
    return {product: [item] for product, item in items.items()}


LPDAAC = "https://data.lpdaac.earthdatacloud.nasa.gov/lp-prod-protected"


def earth_search(*, collection="sentinel-2-l2a", baseline="05.09", flag=True, offset=-0.1):
    """An item as Earth Search writes it, with an offset in `raster:bands` whatever was done to the pixels."""
    assets = {
        key: {
            "href": f"https://sentinel-cogs.s3.us-west-2.amazonaws.com/S2A_31UFU_20230701_0_L2A/{band}.tif",
            "proj:shape": [109_800 // pixel_m] * 2,
            "proj:transform": [pixel_m, 0, 600_000, 0, -pixel_m, 5_800_020, 0, 0, 1],
            "raster:bands": [{"nodata": 0, "data_type": "uint16", "scale": 1e-4, "offset": offset}],
        }
        for band, (pixel_m, key) in BANDS.items()
    }
    assets["scl"] = {"href": "https://sentinel-cogs.s3.us-west-2.amazonaws.com/S2A_31UFU_20230701_0_L2A/SCL.tif"}
    assets["blue-jp2"] = {"href": "s3://sentinel-s2-l2a/tiles/31/U/FU/2023/7/1/0/R10m/B02.jp2"}
    properties = {
        "platform": "sentinel-2a",
        "datetime": "2023-07-01T10:46:30.262000Z",
        "proj:epsg": 32631,
        "grid:code": "MGRS-31UFU",
        "view:sun_elevation": 60.5,
        "view:sun_azimuth": 158.0,
        "s2:product_type": "S2MSI2A",
        "s2:processing_baseline": baseline,
        "s2:datatake_id": "GS2A_20230701T103631_041904_N05.09",
        "s2:generation_time": "2023-07-01T20:00:58.000000Z",
        "earthsearch:payload_id": "roda-sentinel2/workflow-sentinel2-to-stac/0",
    }
    if flag is not None:
        properties["earthsearch:boa_offset_applied"] = flag
    geometry = {"type": "Polygon", "coordinates": [[[4.4, 52], [6, 52], [6, 51], [4.4, 51], [4.4, 52]]]}
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": "S2A_31UFU_20230701_0_L2A", "collection": collection,
        "geometry": geometry, "properties": properties, "assets": assets, "links": [],
    }  # fmt: skip


def lpdaac(kind="L30", tile="55HDT"):
    """An item as LP DAAC makes it: neither grid nor satellite nor encoding, and no media types."""
    name = f"HLS.{kind}.T{tile}.2023243T235621.v2.0"
    bands = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B09", "B10", "B11"]
    bands += ["B08", "B8A", "B12"] if kind == "S30" else []
    assets = {
        band: {"href": f"{LPDAAC}/HLS{kind}.020/{name}/{name}.{band}.tif", "roles": ["data"]}
        for band in [*bands, "Fmask"]
    }
    assets |= {f"s3_{band}": {"href": f"s3://lp-prod-protected/{name}.{band}.tif"} for band in bands}
    times = dict.fromkeys(("datetime", "start_datetime", "end_datetime"), "2023-08-31T23:56:21.312Z")
    geometry = {"type": "Polygon", "coordinates": [[[144, -36], [145, -36], [145, -37], [144, -37], [144, -36]]]}
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "collection": f"HLS{kind}_2.0", "geometry": geometry,
        "properties": times | {"eo:cloud_cover": 12, "storage:schemes": {}}, "assets": assets, "links": [],
    }  # fmt: skip
