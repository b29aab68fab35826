from dataclasses import replace

import pytest
import torch

from anyband.models.core.whitening import AnyBands
from anyband.models.rivals.channels import ChannelAttention, Channels, on_chip_grid, sinusoid
from anyband.observation import QueryGrid

QUERY = QueryGrid(10.0, 24, 24)


@pytest.fixture
def attention() -> ChannelAttention:
    torch.manual_seed(0)
    return ChannelAttention(12, 4).eval()


@pytest.fixture
def channels(statistics, observe):
    return on_chip_grid(observe().groups, QUERY, AnyBands(statistics, whiten=False))


def run(attention: ChannelAttention, channels: Channels) -> torch.Tensor:
    return attention(channels, sinusoid(channels.centres_nm(), 12))


def test_it_is_attention_of_one_query_over_tokens_of_bands(attention, channels):
    """The short form equals the attention written out with a token per pixel and band."""
    code = sinusoid(channels.centres_nm(), 12)
    tokens = channels.values[..., None] * attention.embed + code[:, None, None]
    keys, values = (f(tokens).unflatten(-1, (4, 3)).transpose(-2, -3) for f in (attention.key, attention.value))
    query = attention.query[:, None].expand(*keys.shape[:-2], 1, 3)
    read = torch.nn.functional.scaled_dot_product_attention(query, keys, values)
    expected = attention.out(read[..., 0, :].flatten(-2))
    assert torch.allclose(run(attention, channels), expected, atol=1e-4)


def test_a_band_that_was_not_seen_gets_no_attention(attention, channels):
    seen = channels.seen.clone()
    seen[:, 3:5, :, 2] = 0
    wild = channels.values.clone()
    wild[:, 3:5, :, 2] = 7.0
    outputs = [run(attention, replace(channels, values=v, seen=seen)) for v in (wild, channels.values)]
    assert torch.allclose(*outputs, atol=1e-6)


def test_a_band_given_twice_is_one_band_with_more_weight(attention, channels, statistics):
    """Attention is a mean: all bands twice change nothing."""
    twice = tuple(g.select_bands(tuple(range(len(g.band_sets[0]))) * 2) for g in channels.groups)
    doubled = on_chip_grid(twice, QUERY, AnyBands(statistics, whiten=False))
    assert torch.allclose(run(attention, doubled), run(attention, channels), atol=1e-5)
