from dataclasses import replace

import pytest
import torch

from anyband.models.registry import build
from anyband.models.resampled import BandStack, resample
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

QUERY = QueryGrid(10.0, 24, 24)
FUSIONS = ("input-fusion", "feature-fusion", "pixel")


def make(name: str, statistics, small):
    torch.manual_seed(0)
    return build(name, {} if name == "pixel" else small, statistics, 4).eval()


@pytest.mark.parametrize("name", FUSIONS)
@pytest.mark.parametrize("products", [("sentinel2",), ("landsat",), ("sentinel2", "landsat")])
def test_fusions_map_with_any_sensor_missing(name, products, statistics, small, observe):
    logits = make(name, statistics, small)(observe(products), QUERY)
    assert logits.shape == (2, 4, 24, 24)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("name", FUSIONS)
def test_a_sensor_that_saw_nothing_is_a_missing_sensor(name, statistics, small, observe):
    model = make(name, statistics, small)
    groups = [
        replace(g, valid=torch.zeros_like(g.valid), values=torch.zeros_like(g.values)) if g.product == "landsat" else g
        for g in observe().groups
    ]
    assert torch.allclose(model(Observation(tuple(groups)), QUERY), model(observe(("sentinel2",)), QUERY), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "own", "other"), [("s2-only", "sentinel2", "landsat"), ("l9-only", "landsat", "sentinel2")]
)
def test_specialists_look_at_their_own_sensor_only(name, own, other, statistics, small, observe):
    model = make(name, statistics, small)
    both = observe()
    assert torch.equal(model(both, QUERY), model(both.only(frozenset({own})), QUERY))
    assert model.uses(frozenset({own, other})) == {own}
    assert not model.accepts(frozenset({other}))


@pytest.mark.parametrize("name", FUSIONS)
def test_fusions_refuse_products_they_were_not_trained_on(name, statistics, small):
    model = make(name, statistics, small)
    assert not model.accepts(frozenset({"hls_s30"}))


def test_a_band_that_training_had_is_not_silently_missing(statistics, observe):
    stack = BandStack(("landsat",), statistics)
    poor = Observation((observe(("landsat",)).groups[0].select_bands((0, 1, 2)),))
    with pytest.raises(UserError, match="nir08|red"):
        stack(poor, QUERY)


def test_channels_follow_the_statistics_not_the_data(statistics, observe):
    stack = BandStack(("landsat",), statistics)
    observation = observe(("landsat",))
    shuffled = Observation((observation.groups[0].select_bands((6, 3, 0, 1, 5, 2, 4)),))
    assert torch.equal(stack(observation, QUERY)[0], stack(shuffled, QUERY)[0])


def test_resampling_uses_the_landsat_half_pixel(observe):
    group = observe(("landsat",)).groups[0]
    ramp = torch.arange(8.0).expand_as(group.values).contiguous()
    here, _ = resample(replace(group, values=ramp), 24, 24, linear=True)
    there, _ = resample(replace(group, values=ramp, offset_m=torch.zeros(2, 2)), 24, 24, linear=True)
    assert torch.allclose(there[:, 0, 6:18] - here[:, 0, 6:18], torch.full((2, 12, 7), 0.5), atol=1e-5)


def test_presence_channels_tell_which_sensor_is_there(statistics, observe):
    stack = BandStack(("sentinel2", "landsat"), statistics)
    only, _ = stack(observe(("landsat",)), QUERY)
    assert (only[..., -2] == 0).all()
    assert (only[..., -1] == 1).all()
    assert (only[..., :12] == 0).all()


def test_learned_absence_is_used(statistics, small, observe):
    model = make("feature-fusion", statistics, small)
    before = model(observe(("landsat",)), QUERY)
    with torch.no_grad():
        model.absent_fine[0] += 1.0
    assert not torch.allclose(model(observe(("landsat",)), QUERY), before)
    assert torch.isfinite(model(observe(), QUERY)).all()
