from dataclasses import replace

import numpy as np
import pytest
import torch

from anyband.models.baselines.analytic import (
    VIRTUAL,
    WAVELENGTH_NM,
    Analytic,
    AnalyticOptions,
    SpectralPrior,
)
from anyband.observation import Observation, QueryGrid
from anyband.sensors import Band, BandSet, SpectralResponse
from anyband.sensors.band import TEMPERATURE
from handmade import SETS, band_set, make_group

QUERY = QueryGrid(10.0, 24, 24)
V = len(VIRTUAL)


def make(statistics, **options) -> Analytic:
    torch.manual_seed(0)
    return Analytic(AnalyticOptions(**options), statistics, 4).eval()


def bands_of(product: str) -> tuple[Band, ...]:
    return tuple(band for _, bands in SETS[product] for band in bands)


def everything(bands: tuple[Band, ...]) -> np.ndarray:
    return np.ones(len(bands), bool)


def spectra(prior: SpectralPrior, count: int = 4000) -> np.ndarray:
    """Spectra (count, wavelengths) drawn from the prior."""
    return np.random.default_rng(0).multivariate_normal(prior.mean, prior.covariance, count, method="eigh")


@pytest.mark.parametrize("product", ["sentinel2", "landsat"])
def test_errors_of_the_conversion_are_as_large_as_it_says(product, statistics):
    prior = make(statistics).prior
    bands, drawn = bands_of(product), spectra(prior)
    clean = np.stack([drawn @ band.response.quadrature(WAVELENGTH_NM) for band in bands], axis=1)
    noise = np.random.default_rng(1).normal(size=clean.shape) * prior.noise * clean.std(axis=0)
    conversion = prior.conversion(bands, everything(bands))
    truth = (drawn @ prior.virtual.T - prior.virtual @ prior.mean) / np.sqrt(prior.virtual_variance)
    error = (clean + noise) @ conversion.gain.T + conversion.offset - truth
    assert np.abs(error.mean(axis=0)).max() < 0.03
    assert error.var(axis=0) == pytest.approx(1 - conversion.known, rel=0.1)


def test_two_sensors_agree_better_after_conversion_than_nearest_bands_do(statistics):
    prior = make(statistics).prior
    drawn, made, naive = spectra(prior), [], []
    for product in ("sentinel2", "landsat"):
        bands = bands_of(product)
        values = np.stack([drawn @ band.response.quadrature(WAVELENGTH_NM) for band in bands], axis=1)
        conversion = prior.conversion(bands, everything(bands))
        made.append(values @ conversion.gain.T + conversion.offset)
        nearest = [np.argmin([abs(band.response.centre_nm - nm) for band in bands]) for nm, _ in VIRTUAL]
        naive.append((values[:, nearest] - prior.virtual @ prior.mean) / np.sqrt(prior.virtual_variance))
    distances = [float(np.sqrt(np.mean((one - other) ** 2))) for one, other in (made, naive)]
    assert distances[0] < 0.8 * distances[1]


def test_a_virtual_band_that_is_measured_without_noise_is_returned(statistics):
    prior = make(statistics, noise=1e-4).prior
    bands = tuple(Band(f"v{i}", "v", SpectralResponse.gaussian(*v), 10, 10) for i, v in enumerate(VIRTUAL))
    conversion = prior.conversion(bands, everything(bands))
    assert np.allclose(conversion.gain * np.sqrt(prior.virtual_variance)[:, None], np.eye(V), atol=1e-2)
    assert np.allclose(conversion.known, 1, atol=1e-3)


def test_the_mean_spectrum_becomes_zeros_in_reflectance_units(statistics):
    model = make(statistics)
    for product in ("sentinel2", "landsat"):
        bands = bands_of(product)
        mean = [float(model.prior.mean @ band.response.quadrature(WAVELENGTH_NM)) for band in bands]
        made = model.convert(torch.tensor([mean]), torch.ones(1, len(bands), dtype=torch.bool), bands)
        assert made[:, :V].abs().max() < 1e-4


def test_more_bands_know_more_and_none_know_nothing(statistics):
    prior = make(statistics).prior
    landsat, both = bands_of("landsat"), bands_of("landsat") + bands_of("sentinel2")
    one, two = (prior.conversion(bands, everything(bands)).known for bands in (landsat, both))
    assert (two >= one - 1e-9).all()
    assert two[5] > one[5] + 0.05, "the red edge at 740 nm"
    nothing = prior.conversion(both, ~everything(both))
    assert (nothing.known == 0).all()
    assert (nothing.gain == 0).all()


def test_temperature_and_bands_outside_the_range_do_not_enter(statistics):
    prior = make(statistics).prior
    thermal = Band("B10", "thermal", SpectralResponse.gaussian(10_895, 590), 100, 30, TEMPERATURE)
    radiant = Band("mir", "mir", SpectralResponse.gaussian(3_700, 200), 100, 30)
    bands = (*bands_of("landsat"), thermal, radiant)
    wide = prior.conversion(bands, everything(bands))
    plain = prior.conversion(bands[:-2], everything(bands[:-2]))
    assert (wide.gain[:, -2:] == 0).all()
    assert np.array_equal(wide.gain[:, :-2], plain.gain)


def test_it_maps_from_a_sensor_that_nobody_has_seen(statistics):
    bands: BandSet = band_set((("a", 469, 20), ("b", 645, 50), ("c", 1240, 20)), 60)
    logits = make(statistics)(Observation((make_group("other", bands, 60.0, 240.0, 2, 0),)), QUERY)
    assert torch.isfinite(logits).all()


def test_patches_of_missing_pixels_are_converted_by_what_is_left(statistics, observe):
    model, whole = make(statistics), observe()
    groups = [
        replace(g, valid=g.valid & (torch.arange(g.valid.shape[-1]) >= 4), values=g.values)
        if g.product == "landsat"
        else g
        for g in whole.groups
    ]
    mixed = model(Observation(tuple(groups)), QUERY)
    alone = model(whole.only(frozenset({"sentinel2"})), QUERY)
    assert torch.allclose(mixed[..., :12], alone[..., :12], atol=1e-5)
    assert torch.allclose(mixed[..., 15:], model(whole, QUERY)[..., 15:], atol=1e-5)


def test_only_the_classifier_is_trained(statistics):
    model = make(statistics)
    assert all(name.startswith("classifier.") for name, _ in model.named_parameters())
    assert not list(model.buffers())
