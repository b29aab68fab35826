import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyband.models.proposed.codes import SHORTEST_PERIOD, spectral_code
from anyband.models.proposed.merge_bands import SAME, lower_nm, neighbours, resolved, upper_nm
from anyband.sensors.platforms import get_sensor, platforms
from handmade import band_set, make_group

HUNDRED = tuple((f"b{i}", 420.0 + 10 * i, 10.0) for i in range(100))
PRODUCTS = ("sentinel2", "landsat", "hls_s30", "hls_l30")


def imager(bands=HUNDRED):
    return make_group("imager", band_set(bands, 30.0), 30.0, 120.0, 2, 0)


@pytest.mark.parametrize("product", PRODUCTS)
def test_trained_sensors_are_left_as_they_are(product):
    for platform in platforms(product):
        bands = tuple(get_sensor(platform, product).bands)
        assert len(bands) > 5
        assert len(neighbours(bands)) == len(bands), (platform, product)


def test_the_mean_of_neighbours_is_described_by_the_mean_of_their_responses():
    group = imager()
    few = resolved(group)
    runs = neighbours(group.band_sets[0].bands)
    assert 10 < len(runs) < 50
    for place, run in enumerate(runs):
        assert torch.allclose(few.values[:, place], group.values[:, list(run)].mean(dim=1), atol=1e-6)
        codes = [spectral_code(group.band_sets[0].bands[i].response) for i in run]
        assert few.band_sets[0].bands[place].response.weight.min() >= 0
        assert abs(spectral_code(few.band_sets[0].bands[place].response) - sum(codes) / len(run)).max() < 2e-2


def test_a_band_that_comes_twice_counts_once():
    wide = (("green", 560.0, 60.0), ("red", 660.0, 60.0), ("nir", 850.0, 120.0))
    group = make_group("imager", band_set(wide, 30.0), 30.0, 120.0, 2, 0)
    twice = make_group("imager", band_set((*wide, ("red-again", 661.0, 60.0)), 30.0), 30.0, 120.0, 2, 0)
    twice.values[:, :3], twice.values[:, 3] = group.values, group.values[:, 1]
    twice.valid[:] = True
    few = resolved(twice)
    assert resolved(group) is group
    assert torch.equal(few.values, group.values[:, [0, 1, 2]])
    assert [band.name for band in few.band_sets[0].bands] == ["green", "red+red-again", "nir"]


def test_a_narrow_band_inside_a_wide_one_is_another_band():
    bands = band_set((("nir", 842.0, 115.0), ("narrow nir", 865.0, 80.0)), 30.0).bands
    assert neighbours(bands) == ((0,), (1,))


def test_a_pixel_of_the_mean_counts_the_bands_that_saw_it_and_nothing_leaks():
    group = imager(HUNDRED[40:43])
    group.valid[:, 1] = False
    group.valid[0, :, 0, 0] = False
    group.values[:, 1] = 1e6
    (run,) = neighbours(group.band_sets[0].bands)
    assert len(run) == 3
    few = resolved(group)
    assert not few.valid[0, :, 0, 0].any() and few.values[0, 0, 0, 0] == 0
    assert torch.allclose(few.values[1, 0], group.values[1, [0, 2]].mean(dim=0), atol=1e-6)


@given(st.lists(st.tuples(st.floats(400, 2400), st.floats(2, 200)), min_size=1, max_size=40), st.randoms())
def test_runs_hold_every_band_once_stay_narrow_and_do_not_depend_on_the_order(entries, shuffle):
    entries = list(dict.fromkeys((round(centre, 1), round(width, 1)) for centre, width in entries))
    bands = band_set(tuple((f"b{i}", *entry) for i, entry in enumerate(entries)), 30.0).bands
    runs = neighbours(bands)
    assert sorted(i for run in runs for i in run) == list(range(len(bands)))
    for run in (run for run in runs if len(run) > 1):
        low, high = min(lower_nm(bands[i]) for i in run), max(upper_nm(bands[i]) for i in run)
        common = min(upper_nm(bands[i]) for i in run) - max(lower_nm(bands[i]) for i in run)
        assert high < low * (1 + SHORTEST_PERIOD) or common >= SAME * (high - low)
    order = list(range(len(bands)))
    shuffle.shuffle(order)
    others = neighbours(tuple(bands[i] for i in order))
    assert {frozenset(order[i] for i in run) for run in others} == {frozenset(run) for run in runs}
