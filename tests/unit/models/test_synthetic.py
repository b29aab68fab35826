from dataclasses import replace

import pytest
import torch

from anyband.models.core.band_stack import some_bands
from anyband.models.proposed.merge_bands import (
    COARSER,
    LEAST_BANDS,
    WIDEST,
    bernoulli,
    lower_nm,
    synthetic_sensor,
    upper_nm,
    wider_bands,
)
from anyband.observation import BandGroup
from anyband.sensors.band import REFLECTANCE
from handmade import band_set, make_group

VISIBLE = (("b", 490.0, 65.0), ("g", 560.0, 35.0), ("r", 665.0, 30.0), ("n", 842.0, 115.0), ("s", 1610.0, 90.0))


def bands_of(groups):
    return [band for group in groups for band in group.band_sets[0]]


def draws(make, count=40):
    for seed in range(count):
        torch.manual_seed(seed)
        yield make()


def test_a_synthetic_sensor_keeps_at_least_three_bands(observe):
    counts = {len(bands_of(groups)) for groups in draws(lambda: some_bands(observe().of("sentinel2"), LEAST_BANDS), 60)}
    assert min(counts) == 3
    assert len(counts) > 5
    (pair,) = some_bands((observe(("landsat",)).groups[0].select_bands((0, 1)),), LEAST_BANDS)
    assert len(pair.band_sets[0]) == 2


def test_what_cannot_happen_draws_nothing():
    """Or a new option would change every training that does not use it."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert not bernoulli(0.0)
    assert torch.equal(before, torch.get_rng_state())
    assert all(draws(lambda: bernoulli(1.0)))


def test_a_wider_band_measures_the_mean_and_says_so():
    group = make_group("imager", band_set(VISIBLE, 10.0), 10.0, 120.0, 2, 0)
    counts = set()
    for wide in draws(lambda: wider_bands(group)):
        counts.add(wide.values.shape[1])
        for place, band in enumerate(wide.band_sets[0]):
            parts = [i for i, part in enumerate(group.band_sets[0]) if part.name in band.name.split("+")]
            assert torch.allclose(wide.values[:, place], group.values[:, parts].mean(dim=1), atol=1e-6)
            assert len(parts) == 1 or upper_nm(band) < (1 + WIDEST) * lower_nm(band) + 40
            centres = [group.band_sets[0].bands[i].response.centre_nm for i in parts]
            assert min(centres) - 5 <= band.response.centre_nm <= max(centres) + 5
    assert counts >= {3, 4, 5}  # the last two stand alone: too far from their neighbours


def test_bands_of_another_quantity_or_sampling_distance_are_never_averaged():
    group = make_group("imager", band_set(VISIBLE, 10.0), 10.0, 120.0, 2, 0)
    (described,) = group.band_sets
    odd = tuple(
        replace(band, quantity="surface_temperature") if i == 1 else replace(band, gsd_m=20.0) if i == 3 else band
        for i, band in enumerate(described)
    )
    mixed = replace(group, band_sets=(type(described)(described.platform, odd),))
    for wide in draws(lambda: wider_bands(mixed)):
        names = {band.name for band in wide.band_sets[0]}
        assert {"g", "n"} <= names
    assert described.bands[0].quantity == REFLECTANCE


@pytest.mark.parametrize("product", ["sentinel2", "landsat"])
def test_a_coarser_sensor_has_no_band_finer_than_its_distance(observe, product):
    groups = observe((product,)).of(product)
    factors = set()
    for made in draws(lambda: synthetic_sensor(groups, 0.0, 1.0)):
        finest = min(band.gsd_m for band in bands_of(made))
        before = {band.name: band.gsd_m for band in bands_of(groups)}
        kept = min(before[band.name] for band in bands_of(made))
        factors.add(round(finest / kept, 2))
        assert all(isinstance(group, BandGroup) and torch.isfinite(group.values).all() for group in made)
        assert [g.pixel_m for g in made] == sorted(g.pixel_m for g in made)
    assert max(factors) <= max(COARSER)
    assert len(factors) >= 2
    assert min(factors) > 1


def test_all_three_together_reach_the_encoder(observe):
    for made in draws(lambda: synthetic_sensor(observe().of("sentinel2"), 1.0, 1.0), 10):
        assert len(bands_of(made)) >= 1
        assert all(len(g.band_sets[0]) == g.values.shape[1] == g.valid.shape[1] for g in made)
