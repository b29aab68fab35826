"""Our plan and stackstac give the same chips, whatever the grid of the files."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from anyband.chips.read_plan import band_groups, storable_band
from anyband.ground import project, site_footprints
from anyband.raster.asset import RasterAsset, UnusableItemError
from anyband.raster.warp import MapWindow, read_warped
from anyband.raster.windows import assemble, read_windows
from rasters import CORNER, HLS_CRS, write_raster
from scenes import SceneFolder

SITES = {"north": (32633, (600_000.0, 5_200_020.0)), "south": (32733, (600_000.0, 7_600_000.0))}


def native(chip, window, file):
    """The map window of a chip's own pixels in a file's CRS."""
    shift = (file.epsg // 100 - chip.epsg // 100) * 10_000_000
    return MapWindow(
        file.epsg, chip.x0 + window.dx, chip.y0 + shift - window.dy, file.pixel_m, window.size, window.size
    )


@pytest.mark.parametrize("site", SITES)
def test_both_readers_agree_bit_by_bit(tmp_path, site):
    scenes = SceneFolder(tmp_path, *SITES[site])
    scenes.add_pair(dt.date(2022, 5, 3))
    (pair,) = scenes.pairs()
    centre = project(scenes.longitude, scenes.latitude, pair.epsg)
    chip = site_footprints(centre, pair.epsg, 1_920, 960)[1]
    files = [storable_band(pair.optical[product], bands[-1]) for (product, _), bands in band_groups(pair).items()]
    files += [acquisition.qa for acquisition in pair.optical.values()]
    assert {file.pixel_m for file in files} == {10, 20, 30, 60}
    for file in files:
        plain = replace(file, store_shift=0)
        found = read_windows([plain], [chip])[0]
        ours = assemble(found, plain, found.windows[0].size)[0]
        assert (ours != file.nodata).all()
        theirs = read_warped([file], native(chip, found.windows[0], file))
        assert theirs.dtype == ours.dtype and np.array_equal(theirs, ours), file.name


@pytest.mark.parametrize(("crs", "epsg"), [(HLS_CRS, 32632), (None, 32632), (None, 32732)])
@pytest.mark.parametrize(("pixel_m", "shift"), [(10, 0), (20, 0), (60, 0), (30, 0), (30, 15)])
@pytest.mark.parametrize("known", [True, False])
def test_every_grid_comes_out_as_it_is(tmp_path, random, crs, epsg, pixel_m, shift, known):
    """Also half a pixel off, on the phase of the zones south, without a code, and without a grid in the item."""
    pixels = random.integers(-2_000, 10_000, (40, 40)).astype(np.int16)
    corner = (CORNER[0] + shift, CORNER[1] + 20 - shift)
    path = write_raster(tmp_path / "a.tif", pixels, corner, pixel_m, epsg, crs=crs, nodata=-9999)
    grid = {"transform": (pixel_m, 0, corner[0], 0, -pixel_m, corner[1]), "shape": (40, 40)} if known else {}
    file = RasterAsset("item-1", "B04", str(path), epsg, pixel_m, dtype="int16", nodata=-9999, **grid)
    window = MapWindow(epsg, corner[0] + 5 * pixel_m, corner[1] - 7 * pixel_m, pixel_m, 16, 16)
    assert np.array_equal(read_warped([file], window), pixels[7:23, 5:21])


def test_window_beyond_the_file_is_nodata_there(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.full((8, 8), 7, np.uint16), CORNER, 10, nodata=0)
    file = RasterAsset("item-1", "B04", str(path), 32632, 10, dtype="uint16", nodata=0)
    values = read_warped([file], MapWindow(32632, CORNER[0] - 20, CORNER[1], 10, 4, 4))
    assert (values == [[0, 0, 7, 7]]).all()


def test_bad_file_is_named_and_never_a_hole(tmp_path, random):
    """stackstac can be told to take a file that fails for nodata; here it is not."""
    path = tmp_path / "a.tif"
    file = RasterAsset("item-1", "B04", str(path), 32632, 10, dtype="uint16", nodata=0)
    window = MapWindow(32632, *CORNER, 10, 216, 216)
    with pytest.raises(UnusableItemError, match="item item-1: asset B04: .* does not exist"):
        read_warped([file], window)
    write_raster(path, random.integers(1, 9_999, (216, 216)).astype(np.uint16), CORNER, 10)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(UnusableItemError, match="item item-1: asset B04: .* cannot be read") as error:
        read_warped([file], window)
    assert "\n" not in str(error.value)
