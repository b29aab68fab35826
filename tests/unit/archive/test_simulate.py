"""A whole simulated place of one chip: files, items, grids, determinism, null twin, step."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from anyband.archive.place import config_hash, hidden_grid
from anyband.config import Simulation
from anyband.runtime import UserError
from anyband.steps import simulate as simulate_step
from archive_run import NORTH, SOUTH, simulate
from tools.realism import relation

SETTINGS, EXTENT = Simulation(), 960
COUNTS = {"sentinel-2-l2a": 13, "landsat-c2-l2": 10, "hls2-s30": 12, "hls2-l30": 8}


def items(folder: Path, collection: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((folder / "items" / collection).glob("*.json"))]


def open_asset(folder: Path, item: dict, key: str):
    href = item["assets"][key]["href"]
    return rasterio.open(folder / "files" / href.split(f"/files/{folder.name}/")[1])


def test_every_scene_is_there_with_all_its_files(archive):
    for place in (NORTH, SOUTH):
        folder = archive / place.name
        for collection, count in COUNTS.items():
            found = items(folder, collection)
            assert len(found) == 2
            for item in found:
                files = folder / "files" / collection / item["id"]
                assert len(list(files.glob("*.tif"))) == count
        assert len(items(folder, "esa-worldcover")) == 1
        assert not list(folder.rglob("*.aux.xml"))


@pytest.mark.parametrize("place", [NORTH, SOUTH])
def test_items_say_where_the_pixels_are(archive, place):
    folder = archive / place.name
    for collection in COUNTS:
        for item in items(folder, collection):
            properties = item["properties"]
            assert properties["anyband:simulated"].endswith(config_hash(SETTINGS, EXTENT))
            key = "red" if collection == "landsat-c2-l2" else "B04"
            with open_asset(folder, item, key) as file:
                code = file.crs.to_epsg()
                assert code == (None if collection.startswith("hls") else properties["proj:epsg"])
                where = item["assets"][key] if collection == "sentinel-2-l2a" else properties
                assert list(file.shape) == where["proj:shape"]
                assert list(file.transform)[:6] == where["proj:transform"][:6]
                assert file.profile["tiled"] and file.compression.name == "zstd"


def test_southern_sentinel_2_is_in_327_and_landsat_in_326_with_negative_northings(archive):
    folder = archive / SOUTH.name
    assert {item["properties"]["proj:epsg"] // 100 for item in items(folder, "sentinel-2-l2a")} == {327}
    for collection in ("landsat-c2-l2", "hls2-s30", "hls2-l30"):
        for item in items(folder, collection):
            assert item["properties"]["proj:epsg"] // 100 == 326
            with open_asset(folder, item, "red" if "landsat" in collection else "B04") as file:
                assert file.bounds.top < 0


def test_offset_of_sentinel_2_is_in_the_pixels_only_from_its_baseline_on(archive):
    folder = archive / SOUTH.name
    levels = {}
    for item in items(folder, "sentinel-2-l2a"):
        with open_asset(folder, item, "B02") as file:
            levels[item["properties"]["s2:processing_baseline"]] = np.percentile(file.read(1), 1)
    assert levels["03.01"] < 900 < levels["04.00"]


def test_nodata_scale_and_type_are_those_of_each_provider(archive):
    folder = archive / NORTH.name
    expected = {
        ("sentinel-2-l2a", "B02"): ("uint16", 0, 1.0),
        ("sentinel-2-l2a", "SCL"): ("uint8", 0, 1.0),
        ("landsat-c2-l2", "red"): ("uint16", 0, 1.0),
        ("landsat-c2-l2", "qa_pixel"): ("uint16", 1, 1.0),
        ("landsat-c2-l2", "qa_radsat"): ("uint16", None, 1.0),
        ("hls2-s30", "B8A"): ("int16", -9999, 1e-4),
        ("hls2-l30", "Fmask"): ("uint8", 255, 1.0),
        ("esa-worldcover", "map"): ("uint8", 0, 1.0),
    }
    for (collection, key), (dtype, nodata, scale) in expected.items():
        with open_asset(folder, items(folder, collection)[0], key) as file:
            assert (file.dtypes[0], file.nodata, file.scales[0]) == (dtype, nodata, scale), (collection, key)


def test_sensors_see_the_same_ground(archive):
    """Bands that measure the same correlate over the place: nothing is flipped, moved or swapped."""
    for place in (NORTH, SOUTH):
        pair = max(
            json.loads((archive / place.name / "simulation.json").read_text())["pairs"],
            key=lambda pair: pair["clear"]["joint"],
        )
        if pair["clear"]["joint"] > 0.3:
            for kind in ("hls", "level2"):
                for band in ("red", "nir_narrow", "swir1"):
                    assert relation([pair[kind][band]])["r"] > 0.7, (place.name, kind, band)


def test_labels_cover_the_scene_on_the_worldcover_lattice(archive):
    folder = archive / NORTH.name
    item = items(folder, "esa-worldcover")[0]
    with open_asset(folder, item, "map") as file:
        step = file.transform.a
        assert step == pytest.approx(1 / 12_000)
        assert file.transform.c / step == pytest.approx(round(file.transform.c / step), abs=1e-6)
        codes = file.read(1)
    assert set(np.unique(codes)) <= {0, 10, 20, 30, 40, 50, 60, 80, 90}
    assert (codes[40:-40, 40:-40] > 0).all()


def test_null_twin_keeps_sentinel_2_and_says_so(archive, tmp_path):
    settings = Simulation(second_sensor="uninformative")
    twin = simulate(tmp_path, NORTH.name, settings=settings) / NORTH.name
    original = archive / NORTH.name
    assert config_hash(settings, EXTENT) != config_hash(SETTINGS, EXTENT)
    for item in items(twin, "sentinel-2-l2a"):
        with open_asset(twin, item, "B04") as a, open_asset(original, item, "B04") as b:
            np.testing.assert_array_equal(a.read(1), b.read(1))
    for item in items(twin, "landsat-c2-l2"):
        with open_asset(twin, item, "red") as a, open_asset(original, item, "red") as b:
            assert (a.read(1) != b.read(1)).any()


def test_half_written_place_does_not_appear(tmp_path, monkeypatch):
    monkeypatch.setattr("anyband.archive.place.plan", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        simulate(tmp_path, NORTH.name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("extent", [960, 1_920, 2_880, 3_840])
def test_hidden_grid_leaves_room_around_the_square_and_stays_on_the_lattice(extent):
    for place in (NORTH, SOUTH):
        hidden = hidden_grid(place, extent)
        assert (hidden.x0 - place.x) % 60 == 0 and (hidden.y0 - place.y) % 60 == 0
        assert place.x - hidden.x0 >= extent / 2 + 120
        assert hidden.size % 4 == 0


def test_extent_that_is_not_whole_chips_is_refused():
    with pytest.raises(UserError, match="extent_m 1000"):
        hidden_grid(NORTH, 1_000)


def test_unknown_site_is_named(tmp_path, monkeypatch):
    arguments = ["--site", "atlantis", "--settings", "{}", "--out", str(tmp_path / "atlantis")]
    monkeypatch.setattr("sys.argv", ["simulate", *arguments])
    with pytest.raises(UserError, match="'atlantis' is not a place"):
        simulate_step.main()
