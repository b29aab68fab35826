"""What all methods have in common, each with fresh weights that let every input matter."""

from dataclasses import replace

import pytest
import torch

from anyband.models.baselines.prediction_fusion import RULES
from anyband.models.core.storage import build
from anyband.models.core.whitening import AnyBands
from anyband.models.rivals.channels import describe, groups_of, interpolate_to_finest, on_chip_grid, seeing, sinusoid
from anyband.observation import Observation, QueryGrid
from anyband.sensors import BandSet, SpectralResponse

QUERY = QueryGrid(10.0, 24, 24)
RIVALS = (
    *(
        "dofa-style",
        "panopticon-style",
        "senpa-style",
        "ramen-style",
        "atomizer-style",
        "universat-style",
        "carl-style",
    ),
)
ANY_PRODUCT = (*RIVALS, "anyband", "analytic", "one-space")
FRONT_ENDS = (*RIVALS, "channelvit-style")
OPTIONS = {
    "input-fusion, no presence": {"presence": False, "alone": False},
    "feature-fusion, attention": {"fusion": "attention"},
    "feature-fusion, mean": {"fusion": "mean", "alone": False},
    "translation": {"blocks": 1, "channels": 8},
    "translation, plain": {"translator": "plain"},
    "hls-unified, red edge": {"red_edge": True},
    "satlas-full-size": {"size": "ci"},
    "texture-forest": {},
    **{f"prediction-fusion, {rule}": {"rule": rule} for rule in RULES},
}
OWN_SIZES = ("pixel", "analytic", "satlas", "satlas-full-size", "texture-forest")
METHODS = (
    *(*ANY_PRODUCT, "channelvit-style", "input-fusion", "feature-fusion", "pixel", "hls-unified", "satlas"),
    *OPTIONS,
)


def make(name, statistics, small):
    torch.manual_seed(0)
    model, sizes = name.split(",")[0], {} if name in OWN_SIZES else small
    built = build(model, sizes | OPTIONS.get(name, {}), statistics, 4)
    noise = 0.0 if model == "anyband" else 0.02  # which would take its gates out of their range
    with torch.no_grad():  # a fresh trunk hands its input on; tests want all of it at work
        for parameter in built.parameters():
            parameter += noise * torch.randn_like(parameter)
    return built.eval()


def hidden(group):
    return replace(group, valid=torch.zeros_like(group.valid), values=torch.zeros_like(group.values))


def reversed_bands(observation):
    groups = [g.select_bands(tuple(reversed(range(len(g.band_sets[0]))))) for g in observation.groups]
    return Observation(tuple(reversed(groups)))


@pytest.mark.parametrize("name", METHODS)
def test_maps_of_each_product_and_of_both_on_any_grid(name, statistics, small, observe):
    """Whatever the order of bands and groups; a product that saw nothing counts as one that is not there."""
    model = make(name, statistics, small)
    first, second = model.products
    for products in ((first,), (second,), (first, second)):
        for query in (QUERY, QueryGrid(30.0, 8, 8)):
            logits = model(observe(products), query)
            assert logits.shape == (2, 4, query.height, query.width) and torch.isfinite(logits).all()
    both = observe((first, second))
    assert torch.allclose(model(both, QUERY), model(reversed_bands(both), QUERY), atol=1e-4)
    blind = Observation(tuple(hidden(g) if g.product == second else g for g in both.groups))
    assert torch.allclose(model(blind, QUERY), model(both.only(frozenset({first})), QUERY), atol=1e-5)
    assert torch.isfinite(model(Observation(tuple(hidden(g) for g in both.groups)), QUERY)).all()


@pytest.mark.parametrize("name", METHODS)
def test_invalid_pixels_do_not_leak_their_values(name, statistics, small, observe):
    model = make(name, statistics, small)
    group, *others = observe(model.products[:1]).groups
    valid = group.valid.clone()
    valid[:, 1:, 5:9, 3:7] = False
    wild, quiet = (replace(group, valid=valid, values=group.values.where(valid, fill)) for fill in (9.0, 0.0))
    assert torch.equal(*(model(Observation((one, *others)), QUERY) for one in (wild, quiet)))


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ANY_PRODUCT])
def test_products_that_a_method_was_not_trained_on_are_refused(name, statistics, small):
    model = make(name, statistics, small)
    assert not model.usable(frozenset({"hls_s30", "hls_l30", "sentinel2", "landsat"}) - set(model.products))


@pytest.mark.parametrize("name", ANY_PRODUCT)
@pytest.mark.parametrize("products", [("hls_s30",), ("hls_l30",), ("hls_s30", "hls_l30"), ("sentinel2", "hls_l30")])
def test_products_that_training_lacked_are_mapped(name, products, statistics, small, observe):
    known = tuple(band for band in statistics.bands if band.product in ("sentinel2", "landsat"))
    statistics = replace(statistics, bands=known)
    model = make(name, statistics, small)
    assert model.usable(frozenset({"hls_s30"}))
    assert model.usable(frozenset({"hls_l30", "landsat"})) == {"hls_l30", "landsat"}
    assert torch.isfinite(model(observe(products), QUERY)).all()


@pytest.mark.parametrize("name", (*FRONT_ENDS, "anyband", "analytic"))
def test_a_missing_band_is_a_band_that_saw_nothing(name, statistics, small, observe):
    model, group = make(name, statistics, small), observe(("landsat",)).groups[0]
    valid = group.valid.clone()
    valid[:, 2] = False
    blind = replace(group, valid=valid, values=group.values * valid)
    absent = group.select_bands((0, 1, 3, 4, 5, 6))
    assert torch.allclose(model(Observation((blind,)), QUERY), model(Observation((absent,)), QUERY), atol=1e-5)
    assert not torch.allclose(model(Observation((group,)), QUERY), model(Observation((absent,)), QUERY), atol=1e-4)


@pytest.mark.parametrize("name", (*FRONT_ENDS, "anyband", "analytic"))
def test_platforms_may_differ_within_a_batch(name, statistics, small, observe):
    model, group = make(name, statistics, small), observe(("landsat",)).groups[0]
    other = BandSet("other", tuple(replace(b, response=b.response.shifted(15.0)) for b in group.band_sets[0]))
    mixed = replace(group, band_sets=(*group.band_sets, other), band_set_index=torch.tensor([0, 1]))
    logits = model(Observation((mixed,)), QUERY)
    assert torch.allclose(logits[:1], model(Observation((group,)), QUERY)[:1], atol=1e-5)
    single = model(Observation((replace(group, band_sets=(other,)),)), QUERY)
    assert torch.allclose(logits[1:], single[1:], atol=1e-5)


@pytest.mark.parametrize("name", ANY_PRODUCT)
def test_wrong_wavelengths_change_the_answer(name, statistics, small, observe):
    model, group = make(name, statistics, small), observe(("sentinel2",)).groups[0]
    bands = group.band_sets[0].bands
    wrong = replace(group, band_sets=(BandSet("wrong", (bands[3], *bands[1:3], bands[0])),))
    assert not torch.allclose(model(Observation((group,)), QUERY), model(Observation((wrong,)), QUERY), atol=1e-3)


@pytest.mark.parametrize("name", ["dofa-style", "panopticon-style", "ramen-style"])
def test_bandwidth_is_unknown_to_some_as_published(name, statistics, small, observe):
    model, group = make(name, statistics, small), observe(("landsat",)).groups[0]
    wide = [replace(b, response=SpectralResponse.gaussian(b.response.centre_nm, 90.0)) for b in group.band_sets[0]]
    widened = replace(group, band_sets=(BandSet("wide", tuple(wide)),))
    assert torch.allclose(model(Observation((group,)), QUERY), model(Observation((widened,)), QUERY), atol=1e-4)


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_the_gradient_reaches_every_parameter(name, statistics, small, observe):
    model = make(name, statistics, small)
    model(observe(), QUERY).square().mean().backward()
    silent = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert silent == []


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_training_mode_maps_with_few_bands(name, statistics, small, observe):
    sampled = {"channel_sampling": 1.0} if name in ("panopticon-style", "senpa-style", "channelvit-style") else {}
    model = build(name, small | sampled, statistics, 4).train()
    for seed in range(5):
        torch.manual_seed(seed)
        assert torch.isfinite(model(observe(), QUERY)).all()


def test_the_sinusoid_is_the_published_one_in_nm():
    code = sinusoid(torch.tensor([665.0]), 8)[0]
    frequencies = [1.0, 0.1, 0.01, 0.001]
    expected = [f(torch.tensor(665.0 * w)) for f in (torch.sin, torch.cos) for w in frequencies]
    assert torch.allclose(code, torch.tensor(expected), atol=1e-4)


def test_micrometres_are_refused():
    with pytest.raises(ValueError, match=r"0\.665 is not in nm"):
        sinusoid(torch.tensor([0.665]), 8)


def test_bands_keep_their_description(statistics, observe):
    channels = on_chip_grid(observe().groups, QUERY, AnyBands(statistics, whiten=False))
    centres = channels.centres_nm()
    assert centres.shape == (2, 19)
    assert centres[0, :4].tolist() == pytest.approx([492, 560, 665, 833])
    assert channels.values.shape == (2, 24, 24, 19)


def test_the_finest_grid_of_a_product_keeps_its_own_pixels(statistics, observe):
    groups = observe(("sentinel2",)).groups
    channels = interpolate_to_finest(groups, AnyBands(statistics, whiten=False))
    level = describe(groups[0], statistics.at)[:, None, None]
    expected = (groups[0].values.permute(0, 2, 3, 1) - level[..., 0]) / level[..., 1]
    assert torch.allclose(channels.values[..., :4], expected, atol=1e-5)


def test_sampling_keeps_at_least_one_band(observe):
    counts = set()
    for seed in range(30):
        torch.manual_seed(seed)
        counts.add(sum(len(g.band_sets[0]) for g in groups_of(observe(), True, 1.0)))
    assert min(counts) >= 1
    assert len(counts) > 5


def test_blind_bands_are_left_out(observe):
    group = observe(("landsat",)).groups[0]
    valid = group.valid.clone()
    valid[:, 0] = False
    assert [b.name for b in seeing((replace(group, valid=valid),))[0].band_sets[0]][0] == "blue"
