from dataclasses import replace

import pytest
import torch

from anyband.conditions import CONDITIONS
from anyband.evaluation.evaluate_run import parameters
from anyband.evaluation.inference import answerable, watched
from anyband.models.baselines.hls_unified import SHARED, HlsUnified, HlsUnifiedOptions, pooled_statistics
from anyband.models.baselines.input_fusion import Sentinel2Only, StackOptions
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import get_sensor
from handmade import SETS, make_group

QUERY = QueryGrid(10.0, 24, 24)
S30, L30 = "hls_s30", "hls_l30"


def make(statistics, small, *, red_edge: bool = False) -> HlsUnified:
    torch.manual_seed(0)
    return HlsUnified(HlsUnifiedOptions(**small, red_edge=red_edge), statistics, 4).eval()


def twins(seed: int = 0) -> tuple[Observation, Observation]:
    """An S30 observation, and L30 with the same reflectances in the shared bands."""
    s30, l30 = (make_group(p, SETS[p][0][1], 30.0, 240.0, 2, seed) for p in (S30, L30))
    index = [[band.name for band in s30.band_sets[0]].index(name) for name in SHARED[S30]]
    return Observation((s30,)), Observation((replace(l30, values=s30.values[:, index], valid=s30.valid[:, index]),))


def test_equal_reflectances_of_both_products_get_equal_answers(statistics, small):
    model = make(statistics, small)
    s30, l30 = twins()
    assert torch.equal(model(s30, QUERY), model(l30, QUERY))
    both = Observation(s30.groups + l30.groups)
    assert torch.allclose(model(both, QUERY), model(s30, QUERY), atol=1e-5)


def test_pooled_statistics_are_those_of_both_products_together(statistics):
    uneven = replace(
        statistics,
        bands=tuple(
            replace(b, mean=0.2, std=0.1) if b.product == S30 else replace(b, mean=0.4, std=0.1)
            for b in statistics.bands
        ),
    )
    mean, std = pooled_statistics(SHARED, uneven)
    assert torch.allclose(mean, torch.full((7,), 0.3))
    assert torch.allclose(std, torch.full((7,), (0.1**2 + 0.1**2) ** 0.5))


def test_the_red_edge_is_read_only_when_asked_for(statistics, small):
    s30, l30 = twins()
    (group,) = s30.groups
    changed = group.values.clone()
    changed[:, 5] += 0.2
    other = Observation((replace(group, values=changed),))
    plain, wide = make(statistics, small), make(statistics, small, red_edge=True)
    assert torch.equal(plain(s30, QUERY), plain(other, QUERY))
    assert not torch.allclose(wide(s30, QUERY), wide(other, QUERY), atol=1e-3)
    assert not torch.allclose(wide(s30, QUERY), wide(l30, QUERY), atol=1e-3)


def test_absent_red_edge_is_told_by_its_presence_channels(statistics, small):
    model = make(statistics, small, red_edge=True)
    s30, l30 = twins()
    assert model.stack(s30, S30)[1].all()
    values, valid, _ = model.stack(l30, L30)
    assert (valid[..., :7] == 1).all()
    assert (valid[..., 7:] == 0).all()
    assert (values[..., 7:] == 0).all()


def test_it_refuses_what_is_not_hls(statistics, small):
    model = make(statistics, small)
    assert not model.usable(frozenset({"sentinel2"}))
    assert not model.usable(frozenset({"sentinel2", "landsat"}))
    assert list(answerable(model, tuple(CONDITIONS))) == ["S30", "L30", "S30+L30"]
    assert model.training_products == {S30, L30}


def test_its_training_is_watched_on_the_twins_of_the_primary_conditions(statistics, small):
    assert list(watched(make(statistics, small))) == ["S30", "L30", "S30+L30"]
    assert list(watched(Sentinel2Only(StackOptions(**small), statistics, 4))) == ["S2", "S2+L9"]


def test_missing_bands_and_other_grids_are_named(statistics, small, observe):
    model, (group,) = make(statistics, small), observe((L30,)).groups
    with pytest.raises(UserError, match="hls_l30 lacks band B07"):
        model(Observation((group.select_bands((0, 1, 2, 3, 4, 5)),)), QUERY)
    with pytest.raises(UserError, match="20 m, not 30 m"):
        model(Observation((replace(group, pixel_m=20.0),)), QUERY)


def test_missing_statistics_are_named(statistics, small):
    poor = replace(statistics, bands=tuple(b for b in statistics.bands if b.name != "B01"))
    with pytest.raises(UserError, match="hls_l30 band B01"):
        make(poor, small)


def test_trained_on_one_of_both_it_reads_the_other_with_the_same_numbers(statistics, small):
    alone = make(replace(statistics, bands=tuple(b for b in statistics.bands if b.product != L30)), small)
    assert alone.training_products == {S30} and alone.usable(frozenset({L30})) == {L30}


@pytest.mark.parametrize("red_edge", [False, True])
def test_it_is_as_large_as_the_others(red_edge, statistics):
    alone = parameters(Sentinel2Only(StackOptions(), statistics, 8))
    assert parameters(HlsUnified(HlsUnifiedOptions(red_edge=red_edge), statistics, 8)) == pytest.approx(alone, rel=0.05)


@pytest.mark.parametrize("satellites", [("sentinel-2a", "landsat-8"), ("sentinel-2c", "landsat-9")])
def test_shared_names_are_the_same_measurement_in_the_sensors_table(satellites):
    s30, l30 = (get_sensor(name, product) for name, product in zip(satellites, (S30, L30), strict=True))
    for one, other in zip(SHARED[S30], SHARED[L30], strict=True):
        assert s30.band(one).concept == l30.band(other).concept
