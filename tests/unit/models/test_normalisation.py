import pytest

from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.sensors import Band, SpectralResponse
from handmade import covariance


def band(centre_nm: float, quantity: str = "surface_reflectance") -> Band:
    return Band("x", "x", SpectralResponse.gaussian(centre_nm, 30), 30.0, 30.0, quantity)


@pytest.fixture
def two() -> Statistics:
    entries = (
        BandMoments("sentinel2", "red", 665, "surface_reflectance", 0.05, 0.02),
        BandMoments("sentinel2", "nir", 865, "surface_reflectance", 0.30, 0.10),
    )
    return Statistics(entries, (1, 2), covariance(entries))


def test_a_training_band_keeps_its_own_statistics(two):
    assert two.at(band(665)) == pytest.approx((0.05, 0.02), abs=1e-3)
    assert two.at(band(865)) == pytest.approx((0.30, 0.10), abs=1e-3)


def test_between_bands_it_changes_smoothly_and_in_order(two):
    means = [two.at(band(centre))[0] for centre in range(660, 880, 10)]
    assert all(b >= a for a, b in zip(means, means[1:], strict=False))
    assert max(b - a for a, b in zip(means, means[1:], strict=False)) < 0.05


def test_far_away_the_nearer_band_counts_more(two):
    assert two.at(band(14_000))[0] > 0.18


def test_another_quantity_is_left_alone(two):
    assert two.at(band(10_900, "surface_temperature")) == (0.0, 1.0)


def test_plain_form_and_back(two):
    assert Statistics.from_dict(two.as_dict()) == two
