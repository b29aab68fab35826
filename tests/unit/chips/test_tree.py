"""The tree that `anyband.open_chips` gives, and the example of docs/data.md."""

import re
from pathlib import Path

import numpy as np
import pytest
import zarr

import anyband
from anyband.products import PRODUCTS
from anyband.runtime import UserError
from fabricate import fabricate_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return fabricate_store(tmp_path_factory.mktemp("chips") / "aspen.zarr", 3, seed=1)


def test_bands_are_lazy_reflectance_with_names_wavelengths_and_places(store):
    node = anyband.open_chips(store)["landsat/30m"]
    pixels = node["reflectance"]
    assert pixels.chunks is not None and pixels.dims == ("chip", "band", "y", "x")
    encoding, stored = PRODUCTS["landsat"].encoding, zarr.open_group(store, mode="r")["landsat/30m/values"][:]
    expected = np.where(encoding.valid(stored), encoding.physical(stored), np.float32(np.nan))
    assert np.array_equal(pixels.values, expected, equal_nan=True) and np.isnan(expected).any()
    assert node["band"].values.tolist()[:2] == ["coastal", "blue"] and node["wavelength"].attrs["units"] == "nm"
    assert node["wavelength"].sel(band="red").item() == pytest.approx(655, abs=3)
    assert node["chip"].values.tolist() == [f"aspen-0-r0c{col}" for col in range(3)]
    # Landsat lies half a pixel off, and chips go from west to east.
    assert node["easting"].isel(x=0).values.tolist() == [600_000 + 960 * col + 15 + 15 for col in range(3)]
    assert node["northing"].isel(chip=0, y=0).item() == 5_200_020 - 15 - 15
    assert "32N" in node["spatial_ref"].attrs["long_name"] and pixels.attrs["grid_mapping"] == "spatial_ref"
    assert str(node["time"].values[0]) == "2022-01-10T10:30:00.000000000"
    assert node["platform"].values.tolist() == ["landsat-9"] * 3


def test_stored_integers_say_how_they_are_decoded(store):
    pixels = anyband.open_chips(store, decode=False)["hls_s30/30m/reflectance"]
    assert pixels.dtype == np.int16
    assert (pixels.attrs["scale_factor"], pixels.attrs["add_offset"], pixels.attrs["_FillValue"]) == (1e-4, 0.0, -9999)


def test_no_store_is_one_line(tmp_path):
    with pytest.raises(UserError, match="is not a chip store"):
        anyband.open_chips(tmp_path)


def test_the_example_of_the_page_runs(store, root, capsys):
    page = (root / "docs/data.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example.replace("results/chips/main/aspen.zarr", str(Path(store))), {})
    assert "492.7" in capsys.readouterr().out
