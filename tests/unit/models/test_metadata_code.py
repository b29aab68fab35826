"""Sun, view and day of an acquisition in the proposed encoder."""

from dataclasses import replace
from math import nan

import pytest
import torch

from anyband.models.proposed import anyband
from anyband.models.proposed.anyband import AnyBand, AnyBandOptions
from anyband.models.proposed.codes import HIDDEN_CHANCE, SceneCode, encoded
from anyband.observation import Observation, QueryGrid

QUERY = QueryGrid(10.0, 24, 24)
KNOWN = (35.0, 150.0, 5.0, 130.0)
NOTHING = (nan,) * 4


def with_scene(observation: Observation, *rows: tuple[float, ...]) -> Observation:
    return Observation(tuple(replace(group, scene=torch.tensor(rows)) for group in observation.groups))


@pytest.fixture
def build(statistics, small):
    def make(scene: bool = True) -> AnyBand:
        torch.manual_seed(0)
        return AnyBand(AnyBandOptions(**small, features=12, hyper=16, scene=scene), statistics, 4)

    return make


def test_without_the_option_nothing_is_looked_at_and_nothing_more_is_drawn(build, observe, monkeypatch):
    """Runs without the option must stay what they were, to the last bit."""
    model = build(scene=False)
    groups = observe().of("sentinel2")
    torch.manual_seed(1)
    plain = model.features(Observation(groups), QUERY).values
    after = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(model.features(with_scene(Observation(groups), KNOWN), QUERY).values, plain)
    torch.manual_seed(1)
    torch.rand(())  # whether responses are Gaussian
    assert torch.equal(torch.get_rng_state(), after)
    monkeypatch.setattr(anyband, "SceneCode", None)
    names = dict(build(scene=False).named_parameters())
    assert not any("scene" in name for name in names)


def test_with_the_option_all_other_weights_start_as_without_it(build):
    plain, more = build(scene=False).state_dict(), build().state_dict()
    assert all(torch.equal(more[name], weight) for name, weight in plain.items())
    assert sum(more[name].numel() for name in set(more) - set(plain)) == 11 * 12


@pytest.mark.parametrize("place", range(4))
def test_every_fact_reaches_the_features(build, observe, place):
    model = build().eval()
    other = tuple(fact + 20 if n == place else fact for n, fact in enumerate(KNOWN))
    maps = [model(with_scene(observe(), row), QUERY) for row in (KNOWN, other)]
    assert not torch.allclose(*maps, atol=1e-5)


@pytest.mark.parametrize(
    ("place", "flags"), [(0, [1, 1, 0, 0]), (1, [0, 1, 0, 0]), (2, [0, 0, 0, 1]), (3, [0, 0, 1, 0])]
)
def test_what_is_not_a_number_is_absent_and_spoils_nothing_else(place, flags):
    """The direction of light over ground needs both angles of the sun: HLS items have the azimuth alone."""
    row = torch.tensor([nan if n == place else fact for n, fact in enumerate(KNOWN)])
    numbers, whole = encoded(row[None])[0], encoded(torch.tensor([KNOWN]))[0]
    assert numbers[6:].tolist() == flags
    gone = torch.tensor([flags[0], flags[1], flags[1], flags[2], flags[2], flags[3]]).bool()
    assert not numbers[:6][gone].any()
    assert torch.equal(numbers[:6][~gone], whole[:6][~gone])


def test_known_and_unknown_scenes_may_differ_within_a_batch(build, observe):
    model, observation = build().eval(), observe()
    mixed = model(with_scene(observation, KNOWN, NOTHING), QUERY)
    known, unknown = (model(with_scene(observation, row), QUERY) for row in (KNOWN, NOTHING))
    assert torch.allclose(mixed[:1], known[:1], atol=1e-5) and torch.allclose(mixed[1:], unknown[1:], atol=1e-5)
    assert not torch.allclose(known, unknown, atol=1e-4)


def test_no_fact_at_all_is_a_vector_that_is_learned(build, observe):
    """Of nothing known the gradient must reach the weights of absence, and be a number."""
    model = build()
    model(observe(), QUERY).square().sum().backward()
    gradient = model.scene.weigh.weight.grad
    assert torch.isfinite(gradient).all() and gradient[:, 6:].any() and not gradient[:, :6].any()


def test_facts_are_hidden_from_single_samples_in_training_alone():
    torch.manual_seed(0)
    code, rows = SceneCode(6), torch.tensor([KNOWN]).expand(2000, 4)
    nothing = code.eval()(torch.tensor([NOTHING]))
    assert not torch.isclose(code(rows), nothing).all(dim=1).any()
    share = torch.isclose(code.train()(rows), nothing).all(dim=1).float().mean()
    assert float(share) == pytest.approx(HIDDEN_CHANCE, abs=0.04)


def test_a_year_closes():
    """The last of December is next to the first of January."""
    days = encoded(torch.tensor([(nan, nan, nan, day) for day in (1.0, 366.0, 183.0)]))[:, 3:5]
    near, far = (days[0] - days[1]).norm(), (days[0] - days[2]).norm()
    assert near < 0.02 and far > 1.9
