import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anyband.models.proposed.codes import CODE_SIZE, BandCodes, BandWeights, angular_frequencies, spectral_code
from anyband.sensors import Band, SpectralResponse, get_sensor
from anyband.sensors.band import superpose


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def band_code(platform: str, product: str, name: str) -> np.ndarray:
    return spectral_code(get_sensor(platform, product).band(name).response)


def test_frequencies_span_from_narrow_bands_to_the_whole_axis():
    periods = 2 * math.pi / angular_frequencies()
    assert periods.min() == pytest.approx(0.06)
    assert periods.max() == pytest.approx(2 * math.log(35), rel=1e-6)
    assert np.allclose(np.diff(np.log(periods)), np.diff(np.log(periods))[0])


@given(st.floats(0.1, 0.9), st.floats(450, 2200), st.floats(450, 2200))
def test_the_code_of_a_mixture_is_the_mixture_of_codes(share, first_nm, second_nm):
    first, second = SpectralResponse.gaussian(first_nm, 40), SpectralResponse.gaussian(second_nm, 60)
    mixed = spectral_code(superpose([first, second], [share, 1 - share]))
    wanted = share * spectral_code(first) + (1 - share) * spectral_code(second)
    assert np.abs(mixed - wanted).max() < 0.02


def test_a_gaussian_has_its_closed_form():
    centre, fwhm = 865.0, 21.0
    sigma = fwhm / (2 * math.sqrt(2 * math.log(2)))
    frequency = angular_frequencies()
    damping = np.exp(-0.5 * (frequency * sigma / centre) ** 2)
    expected = np.concatenate([damping * f(frequency * math.log(centre / 400)) for f in (np.sin, np.cos)])
    assert np.abs(spectral_code(SpectralResponse.gaussian(centre, fwhm)) - expected).max() < 0.02


@pytest.mark.parametrize(
    ("sentinel2", "landsat"), [("B04", "red"), ("B02", "blue"), ("B11", "swir16"), ("B8A", "nir08")]
)
def test_like_bands_of_two_sensors_look_alike(sentinel2, landsat):
    assert cosine(band_code("sentinel-2a", "sentinel2", sentinel2), band_code("landsat-8", "landsat", landsat)) > 0.9


def test_different_bands_look_different():
    red = band_code("sentinel-2a", "sentinel2", "B04")
    assert cosine(red, band_code("sentinel-2a", "sentinel2", "B05")) < 0.7
    swir = [band_code("sentinel-2a", "sentinel2", name) for name in ("B11", "B12")]
    assert cosine(*swir) < 0.4


def test_centre_and_width_are_enough():
    codes = BandCodes(60.0)
    bare = Band("x", "x", SpectralResponse.gaussian(665, 31), 10.0, 10.0)
    measured = get_sensor("sentinel-2a", "sentinel2").band("B04")
    assert cosine(codes.one(bare), codes.one(measured)) > 0.98
    assert cosine(codes.one(measured, gaussian=True), codes.one(measured)) > 0.98


def test_the_code_tells_sampling_distance_quantity_and_width():
    codes = BandCodes(60.0)
    response = SpectralResponse.gaussian(10_900, 590)
    reference = codes.one(Band("x", "x", response, 30.0, 30.0))
    assert len(reference) == CODE_SIZE
    assert not np.allclose(reference, codes.one(Band("x", "x", response, 100.0, 30.0)))
    assert not np.allclose(reference, codes.one(Band("x", "x", response, 30.0, 30.0, "surface_temperature")))


def test_a_narrow_band_is_not_coarsely_integrated():
    flat = SpectralResponse(np.array([400.0, 14_000.0]), np.array([1.0, 1.0]))
    assert np.abs(spectral_code(flat)[:8]).max() < 0.2  # fast oscillations average out over a wide band


def test_fresh_weights_carry_a_signal_at_the_scale_of_one():
    torch.manual_seed(0)
    sensor = get_sensor("sentinel-2a", "sentinel2")
    codes = BandCodes(60.0).of([sensor.band_set(("B02", "B03", "B04", "B08"))], torch.device("cpu"))
    weight, bias = BandWeights(32, 64)(codes)
    assert 0.3 < weight.std().item() < 3
    assert bias.abs().mean().item() < 0.5
