"""Instrument: responses differ from the published ones, noise has the specified size, and nothing depends on order."""

import numpy as np
import pytest

from anyband.sensors import get_sensor
from anyband.simulation.instrument import (
    MSI,
    OLI,
    add_noise,
    noise_terms,
    sigma_from_mtf,
    solar_irradiance,
    true_response,
)


def test_solar_irradiance_between_the_table_is_near_that_of_a_black_sun():
    # Planck at 5772 K through the sun's solid angle; the real sun is brighter than that beyond 1.2 um.
    for wavelength in (520.0, 610.0, 1000.0):
        metre = wavelength * 1e-9
        planck = 1.19104e-16 / metre**5 / np.expm1(0.0143878 / (metre * 5772)) * 6.794e-5 * 1e-6
        assert solar_irradiance(wavelength) == pytest.approx(planck, rel=0.08)


def test_true_responses_are_one_to_two_nanometres_off_and_differ_between_units():
    shifts = {}
    for platform in ("sentinel-2a", "sentinel-2b"):
        for band in get_sensor(platform, "sentinel2").bands:
            shift = true_response(band.response, platform, band.name).centre_nm - band.response.centre_nm
            assert 1 - 1e-6 <= abs(shift) <= 2 + 1e-6
            shifts[platform, band.name] = shift
    assert shifts["sentinel-2a", "B05"] != shifts["sentinel-2b", "B05"]
    again = true_response(get_sensor("sentinel-2a", "sentinel2").band("B05").response, "sentinel-2a", "B05")
    assert again.centre_nm - get_sensor("sentinel-2a", "sentinel2").band("B05").response.centre_nm == pytest.approx(
        shifts["sentinel-2a", "B05"]
    )


def test_point_spread_has_the_modulation_it_was_made_from():
    sigma = sigma_from_mtf(0.28)
    assert np.exp(-2 * (np.pi * sigma * 0.5) ** 2) == pytest.approx(0.28)
    assert MSI.psf_sigma == sigma
    assert OLI.psf_sigma * 30 == pytest.approx(13.3)


@pytest.mark.parametrize("instrument", [MSI, OLI])
def test_noise_at_the_reference_radiance_is_the_specified_one(instrument):
    for concept, reference in instrument.signal_to_noise.items():
        wavelength = 560.0
        cos_sun = 0.8
        level = np.pi * reference[0] / (solar_irradiance(wavelength) * cos_sun)
        top = np.full((200, 200), level, np.float32)
        noisy = add_noise(np.random.default_rng(1), top, noise_terms(wavelength, reference, cos_sun))
        assert noisy.std() == pytest.approx(level / reference[1], rel=0.03), concept
