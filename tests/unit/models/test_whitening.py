"""The preparation that all dense methods share: one fixed map for each product, and none for `*-plain`."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anyband.config import DEFAULT_METHODS
from anyband.models.core.band_stack import BandStack
from anyband.models.core.normalisation import NUGGET, whitening
from anyband.models.core.storage import build
from anyband.models.core.whitening import AnyBands, Whitening, patterns
from anyband.models.rivals.channels import interpolate_to_finest, on_chip_grid
from anyband.observation import Observation, QueryGrid

QUERY = QueryGrid(10.0, 24, 24)
ALL = torch.ones(1, 7, dtype=torch.bool)


@pytest.fixture
def landsat(statistics):
    return statistics.covariance_of("landsat", statistics.of(["landsat"]))


def test_bands_come_out_uncorrelated_with_variance_one_and_near_themselves(landsat):
    spread = np.sqrt(np.diag(landsat))
    correlation = landsat / np.outer(spread, spread)
    matrix = Whitening(landsat)(torch.eye(7), ALL.expand(7, -1)).T.double().numpy()
    assert matrix @ (correlation + NUGGET * np.eye(7)) @ matrix.T == pytest.approx(np.eye(7), abs=1e-4)
    assert matrix == pytest.approx(matrix.T, abs=1e-4)  # a rotation more would take outputs away from their bands
    assert ((matrix @ correlation).argmax(axis=1) == np.arange(7)).all()


def test_nearly_equal_bands_are_magnified_no_further_than_the_nugget_lets_them():
    twice = Whitening(np.ones((2, 2)))
    contrast = twice(torch.tensor([[1.0, -1.0]]), ALL[:, :2])
    assert contrast.abs().max() == pytest.approx(NUGGET**-0.5, rel=1e-3)


def test_what_a_band_would_have_shown_is_inferred_from_those_that_saw_the_pixel(landsat):
    whiten, spread = Whitening(landsat), np.sqrt(np.diag(landsat))
    correlation = landsat / np.outer(spread, spread) + NUGGET * np.eye(7)
    values, seen = torch.randn(5, 7), ALL.expand(5, -1).clone()
    seen[2:, 3] = False
    on = [0, 1, 2, 4, 5, 6]
    filled = values.double().numpy().copy()
    filled[2:, 3] = filled[2:][:, on] @ np.linalg.solve(correlation[np.ix_(on, on)], correlation[on, 3])
    expected = whiten(torch.from_numpy(filled).float(), ALL.expand(5, -1))
    assert torch.allclose(whiten(values, seen), expected, atol=2e-3)
    assert (whiten(values, torch.zeros_like(seen)) == 0).all()


@pytest.mark.parametrize("bands", [3, 200])
def test_rows_are_told_apart_like_by_sorting(bands):
    flags = torch.rand(500, bands, generator=torch.Generator().manual_seed(1)) > 0.05
    for rows in (flags, torch.ones_like(flags)):
        found = list(patterns(rows))
        assert len(found) == len(torch.unique(rows, dim=0))
        assert sorted(torch.cat([index for _, index in found]).tolist()) == list(range(500))
        assert all((rows[index] == torch.from_numpy(pattern)).all() for pattern, index in found)


def test_every_front_end_is_given_the_same_values(statistics, observe):
    """The stack of specialists and fusions, the channels of any-sensor front ends, and the axes of the posterior."""
    only = observe(("landsat",))
    stacked, _ = BandStack(("landsat",), statistics)(only, QUERY)
    both, _ = BandStack(("sentinel2", "landsat"), statistics)(only, QUERY)
    assert torch.allclose(both[..., 12:19], stacked[..., :7], atol=1e-5)
    exact = replace(statistics, bands=tuple(b for b in statistics.bands if b.product == "landsat"))
    exact = replace(exact, covariance=tuple(map(tuple, statistics.covariance_of("landsat", exact.bands))))
    channels = on_chip_grid(only.groups, QUERY, AnyBands(exact, whiten=True))
    assert torch.allclose(channels.values, stacked[..., :7], atol=0.05)  # levels are blended, the map is the same
    _, axes, turn = whitening(np.asarray(exact.covariance))
    prior = build("anyband", {}, exact, 4).posterior
    assert np.array_equal(prior.whiten, axes)
    spread = np.sqrt(np.diag(np.asarray(exact.covariance)))
    assert turn @ axes * spread == pytest.approx(Whitening(np.asarray(exact.covariance))._whiten, rel=1e-6)


def test_a_product_that_training_lacked_is_whitened_by_what_its_wavelengths_say(statistics, observe):
    known = replace(statistics, bands=tuple(b for b in statistics.bands if b.product in ("sentinel2", "landsat")))
    groups = observe(("hls_l30",)).groups
    plain, whitened = (interpolate_to_finest(groups, AnyBands(known, whiten=w)).values for w in (False, True))
    assert torch.isfinite(whitened).all() and not torch.allclose(plain, whitened, atol=0.1)
    assert whitened.abs().max() < 30


def test_a_band_that_is_absent_and_one_that_saw_nothing_are_the_same(statistics, observe):
    (group,) = observe(("landsat",)).groups
    blind = group.valid.clone()
    blind[:, 2] = False
    bands = AnyBands(statistics, whiten=True)
    absent = on_chip_grid((group.select_bands((0, 1, 3, 4, 5, 6)),), QUERY, bands).values
    unseen = on_chip_grid((replace(group, valid=blind),), QUERY, bands).values
    assert torch.allclose(absent, unseen[..., [0, 1, 3, 4, 5, 6]], atol=1e-4)


def test_more_bands_than_training_had_leave_the_map_of_the_others_as_it_is(statistics, observe):
    (group,) = observe(("landsat",)).groups
    copied = group.select_bands((3, 4))
    named = [replace(s, bands=tuple(replace(b, name=f"{b.name}-again") for b in s)) for s in copied.band_sets]
    more = (group, replace(copied, band_sets=tuple(named)))
    bands = AnyBands(statistics, whiten=True)
    alone, together = (on_chip_grid(groups, QUERY, bands).values for groups in ((group,), more))
    assert torch.allclose(together[..., :7], alone, atol=1e-5)


PLAIN = [name for name in DEFAULT_METHODS if name.endswith("-plain")]


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_method_differs_by_the_whitening_alone(name, statistics, observe):
    """The same weights, and another map."""
    made = []
    for entry in (name.removesuffix("-plain"), name):
        torch.manual_seed(0)
        settings = DEFAULT_METHODS[entry]
        method = build(settings.model, settings.options, statistics, 4).eval()
        with torch.no_grad():
            for parameter in method.parameters():
                if not parameter.any():
                    parameter += 0.1 * torch.randn_like(parameter)
        made.append((method, settings))
    (method, own), (plain, other) = made
    assert other.options == own.options | {"whiten": False}
    assert (other.model, other.learning_rate) == (own.model, own.learning_rate)
    for (key, first), second in zip(method.named_parameters(), plain.parameters(), strict=True):
        assert torch.equal(first, second), key
    observation = observe(method.products)
    inputs = getattr(method, "inputs", None)
    shown = [(one.inputs(observation, QUERY)[0] if inputs else one(observation, QUERY)) for one in (method, plain)]
    assert not torch.allclose(*shown, atol=1e-3)


def test_every_dense_method_has_a_plain_form(statistics):
    """But those whose idea has no place for a fixed map of a product's bands (docs/protocol.md)."""
    without = {
        "senpa-style",
        "atomizer-style",
        "analytic",
        "random-forest",
        "texture-forest",
        "satlas-full-size",
        "sensor-only",
    }
    models = {DEFAULT_METHODS[name].model for name in PLAIN}
    assert models == {entry.model for entry in DEFAULT_METHODS.values()} - without


def test_clouds_at_the_edge_of_some_bands_make_no_strange_contrasts(statistics, observe):
    """Coarse pixels are lost further from a cloud than fine ones: there some bands are seen and others are not."""
    groups = observe(("sentinel2",), seed=3).groups
    edge = [replace(g, valid=g.valid & (g.pixel_m < 60)) for g in groups]
    stack = BandStack(("sentinel2",), statistics)
    whole, part = (stack(Observation(tuple(each)), QUERY)[0] for each in (groups, edge))
    assert part.abs().max() <= 1.5 * whole.abs().max()
