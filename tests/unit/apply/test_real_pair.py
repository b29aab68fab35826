"""The real pair of Alberta, Landsat-8 and Sentinel-2B two days apart, by items that describe the files as delivered."""

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from pyproj import Transformer

from anyband.apply.harmonisers.resample import resample
from anyband.apply.item import read_item
from anyband.apply.predict import predict_items
from anyband.apply.strips import open_items, reader
from anyband.apply.tiling import Lattice
from anyband.observation import Observation, QueryGrid
from anyband.raster.quality_layers import DECODERS
from anyband.sensors import get_sensor

LANDSAT = {"B1": "coastal", "B2": "blue", "B3": "green", "B4": "red", "B5": "nir08", "B6": "swir16", "B7": "swir22"}
SENTINEL2 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B09", "B11", "B12")
EPSG, LEFT, TOP = 32611, 720.0 * 940, 720.0 * 8015
CLOUDY = 675_480.0, 5_762_160.0
"""Corner of 3 km of which the scene classification of Sentinel-2 masks a twentieth."""


def write_item(path, platform, product, files, encoding):
    """An item with nothing but files, wavelengths and encoding; the grids are the files' own."""
    sensor, assets = get_sensor(platform, product), {}
    for name, file in files.items():
        assets[name] = {"href": str(file)}
        if name != "SCL":
            response = sensor.band(name).response
            band = {"name": name, "eo:center_wavelength": response.centre_nm / 1000}
            band |= {"eo:full_width_half_max": response.fwhm_nm / 1000} | encoding
            assets[name]["bands"] = [band]
    item = {"type": "Feature", "id": path.stem, "properties": {"platform": platform}, "assets": assets}
    path.write_text(json.dumps(item))
    return str(path)


@pytest.fixture(scope="module")
def pair(realdata, tmp_path_factory):
    """Items of Landsat-8 and Sentinel-2B."""
    folder, pixels = tmp_path_factory.mktemp("pair"), realdata / "alberta-pair"
    if not pixels.is_dir():
        pytest.skip("the real pair is not at hand")
    landsat = {name: next(pixels.glob(f"landsat8/*_SR_{key}.tif")) for key, name in LANDSAT.items()}
    sentinel2 = {name: next(pixels.glob(f"sentinel2/*_{name}_60m.tif")) for name in (*SENTINEL2, "SCL")}
    scale = {"raster:scale": 2.75e-5, "raster:offset": -0.2, "nodata": 0}
    return (
        write_item(folder / "landsat.json", "landsat-8", "landsat", landsat, scale),
        write_item(
            folder / "sentinel2.json", "sentinel-2b", "sentinel2", sentinel2, {"raster:scale": 1e-4, "nodata": 0}
        ),
    )


def red(scene, left, top):
    """Values of the red band under a tile, rows of the file's own pixels."""
    (group,) = reader([scene], Lattice())(top)([left]).groups
    names = [band.name for band in group.band_sets[0]]
    return group.values[0, names.index("red" if "red" in names else "B04")].numpy(), group


def test_real_pixels_are_read_from_where_they_lie(pair):
    """Half a pixel of Landsat off, or a row, and the values would be those of another place."""
    for place, scale, offset in zip(pair, (2.75e-5, 1e-4), (-0.2, 0.0), strict=True):
        (scene,) = open_items([read_item(place)])
        values, group = red(scene, LEFT, TOP)
        file = next(file for file in scene.groups[0].files if file.asset.href.endswith(("_SR_B4.tif", "_B04_60m.tif")))
        with rasterio.open(file.asset.href) as source:
            dx, dy = group.offset_m[0].tolist()
            middle = 0.5 * group.pixel_m
            row, column = source.index(LEFT + dx + middle, TOP - dy - middle)
            window = rasterio.windows.Window(column, row, *values.shape[::-1])
            wanted = (source.read(1, window=window) * scale + offset).clip(0, 1.6)
        assert -group.pixel_m < dx <= 0
        assert -group.pixel_m < dy <= 0
        assert group.valid[0].any()
        seen = group.valid[0, 0].numpy()
        assert values[seen] == pytest.approx(wanted[seen], abs=1e-6)


def test_both_sensors_show_the_same_ground(pair):
    """Averaged over the pixels of the other sensor red agrees best in place, and less 60 m off in any direction."""
    landsat, sentinel2 = (open_items([read_item(place)])[0] for place in pair)
    query, inner = QueryGrid(60.0, 16, 16), np.s_[2:-2, 2:-2]
    steps = [(x, y) for x in (-60.0, 0.0, 60.0) for y in (-60.0, 0.0, 60.0)]
    here, there = [], {step: [] for step in steps}
    for column, row in np.ndindex(4, 4):
        corner = LEFT + 720.0 * column, TOP - 720.0 * row
        values, group = red(sentinel2, *corner)
        assert not group.offset_m.any()
        here.append(values[inner])
        _, group = red(landsat, *corner)
        assert group.offset_m[0].tolist() == [-15.0, -15.0]
        for step in steps:
            moved = replace(group, offset_m=group.offset_m + torch.tensor([step]))
            values, valid, bands = resample(Observation((moved,)), query, "linear")
            assert valid[0, :, 2:-2, 2:-2].all()
            there[step].append(values[0, [band.name for band in bands].index("red")].numpy()[inner])
    agreement = {step: np.corrcoef(np.ravel(tiles), np.ravel(here))[0, 1] for step, tiles in there.items()}
    assert max(agreement, key=agreement.get) == (0.0, 0.0), agreement


def test_the_real_pair_is_mapped_alone_and_together(pair, run, tmp_path):
    """What the scene classification calls cloud or shadow is nodata in a map of Sentinel-2, and that of both has it."""
    degrees = Transformer.from_crs(EPSG, 4326, always_xy=True)
    left, top = CLOUDY
    box = (*degrees.transform(left, top - 3_000), *degrees.transform(left + 3_000, top))
    seen = []
    for chosen in (pair[:1], pair[1:], pair):
        more = tmp_path / "probabilities.tif"
        grid = predict_items(chosen, run, tmp_path / "map.tif", more, pixel_m=30.0, bbox=box)
        with rasterio.open(tmp_path / "map.tif") as classes, rasterio.open(more) as shares:
            assert classes.crs.to_epsg() == EPSG
            assert (classes.transform.c, classes.transform.f) == (grid.affine.c, grid.affine.f)
            seen.append(classes.read(1) > 0)
            assert len(np.unique(shares.read(1)[seen[-1]])) > 1
    assert seen[0].all()
    assert seen[2].all()
    (scene,) = open_items([read_item(pair[1])])
    with rasterio.open(scene.item.quality.href) as file:
        window = rasterio.windows.from_bounds(*grid.boundingbox.bbox, file.transform)
        clear = DECODERS["scl"](file.read(1, window=window.round_offsets().round_lengths()))
    assert 0.9 < clear.mean() < 1
    assert (seen[1] == clear.repeat(2, 0).repeat(2, 1)[: grid.height, : grid.width]).all()
