from dataclasses import replace

import pytest
import torch

from anyband.evaluation.evaluate_run import parameters
from anyband.models.baselines.feature_fusion import CrossAttention
from anyband.models.core.band_stack import BandStack, resample
from anyband.models.core.network import masked_cross_entropy, rotary_angles, rotate
from anyband.models.core.storage import build
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

QUERY = QueryGrid(10.0, 24, 24)
WEAKER = {
    "input-fusion, no presence": {"presence": False, "alone": False},
    "feature-fusion, attention": {"fusion": "attention"},
    "feature-fusion, mean": {"fusion": "mean", "alone": False},
}
FUSIONS = ("input-fusion", "feature-fusion", "pixel", *WEAKER)
ALONE = [frozenset({"sentinel2"}), frozenset({"landsat"})]
BOTH = frozenset({"sentinel2", "landsat"})


def make(name: str, statistics, small, **options):
    torch.manual_seed(0)
    model, options = name.split(",")[0], WEAKER.get(name, {}) | options
    built = build(model, {} if name == "pixel" else small | options, statistics, 4)
    with torch.no_grad():  # attention that is fresh adds nothing; tests want all of it at work
        for parameter in built.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return built.eval()


@pytest.mark.parametrize(
    ("name", "own", "other"), [("s2-only", "sentinel2", "landsat"), ("l9-only", "landsat", "sentinel2")]
)
def test_specialists_look_at_their_own_sensor_only(name, own, other, statistics, small, observe):
    model = make(name, statistics, small)
    both = observe()
    assert torch.equal(model(both, QUERY), model(both.only(frozenset({own})), QUERY))
    assert model.usable(frozenset({own, other})) == {own}
    assert not model.usable(frozenset({other}))


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
    here, _ = resample(replace(group, values=ramp), QUERY, linear=True)
    there, _ = resample(replace(group, values=ramp, offset_m=torch.zeros(2, 2)), QUERY, linear=True)
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


def test_a_resampled_plane_is_the_same_at_every_pixel_size(observe):
    # A plane in metres is what linear interpolation reproduces exactly: any error of place or phase shows.
    group, size = observe(("landsat",)).groups[0], 48
    centres = torch.arange(5.0, 10.0 * size, 10.0)
    for pixel_m in (10.0, 20.0, 30.0, 60.0):
        count = int(480 / pixel_m) + 1
        offset = torch.tensor([[-pixel_m / 2, -pixel_m / 3]]).repeat(2, 1)
        x, y = ((torch.arange(count) + 0.5) * pixel_m + float(o) for o in offset[0])
        plane = (0.001 * x[None, :] + 0.0003 * y[:, None]).expand(2, 7, count, count).contiguous()
        ground = replace(group, values=plane, valid=torch.ones_like(plane).bool(), pixel_m=pixel_m, offset_m=offset)
        read, seen = resample(ground, QueryGrid(10.0, size, size), linear=True)
        expected = 0.001 * centres[None, :] + 0.0003 * centres[:, None]
        inner = slice(3, 42)
        assert seen.all()
        assert torch.allclose(read[0, inner, inner, 0], expected[inner, inner], atol=1e-5), pixel_m


def test_without_presence_an_absent_sensor_looks_like_a_mean_one(statistics, small, observe):
    only = observe(("sentinel2",))
    mean = torch.tensor([band.mean for band in statistics.of(["landsat"])])[None, :, None, None]
    landsat = observe(("landsat",)).groups[0]
    dull = Observation((*only.groups, replace(landsat, values=mean.expand_as(landsat.values).contiguous())))
    blind, told = (make("input-fusion", statistics, small, presence=presence) for presence in (False, True))
    assert torch.allclose(blind(only, QUERY), blind(dull, QUERY), atol=1e-5)
    assert not torch.allclose(told(only, QUERY), told(dull, QUERY), atol=1e-3)


@pytest.mark.parametrize("name", ["input-fusion", "feature-fusion"])
def test_a_step_maps_from_each_sensor_and_from_both(name, statistics, small, observe):
    """Trained on both only, a fusion is lost when one sensor is missing."""
    model, observation = make(name, statistics, small), observe()
    assert model.mapped(observation.products) == (*ALONE, BOTH)
    labels = torch.randint(4, (2, QUERY.height, QUERY.width))
    alone = [masked_cross_entropy(model(observation.only(s), QUERY), labels, None) for s in (*ALONE, BOTH)]
    assert torch.allclose(model.loss((observation, QUERY, labels)), torch.stack(alone).mean())
    together = make(name, statistics, small, alone=False)
    assert torch.allclose(together.loss((observation, QUERY, labels)), alone[-1])


@pytest.mark.parametrize("name", ["input-fusion", "feature-fusion", "anyband"])
def test_every_dense_method_has_all_sensors_in_every_step(name, statistics):
    model = build(name, {}, statistics, 4)
    assert {model.drawn((number + 0.5) / 10, BOTH) for number in range(10)} == {BOTH}


def test_an_unknown_fusion_is_named(statistics):
    with pytest.raises(UserError, match="'sum' does not exist; known: concat, attention, mean"):
        build("feature-fusion", {"fusion": "sum"}, statistics, 4)


def test_fresh_attention_is_plain_concatenation(statistics, small, observe):
    torch.manual_seed(0)
    attention = build("feature-fusion", small | {"fusion": "attention"}, statistics, 4).eval()
    concat = build("feature-fusion", small, statistics, 4).eval()
    state = {name: value for name, value in attention.state_dict().items() if not name.startswith("cross.")}
    concat.load_state_dict(state)
    assert torch.equal(attention(observe(), QUERY), concat(observe(), QUERY))


def test_cross_attention_reads_the_other_sensor_alone():
    torch.manual_seed(0)
    cross = CrossAttention(16, 2, 60.0)
    with torch.no_grad():
        cross.out.weight.normal_()
    latents, seen = torch.randn(2, 1, 3, 3, 16), torch.ones(2, 1, 3, 3, 1)
    seen[1, :, 0] = 0.0
    before = cross(latents, seen)
    changed = latents.clone()
    changed[1, :, 0] *= -9.0  # what the second sensor did not see
    changed[0, :, 2, 2] *= -5.0  # a cell of the first sensor
    after = cross(changed, seen)
    assert torch.allclose(after[0, :, :2], before[0, :, :2], atol=1e-5), "it read its own cells, or unseen ones"
    assert not torch.allclose(after[1, :, 1:], before[1, :, 1:], atol=1e-2)
    assert torch.equal(cross(latents, seen * torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1, 1))[0], latents[0])


def test_cross_attention_is_the_textbook_formula():
    torch.manual_seed(0)
    cross = CrossAttention(8, 1, 60.0)
    with torch.no_grad():
        cross.out.weight.normal_()
    latents = torch.randn(2, 1, 1, 2, 8)
    cosine, sine = rotary_angles(1, 2, 60.0, 4)
    query, key, value = cross.query_key_value(cross.norm(latents)).reshape(2, 2, 3, 8).unbind(2)
    query, key = rotate(query, cosine, sine), rotate(key, cosine, sine)
    weight = (query[0] @ key[1].T / 8**0.5).softmax(dim=-1)
    expected = latents[0, 0, 0] + cross.out(weight @ value[1])
    assert torch.allclose(cross(latents, torch.ones(2, 1, 1, 2, 1))[0, 0, 0], expected, atol=1e-5)


def test_the_mean_of_latents_leaves_out_who_saw_nothing(statistics, small, observe):
    model = make("feature-fusion, mean", statistics, small)
    with torch.no_grad():
        model.absent_cell += 7.0
        model.absent_fine += 7.0
    one = model(observe(("sentinel2",)), QUERY)
    with torch.no_grad():
        model.absent_cell += 7.0
        model.absent_fine += 7.0
    assert torch.allclose(model(observe(("sentinel2",)), QUERY), one, atol=1e-5)


@pytest.mark.parametrize("options", [{"fusion": "attention"}, {"fusion": "mean"}])
def test_every_fusion_of_features_is_of_the_same_size(options, statistics):
    plain = parameters(build("feature-fusion", {}, statistics, 8))
    assert abs(parameters(build("feature-fusion", options, statistics, 8)) / plain - 1) < 0.05


def test_full_size_encoders_are_those_of_the_specialists(statistics):
    def size(*modules):
        return sum(p.numel() for module in modules for p in module.parameters())

    full = build("feature-fusion", {"hidden": 64, "features": 96, "latent": 64}, statistics, 8)
    for name, product in (("s2-only", "sentinel2"), ("l9-only", "landsat")):
        specialist = build(name, {}, statistics, 8)
        expected = size(specialist.encoder, specialist.tokens)
        assert size(full.encoders[product], full.tokens[product]) == expected


def test_the_gradient_reaches_every_parameter_of_attention(statistics, small, observe):
    model = make("feature-fusion, attention", statistics, small)
    groups = []
    for group in observe().groups:
        valid = group.valid.clone()
        valid[..., : valid.shape[-1] // 2] = group.product != "landsat"
        valid[..., -1:] &= group.product != "sentinel2"
        valid[..., :, : valid.shape[-1] // 4] &= group.product != "sentinel2"
        groups.append(replace(group, valid=valid, values=group.values * valid))
    model(Observation(tuple(groups)), QUERY).square().mean().backward()
    silent = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert silent == []
