from dataclasses import replace

import numpy as np
import pytest
import torch

from anyband.models.core.storage import build
from anyband.models.rivals.senpa import BINS, EDGES_NM, Senpa, binned, histogram, mix_bands
from anyband.observation import Observation, QueryGrid
from anyband.sensors import BandSet, SpectralResponse
from handmade import band_set, make_group

QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def model(statistics, small) -> Senpa:
    torch.manual_seed(0)
    return build(
        "senpa-style", small | {"features": 12, "channel_heads": 4, "hidden": 8, "sensor": 8}, statistics, 4
    ).eval()


def thermal(batch=2):
    return make_group("landsat", band_set((("lwir11", 10_895, 590),), 30.0), 30.0, 240.0, batch, 0)


def test_the_response_enters_as_its_integral_over_bins():
    response = SpectralResponse(np.array([640.0, 652.0, 668.0, 683.0]), np.array([0.0, 1.0, 0.8, 0.0]))
    fine = np.arange(300.0, 2600.0, 0.01) + 0.005
    density = np.interp(fine, response.wavelength_nm, response.weight, left=0, right=0)
    expected = density.reshape(BINS, -1).sum(axis=1) * 0.01
    assert binned(response) == pytest.approx(expected, abs=1e-6)
    assert binned(response).sum() == pytest.approx(1.0)


def test_a_constant_reflectance_is_weighted_where_the_band_is():
    """The mean wavelength of the bins is that of the response, so the axis is in nm and starts at 300."""
    for centre in (443.0, 865.0, 2201.0):
        code = binned(SpectralResponse.gaussian(centre, 40.0))
        assert code @ (EDGES_NM[:-1] + 5.0) == pytest.approx(centre, abs=1.0)


def test_micrometres_give_no_response_at_all():
    assert binned(SpectralResponse(np.array([0.64, 0.66, 0.68]), np.array([0.0, 1.0, 0.0]))).sum() == 0


def test_codes_change_smoothly_with_centre_and_width(model, observe):
    group = observe(("landsat",)).groups[0]

    def code(centre: float, fwhm: float) -> torch.Tensor:
        band = replace(group.band_sets[0].bands[3], response=SpectralResponse.gaussian(centre, fwhm))
        return model.response(torch.tensor(histogram(band), dtype=torch.float32))

    base = code(655.0, 37.0)
    for near, far in (((655.5, 37.0), (705.0, 37.0)), ((655.0, 37.5), (655.0, 120.0))):
        assert (code(*near) - base).norm() < 0.1 * (code(*far) - base).norm()


def test_sampling_distance_is_part_of_the_code(model, observe):
    group = observe(("landsat",)).groups[0]
    finer = BandSet("finer", tuple(replace(band, gsd_m=10.0) for band in group.band_sets[0]))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    other = replace(group, band_sets=(finer,))
    assert not torch.allclose(model(Observation((group,)), QUERY), model(Observation((other,)), QUERY), atol=1e-4)


def test_thermal_bands_are_left_out(model, observe):
    observation = observe(("landsat",))
    with_heat = Observation((*observation.groups, thermal()))
    assert torch.equal(model(with_heat, QUERY), model(observation, QUERY))
    assert torch.isfinite(model(Observation((thermal(),)), QUERY)).all()


def test_mixtures_are_what_the_mixed_response_would_measure(observe):
    group = observe(("landsat",)).groups[0]
    torch.manual_seed(0)
    mixed = mix_bands((group,), 1.0)[0]
    index = next(i for i, band in enumerate(mixed.band_sets[0]) if band.name == "mixture")
    codes = np.array([binned(band.response) for band in group.band_sets[0]])
    shares, *_ = np.linalg.lstsq(codes.T, binned(mixed.band_sets[0].bands[index].response), rcond=None)
    expected = (torch.tensor(shares, dtype=torch.float32)[None, :, None, None] * group.values).sum(dim=1)
    assert torch.allclose(mixed.values[:, index], expected, atol=1e-2)
    assert mix_bands((group,), 0.0)[0] is group
