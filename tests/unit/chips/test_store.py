"""The store explains itself, and is never half there."""

import errno
import warnings

import numpy as np
import pytest
import zarr

from anyband.chips.shards import Appender, Shards, create_chips, keep_chips
from anyband.chips.store import band_groups, open_site, read_array
from anyband.runtime import UserError
from fabricate import BANDS, fabricate_store


def test_xarray_reads_units_axes_and_crs_without_a_warning(tmp_path):
    import xarray

    path = fabricate_store(tmp_path / "aspen.zarr", 3, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        root = xarray.open_zarr(path, consolidated=False, mask_and_scale=False)
        bands = xarray.open_zarr(path, group="landsat/30m", consolidated=False)
    assert root["label"].dims == ("chip", "y", "x")
    assert "grassland" in root["label"].attrs["flag_meanings"]
    assert "UTM zone 32N" in root["spatial_ref"].attrs["crs_wkt"]
    assert root["x"].values[:2].tolist() == [5.0, 15.0]
    assert bands["values"].attrs["units"] == "1" and "Landsat" in bands["values"].attrs["long_name"]
    assert bands.attrs["bands"] == list(BANDS["landsat"][30])
    stored = read_array(open_site(path), "landsat/30m/values")
    decoded = bands["values"].values
    assert np.isnan(decoded[stored == 0]).all()
    assert np.allclose(decoded[stored > 0], stored[stored > 0] * 2.75e-5 - 0.2)


def test_one_chunk_per_chip_and_at_most_64_chips_per_shard(tmp_path):
    group = open_site(fabricate_store(tmp_path / "a.zarr", 70, 1))
    values = group["sentinel2/20m/values"]
    assert values.chunks == (1, 6, 48, 48) and values.shards == (64, 6, 48, 48)


def test_order_and_content_survive(tmp_path):
    group = open_site(fabricate_store(tmp_path / "a.zarr", 5, 2))
    again = open_site(fabricate_store(tmp_path / "b.zarr", 5, 2))
    for product in BANDS:
        for pixel_m, bands in band_groups(group, product):
            assert bands == BANDS[product][pixel_m]
            name = f"{product}/{pixel_m}m/values"
            assert np.array_equal(read_array(group, name), read_array(again, name))
            assert np.array_equal(read_array(group, name, [3, 0]), read_array(group, name)[[3, 0]])


def test_full_disk_leaves_the_old_store_and_one_line(tmp_path, monkeypatch):
    path = fabricate_store(tmp_path / "aspen.zarr", 2, 1)
    before = read_array(open_site(path), "label").copy()
    count = 0

    async def fail(self, key, value, *_):
        nonlocal count
        count += 1
        if count > 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return await original(self, key, value, *_)

    original = zarr.storage.LocalStore.set
    monkeypatch.setattr(zarr.storage.LocalStore, "set", fail)
    with pytest.raises(OSError, match="No space left"):  # `step_main` makes one line of it
        fabricate_store(path, 4, 9)
    monkeypatch.undo()
    assert np.array_equal(read_array(open_site(path), "label"), before)
    assert [entry.name for entry in tmp_path.iterdir()] == ["aspen.zarr"]
    fabricate_store(path, 4, 9)
    assert len(read_array(open_site(path), "label")) == 4
    assert [entry.name for entry in tmp_path.iterdir()] == ["aspen.zarr"]


def test_all_nodata_chip_is_written_too(tmp_path):
    """zarr skips chunks of fill value: absence would then mean either nodata or damage."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    array = create_chips(group, "values", (2, 4, 4), np.uint16, ("chip", "y", "x"), {})
    Shards.of(array).write(0, np.zeros((2, 4, 4), np.uint16))
    assert (tmp_path / "a.zarr/values/c/0/0/0").is_file()


@pytest.mark.parametrize("pieces", [[5, 70, 1, 0, 60], [136]])
def test_appended_chips_are_those_of_one_write(tmp_path, random, pieces):
    values = random.integers(0, 99, (136, 4, 4)).astype(np.uint8)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=3)
    array = create_chips(group, "values", (0, 4, 4), np.uint8, ("chip", "y", "x"), {}, capacity=200)
    end, start = Appender(array), 0
    for count in pieces:
        end.add(values[start : start + count])
        start += count
    end.close()
    assert np.array_equal(array[...], values)
    keep = [0, 1, 2, 70, 71, 135]
    keep_chips(group, tmp_path / "a.zarr", keep)
    assert np.array_equal(zarr.open_array(tmp_path / "a.zarr/values")[...], values[keep])
    assert [path.name for path in (tmp_path / "a.zarr").iterdir() if path.is_dir()] == ["values"]


@pytest.mark.parametrize("damage", ["missing", "unfinished"])
def test_store_that_is_not_whole_is_named(tmp_path, damage):
    path = tmp_path / "aspen.zarr"
    if damage == "unfinished":
        zarr.open_group(path, mode="w", zarr_format=3)
    with pytest.raises(UserError, match="aspen.zarr is not"):
        open_site(path)


def test_damaged_shard_is_named(tmp_path):
    path = fabricate_store(tmp_path / "aspen.zarr", 2, 1)
    shard = next((path / "landsat/30m/values/c").rglob("0/0/0/0"), path / "landsat/30m/values/c/0/0/0/0")
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(UserError, match="aspen.zarr: array landsat/30m/values is missing or damaged"):
        read_array(open_site(path), "landsat/30m/values")
