"""Batches: the right pixels, in reflectance, never NaN, the same for the same seed."""

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
import zarr
from torch.utils.data import DataLoader

from anyband.chips.dataset import Crop, load_split
from anyband.chips.store import open_site, read_array
from anyband.runtime import UserError
from fabricate import fabricate_dataset
from small_split import deliver

CLASSES = {10: "tree", 20: "shrub", 30: "grass", 40: "crop", 50: "built", 60: "bare", 80: "water", 90: "wetland"}
PRODUCTS = ("sentinel2", "landsat", "hls_s30", "hls_l30")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two dates on the first site, so that platforms differ within the split."""
    sites = {"aspen": "train", "birch": "train", "cedar": "test"}
    return fabricate_dataset(tmp_path_factory.mktemp("chips"), sites, n_chips=18)


@pytest.fixture(scope="module")
def table(dataset):
    return load_split(*dataset, "train", PRODUCTS, CLASSES)


def test_table_holds_the_chips_of_the_split_only(table):
    assert len(table) == 36 and set(table.site) == {"aspen", "birch"}
    assert table.chip[0] == "aspen-0-r0c0" and table.block[0] != table.block[18]
    assert table.products == set(PRODUCTS)


def test_values_are_reflectance_and_zero_where_not_valid(table, dataset):
    seen = table.observation([20, 3], {"landsat"})
    (group,) = seen.groups
    stored = [
        read_array(open_site(dataset[0] / f"{site}.zarr"), "landsat/30m/values")[row]
        for site, row in (("birch", 2), ("aspen", 3))
    ]
    clear = [
        read_array(open_site(dataset[0] / f"{site}.zarr"), "landsat/qa/clear")[row]
        for site, row in (("birch", 2), ("aspen", 3))
    ]
    valid = (np.stack(stored) != 0) & (np.stack(clear)[:, None] == 1)
    assert 0.5 < valid.mean() < 0.99
    assert np.array_equal(group.valid.numpy(), valid)
    expected = np.where(valid, np.clip(np.stack(stored) * 2.75e-5 - 0.2, 0, 1.6), 0)
    assert np.allclose(group.values.numpy(), expected, atol=1e-6)
    assert group.values.dtype == torch.float32


def test_groups_keep_their_grid_and_position(table):
    seen = table.observation(range(4), set(PRODUCTS))
    sizes = {(g.product, g.pixel_m): tuple(g.values.shape[1:]) for g in seen.groups}
    assert sizes == {
        ("sentinel2", 10): (4, 96, 96),
        ("sentinel2", 20): (6, 48, 48),
        ("sentinel2", 60): (2, 16, 16),
        ("landsat", 30): (7, 32, 32),
        ("hls_s30", 30): (11, 32, 32),
        ("hls_l30", 30): (7, 32, 32),
    }
    assert {g.product: g.offset_m[0].tolist() for g in seen.groups}["landsat"] == [15, 15]
    assert not any(torch.isnan(g.values).any() for g in seen.groups)


def test_each_sample_gets_the_bands_of_its_own_platform(table):
    """Chips 0 and 17 are of two dates: Sentinel-2A and 2B have different responses."""
    group = table.observation([17, 0, 16], {"sentinel2"}).groups[0]
    platforms = [group.band_sets[index].platform for index in group.band_set_index]
    assert platforms == ["sentinel-2b", "sentinel-2a", "sentinel-2b"]
    assert [band.name for band in group.band_sets[0]] == ["B02", "B03", "B04", "B08"]
    assert len(table.observation([0, 1], {"sentinel2"}).groups[0].band_sets) == 1


def test_label_is_scored_only_where_jointly_clear_and_listed(dataset):
    listed = {code: name for code, name in CLASSES.items() if code != 50}
    table = load_split(*dataset, "test", ["sentinel2"], listed)
    group = open_site(dataset[0] / "cedar.zarr")
    label, clear = read_array(group, "label"), read_array(group, "clear")
    index = table.labels(range(len(table))).numpy()
    codes = np.array([*sorted(listed), 0])[index]
    scored = (clear == 1) & (label != 0) & (label != 50)
    assert np.array_equal(index >= 0, scored)
    assert np.array_equal(codes[scored], label[scored])
    assert index.dtype == np.int64


def test_crops_of_all_grids_and_the_label_show_the_same_ground(table):
    whole = table.observation([5, 9], set(PRODUCTS))
    crop = Crop(np.array([120, 480]), np.array([0, 300]), 480)
    cut = table.observation([5, 9], set(PRODUCTS), crop)
    for big, small in zip(whole.groups, cut.groups, strict=True):
        size = int(480 / big.pixel_m)
        for sample, (row_m, col_m) in enumerate(zip(crop.row_m, crop.col_m, strict=True)):
            row, col = int(row_m / big.pixel_m), int(col_m / big.pixel_m)
            window = (slice(None), slice(row, row + size), slice(col, col + size))
            assert torch.equal(small.values[sample], big.values[sample][window])
            assert torch.equal(small.valid[sample], big.valid[sample][window])
    labels = table.labels([5, 9])
    assert torch.equal(table.labels([5, 9], crop)[1], labels[1, 48:96, 30:78])


def test_crop_that_cuts_a_60_m_pixel_is_refused():
    with pytest.raises(ValueError, match="60 m"):
        Crop(np.array([30]), np.array([0]), 480)


def test_crop_larger_than_a_chip_is_refused(table):
    with pytest.raises(UserError, match=r"crops of 1920 m do not fit into chips of 960 m: lower training.crop_m"):
        next(table.random_batches(2, 1_920, 1, seed=0))


def test_batches_depend_on_the_seed_alone_and_use_every_chip(table):
    first = list(table.random_batches(8, 480, 9, seed=3))
    second = list(table.random_batches(8, 480, 9, seed=3))
    other = list(table.random_batches(8, 480, 9, seed=4))
    for (a, crop_a), (b, crop_b) in zip(first, second, strict=True):
        assert np.array_equal(a, b) and np.array_equal(crop_a.row_m, crop_b.row_m)
    assert any(not np.array_equal(a, c) for (a, _), (c, _) in zip(first, other, strict=True))
    drawn = np.concatenate([indices for indices, _ in first])
    assert np.bincount(drawn, minlength=36).tolist() == [2] * 36
    corners = np.concatenate([crop.row_m for _, crop in first])
    assert corners.min() == 0 and corners.max() == 480


def test_batch_larger_than_the_split(table):
    ((indices, _),) = table.random_batches(80, 480, 1, seed=0)
    assert np.bincount(indices, minlength=36).min() == 2


def test_ordered_batches_cover_all_chips_once(table):
    assert np.concatenate(list(table.ordered_batches(7))).tolist() == list(range(36))


def test_what_is_missing_is_named(table, dataset):
    with pytest.raises(UserError, match="modis"):
        table.observation([0], {"modis"})
    with pytest.raises(UserError, match="no chip in split 'val'"):
        load_split(*dataset, "val", ["landsat"], CLASSES)


def test_table_of_splits_from_another_extraction_is_refused(dataset, tmp_path):
    text = dataset[1].read_text().replace("cedar-0-r0c0", "cedar-9-r0c0")
    (tmp_path / "main.csv").write_text(text)
    with pytest.raises(UserError, match="cedar.zarr lacks chip cedar-9-r0c0"):
        load_split(dataset[0], tmp_path / "main.csv", "test", ["landsat"], CLASSES)


def equal(one, other):
    return all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("threads", [1, 4])
def test_batches_do_not_depend_on_threads(table, threads):
    steps = list(table.random_batches(4, 480, 12, seed=5))
    expected = [deliver(table, PRODUCTS, step) for step in steps]
    with ThreadPoolExecutor(threads) as pool:
        assert equal(list(pool.map(partial(deliver, table, PRODUCTS), steps)), expected)


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_batches_do_not_depend_on_workers(table, context):
    steps = list(table.random_batches(4, 480, 6, seed=5))
    expected = [deliver(table, PRODUCTS, step) for step in steps]
    workers = DataLoader(
        steps,
        batch_size=None,
        num_workers=2,
        collate_fn=partial(deliver, table, PRODUCTS),
        multiprocessing_context=context,
    )
    assert equal(list(workers), expected)


def test_table_travels_by_its_source_and_not_by_its_pixels(table):
    message = pickle.dumps(table)
    assert len(message) < 2_000
    again = pickle.loads(message)
    assert np.array_equal(again.label, table.label) and again.chip.tolist() == table.chip.tolist()


def test_neighbouring_chips_are_read_without_a_copy_and_left_alone(table):
    before = [layer.values.copy() for layer in table.layers]
    ordered = table.observation(range(3, 9), PRODUCTS)
    shuffled = table.observation([8, 3, 4, 5, 6, 7], PRODUCTS)
    for one, other in zip(ordered.groups, shuffled.groups, strict=True):
        assert torch.equal(one.values[:5], other.values[1:]) and torch.equal(one.valid[5], other.valid[0])
    assert torch.equal(table.labels([-2, -1]), table.labels([34, 35]))
    table.labels(range(3, 9)).fill_(0)
    for group in ordered.groups:
        group.values.fill_(9), group.valid.fill_(False)
    assert all(np.array_equal(layer.values, b) for layer, b in zip(table.layers, before, strict=True))
    assert table.label[3:9].max() > 0


def test_facts_of_the_scene_are_those_of_each_chip_and_product(table):
    """Chip 17 is of the second date; what an item does not say is NaN."""
    seen = table.observation([17, 0], set(PRODUCTS))
    (landsat,), (hls,) = seen.of("landsat"), seen.of("hls_l30")
    assert landsat.scene.tolist() == [[42.5, 145, 0, 41], [42.5, 145, 0, 10]]
    assert hls.scene.isnan().tolist() == [[True, False, True, False]] * 2
    assert all(group.scene[:, 0].tolist() == [40, 40] for group in seen.of("sentinel2"))


def test_a_store_made_before_angles_were_kept_has_no_angles(dataset, tmp_path):
    shutil.copytree(dataset[0], tmp_path / "chips")
    group = zarr.open_group(tmp_path / "chips" / "cedar.zarr", mode="r+")
    pairs = group.attrs["pairs"]
    group.attrs["pairs"] = {n: {k: v for k, v in pair.items() if k != "angles_deg"} for n, pair in pairs.items()}
    old = load_split(tmp_path / "chips", dataset[1], "test", ["landsat"], CLASSES)
    (row,) = old.observation([0], {"landsat"}).groups[0].scene
    assert row.isnan().tolist() == [True, True, True, False]
