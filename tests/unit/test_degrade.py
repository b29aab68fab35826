"""A scene of waves, seen directly at each sampling distance and through `coarsen`."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyband.degrade import MTF_AT_NYQUIST, blur_weights, coarsen, join_grids, point_spread_m
from handmade import SETS, band_set, make_group

SIDE_M = 960.0


def see(waves, pixel_m: float, gsd_m: float) -> np.ndarray:
    """A scene of waves (amplitude, cycles per m in x and y, phase) through the point spread of `gsd_m`, (h, w)."""
    centre = (np.arange(round(SIDE_M / pixel_m)) + 0.5) * pixel_m
    x, y = np.meshgrid(centre, centre)
    total = np.full(x.shape, 0.3)
    for amplitude, fx, fy, phase in waves:
        passed = math.exp(-2 * (math.pi * point_spread_m(gsd_m)) ** 2 * (fx**2 + fy**2))
        total += amplitude * passed * np.cos(2 * math.pi * (fx * x + fy * y) + phase)
    return total


def group_of(values: np.ndarray, pixel_m: float, gsd_m: float | None = None):
    bands = band_set((("B03", 560, 36),), gsd_m or pixel_m)
    group = make_group("sentinel2", bands, pixel_m, SIDE_M, 1, 0)
    return replace(group, values=torch.from_numpy(values.astype(np.float32))[None, None])


def test_the_point_spread_has_the_stated_transfer_at_nyquist():
    for gsd in (10.0, 30.0):
        transfer = math.exp(-2 * (math.pi * point_spread_m(gsd) / (2 * gsd)) ** 2)
        assert transfer == pytest.approx(MTF_AT_NYQUIST)


@pytest.mark.parametrize(("native", "target"), [(10, 15), (10, 20), (10, 30), (10, 60), (20, 30), (30, 60)])
def test_a_degraded_band_is_what_a_coarse_sensor_sees(native, target):
    random = np.random.default_rng(4)
    waves = [
        (0.03, *random.uniform(-1, 1, 2) * 0.5 / native, phase) for phase in random.uniform(0, 2 * math.pi, 40)
    ]  # up to the Nyquist frequency of the fine sensor: the coarse one aliases, and so must the degraded band
    (coarse,) = coarsen((group_of(see(waves, native, native), native),), target, "")
    direct = see(waves, target, target)
    inner = (slice(4, -4),) * 2
    error = coarse.values[0, 0].numpy()[inner] - direct[inner]
    assert coarse.values.shape[2:] == direct.shape
    # For 1.5 times the distance the added point spread is barely wider than the fine pixels that sample it.
    tolerance = 0.02 if target >= 2 * native else 0.1
    assert np.sqrt((error**2).mean()) < tolerance * direct[inner].std()
    assert coarse.pixel_m == target
    assert [(b.gsd_m, b.pixel_m) for b in coarse.band_sets[0]] == [(target, target)]


def test_the_effective_distance_of_a_band_counts_not_its_pixels():
    waves = [(0.1, 0.004, 0.002, 0.3), (0.1, -0.001, 0.006, 1.0)]
    blurred = group_of(see(waves, 30, 60), 30, 60)
    blurred = replace(blurred, band_sets=(band_set((("B01", 443, 20),), 60.0),))
    (coarse,) = coarsen((blurred,), 120, "")
    inner = (slice(2, -2),) * 2
    assert np.allclose(coarse.values[0, 0].numpy()[inner], see(waves, 120, 120)[inner], atol=2e-3)
    assert coarsen((blurred,), 60, "")[0].pixel_m == 30  # already that coarse: left as it is


@given(
    st.integers(2, 40), st.sampled_from([10.0, 20.0, 30.0]), st.floats(1.4, 6.0), st.floats(0.0, 1.0)
)  # fmt: skip
def test_a_constant_stays_a_constant(count, pixel, factor, level):
    weights = blur_weights(count, pixel, pixel, pixel * factor)
    assert len(weights) == math.ceil(count / factor - 1e-6)
    assert torch.allclose(weights @ torch.full((count,), level), torch.tensor(level), atol=1e-5)


def test_the_mean_of_a_scene_is_kept():
    random = np.random.default_rng(0)
    noise = random.uniform(0, 0.6, (96, 96))
    (coarse,) = coarsen((group_of(noise, 10),), 30, "")
    assert float(coarse.values.mean()) == pytest.approx(noise.mean(), abs=0.01)


def test_pixels_that_are_not_valid_do_not_enter():
    group = group_of(np.full((96, 96), 0.2), 10)
    valid = group.valid.clone()
    valid[..., :48, :] = False
    values = group.values.where(valid, 0.0)
    (coarse,) = coarsen((replace(group, values=values, valid=valid),), 30, "")
    assert not coarse.valid[..., :15, :].any()
    assert coarse.valid[..., 17:, :].all()
    assert torch.allclose(coarse.values[coarse.valid], torch.tensor(0.2), atol=1e-6)
    assert not coarse.values[~coarse.valid].any()


def sentinel2():
    return tuple(
        make_group("sentinel2", bands, pixel, 240.0, 2, i) for i, (pixel, bands) in enumerate(SETS["sentinel2"])
    )


def test_only_finer_bands_change_and_bands_on_one_grid_form_one_group():
    groups = sentinel2()
    coarse = coarsen(groups, 20.0, "")
    assert [group.pixel_m for group in coarse] == [20.0, 60.0]
    assert coarse[1] is groups[2] or torch.equal(coarse[1].values, groups[2].values)
    names = [band.name for band in coarse[0].band_sets[0]]
    assert names == [b.name for group in groups[:2] for b in group.band_sets[0]]
    assert torch.equal(coarse[0].values[:, 4:], groups[1].values)


def test_wrong_metadata_state_the_old_distance_and_true_pixels():
    (band,) = coarsen((group_of(np.full((96, 96), 0.2), 10),), 30, "wrong")[0].band_sets[0]
    assert (band.gsd_m, band.pixel_m) == (10, 30)


def test_groups_on_different_grids_are_not_joined():
    a, b = sentinel2()[:1] * 2
    assert len(join_grids((a, replace(b, offset_m=b.offset_m + 15)))) == 2
    assert len(join_grids((a, b))) == 1
