"""A store is compared with its sources by another reader, and what differs is named."""

import datetime as dt

import numpy as np
import pytest
import zarr

from anyband.chips.extraction import ChipSite, extract_site
from anyband.chips.verify import verify_store
from fabricate import fabricate_store
from scenes import SceneFolder

SOUTH = (32733, (600_000.0, 7_600_000.0))


@pytest.fixture(params=["03.01", "04.00"])
def site(request, tmp_path):
    """Scenes and the store of a single chip."""
    scenes = SceneFolder(tmp_path, *SOUTH, extent_m=960)
    scenes.add_pair(dt.date(2022, 1, 3), baseline=request.param)
    path = tmp_path / "aspen.zarr"
    extract_site(ChipSite("aspen", "main", scenes.longitude, scenes.latitude, 960, 960, 0.8, 1), scenes.pairs(), path)
    return scenes, path


def test_good_store_has_no_problems(site):
    """37 bands and 4 quality layers a chip, in both hemispheres' CRS, with and without the shift of old baselines."""
    found = verify_store(site[1], 99)
    assert (found.chips, found.layers, found.problems) == (1, 41, ())


@pytest.mark.parametrize("site", ["04.00"], indirect=True)
def test_every_kind_of_damage_is_named(site):
    scenes, path = site
    store = zarr.open_group(path, mode="r+")
    store["landsat/30m/values"][0, 2, 5, 5] += 1
    store["hls_s30/30m/window"][0] = [0, 0]
    store["sentinel2/10m/values"][0] = np.roll(store["sentinel2/10m/values"][0], 1, axis=-1)
    scenes.path("hls_l30", 0, "B03").unlink()
    problems = "\n".join(verify_store(path, 4).problems)
    assert "chip aspen-0-r0c0, landsat 30m: the stored pixels do not have their checksum" in problems
    assert "chip aspen-0-r0c0, landsat green: 1 of 1024 pixels differ from item LC09" in problems
    assert "chip aspen-0-r0c0, hls_s30 B01: starts at pixel (4, 4) of the source, the store says (0, 0)" in problems
    assert "chip aspen-0-r0c0, hls_l30 B03: cannot be read again (item HLS.L30" in problems
    assert "chip aspen-0-r0c0, sentinel2 B02: 9" in problems, "shifted by a pixel"
    assert problems.count("\n") + 1 == 2 + 11 + (1 + 4) + 1


def test_store_without_sources_is_a_problem(tmp_path):
    path = fabricate_store(tmp_path / "aspen.zarr", 2, 1)
    found = verify_store(path, 1)
    assert found.chips == 1 and "does not say where its pixels are from" in found.problems[0]
