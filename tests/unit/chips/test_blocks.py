"""Distances on the ground and membership of blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyband.chips.blocks import Positions, block_names, geocentric


def positions(*chips, side=960.0):
    x, y, epsg = zip(*chips, strict=True)
    return Positions(np.array(x, float), np.array(y, float), np.array(epsg), side)


@pytest.mark.parametrize(
    ("dx", "dy", "gap"), [(960, 0, 0), (1_960, 0, 1_000), (0, -1_961, 1_001), (1_260, 1_360, 500), (100, 0, 0)]
)
def test_distance_is_from_edge_to_edge(dx, dy, gap):
    where = positions((500_000, 5e6, 32632), (500_000 + dx, 5e6 + dy, 32632))
    assert where.distance(np.array([0]), np.array([1]))[0] == pytest.approx(gap)


def test_equator_does_not_separate_neighbours():
    """EPSG:326xx and 327xx differ by 10 000 km in the northing: the same two chips must not seem far apart."""
    where = positions((500_000, 500, 32632), (500_000, 10_000_000 - 1_000, 32732))
    assert where.distance(np.array([0]), np.array([1]))[0] == pytest.approx(540)
    assert len(where.pairs_within(1_000)) == 1


def test_border_of_zones_does_not_separate_neighbours():
    from pyproj import Transformer

    there = Transformer.from_crs(4326, 32632, always_xy=True).transform(11.99, 47)
    here = Transformer.from_crs(4326, 32633, always_xy=True).transform(12.01, 47)
    where = positions((*there, 32632), (*here, 32633))
    gap = where.distance(np.array([0]), np.array([1]))[0]
    assert 0 <= gap <= 1_520 - 960  # a lower bound: centres are 1.52 km apart
    assert len(where.pairs_within(1_000)) == 1


@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), min_size=2, max_size=25, unique=True))
def test_close_pairs_are_those_of_brute_force(cells):
    where = positions(*((400_000 + 300 * a, 5e6 + 300 * b, 32632) for a, b in cells))
    found = {tuple(sorted(pair)) for pair in where.pairs_within(1_500).tolist()}
    every = [(i, j) for i in range(len(cells)) for j in range(i + 1, len(cells))]
    first, second = np.array(every).T
    near = where.distance(first, second) < 1_500
    assert found == {pair for pair, close in zip(every, near, strict=True) if close}


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=2, max_size=20, unique=True))
def test_least_distance_is_that_of_brute_force(cells):
    where = positions(*((400_000 + 700 * a, 5e6 + 700 * b, 32632) for a, b in cells))
    half = len(cells) // 2
    ours, theirs = np.arange(half), np.arange(half, len(cells))
    first, second = (grid.ravel() for grid in np.meshgrid(ours, theirs))
    assert where.least_distance(ours, theirs) == pytest.approx(where.distance(first, second).min())


def test_geocentric_agrees_with_proj():
    from pyproj import Transformer

    expected = Transformer.from_crs(4979, 4978, always_xy=True).transform(13.2, -41.7, 0)
    assert geocentric(np.array([13.2]), np.array([-41.7]))[0] == pytest.approx(expected, abs=1e-3)


def test_cell_border_does_not_cut_a_place():
    """A place across a border of the 20 km grid is one block: else its halves would be train and test, touching."""
    chips = [(499_000 + 960 * k, 5_209_000.0, 32632) for k in range(4)]
    names = block_names(np.array(["aspen"] * 4), positions(*chips), 1_000_000 / 50)
    assert len(set(names)) == 1


def test_large_site_is_cut_into_cells():
    chips = [(400_500 + 960 * k, 5_209_000.0, 32632) for k in range(60)]
    names = block_names(np.array(["region"] * 60), positions(*chips), 20_000)
    assert list(dict.fromkeys(names)) == ["32632:20:260", "32632:21:260", "32632:22:260"]
