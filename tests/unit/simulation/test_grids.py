"""Grids of the products against each other, and the operators that fill them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyband.simulation.grids import (
    HiddenGrid,
    Sampler,
    area_means,
    hls_grid,
    interpolate,
    landsat_grid,
    psf_operator,
    sentinel2_grid,
)

NORTH = HiddenGrid(32632, 600_000.0, 5_400_000.0, 5.0, 240)
# ESA counts southern northings from 10 000 km: the 60 m lattice leaves a remainder of 40 m.
SOUTH = HiddenGrid(32733, 600_000.0, 6_300_040.0, 5.0, 240)


@pytest.mark.parametrize("hidden", [NORTH, SOUTH])
def test_sentinel_2_grids_share_their_corner(hidden):
    grids = [sentinel2_grid(hidden, pixel) for pixel in (10, 20, 60)]
    assert len({(grid.left, grid.top, grid.rows * grid.pixel_m) for grid in grids}) == 1
    assert {grid.epsg for grid in grids} == {hidden.epsg}


@pytest.mark.parametrize("hidden", [NORTH, SOUTH])
def test_landsat_edges_lie_at_odd_multiples_of_15_m_in_the_northern_zone(hidden):
    grid = landsat_grid(hidden)
    assert grid.left % 30 == 15 and grid.top % 30 == 15
    assert grid.epsg // 100 == 326
    assert (grid.top < 0) == (hidden.epsg // 100 == 327)


@pytest.mark.parametrize("hidden", [NORTH, SOUTH])
def test_all_products_lie_on_the_same_ground(hidden):
    fine, hls, landsat = sentinel2_grid(hidden, 10), hls_grid(hidden), landsat_grid(hidden)
    centres = [[float(axis.mean()) for axis in grid.local_centres(hidden)] for grid in (fine, hls, landsat)]
    np.testing.assert_allclose(centres, 600.0)
    assert landsat.local_centres(hidden)[0][0] == hls.local_centres(hidden)[0][0] - 45


@given(sigma=st.floats(2.5, 60), pixel=st.sampled_from([10.0, 20.0, 30.0, 60.0]), shift=st.floats(-6, 6))
def test_point_spread_keeps_levels_and_moves_the_mean_by_the_shift(sigma, pixel, shift):
    positions = np.arange(200.0, 1000.0, pixel) + shift
    operator = psf_operator(positions, sigma, 2.5, 5.0, 240)
    np.testing.assert_allclose(operator @ np.ones(240), 1, rtol=1e-5)
    ramp = 2.5 + 5.0 * np.arange(240)
    inside = (positions > 3 * sigma + 10) & (positions < 1200 - 3 * sigma - 10)
    # the finest samples are half a sigma apart, where a Gaussian is still sampled well
    np.testing.assert_allclose((operator @ ramp)[inside], positions[inside], atol=0.35)


def test_sampler_sees_a_step_edge_where_it_is():
    image = np.zeros((240, 240), np.float32)
    image[:, 120:] = 1
    grid = sentinel2_grid(NORTH, 10)
    level = Sampler(NORTH, grid, 5.0)(image)[20]
    x = grid.local_centres(NORTH)[1]
    assert np.interp(0.5, level, x) == pytest.approx(600, abs=0.5)
    shifted = Sampler(NORTH, grid, 5.0, (4.0, 0.0))(image)[20]
    assert np.interp(0.5, shifted, x) == pytest.approx(596, abs=0.7)  # profile known every 10 m


def test_wider_point_spread_mixes_more():
    image = np.kron(np.indices((24, 24)).sum(0) % 2, np.ones((10, 10))).astype(np.float32)
    contrast = [Sampler(NORTH, sentinel2_grid(NORTH, 10), sigma)(image).std() for sigma in (3.0, 8.0, 20.0)]
    assert contrast[0] > contrast[1] > contrast[2]


def test_interpolation_is_exact_for_a_plane():
    nodes = np.arange(20) * 100.0 - 200
    field = (nodes[:, None] + 2 * nodes[None, :]).astype(np.float32)
    grid = sentinel2_grid(NORTH, 20)
    y, x = grid.local_centres(NORTH)
    found = interpolate(field, -200.0, 100.0, grid, NORTH, (30.0, -10.0))
    np.testing.assert_allclose(found, (y - 10)[:, None] + 2 * (x + 30)[None, :], atol=0.01)


@pytest.mark.parametrize(("fine", "coarse"), [(10, 30), (20, 30), (20, 60), (60, 30)])
def test_area_means_keep_the_mean(fine, coarse):
    image = np.random.default_rng(0).random((1200 // fine, 1200 // fine)).astype(np.float32)
    result = area_means(image, fine, coarse)
    assert result.shape == (1200 // coarse,) * 2
    assert result.mean() == pytest.approx(image.mean(), rel=1e-5)


def test_area_means_weigh_20_m_pixels_on_30_m_by_overlap():
    image = np.tile(np.array([0, 3, 6], np.float32), (3, 1))
    np.testing.assert_allclose(area_means(image, 20, 30)[0], [1, 5])
