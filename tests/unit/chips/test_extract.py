"""From pairs and raw items to the store: right ground, right encoding, a reason for every chip left out."""

import datetime as dt
import json
import subprocess
import sys

import numpy as np
import pytest

from anyband.chips.bulk import open_site
from anyband.chips.extract import extract_site
from anyband.chips.inputs import read_pairs
from anyband.chips.judge import Site
from anyband.chips.store import write_store
from anyband.runtime import UserError
from scenes import SceneFolder

NORTH = (32633, (600_000.0, 5_200_020.0))
SOUTH = (32733, (600_000.0, 7_600_000.0))  # northing = 40 modulo 60
DAY = dt.date(2022, 5, 3)


def extract(scenes, chip_m=960, least=0.8):
    pairs = read_pairs(*scenes.write())
    site = Site("aspen", "main", scenes.longitude, scenes.latitude, scenes.extent_m, chip_m, least, 2)
    return extract_site(site, pairs)


def stack(content, product, pixel_m):
    return next(s for s in content.stacks if (s.product, s.pixel_m) == (product, pixel_m))


@pytest.mark.parametrize(("epsg", "centre"), [NORTH, SOUTH])
def test_every_stored_pixel_shows_the_ground_that_the_store_says(tmp_path, epsg, centre):
    """Same ground in all products, north and south (EPSG:327xx against 326xx), Landsat 15 m off."""
    scenes = SceneFolder(tmp_path, epsg, centre)
    scenes.add_pair(DAY)
    content = extract(scenes)
    assert len(content.chips) == 4 and not content.dropped
    assert len(content.stacks) == 6
    for group in content.stacks:
        assert (group.offset_m == (15 if group.product == "landsat" else 0)).all()
        for chip, entry in enumerate(content.chips):
            step = group.pixel_m * np.arange(960 // group.pixel_m)
            x = entry["x0"] + group.offset_m[chip, 0] + step[None, :]
            y = entry["y0"] + scenes.shift - group.offset_m[chip, 1] - step[:, None]
            for band, name in enumerate(group.bands):
                assert np.array_equal(group.values[chip, band], scenes.signal(x, y, name).astype(int)), (group, name)


def test_both_baselines_end_in_one_encoding(tmp_path):
    """Without the shift a scene of baseline 03.01 would be 0.1 too dark in reflectance."""
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(dt.date(2022, 1, 10), baseline="03.01")
    scenes.add_pair(dt.date(2022, 2, 20), baseline="04.00")
    content = extract(scenes)
    for group in content.stacks:
        assert np.array_equal(group.values[:4], group.values[4:])
    assert [chip["pair"] for chip in content.chips] == [0] * 4 + [1] * 4


def test_label_lies_on_the_chip_grid(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    content = extract(scenes)
    assert set(np.unique(content.label)) == {10, 40}
    west, east = content.label[[0, 2]], content.label[[1, 3]]
    assert (west == 10).mean() > 0.95 and (east == 40).mean() > 0.95


def test_cloudy_chips_are_listed_with_their_reason(tmp_path):
    """Joint clearness: Sentinel-2 loses the west, Landsat a little of the east."""
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY, cloudy={"SCL": (0.0, 0.25), "qa_pixel": (0.9, 1.1)})
    content = extract(scenes, least=0.7)
    assert [(chip["row"], chip["col"]) for chip in content.chips] == [(0, 1), (1, 1)]
    assert {(chip["col"], chip["reason"]) for chip in content.dropped} == {(0, "cloud")}
    assert all(chip["clear_joint"] == pytest.approx(0.5, abs=0.02) for chip in content.dropped)
    assert content.clear.mean() == pytest.approx(0.8, abs=0.03)
    landsat = next(quality for quality in content.qualities if quality.product == "landsat")
    assert landsat.values.dtype == np.uint16 and set(np.unique(landsat.values)) == {8, 64}
    assert np.array_equal(landsat.clear, (landsat.values == 64).astype(np.uint8))


def test_ground_beyond_a_scene_is_dropped_by_name(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    scenes.extent_m = 5_760
    content = extract(scenes)
    assert len(content.chips) == 4 and len(content.dropped) == 32
    assert {chip["reason"] for chip in content.dropped} == {"outside the sentinel2 scene"}


def test_site_with_only_clouds_gives_a_store_without_chips(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY, cloudy={"SCL": (-1, 2)})
    content = extract(scenes)
    write_store(tmp_path / "aspen.zarr", content)
    assert open_site(tmp_path / "aspen.zarr").attrs["chips"] == []
    assert len(content.dropped) == 4


def test_site_without_pairs_gives_a_store_without_chips(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    content = extract(scenes)
    write_store(tmp_path / "aspen.zarr", content)
    assert content.epsg == NORTH[0] and content.chips == []


def test_band_on_another_grid_is_refused(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    scenes.path("landsat", 0, "red").write_bytes(_moved(scenes, tmp_path).read_bytes())
    with pytest.raises(UserError, match=r"item LC09.*, asset red: lies on another grid than coastal"):
        extract(scenes)


def _moved(scenes, folder):
    """The band as an HLS file would have it, on the Sentinel-2 corner."""
    from rasters import write_raster

    corner = (scenes.left - 120, scenes.top + 120)
    return write_raster(folder / "moved.tif", np.ones((72, 72), np.uint16), corner, 30, scenes.north_epsg)


def test_missing_asset_names_item_and_asset(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    scenes.path("hls_s30", 0, "B8A").unlink()
    with pytest.raises(UserError, match=r"item HLS.S30.*, asset B8A: .* does not exist"):
        extract(scenes)


def test_label_that_does_not_cover_the_site_is_an_error(tmp_path):
    """A missing label must not become a site full of unscored pixels."""
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    from rasterio import open as open_raster

    with open_raster(scenes.path("label", 0, "map"), "r+") as file:
        file.write(np.zeros(file.shape, np.uint8), 1)
    with pytest.raises(UserError, match="asset map: no class at site aspen"):
        extract(scenes)


def test_pair_that_is_not_in_the_manifest_names_the_item(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    scenes.items["landsat"] = []
    with pytest.raises(UserError, match="pair 0 names landsat item 'LC09"):
        extract(scenes)


def test_step_writes_the_store_and_keeps_the_old_one_on_failure(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    table, manifests = scenes.write()
    out = tmp_path / "chips" / "main" / "aspen.zarr"
    settings = json.dumps({"extent_m": 1_920, "chip_m": 960, "chip_min_clear": 0.8})
    place = ["--longitude", str(scenes.longitude), "--latitude", str(scenes.latitude)]
    command = [sys.executable, "-m", "anyband.steps.extract", "--site", "aspen", *place, "--settings", settings]
    command += ["--scenes", str(manifests), "--pairs", str(table), "--threads", "2", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    attributes = dict(open_site(out).attrs)
    assert attributes["dataset"] == "main" and attributes["simulated"] == "test" and len(attributes["chips"]) == 4
    scenes.path("sentinel2", 0, "B04").write_text("<html>")
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith("anyband: item S2A_MSIL2A") and failed.stderr.count("\n") == 1
    assert dict(open_site(out).attrs) == attributes
    assert [path.name for path in out.parent.iterdir()] == ["aspen.zarr"]
