"""Scenes of an invented site as raw items, for tests of the archive's API and of everything that reads items."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from anyband.archive.item_properties import AssetFile, ItemDescription
from anyband.archive.stac_items import build_item
from anyband.catalog.pairs.clear import project
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
PLATFORMS = {
    "sentinel2": "sentinel-2a",
    "landsat": "landsat-9",
    "hls_s30": "sentinel-2a",
    "hls_l30": "landsat-9",
    "label": "",
}


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
