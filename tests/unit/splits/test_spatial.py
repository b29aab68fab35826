"""Distances on the ground, membership of blocks, and the range of the labels: what is planted is what is found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.splits.spatial import Positions, block_names, exponential_range, label_variogram, region_names


def positions(*chips, side=960.0):
    x, y, epsg = zip(*chips, strict=True)
    return Positions(np.array(x, float), np.array(y, float), np.array(epsg), side)


@pytest.mark.parametrize(
    ("dx", "dy", "gap"), [(960, 0, 0), (1_960, 0, 1_000), (0, -1_961, 1_001), (1_260, 1_360, 500), (100, 0, 0)]
)
def test_distance_is_from_edge_to_edge(dx, dy, gap):
    """On the central meridian a metre of the grid is 1 / 0.9996 m of ground."""
    where = positions((500_000, 5e6, 32632), (500_000 + dx, 5e6 + dy, 32632))
    assert where.distance(np.array([0]), np.array([1]))[0] == pytest.approx(gap / 0.9996, rel=2e-5, abs=1e-3)


def test_distance_is_of_the_ground_and_not_of_the_grid():
    """At the border of a zone a metre of the grid is less than a metre of ground."""
    where = positions((166_500, 10_000, 32632), (166_500 + 1_960, 10_000, 32632))
    assert 998 < where.distance(np.array([0]), np.array([1]))[0] < 999.5


def test_equator_does_not_separate_neighbours():
    """EPSG:326xx and 327xx differ by 10 000 km in the northing: the same two chips must not seem far apart."""
    where = positions((500_000, 500, 32632), (500_000, 10_000_000 - 1_000, 32732))
    assert where.distance(np.array([0]), np.array([1]))[0] == pytest.approx(540, rel=1e-3)
    assert len(where.pairs_within(1_000, np.arange(2))) == 1


def test_pairs_of_one_group_are_left_out():
    where = positions(*((400_000 + 960 * k, 5e6, 32632) for k in range(4)))
    assert where.pairs_within(100, np.array([0, 0, 1, 1])).tolist() == [[1, 2]]


def outline(where, chip, steps=24):
    """Longitudes and latitudes of points along the edge of a chip."""
    from pyproj import Transformer

    along = np.linspace(-0.5, 0.5, steps, endpoint=False) * where.side_m
    half = np.full(steps, where.side_m / 2)
    x = where.x[chip] + np.concatenate([along, half, -along, -half])
    y = where.y[chip] + np.concatenate([-half, along, half, -along])
    return Transformer.from_crs(int(where.epsg[chip]), 4326, always_xy=True).transform(x, y)


def brute_force(where, first, second):
    """Least geodesic between points on the edges of two chips: at most the side over 24 more than the true one."""
    from pyproj import Geod

    (lon_a, lat_a), (lon_b, lat_b) = outline(where, first), outline(where, second)
    grids = np.meshgrid(lon_a, lon_b), np.meshgrid(lat_a, lat_b)
    return float(np.min(Geod(ellps="WGS84").inv(grids[0][0], grids[1][0], grids[0][1], grids[1][1])[2]))


@settings(max_examples=30)
@given(
    latitude=st.floats(-70, 70),
    longitude=st.floats(11.9, 12.1),
    east=st.floats(-4_000, 4_000),
    north=st.floats(-4_000, 4_000),
    zones=st.tuples(st.sampled_from([32, 33]), st.sampled_from([32, 33])),
)
def test_distance_is_that_of_brute_force_across_zones_and_equator(latitude, longitude, east, north, zones):
    """The second chip lies `east`, `north` metres from the first, each in either of the zones that meet at 12 E."""
    from pyproj import Transformer

    hemisphere = 32700 if latitude < 0 else 32600
    there = latitude + north / 111_000, longitude + east / (111_000 * np.cos(np.radians(latitude)))
    chips = []
    for zone, (lat, lon) in zip(zones, ((latitude, longitude), there), strict=True):
        epsg = hemisphere + zone
        chips.append((*Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat), epsg))
    where = positions(*chips)
    gap = where.distance(np.array([0]), np.array([1]))[0]
    sampled = brute_force(where, 0, 1)
    # Squares that overlap have a distance of 0, their edges may have a larger one.
    assert gap <= sampled + 0.01
    if gap > 0:
        assert sampled <= gap + 960 / 24


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), min_size=2, max_size=25, unique=True))
def test_close_pairs_are_those_of_brute_force(cells):
    where = positions(*((400_000 + 300 * a, 5e6 + 300 * b, 32632) for a, b in cells))
    found = {tuple(sorted(pair)) for pair in where.pairs_within(1_500, np.arange(len(cells))).tolist()}
    every = [(i, j) for i in range(len(cells)) for j in range(i + 1, len(cells))]
    first, second = np.array(every).T
    near = where.distance(first, second) < 1_500
    assert found == {pair for pair, close in zip(every, near, strict=True) if close}


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=2, max_size=20, unique=True))
def test_least_distance_is_that_of_brute_force(cells):
    where = positions(*((400_000 + 700 * a, 5e6 + 700 * b, 32632) for a, b in cells))
    half = len(cells) // 2
    ours, theirs = np.arange(half), np.arange(half, len(cells))
    first, second = (grid.ravel() for grid in np.meshgrid(ours, theirs))
    assert where.least_distance(ours, theirs) == pytest.approx(where.distance(first, second).min())


def test_least_distance_across_the_planet():
    where = positions((500_000, 5_200_000, 32632), (500_000, 5_200_000, 32755))
    assert where.least_distance(np.array([0]), np.array([1])) == pytest.approx(brute_force(where, 0, 1), rel=0.005)


def test_cell_border_does_not_cut_a_place():
    """A place across a border of the 20 km grid is one block: else its halves would be train and test, touching."""
    chips = [(499_000 + 960 * k, 5_209_000.0, 32632) for k in range(4)]
    names = block_names(np.array(["aspen"] * 4), positions(*chips), 1_000_000 / 50)
    assert len(set(names)) == 1


def test_large_site_is_cut_into_cells():
    chips = [(400_500 + 960 * k, 5_209_000.0, 32632) for k in range(60)]
    names = block_names(np.array(["region"] * 60), positions(*chips), 20_000)
    assert list(dict.fromkeys(names)) == ["32632:20:260", "32632:21:260", "32632:22:260"]


def test_region_is_the_grid_zone_of_the_whole_block():
    """Three chips of a block on two sides of 12 E (easting 728.2 km): one region, and the south has its own."""
    chips = [(727_000.0 + 960 * k, 5.2e6, 32632) for k in (0, 2, 3)]
    chips += [(500_000.0, 5.2e6, 32632), (500_000.0, 5.2e6, 32755)]
    block = np.array(["a", "a", "a", "b", "c"])
    assert region_names(block, positions(*chips)).tolist() == ["33T", "33T", "33T", "32T", "55G"]


@pytest.mark.parametrize("planted", [300.0, 900.0, 2_500.0])
def test_planted_range_is_recovered(planted):
    lag = np.geomspace(30, 3_000, 20)
    model = 0.05 + 0.6 * (1 - np.exp(-3 * lag / planted))
    assert exponential_range(lag, model) == pytest.approx(planted, rel=0.05)


def test_trend_without_end_has_no_range():
    lag = np.geomspace(30, 3_000, 20)
    assert exponential_range(lag, lag / 10_000) == float("inf")


@pytest.mark.parametrize("patch", [12, 48])
def test_range_grows_with_the_patches(patch):
    """Squares of independent classes of side s disagree fully beyond s, linearly before: the range is s to 2 s."""
    cells, random = 384 // patch, np.random.default_rng(5)
    mosaics = [
        random.choice(np.array([10, 20, 40, 80], np.uint8), (cells, cells)).repeat(patch, 0).repeat(patch, 1)
        for _ in range(4)
    ]
    lag_m, disagreement = label_variogram(mosaics)
    assert patch * 10 < exponential_range(lag_m, disagreement) < 2.5 * patch * 10
    assert disagreement[-1] == pytest.approx(0.75, abs=0.08)


def test_unlabelled_ground_does_not_count():
    mosaic = np.zeros((384, 384), np.uint8)
    assert len(label_variogram([mosaic])[0]) == 0
    mosaic[:, :150] = 10
    assert not label_variogram([mosaic])[1].any()
