"""Scenes of extra sensors from the archive to batches: search, pair, extract, read, verify."""

import json
import shutil

import numpy as np
import pytest
import rasterio
import zarr

from anyband.archive.place import simulate_place
from anyband.archive.stac_items import DESCRIBED_MASK
from anyband.chips.dataset import load_split
from anyband.chips.store import band_groups, new_store
from anyband.chips.verify import verify_store
from anyband.config import Simulation
from anyband.products import EXTRA, collection_of
from anyband.sensors import get_sensor
from anyband.simulation.places import load_places
from archive_run import Steps, serving

SIMULATION = Simulation(seed=2022, extra_sensors=list(EXTRA))
SETTINGS = {"catalog": "embedded", "simulation": SIMULATION.model_dump(mode="json")}
GROUPS = {"broadband": (20, 4), "narrowband": (10, 8), "hyperspectral": (30, 200)}
PLACE = load_places()[0]


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """One chip at one place, two dates."""
    folder = tmp_path_factory.mktemp("extra")
    simulate_place(PLACE, SIMULATION, folder / "archive" / PLACE.name, 960)
    with serving(folder / "archive") as server:
        steps = Steps(folder / "run", server, PLACE.name, "stac", settings=SETTINGS)
        steps.step("search", f"--out-dir={steps.manifests}", "--products", *EXTRA)
        yield folder / "archive" / PLACE.name, steps.run()


@pytest.fixture(scope="module")
def table(cut, tmp_path_factory):
    _, steps = cut
    path = tmp_path_factory.mktemp("split") / "split.csv"
    rows = [f"{PLACE.name},{entry['chip']},b0,train" for entry in steps.entries()]
    path.write_text("\n".join(["site,chip,block,split", *rows]) + "\n")
    return load_split(steps.store.parent, path, "train", [*EXTRA, "sentinel2"], {10: "tree", 40: "crop"})


def pixels_of(archive, product, item, index):
    """Band `index` of the published file, reflectance."""
    with rasterio.open(archive / "files" / collection_of(product) / item / f"{item}_image.tif") as file:
        return file.read(index) * 1e-4, file.transform


def pair(steps):
    """The step pair alone."""
    steps.step("pair", f"--scenes={steps.manifests}", *steps.tables)


def test_pairs_carry_the_scenes_of_the_time_of_sentinel_2(cut):
    _, steps = cut
    rows = steps.pairs()
    assert len(rows) == 2 and not steps.dropped_pairs()
    for row in rows:
        stamp = row["datetime_sentinel2"].replace("-", "").replace(":", "")[:15]
        for product in EXTRA:
            assert stamp in row[product]


def test_stores_have_a_group_with_all_bands_and_a_mask_of_its_own(cut):
    _, steps = cut
    store = zarr.open_group(steps.store, mode="r")
    for product, (pixel_m, count) in GROUPS.items():
        ((found_m, bands),) = band_groups(store, product)
        assert (found_m, len(bands)) == (pixel_m, count)
        assert tuple(bands) == get_sensor(f"{product}-1", product).names
        assert store[f"{product}/qa/clear"].shape == (2, 960 // pixel_m, 960 // pixel_m)
        assert set(np.unique(store[f"{product}/qa/values"][:])) <= set(DESCRIBED_MASK.values())
        assert not store[f"{product}/{pixel_m}m/offset_m"][:].any(), "the grid is that of the Sentinel-2 tile"


@pytest.mark.parametrize(("product", "band"), [("broadband", 2), ("narrowband", 7), ("hyperspectral", 150)])
def test_channel_of_a_batch_is_the_band_of_the_file(cut, table, product, band):
    """A file of many bands is read band by band: an index that is off by one gives the neighbour without a word."""
    archive, steps = cut
    (group,) = table.observation([0], {product}).of(product)
    entry = steps.entries()[0]
    values, transform = pixels_of(archive, product, entry["items"][product], band + 1)
    column = round((entry["x0"] - transform.c) / transform.a)
    row = round((transform.f - entry["y0"]) / transform.a)
    size = group.values.shape[-1]
    expected = values[row : row + size, column : column + size]
    seen = group.valid[0, band].numpy()
    assert seen.any()
    np.testing.assert_allclose(group.values[0, band].numpy()[seen], expected[seen].clip(0, 1.6), atol=1e-5)


def test_statistics_and_descriptions_of_the_bands_are_those_of_the_registry(table):
    from anyband.training.band_moments import measure

    entries = measure(table, EXTRA).of(list(EXTRA))
    assert len(entries) == 212
    assert all(np.isfinite(entry.mean) and entry.std > 0 for entry in entries)
    (group,) = table.observation([0, 1], {"hyperspectral"}).of("hyperspectral")
    assert group.band_sets[0].bands == get_sensor("hyperspectral-1", "hyperspectral").bands


def test_verify_reads_a_band_of_many_again_by_another_reader(cut, tmp_path, monkeypatch):
    _, steps = cut
    copy = tmp_path / steps.store.name
    shutil.copytree(steps.store, copy)
    store = zarr.open_group(copy, mode="r+")
    few = ("broadband", "narrowband")  # two hundred bands take the other reader a while
    store.attrs["pairs"] = {
        number: pair | {"platforms": {product: pair["platforms"][product] for product in few}}
        for number, pair in store.attrs["pairs"].items()
    }
    for name, value in steps.server.environment.items():
        monkeypatch.setenv(name, value)
    found = verify_store(copy, 2)
    assert (found.chips, found.layers, found.problems) == (2, 2 * (4 + 8 + 2), ())
    store["narrowband/10m/values"][0, 3, 4, 4] += 1
    assert "narrowband green: 1 of 9216 pixels differ" in "\n".join(verify_store(copy, 2).problems)


def test_pair_without_one_of_the_extra_scenes_is_dropped_with_its_reason(cut, tmp_path):
    _, steps = cut
    bare = Steps(tmp_path, steps.server, PLACE.name, "stac", settings=SETTINGS)
    shutil.copytree(steps.manifests, bare.manifests)
    path = bare.manifests / "narrowband.json"
    manifest = json.loads(path.read_text())
    gone = manifest["items"].pop(0)["properties"]["datetime"][:10]
    path.write_text(json.dumps(manifest))
    bare.step("pair", f"--scenes={bare.manifests}", *bare.tables)
    (row,) = bare.pairs()
    assert row["datetime_sentinel2"][:10] != gone
    (lost,) = [entry for entry in bare.dropped_pairs() if entry["reason"] == "no extra sensor"]
    assert "no narrowband scene at the time of" in lost["detail"] and lost["landsat"]
    others = [entry for entry in bare.dropped_pairs() if entry["reason"] == "not needed"]
    assert {"broadband-1", "hyperspectral-1"} <= {entry["sentinel2"].split("_")[0] for entry in others}


def test_dataset_without_extra_sensors_has_the_same_pairs_and_no_further_column(cut, tmp_path):
    _, steps = cut
    plain = Steps(tmp_path, steps.server, PLACE.name, "stac", settings={"catalog": "embedded"})
    shutil.copytree(steps.manifests, plain.manifests)
    plain.step("pair", f"--scenes={plain.manifests}", *plain.tables)
    assert [{k: v for k, v in row.items() if k not in EXTRA} for row in steps.pairs()] == plain.pairs()


def test_extra_products_can_be_stored(tmp_path):
    """Every product of the catalogue has an encoding and a title."""
    with new_store(tmp_path / "x.zarr", 960, 1) as store:
        for product, (pixel_m, _) in GROUPS.items():
            store.add_bands(product, pixel_m, ["a"], 0)
        store.close_quality()
