import math
from dataclasses import replace

import pytest
import torch

from anyband.models.core.whitening import AnyBands
from anyband.models.rivals.channels import interpolate_to_finest
from anyband.models.rivals.ramen import Projector, Ramen, RamenOptions, Resampler, scale_code
from anyband.observation import Observation, QueryGrid

QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def model(statistics, small) -> Ramen:
    torch.manual_seed(0)
    return Ramen(RamenOptions(**small, features=12, hyper=16, whiten=False), statistics, 4).eval()


def test_projectors_depend_on_wavelength_smoothly():
    torch.manual_seed(0)
    make = Projector(12, 16)
    base = make(torch.tensor([[665.0]]))
    near, far = ((make(torch.tensor([[665.0 + d]])) - base).norm() for d in (0.01, 50.0))
    assert near < 0.05 * far


def test_features_are_the_mean_of_values_times_projectors(model, observe):
    group = observe(("landsat",)).groups[0]
    weights = model.projector(torch.tensor([[band.response.centre_nm for band in group.band_sets[0]]]))[0]
    levels = torch.tensor([model.statistics.at(band) for band in group.band_sets[0]])
    scaled = (group.values[0, :, 2, 3] - levels[:, 0]) / levels[:, 1]
    expected = torch.relu(scaled @ weights / 7 + model.bias)
    assert torch.allclose(model.modality(Observation((group,))).values[0, 2, 3], expected, atol=1e-5)


def test_bands_given_twice_are_no_stronger_signal(model, observe):
    """The original sums over bands; a mean keeps the scale when bands are added."""
    group = observe(("landsat",)).groups[0]
    twice = group.select_bands(tuple(range(7)) * 2)
    assert torch.allclose(
        model.modality(Observation((twice,))).values, model.modality(Observation((group,))).values, atol=1e-5
    )


def test_the_code_of_the_scale_spans_its_range():
    """Neighbouring distances of the sensors differ, and none of them is an alias of another one."""
    assert scale_code(10.0, 10.0).tolist() == pytest.approx([0, 0, 0, 0, 1, 1, 1, 1])
    codes = {pixel: scale_code(pixel, 10.0) for pixel in (1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 100.0)}
    for a, first in codes.items():
        for b, second in codes.items():
            assert (first - second).norm() > 0.3 or a == b or math.isclose(a * b, 100.0)
    assert (scale_code(1.0, 10.0) - scale_code(100.0, 10.0)).norm() > 0.3


def test_experts_are_mixed_by_the_ratio_of_distances():
    torch.manual_seed(0)
    resampler = Resampler(12, 4)
    fine, coarse = resampler.shares(10.0, 10.0), resampler.shares(30.0, 10.0)
    assert fine.sum().item() == pytest.approx(1.0)
    assert not torch.allclose(fine, coarse, atol=1e-2)
    assert torch.allclose(coarse, resampler.shares(60.0, 20.0), atol=1e-6)


def test_the_distance_asked_for_changes_the_features(model, observe):
    """A constant scene: interpolation changes nothing, so what differs are the experts' shares."""
    group = observe(("landsat",)).groups[0]
    flat = model.modality(Observation((replace(group, values=torch.full_like(group.values, 0.3)),)))
    at_10, at_30 = (model.resampler(flat, QueryGrid(m, int(240 / m), int(240 / m))) for m in (10.0, 30.0))
    assert torch.allclose(at_10.values[:, :1, :1], at_10.values[:, -1:, -1:], atol=1e-5)
    assert not torch.allclose(at_10.values[:, 4, 4], at_30.values[:, 1, 1], atol=1e-4)


def test_modalities_keep_their_own_grids(model, observe):
    observation = observe()
    assert model.modality(Observation(observation.of("sentinel2"))).values.shape == (2, 24, 24, 12)
    assert model.modality(Observation(observation.of("landsat"))).values.shape == (2, 8, 8, 12)
    assert model.modality(Observation(observation.of("landsat"))).offset_m[0].tolist() == [15.0, 15.0]


def test_coarser_bands_are_interpolated_within_a_modality(model, observe):
    """A ramp on the 20 m grid stays a ramp in metres on the 10 m one."""
    groups = observe(("sentinel2",)).groups
    ramp = torch.arange(12.0).expand_as(groups[1].values).contiguous()
    channels = interpolate_to_finest(
        (groups[0], replace(groups[1], values=ramp)), AnyBands(model.statistics, whiten=False)
    )
    steps = channels.values[0, 12, 2:-2, 4].diff()
    assert torch.allclose(steps, steps[:1].expand_as(steps), atol=1e-3)
