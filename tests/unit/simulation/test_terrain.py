"""Terrain and water of the hidden surface."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.simulation.land.terrain import elevation, make_waters, river_course, slope_degrees, upper_share


@given(seed=st.integers(0, 1000), wanted=st.sampled_from([2.0, 5.0, 9.0, 14.0]))
@settings(max_examples=8, deadline=None)
def test_mean_slope_is_the_one_asked_for(seed, wanted):
    dem = elevation(np.random.default_rng(seed), 256, 5.0, wanted, 100.0)
    assert slope_degrees(dem, 5.0).mean() == pytest.approx(wanted, rel=0.1)


def test_slope_of_a_plane_is_exact():
    dem = np.tile(np.arange(50, dtype=np.float32) * 5 * np.tan(np.radians(12.0)), (50, 1))
    np.testing.assert_allclose(slope_degrees(dem, 5.0), 12.0, atol=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_river_runs_through_the_window_along_low_ground(seed):
    rng = np.random.default_rng(seed)
    dem = elevation(rng, 408, 5.0, 5.0, 100.0)
    course = river_course(rng, dem, 5.0)
    reach = np.ptp(course, axis=0).max()
    assert reach > 408
    inside = ((course >= 0) & (course < 408)).all(axis=1)
    along = dem[tuple(course[inside].astype(int).T)]
    assert np.hypot(*np.diff(course, axis=0).T).max() < 2.0, "gaps would tear the river apart"
    assert along.mean() < dem.mean()


@given(share=st.floats(0.0, 0.6), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_upper_share_takes_the_share_of_all_cells_inside_what_is_allowed(share, seed):
    rng = np.random.default_rng(seed)
    field, allowed = rng.standard_normal((40, 40)), rng.random((40, 40)) < 0.5
    chosen = upper_share(field, share, allowed)
    assert not (chosen & ~allowed).any()
    assert chosen.sum() == min(round(share * 1600), allowed.sum())


def test_waters_take_their_shares_and_do_not_overlap():
    rng = np.random.default_rng(3)
    dem = elevation(rng, 408, 5.0, 3.0, 50.0)
    waters = make_waters(rng, dem, 5.0, 25.0, 0.08, 0.05)
    assert (waters.river | waters.lake).mean() == pytest.approx(0.08, abs=0.015)
    assert waters.wetland.mean() == pytest.approx(0.05, abs=0.002)
    assert not (waters.wetland & (waters.river | waters.lake)).any()
    assert waters.river.any(axis=0).sum() > 300 or waters.river.any(axis=1).sum() > 300
