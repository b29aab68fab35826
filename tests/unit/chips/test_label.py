"""Labels in degrees, warped once onto the 10 m grid of the site."""

import numpy as np
import pytest
from pyproj import Transformer

from anyband.chips.grid import site_footprints
from anyband.chips.label import read_labels
from anyband.runtime import UserError
from rasters import CORNER

CHIPS = site_footprints((CORNER[0] + 960, CORNER[1] - 960), 32632, 1_920, 960)
STEP = 1 / 12_000


def label_item(path):
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "worldcover-1",
        "geometry": None,
        "bbox": [10, 46, 11, 47],
        "properties": {"datetime": "2021-01-01T00:00:00Z", "proj:epsg": 4326},
        "assets": {"map": {"href": str(path)}},
    }


@pytest.fixture
def worldcover(tmp_path, random):
    import rasterio
    from rasterio.transform import from_origin

    degrees = Transformer.from_crs(32632, 4326, always_xy=True)
    x, y = degrees.transform(CORNER[0] + 960, CORNER[1] - 960)
    west, north = round(x / STEP) * STEP - 300 * STEP, round(y / STEP) * STEP + 300 * STEP
    codes = random.choice(np.array([10, 30, 50, 80], np.uint8), (600, 600))
    path = tmp_path / "map.tif"
    profile = {"driver": "GTiff", "height": 600, "width": 600, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=from_origin(west, north, STEP, STEP), **profile) as file:
        file.write(codes, 1)
    return path, codes, west, north


def test_label_is_the_class_under_the_pixel_centre(worldcover):
    path, codes, west, north = worldcover
    labels = read_labels(label_item(path), "map", CHIPS, 1, {})
    assert labels.shape == (4, 96, 96) and labels.dtype == np.uint8
    degrees = Transformer.from_crs(32632, 4326, always_xy=True)
    agreed = []
    for chip, label in zip(CHIPS, labels, strict=True):
        x, y = np.meshgrid(chip.x0 + 10 * np.arange(96) + 5, chip.y0 - 10 * np.arange(96) - 5)
        longitude, latitude = degrees.transform(x, y)
        under = codes[((north - latitude) / STEP).astype(int), ((longitude - west) / STEP).astype(int)]
        agreed.append(under == label)
    # GDAL's warper approximates the projection to an eighth of a pixel: only pixels on a class border may differ.
    assert np.mean(agreed) > 0.98


def test_label_outside_its_product_is_nodata(worldcover):
    path, *_ = worldcover
    far = site_footprints((CORNER[0] + 50_000, CORNER[1]), 32632, 960, 960)
    assert not read_labels(label_item(path), "map", far, 1, {}).any()


def test_missing_label_names_the_item(tmp_path):
    """stackstac's default would turn a missing file into a chip without labels, silently."""
    with pytest.raises(UserError, match="item worldcover-1, asset map") as error:
        read_labels(label_item(tmp_path / "none.tif"), "map", CHIPS, 1, {})
    assert "\n" not in str(error.value)
