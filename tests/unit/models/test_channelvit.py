from dataclasses import replace

import pytest
import torch

from anyband.models.core.network import Trunk
from anyband.models.core.whitening import AnyBands
from anyband.models.rivals.channels import trunk_over_bands
from anyband.models.rivals.channelvit import ChannelViT, ChannelViTOptions
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from handmade import S2_10, band_set, make_group

QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def model(statistics, small) -> ChannelViT:
    torch.manual_seed(0)
    return ChannelViT(ChannelViTOptions(**small, features=12, channel_heads=4, hidden=16), statistics, 4).eval()


@pytest.fixture
def trunk() -> Trunk:
    torch.manual_seed(0)
    made = Trunk(16, 2, 2, 2.0, 60.0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return made


def test_one_band_is_the_trunk_as_it_is(trunk):
    tokens = torch.randn(2, 1, 3, 4, 16)
    covered = torch.ones(2, 1, 3, 4, 1)
    assert torch.allclose(trunk_over_bands(trunk, tokens, covered), trunk(tokens[:, 0]), atol=1e-5)


def test_bands_attend_to_each_other_across_cells(trunk):
    tokens, covered = torch.randn(1, 3, 3, 3, 16), torch.ones(1, 3, 3, 3, 1)
    changed = tokens.clone()
    changed[0, 2, 0, 0] = torch.randn(16)
    only_first = torch.zeros_like(covered)
    only_first[:, 0] = 1.0  # read the first band's tokens alone
    before, after = (trunk_over_bands(trunk, t, only_first) for t in (tokens, changed))
    assert (after - before).abs()[0, 2, 2].max() > 1e-4


def test_bands_are_a_set(trunk):
    tokens, covered = torch.randn(1, 3, 3, 3, 16), torch.rand(1, 3, 3, 3, 1)
    order = [2, 0, 1]
    shuffled = trunk_over_bands(trunk, tokens[:, order], covered[:, order])
    assert torch.allclose(shuffled, trunk_over_bands(trunk, tokens, covered), atol=1e-5)


def test_embeddings_follow_names_not_places(model, observe):
    group = observe(("landsat",)).groups[0]
    assert list(model.numbers(group)) == list(range(12, 19))
    assert list(model.numbers(group.select_bands((4, 1)))) == [16, 13]


def test_a_band_without_an_embedding_is_refused(model):
    assert model.usable(frozenset({"landsat"}))
    assert not model.usable(frozenset({"hls_s30"}))
    unknown = make_group("planet", band_set(S2_10, 30.0), 30.0, 240.0, 2, 0)
    with pytest.raises(UserError, match="planet band B02: no such channel"):
        model(Observation((unknown,)), QUERY)


def test_wavelengths_are_unknown_to_it_as_published(model, observe):
    """A response that lies elsewhere changes the standardisation only; with one level for all bands, nothing."""
    flat = replace(model.statistics, bands=tuple(replace(band, mean=0.1, std=0.1) for band in model.statistics.bands))
    model.bands = AnyBands(flat, whiten=True)
    group = observe(("landsat",)).groups[0]
    moved = tuple(replace(b, response=b.response.shifted(100.0)) for b in group.band_sets[0])
    other = replace(group, band_sets=(replace(group.band_sets[0], bands=moved),))
    assert torch.allclose(model(Observation((group,)), QUERY), model(Observation((other,)), QUERY), atol=1e-5)
