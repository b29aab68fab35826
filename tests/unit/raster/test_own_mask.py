"""What files themselves say is invalid, read for chips, for maps, and for pairs."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from anyband.catalog.pairs.coverage import _sample
from anyband.ground import Footprint
from anyband.products import Encoding
from anyband.raster.asset import RasterAsset
from anyband.raster.header import check_header, own_mask
from anyband.raster.warp import MapWindow, read_warped
from anyband.raster.windows import RowFile, assemble, read_windows
from rasters import CORNER

SIZE = 96
RANDOM = np.random.default_rng(4)
PIXELS = RANDOM.integers(1000, 3000, (SIZE, SIZE)).astype(np.uint16)
INVALID = RANDOM.random((SIZE, SIZE)) < 0.3


def made(path, kind):
    """A file of one band of data that says `INVALID` in some way; 0 is what its item calls nodata."""
    profile = {
        "driver": "GTiff", "height": SIZE, "width": SIZE, "count": 1 + (kind == "alpha"), "dtype": "uint16",
        "crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, CORNER[0], 0, -10, CORNER[1]), "tiled": True,
        "blockxsize": 32, "blockysize": 32,
    }  # fmt: skip
    profile |= {"nodata": 7} if kind == "other nodata" else {"nodata": 0} if kind == "nodata and mask" else {}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=kind != "msk"), rasterio.open(path, "w", **profile) as target:
        if kind == "alpha":  # before any pixel, or it goes into a sidecar file, where GDAL may be told to write none
            target.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
        target.write(np.where(INVALID, 7, PIXELS) if kind == "other nodata" else PIXELS, 1)
        if kind == "alpha":
            target.write(np.where(INVALID, 0, 65535).astype(np.uint16), 2)
        elif kind in ("internal", "msk", "nodata and mask"):
            target.write_mask(~INVALID)
    return RasterAsset("x", "a", str(path), 32632, 10.0, dtype="uint16", nodata=0, count=None)


KINDS = ("internal", "msk", "alpha", "other nodata", "nodata and mask")


@pytest.mark.parametrize("kind", KINDS)
def test_chips_and_maps_and_pairs_and_labels_lose_what_the_file_calls_invalid_and_nothing_else(tmp_path, kind):
    asset = made(tmp_path / "a.tif", kind)
    chip = Footprint(32632, CORNER[0], CORNER[1], SIZE * 10, 0, 0)
    (pixels,) = read_windows([asset], [chip])
    pixels_or_zero = np.where(INVALID, 0, PIXELS)
    assert np.array_equal(assemble(pixels, asset, SIZE)[0], pixels_or_zero)
    # As `read_raster` opens it: whether GDAL looks for a .msk file depends on the settings of the process.
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE"), rasterio.open(asset.href) as source:
        header = check_header(source, asset)
        x = CORNER[0] + 10 * np.arange(SIZE) + 5
        y = CORNER[1] - 10 * np.arange(SIZE) - 5
        values, inside = _sample(source, (x, y), 0, 1)
    assert inside.all()
    assert np.array_equal(values == 0, INVALID.diagonal())
    if kind != "alpha":  # stackstac reads files of one band
        assert np.array_equal(read_warped([asset], MapWindow(32632, *CORNER, 10, SIZE, SIZE)), pixels_or_zero)
    file = RowFile(asset, header)
    file.crop(10, 50)
    found = np.ma.concatenate([file.rows(start, start + 24) for start in range(0, SIZE, 24)], axis=1)[0]
    assert np.array_equal(np.ma.getmaskarray(found), INVALID[:, 10:50])
    assert np.array_equal(found.data[~INVALID[:, 10:50]], PIXELS[:, 10:50][~INVALID[:, 10:50]])


def test_a_file_that_says_nothing_more_than_its_item_is_read_without_a_second_look(tmp_path):
    asset = made(tmp_path / "a.tif", "plain")
    with rasterio.open(asset.href) as source:
        assert own_mask(source, 1, 0, {1}) is None
    asset = made(tmp_path / "b.tif", "other nodata")
    with rasterio.open(asset.href) as source:
        assert own_mask(source, 1, 7, {1}) is None


def test_a_band_of_data_that_is_marked_as_alpha_is_no_mask(tmp_path):
    """GDAL marks the fourth band of a file of four so, which often is near infrared."""
    asset = made(tmp_path / "a.tif", "alpha")
    with rasterio.open(asset.href) as source:
        assert own_mask(source, 1, 0, {1, 2}) is None
        assert own_mask(source, 1, 0, {1}) is not None


@pytest.mark.parametrize("said", [-3.4028234663852886e38, -3.40282e38, -3.4e38, float("nan"), 1e20])
def test_a_float_nodata_that_lost_its_digits_is_still_nodata(said):
    stored = np.array([0.1, -3.4028234663852886e38, np.nan, np.inf, 0.0, 3e38], np.float32)
    assert Encoding("float32", 1.0, 0.0, said).valid(stored).tolist() == [True, False, False, False, True, False]
    assert Encoding("float32", 1.0, 0.0, -9999.0).valid(np.array([-9999, -9998, 0], np.float32)).tolist() == [0, 1, 1]
