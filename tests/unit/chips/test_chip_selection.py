"""Pixels are held in memory or mapped from files: the same pixels, never half-written, never stale."""

import os
import shutil
import threading

import numpy as np
import pytest
import zarr

from anyband.chips import chip_selection
from anyband.chips import store as store_module
from anyband.chips.chip_selection import Plan, available_memory, hold_arrays, memory_budget, select_chips
from anyband.chips.dataset import load_split
from anyband.chips.store import open_site, read_array, read_parts
from anyband.runtime import UserError
from fabricate import CODES, fabricate_dataset, fabricate_store

CLASSES = {int(code): "" for code in CODES}
PRODUCTS = ("sentinel2", "landsat")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    sites = {"aspen": "train", "birch": "train", "cedar": "test"}
    return fabricate_dataset(tmp_path_factory.mktemp("chips"), sites, n_chips=5)


@pytest.fixture
def dataset(original, tmp_path):
    """A copy that a test may damage."""
    folder = shutil.copytree(original[0], tmp_path / "chips")
    return folder, folder / original[1].name


@pytest.fixture
def no_memory(monkeypatch):
    """Nothing may be held in memory."""
    monkeypatch.setattr(chip_selection, "memory_budget", lambda: 0)


def files(folder):
    return sorted(path.name for path in (folder / ".cache").glob("*.npy"))


def same(one, other):
    return np.array_equal(one.label, other.label) and all(
        np.array_equal(a.values, b.values) and np.array_equal(a.clear, b.clear)
        for a, b in zip(one.layers, other.layers, strict=True)
    )


def test_split_that_fits_is_in_memory_and_leaves_no_file(dataset):
    table = load_split(*dataset, "train", PRODUCTS, CLASSES)
    assert not (dataset[0] / ".cache").exists()
    assert all(layer.values.base is None for layer in table.layers)


def test_split_beyond_the_budget_is_mapped_and_the_same(dataset, monkeypatch, capsys):
    held = load_split(*dataset, "train", PRODUCTS, CLASSES)
    monkeypatch.setattr(chip_selection, "memory_budget", lambda: 1_000)
    mapped = load_split(*dataset, "train", PRODUCTS, CLASSES)
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and line.startswith("train: 0.00 GB are mapped from")
    assert all(
        isinstance(layer.values.base, np.memmap) or isinstance(layer.values, np.memmap) for layer in mapped.layers
    )
    assert not any(layer.values.flags.writeable for layer in mapped.layers)
    assert same(held, mapped)
    one, other = (t.observation([7, 2], PRODUCTS) for t in (held, mapped))
    assert all(bool((a.values == b.values).all()) for a, b in zip(one.groups, other.groups, strict=True))
    assert len(files(dataset[0])) == 1 + 2 * 4  # label; values and clear of four band groups


def test_mapped_files_are_written_once(dataset, no_memory, monkeypatch):
    load_split(*dataset, "train", PRODUCTS, CLASSES)
    state = {path: path.stat().st_mtime_ns for path in (dataset[0] / ".cache").glob("*.npy")}
    monkeypatch.setattr(chip_selection, "read_parts", None)  # nobody reads pixels again
    load_split(*dataset, "train", PRODUCTS, CLASSES)
    assert state == {path: path.stat().st_mtime_ns for path in (dataset[0] / ".cache").glob("*.npy")}


def test_mapped_files_lie_where_the_environment_says(dataset, no_memory, tmp_path, monkeypatch):
    monkeypatch.setenv("ANYBAND_CACHE", str(tmp_path / "own"))
    load_split(*dataset, "train", PRODUCTS, CLASSES)
    assert list((tmp_path / "own").glob("*/train.*.npy")) and not (dataset[0] / ".cache").exists()


def test_files_of_a_store_that_was_written_anew_are_removed(dataset, no_memory):
    load_split(*dataset, "train", PRODUCTS, CLASSES)
    load_split(*dataset, "test", PRODUCTS, CLASSES)
    before = files(dataset[0])
    fabricate_store(dataset[0] / "birch.zarr", 5, 77)
    table = load_split(*dataset, "train", PRODUCTS, CLASSES)
    after = files(dataset[0])
    stale = set(before) - set(after)
    assert len(after) == len(before) and stale == {name for name in before if name.startswith("train.")}
    fresh = read_array(open_site(dataset[0] / "birch.zarr"), "landsat/30m/values")
    assert np.array_equal(table.layers[0].values[5:], fresh)


def test_files_go_when_the_split_fits_again_and_changed(dataset, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(chip_selection, "memory_budget", lambda: 0)
        load_split(*dataset, "train", PRODUCTS, CLASSES)
    fabricate_store(dataset[0] / "birch.zarr", 5, 77)
    load_split(*dataset, "train", PRODUCTS, CLASSES)
    assert files(dataset[0]) == []


@pytest.mark.parametrize("damage", [b"", b"no array"])
def test_damaged_file_is_written_again(dataset, no_memory, damage):
    expected = load_split(*dataset, "train", PRODUCTS, CLASSES)
    values = np.array(expected.layers[0].values)
    (path,) = (dataset[0] / ".cache").glob("train.landsat-30m.*.npy")
    path.unlink()
    path.write_bytes(damage)
    assert np.array_equal(load_split(*dataset, "train", PRODUCTS, CLASSES).layers[0].values, values)


def test_file_cut_short_is_written_again(dataset, no_memory):
    values = np.array(load_split(*dataset, "train", PRODUCTS, CLASSES).layers[0].values)
    (path,) = (dataset[0] / ".cache").glob("train.landsat-30m.*.npy")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])
    assert np.array_equal(load_split(*dataset, "train", PRODUCTS, CLASSES).layers[0].values, values)


def test_failure_while_writing_leaves_nothing(tmp_path, no_memory):
    def fail(array):
        array[0] = 1
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        hold_arrays([Plan("values", (4, 3), np.dtype("uint16"), fail)], tmp_path, "train", "k")
    assert [path.name for path in tmp_path.iterdir()] == [".train.lock"]


def test_full_disk_is_one_line_before_anything_is_written(tmp_path, no_memory):
    plan = Plan("values", (10**9, 10**6), np.dtype("uint16"), lambda array: None)
    with pytest.raises(UserError, match="GB free, 2000000.0 GB needed"):
        hold_arrays([plan], tmp_path, "train", "k")
    assert [path.name for path in tmp_path.iterdir()] == [".train.lock"]


def test_processes_that_start_together_write_the_files_once(tmp_path, no_memory):
    """Threads stand for processes: each opens the lock for itself."""
    written = []

    def fill(array):
        written.append(1)
        array[...] = 7

    def hold():
        plan = Plan("values", (4, 3), np.dtype("uint16"), fill)
        assert hold_arrays([plan], tmp_path, "train", "k")[0].sum() == 84

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert written == [1]


def test_arrays_are_read_in_parts_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "PART_CHIPS", 4)
    store = open_site(fabricate_store(tmp_path / "aspen.zarr", 11, 0))
    whole = read_array(store, "landsat/30m/values")
    chosen = np.array([10, 0, 3, 9, 4])
    parts = list(read_parts(store, "landsat/30m/values", chosen))
    assert len(parts) == 3
    for where, values in parts:
        assert np.array_equal(values, whole[chosen[where]])
    assert sorted(np.concatenate([where for where, _ in parts])) == list(range(5))
    assert np.array_equal(np.concatenate([values for _, values in read_parts(store, "landsat/30m/values")]), whole)


def test_fingerprint_follows_the_store_and_the_chips(tmp_path):
    path = fabricate_store(tmp_path / "aspen.zarr", 4, 0)
    names = [entry["chip"] for entry in open_site(path).attrs["chips"]]
    first = select_chips(path, names).fingerprint()
    assert select_chips(path, names).fingerprint() == first
    assert select_chips(path, names[:3]).fingerprint() != first
    (path / ".snakemake_timestamp").touch()
    assert select_chips(path, names).fingerprint() == first
    os.utime(path / "label" / "zarr.json", ns=(1, 1))
    assert select_chips(path, names).fingerprint() != first


def test_damaged_array_names_store_and_array(dataset):
    (shard,) = (dataset[0] / "aspen.zarr/landsat/30m/values/c").rglob("0/0/0/0")
    shard.write_bytes(b"\0" * 50)
    with pytest.raises(UserError, match=r"aspen.zarr: array landsat/30m/values is missing or damaged .* again"):
        load_split(*dataset, "train", PRODUCTS, CLASSES)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"complete": False}, "is not complete: delete it"),
        ({"layout": 1}, "has the layout of 1, not 3: delete it and run the extract step again"),
        ({"layout": None}, "not 3: delete it"),
    ],
)
def test_store_that_cannot_be_used_is_one_line(dataset, attributes, message):
    zarr.open_group(dataset[0] / "birch.zarr", mode="a").attrs.update(attributes)
    with pytest.raises(UserError, match=rf"birch.zarr .*{message}"):
        load_split(*dataset, "train", PRODUCTS, CLASSES)


def test_store_of_other_bands_is_named(dataset):
    group = zarr.open_group(dataset[0] / "birch.zarr/landsat/30m", mode="a")
    group.attrs["bands"] = [*group.attrs["bands"][:-1], "swir23"]
    with pytest.raises(UserError, match=r"landsat: pixel sizes and bands .*swir23.* in birch.zarr, .* in aspen.zarr"):
        load_split(*dataset, "train", PRODUCTS, CLASSES)


def test_store_of_other_chips_is_named(dataset):
    zarr.open_group(dataset[0] / "birch.zarr", mode="a").attrs["chip_m"] = 1_920
    with pytest.raises(UserError, match=r"chip_m 1920 in birch.zarr, 960 in aspen.zarr: extract both again"):
        load_split(*dataset, "train", PRODUCTS, CLASSES)


def test_chip_without_a_product_is_named(dataset):
    group = zarr.open_group(dataset[0] / "birch.zarr", mode="a")
    pairs = group.attrs["pairs"]
    del pairs["0"]["platforms"]["landsat"]
    group.attrs["pairs"] = pairs
    with pytest.raises(UserError, match=r"birch.zarr: chip birch-0-r0c0 has no landsat"):
        load_split(*dataset, "train", PRODUCTS, CLASSES)


def test_memory_that_can_be_taken_is_less_than_the_machine_has():
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory_budget() <= available_memory() <= machine


@pytest.mark.parametrize("version", [1, 2])
def test_limit_of_a_control_group_counts(tmp_path, version):
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    for name, value in zip(names, (1_000, 700), strict=True):
        (tmp_path / name).write_text(f"{value}\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 200\ntotal_inactive_file 200\n")
    assert chip_selection._group_leaves(tmp_path) == 500
    if version == 2:
        (tmp_path / "memory.max").write_text("max\n")
        assert chip_selection._group_leaves(tmp_path) > 10**15
