from dataclasses import replace

import pytest
import torch

from anyband.models.baselines.translation import TWINS, Translation
from anyband.models.core.network import masked_cross_entropy
from anyband.models.core.storage import build
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def make(statistics, small):
    def build_one(**options) -> Translation:
        torch.manual_seed(0)
        return build("translation", small | {"blocks": 1, "channels": 8} | options, statistics, 4).eval()

    return build_one


def constant(observation, levels):
    """The observation with every band of Landsat at its level everywhere."""
    group = observation.of("landsat")[0]
    values = torch.stack([torch.full_like(group.values[:, 0], levels[b.name]) for b in group.band_sets[0]], dim=1)
    return Observation((replace(group, values=values), *observation.of("sentinel2")))


def test_the_plain_translation_inverts_the_bandpass_regression(make, observe):
    model = make(translator="plain")
    levels = {"coastal": 0.05, "blue": 0.06, "green": 0.09, "red": 0.08, "nir08": 0.4, "swir16": 0.3, "swir22": 0.2}
    made, _, both = model.images(constant(observe(), levels), QUERY)
    assert both.all()
    names = model.target.bands["sentinel2"]
    pixel = dict(zip(names, made[0, 5, 5].tolist(), strict=True))
    for name, (twin, slope, intercept) in TWINS.items():
        assert slope * pixel[name] + intercept == pytest.approx(levels[twin], abs=1e-5)
    # 704 nm lies 39 of the 200 nm from B04 (665) to B8A (865).
    assert pixel["B05"] == pytest.approx(pixel["B04"] + 39 / 200 * (pixel["B8A"] - pixel["B04"]), abs=1e-5)
    assert pixel["B04"] < pixel["B05"] < pixel["B06"] < pixel["B07"] < pixel["B08"] < pixel["B8A"]


def test_an_untrained_network_gives_the_plain_translation(make, observe):
    plain, network = (make(translator=t).translate(observe(), QUERY)[0] for t in ("plain", "residual"))
    assert torch.allclose(plain, network, atol=1e-6)


def test_details_lie_where_landsat_saw_them(make, observe):
    """A bright Landsat pixel must brighten the ground under it, 15 m off the chip's grid, and not its neighbours."""
    model = make()
    with torch.no_grad():
        model.network.enlarge[0].weight.normal_()
        model.network.last.weight.normal_()
    base = observe(("landsat",))
    group = base.groups[0]
    values = group.values.clone()
    values[:, :, 4, 4] += 0.5
    with torch.no_grad():
        bright, _ = model.translate(Observation((replace(group, values=values),)), QUERY)
        change = bright - model.translate(base, QUERY)[0]
    energy = change.square().sum(dim=(0, 3))
    centre = (energy * torch.arange(24)).sum(dim=1).sum() / energy.sum()
    # The pixel spans 15 + 4 * 30 to 15 + 5 * 30 m, so its centre is at 150 m: between 10 m pixels 14 and 15.
    assert float(centre) == pytest.approx(14.5, abs=0.7)


def test_translated_landsat_fills_what_sentinel2_did_not_see(make, observe):
    model, observation = make(), observe()
    clear = model(observation, QUERY)
    assert torch.equal(clear, model(observation.only(frozenset({"sentinel2"})), QUERY))
    blind = tuple(
        replace(g, valid=torch.zeros_like(g.valid), values=torch.zeros_like(g.values))
        for g in observation.of("sentinel2")
    )
    filled = model(Observation((*blind, *observation.of("landsat"))), QUERY)
    assert torch.allclose(filled, model(observation.only(frozenset({"landsat"})), QUERY), atol=1e-5)


def batch_of(observation):
    return observation, QUERY, torch.arange(QUERY.width).remainder(4).expand(observation.batch, QUERY.height, -1)


def gradients(model, observation) -> set[str]:
    model.train()
    model.loss(batch_of(observation)).backward()
    moved = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    model.zero_grad()
    return moved


def test_each_part_learns_from_its_own_loss(make, observe):
    assert gradients(make(), observe()) == {"reader", "network"}
    assert gradients(make(translator="plain"), observe()) == {"reader"}
    frozen, tuned = (make(specialist=specialist) for specialist in ("frozen", "fine-tuned"))
    observation = observe()
    batch = batch_of(observation)
    real = masked_cross_entropy(frozen(observation.only(frozenset({"sentinel2"})), QUERY), batch[2], None)
    made = masked_cross_entropy(tuned(observation.only(frozenset({"landsat"})), QUERY), batch[2], None)
    assert torch.allclose(frozen.loss(batch), real, atol=1e-5)
    assert torch.allclose(tuned.loss(batch), (real + made) / 2, atol=1e-5)


def test_the_network_descends_the_translation_error_alone(make, observe):
    model, observation = make(specialist="frozen"), observe()
    made, real, _ = model.images(observation, QUERY)
    error = ((made - real) / model.target.std).abs().mean()
    expected = torch.autograd.grad(error, model.network.last.weight)[0]
    model.loss(batch_of(observation)).backward()
    assert torch.allclose(model.network.last.weight.grad, expected, atol=1e-5)


def test_training_brings_translated_images_closer(make, observe):
    model, observation = make(specialist="frozen", channels=16), observe()
    optimizer = torch.optim.Adam(model.network.parameters(), lr=1e-2)

    def error() -> float:
        made, real, _ = model.images(observation, QUERY)
        return float((made - real).detach().abs().mean())

    before = error()
    for _ in range(30):
        optimizer.zero_grad()
        model.loss(batch_of(observation)).backward()
        optimizer.step()
    assert error() < 0.9 * before


def test_a_missing_band_is_named(make, observe):
    poor = Observation((observe(("landsat",)).groups[0].select_bands((0, 1, 2)),))
    with pytest.raises(UserError, match="landsat lacks band red"):
        make()(poor, QUERY)


@pytest.mark.parametrize("options", [{"translator": "gan"}, {"specialist": "tuned"}])
def test_an_unknown_option_is_named(options, make):
    with pytest.raises(UserError, match="does not exist; known: "):
        make(**options)
