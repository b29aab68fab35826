"""Learning from pixels: what is hidden, what is predicted, and what a training takes over."""

from dataclasses import replace

import pytest
import torch

from anyband.models.proposed.anyband import AnyBandOptions
from anyband.models.proposed.reconstruction import HIDDEN_M, Reconstruction, known_mean, over_pixels, without
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import get_sensor
from handmade import SETS, make_group

QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def model(statistics, small) -> Reconstruction:
    torch.manual_seed(0)
    return Reconstruction(AnyBandOptions(**small, features=12, hyper=16), statistics, 4).eval()


def quiet(model: Reconstruction) -> Reconstruction:
    """Without what the network adds."""
    for parameter in model.encoder.decoder.head.parameters():
        parameter.data.zero_()
    return model


def prior_scene(model: Reconstruction, observation: Observation, levels=None) -> Observation:
    """Every band as it is over a spectrum (K,) along the posterior's axes, the mean spectrum by default."""
    groups = []
    for group in observation.groups:
        weight, level = model.prior.reading(tuple(group.band_sets[0]))
        level = level if levels is None else level + weight @ levels
        values = torch.from_numpy(level).float()[None, :, None, None].expand_as(group.values).contiguous()
        groups.append(replace(group, values=values, valid=torch.ones_like(group.valid)))
    return Observation(tuple(groups))


def test_the_mean_scene_is_predicted_without_any_network(model, observe):
    """At the prior's mean nothing is to be added: spectra are 0, and every band of any sensor has its level."""
    scene = prior_scene(model, observe())
    spectra = quiet(model)(scene, QUERY)
    assert spectra.abs().max() < 1e-3
    bands = [band for _, bands in SETS["landsat"] for band in bands]
    made, seen = model.pixels(scene.only(frozenset({"sentinel2"})), QUERY, bands)
    expected = torch.from_numpy(model.prior.reading(tuple(bands))[1]).float()
    told = torch.tensor([model.tells(band) for band in bands])
    assert torch.allclose(made[0, told, 5, 5], expected[told], atol=1e-4, rtol=1e-3) and bool(seen.all())


def test_pixels_are_the_mean_of_the_finer_ones_under_them(model, observe):
    observation, band = observe(("sentinel2",)), tuple(SETS["sentinel2"][0][1])[0]
    fine, _ = model.pixels(observation, QUERY, [band])
    coarse, _ = model.pixels(observation, QueryGrid(30.0, 8, 8), [band])
    assert torch.allclose(torch.nn.functional.avg_pool2d(fine, 3), coarse, atol=1e-5)


def test_over_pixels_averages_by_area_at_any_phase(observe):
    """A ramp of 10 m pixels over 30 m pixels that start 15 m off: the mean of a ramp is its value at the centre."""
    group = observe(("landsat",)).groups[0]
    ramp = (torch.arange(24) * 10.0 + 5.0).expand(2, 1, 24, 24).contiguous()
    image, covered = over_pixels(ramp, QUERY, group)
    centres = group.offset_m[0, 0] + 30.0 * (torch.arange(group.values.shape[3]) + 0.5)
    whole = covered[0, 0, 0] > 0.999
    assert torch.allclose(image[0, 0, whole, 0], centres[whole], atol=1e-3)
    outside = (centres - 15 < -1e-6) | (centres + 15 > 240 + 1e-6)
    assert torch.equal(whole, ~outside)


def test_what_is_hidden_is_hidden_in_every_band_at_the_same_ground(observe):
    groups = observe(("sentinel2",), side_m=240.0).groups
    kept = torch.ones(2, 2, 2, 1)
    kept[:, 0, 1] = 0.0
    for group in groups:
        seen = without(group, kept).valid & group.valid
        half = int(HIDDEN_M / group.pixel_m)
        assert not seen[:, :, :half, half:].any()
        assert torch.equal(seen[:, :, half:], group.valid[:, :, half:])


def test_hidden_values_do_not_reach_the_prediction(model, observe):
    """A leak of the target into the input would make pretraining trivial."""
    observation = observe(("sentinel2",))
    kept = torch.ones(2, 2, 2, 1)
    kept[:, 0, 1] = 0.0
    other = Observation(tuple(replace(g, values=torch.rand_like(g.values)) for g in observation.groups))
    mixed = []
    for true, wrong in zip(observation.groups, other.groups, strict=True):
        half = int(HIDDEN_M / true.pixel_m)
        values = true.values.clone()
        values[:, :, :half, half:] = wrong.values[:, :, :half, half:]
        mixed.append(replace(true, values=values))
    hidden = [Observation(tuple(without(g, kept) for g in groups)) for groups in (observation.groups, mixed)]
    assert torch.equal(model(hidden[0], QUERY), model(hidden[1], QUERY))


def test_acquisitions_count_by_what_they_know():
    one, other = torch.full((1, 1, 1, 2), 1.0), torch.full((1, 1, 1, 2), 5.0)
    known = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[1.0, 0.5]]]])
    assert known_mean([(one, known[0]), (other, known[1])])[0, :, 0, 0].tolist() == [3.0, 5.0]


def test_losses_fall_when_the_same_batch_is_seen_again(model, observe):
    observation = observe()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        torch.manual_seed(5)  # the same squares and bands are hidden
        loss = model.loss((observation, QUERY, torch.zeros(0)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert len(model.mapped(observation.products)) == 3


def test_a_band_beyond_the_knots_has_no_say(statistics, small):
    """Landsat's thermal band is a knot of its own; where training has none, it is neither predicted nor scored."""
    reflective = [i for i, band in enumerate(statistics.bands) if band.quantity == "surface_reflectance"]
    covariance = tuple(tuple(statistics.covariance[i][j] for j in reflective) for i in reflective)
    cold = replace(statistics, bands=tuple(statistics.bands[i] for i in reflective), covariance=covariance)
    model = Reconstruction(AnyBandOptions(**small, features=12, hyper=16), cold, 4).eval()
    bands = get_sensor("landsat-9", "landsat").band_set(("red", "lwir11", "nir08"))
    group = make_group("landsat", bands, 30.0, 240.0, 2, 0, 15.0)
    _, valid, _ = model.measured(torch.zeros(2, model.prior.size, 24, 24), QUERY, group)
    assert valid.flatten(2).any(dim=2).all(dim=0).tolist() == [True, False, True]
    assert [model.tells(band) for band in bands] == [True, False, True]


def test_codes_alone_cannot_be_pretrained(statistics, small):
    with pytest.raises(UserError, match="spectral"):
        Reconstruction(AnyBandOptions(**small, spectral="codes"), statistics, 4)
