"""From pairs and raw items to the store: right ground, right encoding, a reason for every chip left out."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest
import rasterio

from anyband.chips.extraction import ChipSite, extract_site
from anyband.chips.store import band_groups, open_site, read_array
from anyband.chips.workers import dask_workers, task
from anyband.raster import access
from anyband.raster.access import gdal_env
from anyband.runtime import UserError
from anyband.testing.faults import CALM, Faults
from anyband.testing.provider_apis import APIS
from anyband.testing.provider_server import ProviderServer
from rasters import write_raster
from scenes import LANDSAT, SceneFolder
from step_process import run_step

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


@pytest.fixture(scope="module", params=[NORTH, SOUTH], ids=["north", "south"])
def plain(request, tmp_path_factory):
    """Scenes of one pair and their store, which no test changes."""
    scenes = SceneFolder(tmp_path_factory.mktemp("plain"), *request.param)
    scenes.add_pair(DAY)
    return scenes, extract(scenes)


def test_every_stored_pixel_shows_the_ground_that_the_store_says(plain):
    """Same ground in all products, north and south (EPSG:327xx against 326xx), Landsat 15 m off."""
    scenes, store = plain
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


def test_the_store_says_where_sun_and_satellite_stood(plain):
    """Null, and never 0, where the item does not say: 0 would be the sun overhead."""
    said = plain[1].attrs["pairs"]["0"]["angles_deg"]
    assert said["sentinel2"] == {"sun_zenith": 40, "sun_azimuth": 150, "view_zenith": None}
    assert said["landsat"] == {"sun_zenith": 40, "sun_azimuth": 150, "view_zenith": 0}
    assert said["hls_s30"] == {"sun_zenith": None, "sun_azimuth": 150, "view_zenith": None}


def test_label_lies_on_the_chip_grid(plain):
    label = read_array(plain[1], "label")
    assert set(np.unique(label)) == {10, 40}
    west, east = label[[0, 2]], label[[1, 3]]
    assert (west == 10).mean() > 0.95 and (east == 40).mean() > 0.95


def test_both_baselines_end_in_one_encoding(tmp_path):
    """Without the shift a scene of baseline 03.01 would be 0.1 too dark in reflectance."""
    scenes = SceneFolder(tmp_path, *NORTH, extent_m=960)
    scenes.add_pair(dt.date(2022, 1, 10), baseline="03.01")
    scenes.add_pair(dt.date(2022, 2, 20), baseline="04.00")
    store = extract(scenes)
    for *_, values, _ in stacks(store):
        assert np.array_equal(values[0], values[1])
    assert [chip["pair"] for chip in store.attrs["chips"]] == [0, 1]


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


@pytest.mark.parametrize("reason", ["cloud", "unusable", None])
def test_site_of_clouds_or_of_a_bad_pair_or_of_none_gives_a_store_without_chips(tmp_path, reason):
    scenes = SceneFolder(tmp_path, *NORTH, extent_m=960)
    if reason:
        scenes.add_pair(DAY, cloudy={"SCL": (-1, 2)} if reason == "cloud" else {})
    if reason == "unusable":
        missing(scenes, 0)
    store = extract(scenes)
    assert store.attrs["epsg"] == NORTH[0] and store.attrs["chips"] == []
    assert [chip["reason"] for chip in store.attrs["dropped"]] == ([reason] if reason else [])


def two_pairs(folder, **options):
    scenes = SceneFolder(folder, *NORTH, **options)
    scenes.add_pair(DAY)
    scenes.add_pair(DAY + dt.timedelta(days=5))
    return scenes


def moved(scenes, pair):
    """A Landsat band as an HLS file would have it, on the Sentinel-2 corner."""
    corner = (scenes.left - 120, scenes.top + 120)
    write_raster(scenes.path("landsat", pair, "red"), np.ones((71, 71), np.uint16), corner, 30, scenes.north_epsg)


def of_another_zone(scenes, pair, product="sentinel2", bands=("B11",), epsg=32733):
    for band in bands:
        path = scenes.path(product, pair, band)
        with rasterio.open(path) as source:
            pixels, corner, pixel_m = source.read(1), (source.bounds.left, source.bounds.top), source.res[0]
        write_raster(path, pixels, corner, pixel_m, epsg)


def whole_scene_of_another_zone(scenes, pair):
    """Item and files agree; three UTM zones at one site are no reason to stop."""
    scenes.items["landsat"][pair]["properties"]["proj:epsg"] = 32632
    of_another_zone(scenes, pair, "landsat", LANDSAT, 32632)


def elsewhere(scenes, pair):
    """Item and file agree on a corner that is 100 km off."""
    path = scenes.path("landsat", pair, "qa_pixel")
    corner = (scenes.left + 100_000 + 15, scenes.top)
    write_raster(path, np.full((71, 71), 64, np.uint16), corner, 30, scenes.north_epsg)
    scenes.items["landsat"][pair]["properties"]["proj:transform"] = [30, 0, corner[0], 0, -30, corner[1]]
    scenes.items["landsat"][pair]["properties"]["proj:shape"] = [71, 71]


def missing(scenes, pair):
    scenes.path("hls_s30", pair, "B8A").unlink()


def web_page(scenes, pair):
    scenes.path("sentinel2", pair, "SCL").write_text("<!DOCTYPE html><html>Sign in</html>")


def cut(scenes, pair):
    path = scenes.path("hls_l30", pair, "B04")
    path.write_bytes(path.read_bytes()[:-2_000])


DAMAGES = {
    moved: "item LC09.*: asset red: the item says transform",
    of_another_zone: "item S2A.*: asset B11: the item says EPSG:32633, its file EPSG:32733",
    whole_scene_of_another_zone: "EPSG:32632 is not the UTM zone of EPSG:32633",
    elsewhere: "item LC09.*: asset qa_pixel: chip r0c0 is inside by the item, outside by the file .*EPSG:32633",
    missing: "item HLS.S30.*: asset B8A: .* does not exist",
    web_page: "item S2A.*: asset SCL: .* is not an image",
    cut: "item HLS.L30.*: asset B04: .* cannot be read",
}


@pytest.mark.parametrize("plain", [NORTH], indirect=True, ids=["north"])
def test_bad_file_drops_its_pair_and_nothing_else(tmp_path, capsys, plain):
    """Listed with its reason, never a hole: chips of the last pair are those of a run without the damage."""
    good, whole = len(DAMAGES), plain[1]
    scenes = SceneFolder(tmp_path, *NORTH)
    for number in range(good + 1):
        scenes.add_pair(DAY + dt.timedelta(days=5 * number))
    for number, damage in enumerate(DAMAGES):
        damage(scenes, number)
    store, printed = extract(scenes), capsys.readouterr().err
    assert [entry["pair"] for entry in store.attrs["chips"]] == [good] * 4
    assert {entry["reason"] for entry in store.attrs["dropped"]} == {"unusable"}
    assert [entry["pair"] for entry in store.attrs["dropped"]] == [n for n in range(good) for _ in range(4)]
    for number, words in enumerate(DAMAGES.values()):
        detail = store.attrs["dropped"][4 * number]["detail"]
        assert re.search(words, detail), detail
        assert re.search(f"anyband: site aspen: pair {number} is dropped: .*{words}", printed)
    for name in ("label", "clear", "sentinel2/qa/values", "landsat/qa/window", "landsat/qa/clear"):
        assert np.array_equal(read_array(whole, name), read_array(store, name)), name
    for (product, pixel_m, _, before, _), (*_, after, _) in zip(stacks(whole), stacks(store), strict=True):
        assert np.array_equal(before, after), product
        for name in ("checksum", "window"):
            path = f"{product}/{pixel_m}m/{name}"
            assert np.array_equal(read_array(whole, path), read_array(store, path))
    assert [source["pair"] for source in store["sentinel2"].attrs["sources"]] == [good]


def test_label_that_does_not_cover_the_site_is_an_error(tmp_path):
    """A missing label must not become a site full of unscored pixels."""
    scenes = SceneFolder(tmp_path, *NORTH, extent_m=960)
    scenes.add_pair(DAY)
    with rasterio.open(scenes.path("label", 0, "map"), "r+") as file:
        file.write(np.zeros(file.shape, np.uint8), 1)
    with pytest.raises(UserError, match="no class at site aspen"):
        extract(scenes)


def test_step_writes_the_store_and_keeps_the_old_one_on_failure(tmp_path):
    scenes = SceneFolder(tmp_path, *NORTH, extent_m=960)
    scenes.add_pair(DAY)
    pairs = scenes.write()
    out = tmp_path / "chips" / "main" / "aspen.zarr"
    settings = json.dumps({"extent_m": 960, "chip_m": 960, "chip_min_clear": 0.8})
    options = ["--site=aspen", f"--longitude={scenes.longitude}", f"--latitude={scenes.latitude}", "--threads=2"]
    options += [f"--settings={settings}", f"--pairs={pairs}", f"--out={out}"]
    assert run_step("extract", options, dict(os.environ)).returncode == 0
    attributes = dict(open_site(out).attrs)
    assert attributes["dataset"] == "main" and attributes["simulated"] == "test" and len(attributes["chips"]) == 1
    pairs.unlink()
    failed = run_step("extract", options, dict(os.environ))
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
    # rasterio looks for masks with Python's lock held, which this process' own server may need to answer another read.
    quick = {"GDAL_HTTP_RETRY_DELAY": 0.01, "GDAL_HTTP_TIMEOUT": 4}
    monkeypatch.setattr(access, "gdal_env", lambda href: gdal_env(href) | quick)
    monkeypatch.setattr("anyband.raster.access.RETRY_WAITS_S", (0.05, 0.1, 0.2, 0.4))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def arrays(store):
    return {name: array[...] for name, array in store.arrays() if name != "spatial_ref"} | {
        f"{product}/{pixel_m}m/{name}": read_array(store, f"{product}/{pixel_m}m/{name}")
        for product, pixel_m, *_ in stacks(store)
        for name in ("values", "offset_m", "checksum", "window")
    }


def test_every_dialect_gives_the_same_chips(tmp_path, monkeypatch, patient):
    scenes = SceneFolder(tmp_path, *SOUTH, extent_m=960)
    scenes.add_pair(DAY)
    stores = {api: served(scenes, monkeypatch, api) for api in APIS}
    expected = arrays(stores["stac"])
    for api, store in stores.items():
        assert {pair["platforms"]["hls_l30"] for pair in store.attrs["pairs"].values()} == {"landsat-9"}, api
        for name, values in arrays(store).items():
            assert np.array_equal(values, expected[name]), (api, name)


def test_storm_gives_the_chips_of_a_calm_run_or_a_reason(tmp_path, monkeypatch, patient):
    scenes = SceneFolder(tmp_path, *NORTH, extent_m=960)
    for day in range(3):
        scenes.add_pair(DAY + dt.timedelta(days=5 * day))
    calm = arrays(served(scenes, monkeypatch, "stac"))
    # A token outlives several files: else all threads of a slow machine use it up before one of them has read its own.
    faults = Faults(
        seed=3, tokens=True, token_requests=200, token_busy=1, unavailable=0.15, html=0.15, truncated=0.15, gone=1
    )
    store = served(scenes, monkeypatch, "stac", faults)
    kept = [chip["pair"] for chip in store.attrs["chips"]]
    lost = {entry["pair"] for entry in store.attrs["dropped"]}
    assert len(lost) == 1 and len(kept) == 2  # one file is gone for ever
    assert all("does not exist" in entry["detail"] for entry in store.attrs["dropped"])
    for name, values in arrays(store).items():
        assert np.array_equal(values, calm[name][kept] if name not in ("x", "y") else values), name
    assert "sig=" not in json.dumps([dict(store[product].attrs) for product in ("sentinel2", "landsat")])


@pytest.fixture
def cluster(monkeypatch):
    """A function that makes an own scheduler with some workers, which talk to it by a socket, the one to be used."""
    from distributed import LocalCluster

    with ExitStack() as running:

        def start(workers):
            kind = {"processes": False, "protocol": "tcp://", "dashboard_address": None}
            found = running.enter_context(LocalCluster(n_workers=workers, **kind))
            monkeypatch.setenv("ANYBAND_SCHEDULER", found.scheduler_address)

        yield start


@pytest.mark.parametrize("kind", [pytest.param("processes", marks=pytest.mark.slow), "address"])
def test_workers_give_the_same_store_as_threads(tmp_path, monkeypatch, cluster, kind):
    scenes = two_pairs(tmp_path, extent_m=960)
    missing(scenes, 0)
    expected = arrays(extract(scenes))
    if kind == "address":
        cluster(1)
    else:
        monkeypatch.setenv("ANYBAND_SCHEDULER", kind)
    store = extract(scenes)
    assert all(np.array_equal(values, expected[name]) for name, values in arrays(store).items())
    assert len(store.attrs["chips"]) == 1


@pytest.mark.parametrize(("kind", "words"), [("fast", "is 'fast'"), ("tcp://127.0.0.1:9", "no dask scheduler answers")])
def test_scheduler_that_is_not_there_is_one_line(monkeypatch, kind, words):
    monkeypatch.setenv("ANYBAND_SCHEDULER", kind)
    monkeypatch.setattr("anyband.chips.workers.PATIENCE", "1s")
    with pytest.raises(UserError, match=words) as error, dask_workers(1):
        pass
    assert "\n" not in str(error.value)


def test_no_worker_is_one_line_after_a_patience(monkeypatch, cluster):
    monkeypatch.setattr("anyband.chips.workers.WORKER_PATIENCE_S", 0.5)
    cluster(0)
    with pytest.raises(UserError, match="has had no worker for 0 s"), dask_workers(1):
        pass


def refuse():
    class Local(Exception):
        """Cannot be sent to another process."""

    try:
        raise Local("of GDAL")
    except Local as error:
        raise UserError("item X: is refused") from error


def test_what_a_worker_says_arrives_as_it_is(cluster):
    cluster(1)
    with dask_workers(1) as workers, pytest.raises(UserError, match="^item X: is refused$"):
        workers.compute([task(refuse)()])


def test_small_batches_and_parts_change_nothing(tmp_path, monkeypatch):
    """Parts of single tile rows, batches of a few of them, shards that end within them."""
    scenes = SceneFolder(tmp_path, *NORTH, extent_m=2_160)
    for day in range(2):
        scenes.add_pair(DAY + dt.timedelta(days=5 * day), cloudy={"SCL": (0.2, 0.3)})
    expected = arrays(extract(scenes, chip_m=240))
    monkeypatch.setattr("anyband.chips.read_plan.PART_BYTES", 10_000)
    monkeypatch.setattr("anyband.chips.extraction.BATCH_BYTES", 40_000)
    monkeypatch.setattr("anyband.chips.extraction.SCREENED_BYTES", 20_000)
    assert len(expected["x0"]) > 2 * 64
    found = arrays(extract(scenes, chip_m=240))
    assert all(np.array_equal(values, expected[name]) for name, values in found.items())


def test_killed_run_leaves_no_store_and_the_next_one_ends_in_the_same_bytes(tmp_path):
    scenes = two_pairs(tmp_path, extent_m=960)
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
        "site = extraction.ChipSite('aspen', 'main', float(longitude), float(latitude), 960, 960, 0.8, 2)\n"
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
