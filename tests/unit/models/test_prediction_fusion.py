from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from anyband.evaluation.evaluate_run import parameters
from anyband.models.baselines.input_fusion import Sentinel2Only, StackOptions
from anyband.models.baselines.prediction_fusion import (
    RULES,
    PredictionFusion,
    PredictionFusionOptions,
    fit_log_temperature,
    log_shares,
)
from anyband.models.core.storage import Recipe, load, save
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from handmade import SETS, make_group

QUERY = QueryGrid(10.0, 24, 24)
COUNTS = (700, 200, 80, 20)
BOTH = [0, 1]


def make(rule: str, statistics, small) -> PredictionFusion:
    torch.manual_seed(0)
    return PredictionFusion(PredictionFusionOptions(**small, rule=rule), statistics, 4).eval()


def planted(confidence: tuple[float, float], count: int = 40_000) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two sensors that see a class through independent Gaussian noise.

    Returns:
        Logits (2, count, 4): `confidence` times the exact log posterior of each sensor; the exact posterior of both,
        (count, 4); labels (count,).
    """
    torch.manual_seed(1)
    prior = log_shares(COUNTS, 4)
    labels = torch.multinomial(prior.exp(), count, replacement=True)
    means, log_posterior, log_likelihood = torch.eye(4), [], []
    for sigma in (0.5, 1.0):
        seen = means[labels] + sigma * torch.randn(count, 4)
        log_likelihood.append(-((seen[:, None] - means) ** 2).sum(-1) / (2 * sigma**2))
        log_posterior.append((log_likelihood[-1] + prior).log_softmax(-1))
    logits = torch.stack([k * one for k, one in zip(confidence, log_posterior, strict=True)])
    return logits, (sum(log_likelihood) + prior).softmax(-1), labels


def as_image(logits: torch.Tensor) -> torch.Tensor:
    return logits.permute(0, 2, 1)[:, None, :, None]


def joined(model: PredictionFusion, logits: torch.Tensor) -> torch.Tensor:
    image = as_image(logits)
    seen = torch.ones_like(image[:, :, :1])
    return model.join(image, seen, BOTH)[0, :, 0].permute(1, 0)


def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    return float((logits.argmax(-1) == labels).float().mean())


def fitted(rule: str, statistics, small, logits: torch.Tensor, labels: torch.Tensor) -> PredictionFusion:
    """A method that was calibrated on planted predictions, as if its specialists had made them."""
    model = make(rule, replace(statistics, label_counts=COUNTS), small)
    chunks = [slice(start, start + 100 * 100) for start in range(0, len(labels), 100 * 100)]
    each = iter([tuple(one[chunk].reshape(1, 100, 100, 4).permute(0, 3, 1, 2) for one in logits) for chunk in chunks])
    model.each = lambda observation, query: next(each)
    everywhere = Observation(tuple(make_empty(product) for product in model.products))
    grid = QueryGrid(10.0, 100, 100)
    model.calibrate((everywhere, grid, labels[chunk].reshape(1, 100, 100)) for chunk in chunks)
    return model


def make_empty(product: str):
    pixel_m, bands = SETS[product][0]
    return make_group(product, bands, pixel_m, 1020.0, 1, 0)


def test_a_temperature_undoes_overconfidence():
    logits, _, labels = planted((1.0, 4.0))
    assert fit_log_temperature(logits[0], labels).exp() == pytest.approx(1.0, abs=0.05)
    assert fit_log_temperature(logits[1], labels).exp() == pytest.approx(4.0, rel=0.05)


def test_the_calibrated_product_is_the_posterior_of_independent_sensors(statistics, small):
    logits, posterior, labels = planted((1.0, 4.0))
    model = fitted("product", statistics, small, logits, labels)
    assert torch.allclose(joined(model, logits).softmax(-1), posterior, atol=0.05)
    model.log_temperature.copy_(torch.tensor([1.0, 4.0]).log())
    assert torch.allclose(joined(model, logits).softmax(-1), posterior, atol=1e-4)


@pytest.mark.parametrize("rule", ["product", "stacked"])
def test_calibrated_rules_beat_the_means_when_one_sensor_is_overconfident(rule, statistics, small):
    logits, posterior, labels = planted((1.0, 4.0))
    best = accuracy(posterior, labels)
    scores = {name: accuracy(joined(fitted(name, statistics, small, logits, labels), logits), labels) for name in RULES}
    assert scores[rule] > best - 0.003
    assert scores[rule] > max(scores["mean"], scores["mean-logits"]) + 0.01, scores


def test_the_stack_unlearns_a_sensor_that_repeats_the_other(statistics, small):
    logits, _, labels = planted((1.0, 1.0))
    twice = torch.stack([logits[0], logits[0]])
    losses = {}
    for rule in ("product", "stacked"):
        losses[rule] = float(cross_entropy(joined(fitted(rule, statistics, small, twice, labels), twice), labels))
    single = float(cross_entropy(logits[0], labels))
    assert losses["stacked"] == pytest.approx(single, abs=0.01)
    assert losses["product"] > losses["stacked"] + 0.02


def test_the_fresh_stack_is_the_product(statistics, small, observe):
    maps = [make(rule, statistics, small)(observe(), QUERY) for rule in ("product", "stacked")]
    assert torch.allclose(*maps, atol=1e-5)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("number", "product", "other"), [(0, "sentinel2", "landsat"), (1, "landsat", "sentinel2")])
def test_a_missing_sensor_leaves_the_prediction_of_the_other(rule, number, product, other, statistics, small, observe):
    model = make(rule, statistics, small)
    model.log_temperature.copy_(torch.tensor([0.3, -0.2]))
    alone = model(observe((product,)), QUERY)
    specialist = model.specialists[number](observe((product,)), QUERY)
    divisor = float(model.log_temperature[number].exp()) if rule in ("product", "stacked") else 1.0
    assert torch.allclose(alone.softmax(1), (specialist / divisor).softmax(1), atol=1e-6)
    blind = [
        replace(g, valid=torch.zeros_like(g.valid), values=torch.zeros_like(g.values)) if g.product == other else g
        for g in observe().groups
    ]
    kept = Observation(tuple(g for g in blind if g.product == product))
    assert torch.allclose(model(Observation(tuple(blind)), QUERY), model(kept, QUERY), atol=1e-5)


def test_a_pixel_that_one_sensor_missed_is_left_to_the_other(statistics, small, observe):
    model = make("product", statistics, small)
    groups = observe().groups
    landsat = groups[-1]
    valid = landsat.valid.clone()
    valid[..., :4] = False
    half = Observation((*groups[:-1], replace(landsat, valid=valid, values=landsat.values * valid)))
    both, alone = model(half, QUERY), model(half.only(frozenset({"sentinel2"})), QUERY)
    assert torch.allclose(both[..., :12], alone[..., :12], atol=1e-6)
    assert not torch.allclose(both[..., 14:], alone[..., 14:], atol=1e-3)


def test_every_specialist_has_its_own_loss(statistics, small, observe):
    model = make("product", statistics, small)
    first, second = model.each(observe(), QUERY)
    first.square().sum().backward()
    assert all(p.grad is None for p in model.specialists[1].parameters())
    assert any(p.grad is not None for p in model.specialists[0].parameters())
    assert torch.equal(second, model.specialists[1](observe().only(frozenset({"landsat"})), QUERY))


def test_both_sizes(statistics):
    full = PredictionFusionOptions(dim=64, fine=32, hidden=64, features=48)
    alone = parameters(Sentinel2Only(StackOptions(), statistics, 8))
    matched, twice = (parameters(PredictionFusion(o, statistics, 8)) for o in (PredictionFusionOptions(), full))
    assert matched == pytest.approx(alone, rel=0.05)
    assert twice == pytest.approx(2 * alone, rel=0.01)


def test_calibration_is_stored_with_the_weights(tmp_path, statistics, small, observe):
    recipe = Recipe("mine", "prediction-fusion", small, (10, 20, 30, 40), statistics.as_dict(), {"steps": 1}, 0)
    method = recipe.build().eval()
    label = torch.randint(0, 4, (2, 24, 24))
    method.calibrate([(observe(), QUERY, label)])
    assert (method.log_temperature != 0).all()
    save(tmp_path, recipe, method)
    assert torch.equal(load(tmp_path)[1](observe(), QUERY), method(observe(), QUERY))


def test_calibration_needs_a_pixel(statistics, small, observe):
    with pytest.raises(UserError, match="no validation pixel"):
        make("product", statistics, small).calibrate([(observe(), QUERY, torch.full((2, 24, 24), -1))])


def test_an_unknown_rule_is_named(statistics, small):
    with pytest.raises(UserError, match="'vote' does not exist"):
        make("vote", statistics, small)
