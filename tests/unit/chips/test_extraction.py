"""From pairs and raw items to the store: right ground, right encoding, a reason for every chip left out."""

import datetime as dt
import json
import re
import subprocess
import sys

import numpy as np
import pytest
import rasterio

from anyband.chips.extraction import ChipSite, extract_site
from anyband.chips.store import band_groups, open_site, read_array
from anyband.chips.workers import dask_workers, task
from anyband.runtime import UserError
from anyband.testing.faults import CALM, Faults
from anyband.testing.provider_apis import APIS
from anyband.testing.provider_server import ProviderServer
from rasters import write_raster
from scenes import LANDSAT, SceneFolder

NORTH = (32633, (600_000.0, 5_200_020.0))
SOUTH = (32733, (600_000.0, 7_600_000.0))  # northing = 40 modulo 60
DAY = dt.date(2022, 5, 3)


def extract(scenes, chip_m=960, least=0.8, threads=2):
    """The store of a site."""
    pairs = scenes.pairs()
    site = ChipSite("aspen", "main", scenes.longitude, scenes.latitude, scenes.extent_m, chip_m, least, threads)
    path = scenes.folder / "aspen.zarr"
    extract_site(site, pairs, path)
    return open_site(path)


def stacks(store):
    """Product, pixel, bands, values and offsets of every band group."""
    for product in ("sentinel2", "landsat", "hls_s30", "hls_l30"):
        for pixel_m, bands in band_groups(store, product):
            name = f"{product}/{pixel_m}m"
            yield product, pixel_m, bands, read_array(store, f"{name}/values"), read_array(store, f"{name}/offset_m")


@pytest.mark.parametrize(("epsg", "centre"), [NORTH, SOUTH])
def test_every_stored_pixel_shows_the_ground_that_the_store_says(tmp_path, epsg, centre):
    """Same ground in all products, north and south (EPSG:327xx against 326xx), Landsat 15 m off."""
    scenes = SceneFolder(tmp_path, epsg, centre)
    scenes.add_pair(DAY)
    store = extract(scenes)
    assert len(store.attrs["chips"]) == 4 and not store.attrs["dropped"]
    assert len(list(stacks(store))) == 6
    for product, pixel_m, bands, values, offset in stacks(store):
        assert (offset == (15 if product == "landsat" else 0)).all()
        for chip, entry in enumerate(store.attrs["chips"]):
            step = pixel_m * np.arange(960 // pixel_m)
            x = entry["x0"] + offset[chip, 0] + step[None, :]
            y = entry["y0"] + scenes.shift - offset[chip, 1] - step[:, None]
            for band, name in enumerate(bands):
                assert np.array_equal(values[chip, band], scenes.signal(x, y, name).astype(int)), (product, name)


def test_both_baselines_end_in_one_encoding(tmp_path):
    """Without the shift a scene of baseline 03.01 would be 0.1 too dark in reflectance."""
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(dt.date(2022, 1, 10), baseline="03.01")
    scenes.add_pair(dt.date(2022, 2, 20), baseline="04.00")
    store = extract(scenes)
    for *_, values, _ in stacks(store):
        assert np.array_equal(values[:4], values[4:])
    assert [chip["pair"] for chip in store.attrs["chips"]] == [0] * 4 + [1] * 4


def test_the_store_says_where_sun_and_satellite_stood(tmp_path):
    """Null, and never 0, where the item does not say: 0 would be the sun overhead."""
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    said = extract(scenes).attrs["pairs"]["0"]["angles_deg"]
    assert said["sentinel2"] == {"sun_zenith": 40, "sun_azimuth": 150, "view_zenith": None}
    assert said["landsat"] == {"sun_zenith": 40, "sun_azimuth": 150, "view_zenith": 0}
    assert said["hls_s30"] == {"sun_zenith": None, "sun_azimuth": 150, "view_zenith": None}


def test_label_lies_on_the_chip_grid(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    label = read_array(extract(scenes), "label")
    assert set(np.unique(label)) == {10, 40}
    west, east = label[[0, 2]], label[[1, 3]]
    assert (west == 10).mean() > 0.95 and (east == 40).mean() > 0.95


def test_cloudy_chips_are_listed_with_their_reason(tmp_path):
    """Joint clearness: Sentinel-2 loses the west, Landsat a little of the east."""
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY, cloudy={"SCL": (0.0, 0.25), "qa_pixel": (0.9, 1.1)})
    store = extract(scenes, least=0.7)
    dropped = store.attrs["dropped"]
    assert [(chip["row"], chip["col"]) for chip in store.attrs["chips"]] == [(0, 1), (1, 1)]
    assert {(chip["col"], chip["reason"]) for chip in dropped} == {(0, "cloud")}
    assert all(chip["clear_joint"] == pytest.approx(0.5, abs=0.02) for chip in dropped)
    assert read_array(store, "clear").mean() == pytest.approx(0.8, abs=0.03)
    values = read_array(store, "landsat/qa/values")
    assert values.dtype == np.uint16 and set(np.unique(values)) == {8, 64}
    assert np.array_equal(read_array(store, "landsat/qa/clear"), (values == 64).astype(np.uint8))


def test_ground_beyond_a_scene_is_dropped_by_name(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    scenes.extent_m = 5_760
    store = extract(scenes)
    assert len(store.attrs["chips"]) == 4 and len(store.attrs["dropped"]) == 32
    assert {chip["reason"] for chip in store.attrs["dropped"]} == {"outside the sentinel2 scene"}


def test_site_with_only_clouds_gives_a_store_without_chips(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY, cloudy={"SCL": (-1, 2)})
    store = extract(scenes)
    assert store.attrs["chips"] == [] and len(store.attrs["dropped"]) == 4


def test_site_without_pairs_gives_a_store_without_chips(tmp_path):
    store = extract(SceneFolder(tmp_path, *NORTH))
    assert store.attrs["epsg"] == NORTH[0] and store.attrs["chips"] == []


def two_pairs(folder):
    scenes = SceneFolder(folder, *NORTH)
    scenes.add_pair(DAY)
    scenes.add_pair(DAY + dt.timedelta(days=5))
    return scenes


def moved(scenes):
    """A Landsat band as an HLS file would have it, on the Sentinel-2 corner."""
    corner = (scenes.left - 120, scenes.top + 120)
    write_raster(scenes.path("landsat", 0, "red"), np.ones((71, 71), np.uint16), corner, 30, scenes.north_epsg)


def of_another_zone(scenes):
    path = scenes.path("sentinel2", 0, "B11")
    with rasterio.open(path) as source:
        pixels, corner = source.read(1), (source.bounds.left, source.bounds.top)
    write_raster(path, pixels, corner, 20, 32733)


def elsewhere(scenes):
    """Item and file agree on a corner that is 100 km off."""
    path = scenes.path("landsat", 0, "qa_pixel")
    corner = (scenes.left + 100_000 + 15, scenes.top)
    write_raster(path, np.full((71, 71), 64, np.uint16), corner, 30, scenes.north_epsg)
    scenes.items["landsat"][0]["properties"]["proj:transform"] = [30, 0, corner[0], 0, -30, corner[1]]
    scenes.items["landsat"][0]["properties"]["proj:shape"] = [71, 71]


def missing(scenes):
    scenes.path("hls_s30", 0, "B8A").unlink()


def web_page(scenes):
    scenes.path("sentinel2", 0, "SCL").write_text("<!DOCTYPE html><html>Sign in</html>")


def cut(scenes):
    path = scenes.path("hls_l30", 0, "B04")
    path.write_bytes(path.read_bytes()[:-2_000])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (moved, "item LC09.*: asset red: the item says transform"),
        (of_another_zone, "item S2A.*: asset B11: the item says EPSG:32633, its file EPSG:32733"),
        (elsewhere, "item LC09.*: asset qa_pixel: chip r0c0 is inside by the item, outside by the file .*EPSG:32633"),
        (missing, "item HLS.S30.*: asset B8A: .* does not exist"),
        (web_page, "item S2A.*: asset SCL: .* is not an image"),
        (cut, "item HLS.L30.*: asset B04: .* cannot be read"),
    ],
)
def test_bad_file_drops_its_pair_and_nothing_else(tmp_path, capsys, damage, words):
    """Listed with its reason, never a hole: the other pair's chips are those of a run without the damage."""
    calm = two_pairs(tmp_path / "calm")
    whole = extract(calm)
    scenes = two_pairs(tmp_path / "storm")
    damage(scenes)
    store = extract(scenes)
    assert [entry["pair"] for entry in store.attrs["chips"]] == [1] * 4
    assert [(entry["pair"], entry["reason"]) for entry in store.attrs["dropped"]] == [(0, "unusable")] * 4
    assert re.search(words, store.attrs["dropped"][0]["detail"]), store.attrs["dropped"][0]["detail"]
    assert re.search(f"anyband: site aspen: pair 0 is dropped: {words}", capsys.readouterr().err)
    for name in ("label", "clear", "sentinel2/qa/values", "landsat/qa/window", "landsat/qa/clear"):
        assert np.array_equal(read_array(whole, name)[4:], read_array(store, name)), name
    for (product, pixel_m, _, before, _), (*_, after, _) in zip(stacks(whole), stacks(store), strict=True):
        assert np.array_equal(before[4:], after), product
        for name in ("checksum", "window"):
            path = f"{product}/{pixel_m}m/{name}"
            assert np.array_equal(read_array(whole, path)[4:], read_array(store, path))
    assert [source["pair"] for source in store["sentinel2"].attrs["sources"]] == [1]


def test_site_whose_only_pair_is_bad_gives_a_store_without_chips(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    missing(scenes)
    store = extract(scenes)
    assert store.attrs["chips"] == [] and len(store.attrs["dropped"]) == 4


def test_scene_of_another_zone_drops_its_pair(tmp_path):
    """Three UTM zones at one site are no reason to stop."""
    scenes = two_pairs(tmp_path)
    scenes.items["landsat"][0]["properties"]["proj:epsg"] = 32632
    for band in LANDSAT:
        path = scenes.path("landsat", 0, band)
        with rasterio.open(path) as source:
            pixels, corner = source.read(1), (source.bounds.left, source.bounds.top)
        write_raster(path, pixels, corner, 30, 32632)
    store = extract(scenes)
    assert [entry["pair"] for entry in store.attrs["chips"]] == [1] * 4
    assert "EPSG:32632 is not the UTM zone of EPSG:32633" in store.attrs["dropped"][0]["detail"]


def test_label_that_does_not_cover_the_site_is_an_error(tmp_path):
    """A missing label must not become a site full of unscored pixels."""
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    from rasterio import open as open_raster

    with open_raster(scenes.path("label", 0, "map"), "r+") as file:
        file.write(np.zeros(file.shape, np.uint8), 1)
    with pytest.raises(UserError, match="no class at site aspen"):
        extract(scenes)


def test_step_writes_the_store_and_keeps_the_old_one_on_failure(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH)
    scenes.add_pair(DAY)
    pairs = scenes.write()
    out = tmp_path / "chips" / "main" / "aspen.zarr"
    settings = json.dumps({"extent_m": 1_920, "chip_m": 960, "chip_min_clear": 0.8})
    place = ["--longitude", str(scenes.longitude), "--latitude", str(scenes.latitude)]
    command = [sys.executable, "-m", "anyband.steps.extract", "--site", "aspen", *place, "--settings", settings]
    command += ["--pairs", str(pairs), "--threads", "2", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    attributes = dict(open_site(out).attrs)
    assert attributes["dataset"] == "main" and attributes["simulated"] == "test" and len(attributes["chips"]) == 4
    pairs.unlink()
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 1
    assert failed.stderr.startswith("anyband: ") and failed.stderr.count("\n") == 1
    assert dict(open_site(out).attrs) == attributes
    assert [path.name for path in out.parent.iterdir()] == ["aspen.zarr"]


def served(scenes, monkeypatch, api, faults=CALM, least=0.8):
    """The store of a site whose scenes are read from the archive's server, in the dialect of `api`."""
    root = scenes.folder / "archive"
    with ProviderServer(root if root.is_dir() else scenes.publish(), faults=faults) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        pairs = scenes.fetch(server, api)
        site = ChipSite("aspen", "main", scenes.longitude, scenes.latitude, scenes.extent_m, 960, least, 2)
        path = scenes.folder / f"{api}.zarr"
        extract_site(site, pairs, path)
    return open_site(path)


@pytest.fixture
def patient(tmp_path, monkeypatch):
    """No long waits, and no tokens of other runs."""
    monkeypatch.setattr("anyband.raster.access.RETRY_WAITS_S", (0.05, 0.1, 0.2, 0.4))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def arrays(store):
    return {name: array[...] for name, array in store.arrays() if name != "spatial_ref"} | {
        f"{product}/{pixel_m}m/{name}": read_array(store, f"{product}/{pixel_m}m/{name}")
        for product, pixel_m, *_ in stacks(store)
        for name in ("values", "offset_m", "checksum", "window")
    }


@pytest.mark.parametrize(("epsg", "centre"), [NORTH, SOUTH])
def test_every_dialect_gives_the_same_chips(tmp_path, monkeypatch, patient, epsg, centre):
    scenes = SceneFolder(tmp_path, epsg, centre)
    scenes.add_pair(DAY)
    stores = {api: served(scenes, monkeypatch, api) for api in APIS}
    expected = arrays(stores["stac"])
    for api, store in stores.items():
        assert {pair["platforms"]["hls_l30"] for pair in store.attrs["pairs"].values()} == {"landsat-9"}, api
        for name, values in arrays(store).items():
            assert np.array_equal(values, expected[name]), (api, name)


def test_storm_gives_the_chips_of_a_calm_run_or_a_reason(tmp_path, monkeypatch, patient):
    scenes = SceneFolder(tmp_path, *NORTH)
    for day in range(4):
        scenes.add_pair(DAY + dt.timedelta(days=5 * day))
    calm = arrays(served(scenes, monkeypatch, "stac"))
    # A token outlives several files: else all threads of a slow machine use it up before one of them has read its own.
    faults = Faults(
        seed=3, tokens=True, token_requests=200, token_busy=1, unavailable=0.15, html=0.15, truncated=0.15, gone=1
    )
    store = served(scenes, monkeypatch, "stac", faults)
    kept = [4 * chip["pair"] + 2 * chip["row"] + chip["col"] for chip in store.attrs["chips"]]
    lost = {entry["pair"] for entry in store.attrs["dropped"]}
    assert len(lost) == 1 and len(kept) == 12  # one file is gone for ever
    assert all("does not exist" in entry["detail"] for entry in store.attrs["dropped"])
    for name, values in arrays(store).items():
        assert np.array_equal(values, calm[name][kept] if name not in ("x", "y") else values), name
    assert "sig=" not in json.dumps([dict(store[product].attrs) for product in ("sentinel2", "landsat")])


@pytest.mark.parametrize("kind", ["processes", "address"])
def test_workers_give_the_same_store_as_threads(tmp_path, monkeypatch, kind):
    scenes = two_pairs(tmp_path)
    missing(scenes)
    expected = arrays(extract(scenes))
    if kind == "processes":
        monkeypatch.setenv("ANYBAND_SCHEDULER", kind)
        store = extract(scenes)
    else:
        from distributed import LocalCluster

        with LocalCluster(n_workers=1, processes=False, protocol="tcp://", dashboard_address=None) as cluster:
            monkeypatch.setenv("ANYBAND_SCHEDULER", cluster.scheduler_address)
            store = extract(scenes)
    assert all(np.array_equal(values, expected[name]) for name, values in arrays(store).items())
    assert len(store.attrs["chips"]) == 4


@pytest.mark.parametrize(("kind", "words"), [("fast", "is 'fast'"), ("tcp://127.0.0.1:9", "no dask scheduler answers")])
def test_scheduler_that_is_not_there_is_one_line(tmp_path, monkeypatch, kind, words):
    scenes = two_pairs(tmp_path)
    monkeypatch.setenv("ANYBAND_SCHEDULER", kind)
    monkeypatch.setattr("anyband.chips.workers.PATIENCE", "1s")
    with pytest.raises(UserError, match=words) as error:
        extract(scenes)
    assert "\n" not in str(error.value)


def test_no_worker_is_one_line_after_a_patience(tmp_path, monkeypatch):
    from distributed import LocalCluster

    scenes = two_pairs(tmp_path)
    monkeypatch.setattr("anyband.chips.workers.WORKER_PATIENCE_S", 1.0)
    with LocalCluster(n_workers=0, processes=False, protocol="tcp://", dashboard_address=None) as cluster:
        monkeypatch.setenv("ANYBAND_SCHEDULER", cluster.scheduler_address)
        with pytest.raises(UserError, match="has had no worker for 1 s"):
            extract(scenes)


def refuse():
    class Local(Exception):
        """Cannot be sent to another process."""

    try:
        raise Local("of GDAL")
    except Local as error:
        raise UserError("item X: is refused") from error


def test_what_a_worker_says_arrives_as_it_is(monkeypatch):
    monkeypatch.setenv("ANYBAND_SCHEDULER", "processes")
    with dask_workers(1) as workers, pytest.raises(UserError, match="^item X: is refused$"):
        workers.compute([task(refuse)()])


def test_small_batches_and_parts_change_nothing(tmp_path, monkeypatch):
    """Parts of single tile rows, batches of a few of them, shards that end within them."""
    scenes = SceneFolder(tmp_path, *NORTH, extent_m=9_600)
    for day in range(2):
        scenes.add_pair(DAY + dt.timedelta(days=5 * day), cloudy={"SCL": (0.2, 0.3)})
    expected = arrays(extract(scenes))
    monkeypatch.setattr("anyband.chips.read_plan.PART_BYTES", 100_000)
    monkeypatch.setattr("anyband.chips.extraction.BATCH_BYTES", 400_000)
    monkeypatch.setattr("anyband.chips.extraction.SCREENED_BYTES", 300_000)
    assert len(expected["x0"]) > 2 * 64
    assert all(np.array_equal(values, expected[name]) for name, values in arrays(extract(scenes)).items())


def test_killed_run_leaves_no_store_and_the_next_one_ends_in_the_same_bytes(tmp_path):
    scenes = two_pairs(tmp_path)
    extract(scenes)
    code = (
        "import os, sys; from pathlib import Path; from anyband.chips import extraction\n"
        "from anyband.catalog.pairs.scene_pair import read_pairs\n"
        "write, count = extraction.Shards.write, []\n"
        "def die(*arguments):\n"
        "    write(*arguments); count.append(1)\n"
        "    if len(count) == 3: os.kill(os.getpid(), 9)\n"
        "extraction.Shards.write = die\n"
        "pairs, out, longitude, latitude = sys.argv[1:]\n"
        "site = extraction.ChipSite('aspen', 'main', float(longitude), float(latitude), 1920, 960, 0.8, 2)\n"
        "extraction.extract_site(site, read_pairs(Path(pairs)), Path(out))"
    )
    out = tmp_path / "new" / "aspen.zarr"
    place = [str(scenes.longitude), str(scenes.latitude)]
    killed = subprocess.run([sys.executable, "-c", code, str(scenes.write()), str(out), *place], check=False)
    assert killed.returncode == -9 and not out.exists() and len(list(out.parent.iterdir())) == 1
    site = ChipSite("aspen", "main", scenes.longitude, scenes.latitude, scenes.extent_m, 960, 0.8, 2)
    extract_site(site, scenes.pairs(), out)
    assert contents(out) == contents(tmp_path / "aspen.zarr")
    assert [path.name for path in out.parent.iterdir()] == ["aspen.zarr"]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
