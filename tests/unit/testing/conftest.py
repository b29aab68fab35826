"""Items with a file for every band, as the archive stores them."""

from datetime import timedelta

import pytest

from anyband.archive.item_properties import AssetFile
from anyband.archive.stac_items import build_item
from make_items import NOON, make_scene
from scenes import HLS, LANDSAT, SENTINEL2

PIXELS = {
    "sentinel2": {band: metres for metres, bands in SENTINEL2.items() for band in bands},
    "landsat": dict.fromkeys(LANDSAT, 30),
    "label": {"map": 1 / 12_000},
} | {product: dict.fromkeys(bands, 30) for product, bands in HLS.items()}


@pytest.fixture(scope="session")
def full_item():
    """Makes items; `changes` replaces fields of the scene."""

    def make(product, day=0, **changes):
        epsg = 4326 if product == "label" else 32632
        assets = {
            key: AssetFile(
                f"{product}-{day}-{key}.tif",
                epsg,
                (float(pixel), 0.0, 600_000.0, 0.0, -float(pixel), 5_100_000.0),
                (round(4080 / pixel),) * 2 if pixel >= 1 else (60, 60),
            )
            for key, pixel in PIXELS[product].items()
        }
        return build_item(make_scene(product, datetime=NOON + timedelta(days=day), assets=assets, **changes))

    return make
