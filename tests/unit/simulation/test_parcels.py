"""Blocks and parcels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.simulation.land.parcels import choose_area, compact, make_parcels, parcel_mean


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60))
@settings(max_examples=30, deadline=None)
def test_compact_numbers_like_unique(values):
    label = np.array(values, np.int64)
    number, count = compact(label)
    expected, inverse = np.unique(label, return_inverse=True)
    assert count == expected.size
    np.testing.assert_array_equal(number, inverse)


def test_parcels_have_the_sizes_asked_for_and_edges_at_their_borders():
    parcels = make_parcels(np.random.default_rng(0), 408, 5.0, 900.0, (100, 100), (200, 200))
    area_m2 = np.bincount(parcels.parcel.ravel()) * 25
    whole = area_m2[area_m2 > 15_000]
    assert 0.8 * 20_000 < np.median(whole) < 1.2 * 20_000
    label = parcels.parcel
    same_block = parcels.blocks.nearest[:, 1:] == parcels.blocks.nearest[:, :-1]
    border = (label[:, 1:] != label[:, :-1]) & same_block
    # next to a border the distance to it is less than a cell's diagonal, warp included
    assert np.quantile(parcels.edge_m[:, 1:][border], 0.99) < 8.0
    # both sides call the border by one number, or hedges would be half as wide
    assert (parcels.edge[:, 1:] == parcels.edge[:, :-1])[border].mean() > 0.9


def test_parcel_mean_is_the_mean_over_each_parcel():
    parcels = make_parcels(np.random.default_rng(1), 80, 5.0, 300.0, (60, 90), (80, 150))
    field = np.random.default_rng(2).random((80, 80)).astype(np.float32)
    mean = parcel_mean(field, parcels)
    number = parcels.parcel[40, 40]
    np.testing.assert_allclose(mean[number], field[parcels.parcel == number].mean(), rtol=1e-5)


@given(seed=st.integers(0, 200), wanted=st.floats(0, 60))
@settings(max_examples=25, deadline=None)
def test_chosen_area_is_within_half_a_parcel_of_what_is_wanted(seed, wanted):
    rng = np.random.default_rng(seed)
    area, free = rng.uniform(0.5, 4.0, 50), rng.random(50) < 0.7
    chosen = choose_area(rng, rng.random(50), area, free, wanted)
    assert not (chosen & ~free).any()
    assert abs(area[chosen].sum() - min(wanted, area[free].sum())) <= 2.01
