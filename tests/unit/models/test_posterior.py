"""The posterior is the one of the textbook, says nothing of what was not seen, and knows no order of bands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyband.models.core.normalisation import BandMoments, Statistics
from anyband.models.proposed.posterior import SpectralPosterior, knots
from anyband.sensors import Band, SpectralResponse, get_sensor
from handmade import covariance

SENTINEL2 = get_sensor("sentinel-2a", "sentinel2").bands
LANDSAT = get_sensor("landsat-9", "landsat").bands


def statistics_of(bands: tuple[Band, ...], product: str) -> list[BandMoments]:
    level = {"surface_reflectance": (0.2, 0.1)}
    return [
        BandMoments(product, b.name, b.response.centre_nm, b.quantity, *level.get(b.quantity, (290.0, 10.0)))
        for b in bands
    ]


ENTRIES = statistics_of(SENTINEL2, "sentinel2") + statistics_of(LANDSAT, "landsat")


@pytest.fixture(scope="module")
def posterior() -> SpectralPosterior:
    return SpectralPosterior(Statistics(tuple(ENTRIES), (1,), covariance(ENTRIES)), noise=0.05)


def everything(bands: tuple[Band, ...]) -> np.ndarray:
    return np.ones(len(bands), bool)


def test_like_bands_of_two_sensors_are_one_knot():
    names = [ENTRIES[i].name for i in knots(tuple(ENTRIES))]
    assert names == [band.name for band in SENTINEL2] + ["lwir11"]
    assert len(knots(tuple(ENTRIES[len(SENTINEL2) :]))) == len(LANDSAT)


def test_the_mean_is_the_textbook_s(posterior):
    """Against the joint Gaussian of knots and measurements, conditioned by brute force."""
    rng = np.random.default_rng(0)
    bands = LANDSAT[:-1]
    found = posterior.conversion(bands, everything(bands))
    read = [posterior._read(band, False) for band in bands]
    rows = np.array([row for row, _ in read])
    error = np.diag([r @ posterior.covariance @ r * (0.05**2 + 0.3 * share) for r, share in read])
    joint = np.block(
        [
            [posterior.covariance, posterior.covariance @ rows.T],
            [rows @ posterior.covariance, rows @ posterior.covariance @ rows.T + error],
        ]
    )
    precision = np.linalg.inv(joint)  # the conditional mean is -P_zz^-1 P_zy y
    size = posterior.size
    solve = -np.linalg.solve(precision[:size, :size], precision[:size, size:])
    y = 0.2 + 0.1 * rng.standard_normal((5, len(bands)))
    assert np.allclose(
        (y - found.centre) @ found.gain, (y - rows @ posterior.mean) @ (posterior.whiten @ solve).T, atol=1e-3
    )
    left = posterior.whiten @ np.linalg.inv(precision[:size, :size]) @ posterior.whiten.T
    assert np.allclose(found.known, 1 - np.diag(left), atol=1e-4)


def test_knots_are_white_under_the_prior(posterior):
    assert np.allclose(posterior.whiten @ posterior.covariance @ posterior.whiten.T, np.eye(posterior.size), atol=1e-6)


def test_what_is_said_to_be_known_is_known(posterior):
    """Spectra drawn from the prior, measured with the stated error, come back as well as the posterior says."""
    rng = np.random.default_rng(1)
    bands = LANDSAT[:-1]
    read = [posterior._read(band, False) for band in bands]
    rows = np.array([row for row, _ in read])
    error = np.array([r @ posterior.covariance @ r * (0.05**2 + 0.3 * share) for r, share in read])
    z = rng.multivariate_normal(posterior.mean, posterior.covariance, size=4000)
    y = z @ rows.T + rng.standard_normal((4000, len(bands))) * np.sqrt(error)
    found = posterior.conversion(bands, everything(bands))
    left = ((y - found.centre) @ found.gain - (z - posterior.mean) @ posterior.whiten.T).var(axis=0)
    assert np.allclose(left, 1 - found.known, rtol=0.15, atol=0.01)


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(len(SENTINEL2))), st.integers(1, len(SENTINEL2)))
def test_more_bands_never_know_less_and_order_does_not_matter(order, count):
    model = SpectralPosterior(Statistics(tuple(ENTRIES), (1,), covariance(ENTRIES)), noise=0.05)
    some, whole = tuple(SENTINEL2[i] for i in order[:count]), tuple(SENTINEL2[i] for i in order)
    fewer, more = model.conversion(some, everything(some)), model.conversion(whole, everything(whole))
    assert (more.known >= fewer.known - 1e-4).all()
    plain = model.conversion(SENTINEL2, everything(SENTINEL2))
    assert np.allclose(more.gain, plain.gain[list(order)], rtol=1e-2, atol=1e-3 * np.abs(plain.gain).max())
    assert np.allclose(more.known, plain.known, atol=1e-4)


def test_an_unseen_band_is_as_if_it_were_not_there(posterior):
    seen = everything(SENTINEL2)
    seen[3] = False
    without = tuple(band for band, there in zip(SENTINEL2, seen, strict=True) if there)
    masked, left_out = posterior.conversion(SENTINEL2, seen), posterior.conversion(without, everything(without))
    assert not masked.gain[3].any()
    assert np.allclose(masked.gain[seen], left_out.gain, atol=1e-4)


def test_a_band_that_training_knows_nothing_of_changes_little(posterior):
    """The superset trap: a band of another quantity, or far from all knots, must not outweigh those that are known."""
    far = Band("far", "far", SpectralResponse.gaussian(1240, 20), gsd_m=30.0, pixel_m=30.0)
    strange = Band("far", "far", SpectralResponse.gaussian(12_000, 500), gsd_m=30.0, pixel_m=30.0)
    bands = (*SENTINEL2, far, strange)
    plain = posterior.conversion(SENTINEL2, everything(SENTINEL2))
    more = posterior.conversion(bands, everything(bands))
    assert not more.gain[-1].any()
    assert np.abs(more.gain[-2]).max() < 0.1 * np.abs(plain.gain).max()
    nothing = posterior.conversion((strange,), everything((strange,)))
    assert not nothing.gain.any()
    assert not nothing.known.any()
