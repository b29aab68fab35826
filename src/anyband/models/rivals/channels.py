"""Bands of all sensors as one set of channels on one grid: the input that any-sensor encoders were published with.

Shared by the front ends in the style of DOFA, Panopticon, SenPa-MAE, RAMEN and ChannelViT. A band is standardised with
what `Statistics.at` expects at its wavelength, as for the proposed method.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from anyband.models.core.band_stack import on_stack_grid, resample, some_bands, stack_grid
from anyband.models.core.method import AcquisitionMethod, DenseMethod, Options
from anyband.models.core.network import CellTokens, Trunk, linear, rotary_angles
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap, read_group
from anyband.models.core.whitening import AnyBands
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.sensors import Band

SHORTEST_NM = 100.0


def sinusoid(wavelength_nm: Tensor, size: int) -> Tensor:
    """Code (..., size) of wavelengths (...) in nm: sin, then cos, of x / 10000^(2 i / size), i = 0 .. size / 2 - 1.

    The code of transformer positions (Vaswani et al. 2017, arXiv 1706.03762, section 3.5) with the wavelength as the
    position, as DOFA, Panopticon and RAMEN use it.

    Raises:
        ValueError: a wavelength below 100 nm, which no band has: the number is in micrometres.
    """
    if bool((wavelength_nm < SHORTEST_NM).any()):
        raise ValueError(f"wavelength {float(wavelength_nm.min()):g} is not in nm")
    half = torch.arange(size // 2, device=wavelength_nm.device, dtype=torch.float64)
    angle = wavelength_nm.double()[..., None] * 10_000.0 ** (-2 * half / size)
    return torch.cat((angle.sin(), angle.cos()), dim=-1).float()


@dataclass(frozen=True)
class Channels:
    """Channels of any sensors on one grid.

    Attributes:
        values: (B, H, W, C) standardised values; 0 where not seen.
        seen: (B, H, W, C) float32, 1 where the band was seen.
        groups: what the channels come from, in their order.
    """

    values: Tensor
    seen: Tensor
    groups: tuple[BandGroup, ...]

    @property
    def share(self) -> Tensor:
        """One over the number of bands seen at a pixel (B, H, W, 1)."""
        return self.seen.sum(dim=-1, keepdim=True).clamp_min(1.0).reciprocal()

    @property
    def any_seen(self) -> Tensor:
        """1 where at least one band was seen (B, H, W, 1)."""
        return self.seen.amax(dim=-1, keepdim=True)

    def describe(self, number: Callable[[Band], Sequence[float]]) -> Tensor:
        """What `number` gives for the bands of each sample: (B, C, K)."""
        return torch.cat([describe(group, number) for group in self.groups], dim=1)

    def centres_nm(self) -> Tensor:
        """Response-weighted mean wavelengths (B, C), nm."""
        return self.describe(lambda band: [band.response.centre_nm])[..., 0]


def describe(group: BandGroup, number: Callable[[Band], Sequence[float]]) -> Tensor:
    """What `number` gives for the bands of each sample of a group: (B, c, K) float32."""
    table = [[list(number(band)) for band in band_set] for band_set in group.band_sets]
    return torch.tensor(table, dtype=torch.float32, device=group.values.device)[group.band_set_index]


def on_chip_grid(groups: tuple[BandGroup, ...], query: QueryGrid, bands: AnyBands) -> Channels:
    """All bands, interpolated to the 10 m grid that covers the query's extent."""
    return standardise(groups, [resample(group, stack_grid(query), linear=True) for group in groups], bands)


def interpolate_to_finest(groups: tuple[BandGroup, ...], bands: AnyBands) -> Channels:
    """All bands at the pixel centres of the first group, which is the finest; invalid pixels do not enter."""
    parts = []
    for group in groups:
        valid = group.valid.float()
        both = torch.cat((group.values * valid, valid), dim=1).permute(0, 2, 3, 1)
        if group is not groups[0]:
            both = read_group(both, group, groups[0], linear=True)
        total, weight = both.chunk(2, dim=-1)
        parts.append((total / weight.clamp_min(1e-6), weight > 0.5))
    return standardise(groups, parts, bands)


def standardise(groups: tuple[BandGroup, ...], parts: list[tuple[Tensor, Tensor]], bands: AnyBands) -> Channels:
    """The bands of `groups` from values and validity (B, H, W, c) of each, prepared as `bands` says."""
    values, valid = (torch.cat(kind, dim=-1) for kind in zip(*parts, strict=True))
    levels = torch.cat([describe(group, bands.at) for group in groups], dim=1)
    mean, std = levels[:, None, None].unbind(-1)
    standard = ((values - mean) / std.clamp_min(1e-6)).where(valid, 0.0)
    return Channels(bands.whiten(standard, valid, groups).where(valid, 0.0), valid.float(), groups)


def seeing(groups: tuple[BandGroup, ...]) -> tuple[BandGroup, ...]:
    """Without the bands that have no valid pixel in the whole batch; all of them when nothing is left."""
    chosen = [tuple(torch.nonzero(group.valid.any(dim=3).any(dim=2).any(dim=0))[:, 0].tolist()) for group in groups]
    return tuple(g.select_bands(c) for g, c in zip(groups, chosen, strict=True) if c) or groups


def band_moments(channels: Channels, tokens: CellTokens, query: QueryGrid) -> tuple[Tensor, Tensor]:
    """Cosine moments of each band over each cell (B, C, Hc, Wc, order * order) and its observed share (..., 1)."""
    moments, covered = tokens.moments(on_stack_grid(channels.values, channels.seen), query)
    per_band = moments.reshape(*moments.shape[:3], tokens.order**2, -1).permute(0, 4, 1, 2, 3)
    return per_band, covered.permute(0, 3, 1, 2)[..., None]


def trunk_over_bands(trunk: Trunk, tokens: Tensor, covered: Tensor) -> Tensor:
    """All tokens of all bands attend to each other; then the mean over the bands that a cell was seen in.

    Args:
        trunk: the shared one; a token has the position of its cell.
        tokens: (B, C, Hc, Wc, D), one per band and cell.
        covered: (B, C, Hc, Wc, 1) observed share.

    Returns:
        Cell features (B, Hc, Wc, D).
    """
    batch, bands, down, across, dim = tokens.shape
    angles = rotary_angles(down, across, trunk.cell_m, trunk.channel_pairs)
    cosine, sine = (angle.to(tokens.device).repeat(bands, 1) for angle in angles)
    x = tokens.reshape(batch, bands * down * across, dim)
    for block in trunk.blocks:
        x = block(x, cosine, sine)
    weighted: Tensor = trunk.norm(x).reshape(tokens.shape) * covered
    return weighted.sum(dim=1) / covered.sum(dim=1).clamp_min(1e-6)


class ChannelAttention(nn.Module):
    """Cross-attention of one learned query over the bands of each pixel.

    The token of a band is linear in its one value, so keys and values are computed once per band and not once per
    pixel: the same numbers at a fraction of the cost.
    """

    def __init__(self, features: int, heads: int) -> None:
        """`features` channels in `heads` heads."""
        super().__init__()
        self.heads = heads
        self.embed = nn.Parameter(torch.randn(features))
        self.query = nn.Parameter(torch.randn(heads, features // heads))
        self.key, self.value = (nn.Linear(features, features, bias=False) for _ in range(2))
        self.out = linear(features, features)

    def forward(self, channels: Channels, code: Tensor) -> Tensor:
        """Features (B, H, W, E); the token of a band is value * embed + code, with codes (B, C, E)."""
        batch, height, width, bands = channels.values.shape
        values, seen = (x.reshape(batch, 1, height * width, bands) for x in (channels.values, channels.seen))
        slope, level = (self.scores(part) for part in (self.embed, code))  # (heads,), (B, C, heads)
        logits = torch.addcmul(level.mT[:, :, None], values, slope[:, None, None]) + (seen - 1) * 1e4
        attention = logits.softmax(dim=-1)  # (B, heads, H W, C): the long axes inside, for speed
        from_embed, from_code = (self.value(part).unflatten(-1, (self.heads, -1)) for part in (self.embed, code))
        weighted = (attention * values).sum(dim=-1, keepdim=True)
        read = torch.addcmul(attention @ from_code.transpose(1, 2), weighted, from_embed[:, None])
        out: Tensor = self.out(read.transpose(1, 2).reshape(batch, height, width, -1))
        return out

    def scores(self, tokens: Tensor) -> Tensor:
        """Scaled products (..., heads) of the query with the keys of tokens (..., E)."""
        keys: Tensor = self.key(tokens).unflatten(-1, (self.heads, -1))
        return (keys * self.query).sum(dim=-1) / math.sqrt(self.query.shape[1])


class OnChipGrid(DenseMethod):
    """Bands of any sensors as channels of the 10 m grid: the shared part of four front ends."""

    whitened: ClassVar[bool] = True

    def __init__(self, options: Options, statistics: Statistics, classes: int) -> None:
        """As every dense method."""
        super().__init__(options, statistics, classes)
        self.bands = AnyBands(statistics, options.whiten and self.whitened)


class BandPixels(OnChipGrid):
    """Bands of a pixel on the 10 m grid become its features at once: the shared part of two front ends.

    Subclasses call `add_pixels` after building what `read` needs.
    """

    def add_pixels(self, width: int) -> None:
        """Build the layer behind the `width` features of a pixel, and the summary of cells."""
        self.mix = nn.Sequential(nn.ReLU(), linear(width, width), nn.ReLU())
        self.add_summary(width)

    def read(self, channels: Channels) -> Tensor:
        """What is read of the bands of each pixel, (B, H, W, E)."""
        raise NotImplementedError

    def features(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Features on the 10 m grid."""
        groups = groups_of(observation, self.training, getattr(self.options, "channel_sampling", 0.0))
        channels = on_chip_grid(groups, query, self.bands)
        return on_stack_grid(self.mix(self.read(channels)), channels.any_seen)


class BandTokens(OnChipGrid):
    """One token per band and cell, and the bands of a pixel read by attention: the shared part of two front ends.

    Subclasses call `add_tokens`, their own codes of bands, then `add_pixels`.
    """

    def add_tokens(self, hidden: int) -> None:
        """Build the projection of a band's moments over a cell, with one hidden layer."""
        self.patch = CellTokens(1, hidden, self.options.moments, self.options.cell_m)
        self.project = nn.Sequential(nn.GELU(), linear(hidden, self.options.dim))

    def add_pixels(self, width: int) -> None:
        """Build the layers behind the attention over the bands of a pixel, which gives `width` features."""
        self.mix = nn.Sequential(nn.ReLU(), linear(width, width), nn.ReLU())
        self.fine = linear(width, self.options.fine)

    def decode(self, channels: Channels, cell_codes: Tensor, pixels: Tensor, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid.

        Args:
            channels: bands on the 10 m grid.
            cell_codes: added to the tokens of each band, (..., C, 1, 1, D).
            pixels: what attention has read of each pixel, (B, H, W, E).
            query: the grid.
        """
        moments, covered = band_moments(channels, self.patch, query)
        tokens = self.project(self.patch.project(moments)) + cell_codes
        fine = self.fine(self.mix(pixels)) * channels.any_seen
        read, _ = on_stack_grid(fine, channels.any_seen).read(query, linear=True)
        logits: Tensor = self.decoder(trunk_over_bands(self.trunk, tokens, covered), read, query)
        return logits


class Modalities(AcquisitionMethod):
    """Acquisitions one by one, each with its bands on its own finest grid: the shared part of three front ends."""

    def __init__(self, options: Options, statistics: Statistics, classes: int) -> None:
        """As every method; subclasses call `add_fusion`."""
        super().__init__(options, statistics, classes)
        self.bands = AnyBands(statistics, options.whiten)

    def channels(self, observation: Observation) -> tuple[Channels, BandGroup]:
        """The bands of one product on its finest grid, and the group whose grid that is."""
        (product,) = observation.products
        groups = seeing(observation.of(product))
        return interpolate_to_finest(groups, self.bands), groups[0]


def groups_of(observation: Observation, training: bool, chance: float) -> tuple[BandGroup, ...]:
    """The groups that see something, in training with `chance` a random part of the bands.

    That is the hierarchical channel sampling of Bao et al. 2023: first a number of bands is drawn, then which.
    """
    groups = seeing(observation.groups)
    return some_bands(groups, 1) if training and torch.rand(()) < chance else groups
