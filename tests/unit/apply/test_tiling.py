"""Tiles: no seams, every pixel from the right place, memory that does not grow with the area."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from anyband.apply.tiling import Lattice, map_rows
from anyband.observation import Observation
from anyband.raster.asset import RasterAsset
from anyband.raster.header import check_header
from anyband.raster.windows import RowFile
from handmade import SETS, make_group
from rasters import write_raster

BANDS = SETS["sentinel2"][0][1]


def area(epsg, left, top, height, width):
    return GeoBox((height, width), from_origin(left, top, 10.0, 10.0), f"EPSG:{epsg}")


def ground(grid, of_tile):
    """The map of a grid when the tile at (left, top) has the values `of_tile(left, top)` (H, W)."""
    corners = []

    def read(top):
        def cut(lefts):
            corners.append([(left, top) for left in lefts])
            return Observation((make_group("sentinel2", BANDS, 10.0, 960.0, len(lefts), 0),))

        return cut

    def compute(observation, query):
        values = np.stack([of_tile(left, top) for left, top in corners[-1]])
        return torch.from_numpy(values[:, None].astype(np.float32)), torch.ones(len(values), 96, 96, dtype=torch.bool)

    whole = np.full(grid.shape, np.nan)
    for rows in map_rows(grid, Lattice.of(grid), read, compute, 1):
        assert rows.seen.all()
        whole[rows.start : rows.start + rows.values.shape[1]] = rows.values[0]
    return whole


@pytest.mark.parametrize("epsg", [32632, 32732])
@pytest.mark.parametrize(("left", "top"), [(600_360.0, 5_199_660.0), (600_010.0, 5_199_990.0)])
def test_every_pixel_is_where_it_belongs(epsg, left, top):
    """One row off in the shifting of the canvas, or a tile left out at an edge, and a position would be wrong."""
    grid = area(epsg, left, top, 313, 287)

    def positions(x, y):
        return (x + 10 * np.arange(96) - left) / 10 + ((top - y + 10 * np.arange(96)) / 10)[:, None]

    assert ground(grid, positions) == pytest.approx(np.add.outer(np.arange(313), np.arange(287)), abs=0.01)


def test_tiles_that_disagree_leave_no_seam():
    """Between tiles of any two values, the map changes by a 24th of their difference from a pixel to the next."""
    random = np.random.default_rng(0)
    whole = ground(area(32632, 600_000.0, 5_200_020.0, 400, 300), lambda x, y: np.full((96, 96), random.random()))
    assert whole.std() > 0.1
    for axis in (0, 1):
        assert np.abs(np.diff(whole, axis=axis)).max() <= 1 / 24 + 1e-6


def test_a_file_is_decoded_once_whatever_rows_are_asked_for(tmp_path, monkeypatch):
    pixels = np.arange(300 * 50, dtype=np.uint16).reshape(300, 50)
    path = write_raster(tmp_path / "a.tif", pixels, (0.0, 0.0), 10.0, tile=64)
    asset = RasterAsset("x", "a", str(path), 32632, 10.0)
    with rasterio.open(path) as source:
        file, read = RowFile(asset, check_header(source, asset)), []
    once = file._read
    monkeypatch.setattr(file, "_read", lambda start, stop: read.append((start, stop)) or once(start, stop))
    for start in range(0, 300, 24):
        stop = min(start + 32, 300)
        assert (file.rows(start, stop)[0] == pixels[start:stop]).all()
    assert read == [(0, 64), (64, 128), (128, 192), (192, 256), (256, 300)]


PROGRAM = """
import resource, sys
import torch
from pathlib import Path
from anyband.apply import predict as command
from anyband.models.core.storage import Recipe

class Model:
    def usable(self, products):
        return products
    def __call__(self, observation, query):
        return observation.groups[0].values[:, :1].repeat(1, 8, 1, 1)

codes = (10, 20, 30, 40, 50, 60, 80, 90)
command.load = lambda run: (Recipe("m", "m", {}, codes, {}, {}, 0), Model())
command.visible_cores = lambda: 1
command.predict_items([sys.argv[1]], Path(), Path(sys.argv[2]), Path(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_ten_times_the_area_takes_less_than_a_fifth_more_memory(root, tmp_path):
    """The large map has 7 million pixels of 8 classes: kept whole, it would need 300 MB on top."""
    peaks = []
    for side in (864, 2_736):
        path = write_raster(tmp_path / f"{side}.tif", np.full((side, side), 0.3, np.float32), (600_000.0, 5.2e6), 10.0)
        band = {"name": "red", "eo:center_wavelength": 0.65, "eo:full_width_half_max": 0.03}
        item = tmp_path / f"{side}.json"
        assets = {"red": {"href": path.name, "bands": [band]}}
        item.write_text(json.dumps({"type": "Feature", "id": "x", "properties": {}, "assets": assets}))
        outputs = [str(tmp_path / f"{side}-{name}.tif") for name in ("classes", "probabilities")]
        command = [sys.executable, "-c", PROGRAM, str(item), *outputs]
        environment = {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1", "PATH": ""}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert Path(outputs[1]).is_file()
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] < 1.2 * peaks[0], peaks
