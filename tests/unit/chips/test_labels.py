"""Labels in degrees, warped once onto the 10 m grid of the site."""

import datetime as dt

import numpy as np
import pytest
from pyproj import Transformer

from anyband.catalog.items.acquisition import Acquisition
from anyband.chips.screening import read_labels
from anyband.ground import site_footprints
from anyband.raster.asset import BandAsset, UnusableItemError
from rasters import CORNER

CHIPS = site_footprints((CORNER[0] + 960, CORNER[1] - 960), 32632, 1_920, 960)
STEP = 1 / 12_000


def label_of(path, west, north, columns=600, name="worldcover-1"):
    """The acquisition of a map of 600 rows."""
    known = {"dtype": "uint8", "nodata": 0, "band": "map", "scale": 1.0, "offset": 0.0}
    grid = (STEP, 0, west, 0, -STEP, north), (600, columns)
    band = BandAsset(name, "map", str(path), 4326, STEP, *grid, **known)
    start = dt.datetime(2021, 1, 1, tzinfo=dt.UTC)
    return Acquisition("label", "", "esa-worldcover", name, start, {}, 4326, {"map": band}, None)


def write_map(path, codes, west, north):
    import rasterio
    from rasterio.transform import from_origin

    rows, columns = codes.shape
    profile = {"driver": "GTiff", "height": rows, "width": columns, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=from_origin(west, north, STEP, STEP), **profile) as file:
        file.write(codes, 1)
    return path


@pytest.fixture
def worldcover(tmp_path, random):
    degrees = Transformer.from_crs(32632, 4326, always_xy=True)
    x, y = degrees.transform(CORNER[0] + 960, CORNER[1] - 960)
    west, north = round(x / STEP) * STEP - 300 * STEP, round(y / STEP) * STEP + 300 * STEP
    codes = random.choice(np.array([10, 30, 50, 80], np.uint8), (600, 600))
    path = write_map(tmp_path / "map.tif", codes, west, north)
    return path, codes, west, north


def test_label_is_the_class_under_the_pixel_centre(worldcover):
    path, codes, west, north = worldcover
    labels = read_labels([label_of(path, west, north)], CHIPS, 1)
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


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_two_maps_that_meet_in_the_site_are_one(tmp_path, worldcover, order):
    path, codes, west, north = worldcover
    whole = read_labels([label_of(path, west, north)], CHIPS, 1)
    seam = 310
    halves = [
        label_of(write_map(tmp_path / "w.tif", codes[:, :seam], west, north), west, north, seam, "west"),
        label_of(
            write_map(tmp_path / "e.tif", codes[:, seam:], west + seam * STEP, north),
            west + seam * STEP, north, 600 - seam, "east",
        ),
    ]  # fmt: skip
    joined = read_labels([halves[i] for i in order], CHIPS, 1)
    assert (joined > 0).all() and (whole > 0).all()
    assert (joined == whole).mean() > 0.999  # the warper's approximation starts anew in each map


def test_label_outside_its_product_is_nodata(worldcover):
    path, _, west, north = worldcover
    far = site_footprints((CORNER[0] + 50_000, CORNER[1]), 32632, 960, 960)
    assert not read_labels([label_of(path, west, north)], far, 1).any()


def test_missing_label_names_the_item(tmp_path):
    """stackstac's default would turn a missing file into a chip without labels, silently."""
    with pytest.raises(UnusableItemError, match="item worldcover-1: asset map: .* does not exist") as error:
        read_labels([label_of(tmp_path / "none.tif", 10, 47)], CHIPS, 1)
    assert "\n" not in str(error.value)


def test_label_elsewhere_than_its_item_says_is_refused(worldcover):
    path, _, west, north = worldcover
    with pytest.raises(UnusableItemError, match="item worldcover-1: asset map: the item says transform"):
        read_labels([label_of(path, west + 1, north)], CHIPS, 1)


def test_signature_of_a_label_is_not_printed(tmp_path, monkeypatch):
    monkeypatch.setattr("anyband.raster.access.sign", lambda href: f"{href}?sig=secret")
    monkeypatch.setattr("anyband.raster.warp.sign", lambda href: f"{href}?sig=secret")
    (tmp_path / "map.tif").write_text("<html>")
    for path in (tmp_path / "none.tif", tmp_path / "map.tif"):
        with pytest.raises(UnusableItemError) as error:
            read_labels([label_of(path, 10, 47)], CHIPS, 1)
        assert "secret" not in str(error.value)
