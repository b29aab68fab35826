"""What dense methods share behind their front ends: tokens of cells, the trunk over them, the decoder and its loss.

Linear layers and convolutions start at the scale of one: torch's default start shrinks a signal by 1 / sqrt(3) at every
layer, and over the few layers between bands and logits that costs a short training a tenth of its score. The trunk is
made of pre-norm transformer blocks with rotary positions in metres. In the decoder cell context and fine features meet
on the query grid and become class logits.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from anyband.models.core.regrid import FeatureMap, apply_separable, cells_across, moment_weights, upsample_cells
from anyband.observation import QueryGrid


def linear(inputs: int, outputs: int, *, gain: float = 1.0) -> nn.Linear:
    """A linear layer with He's normal start times `gain`, and no bias at first."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    layer.weight.data.mul_(gain)
    return layer


def convolution(channels: int, *, gain: float) -> nn.Conv2d:
    """A 3 x 3 convolution from `channels` to as many, with He's normal start times `gain`, and no bias at first."""
    layer = nn.Conv2d(channels, channels, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    layer.weight.data.mul_(gain)
    return layer


LONGEST_WAVELENGTH_M = 4000.0


@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)  # kept, so training must be able to use what a map made
def rotary_angles(down: int, across: int, cell_m: float, half: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine (down * across, half) of two-dimensional rotary positions.

    The first half of the angles turns with y, the second with x. Wavelengths are spaced evenly in their logarithm from
    two cells to `LONGEST_WAVELENGTH_M`, so a step in metres means the same on any grid and in any window.
    """
    count = half // 2
    wavelength = torch.logspace(math.log10(2 * cell_m), math.log10(LONGEST_WAVELENGTH_M), count, dtype=torch.float64)
    y, x = torch.meshgrid(torch.arange(down) * cell_m, torch.arange(across) * cell_m, indexing="ij")
    angle = torch.cat([2 * math.pi * axis.reshape(-1, 1) / wavelength for axis in (y, x)], dim=1)
    return angle.cos().float(), angle.sin().float()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the channel pairs of x (..., N, 2 * half) by the angles (N, half)."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1)


class Block(nn.Module):
    """Attention and a two-layer perceptron, each behind a layer norm and a residual."""

    def __init__(self, dim: int, heads: int, mlp_ratio: float) -> None:
        """`dim` must be a multiple of 4 * `heads`: four rotary channels are the least that hold y and x."""
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(dim)
        self.query_key_value = linear(dim, 3 * dim, gain=0.7)
        self.out = linear(dim, dim, gain=0.0)  # a fresh block hands its input on
        hidden = int(dim * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), linear(dim, hidden, gain=0.7), nn.GELU(), linear(hidden, dim, gain=0.0)
        )

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Tokens (B, N, D) to tokens (B, N, D)."""
        batch, count, dim = x.shape
        packed = self.query_key_value(self.norm_attention(x)).reshape(batch, count, 3, self.heads, dim // self.heads)
        packed = packed.permute(2, 0, 3, 1, 4)
        query, key = rotate(packed[:2], cosine, sine)
        mixed = nn.functional.scaled_dot_product_attention(query, key, packed[2])
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, count, dim))
        out: Tensor = x + self.mlp(x)
        return out


class Trunk(nn.Module):
    """Blocks over a grid of cells of `cell_m` metres."""

    def __init__(self, dim: int, depth: int, heads: int, mlp_ratio: float, cell_m: float) -> None:
        """Build `depth` blocks of `dim` channels.

        Raises:
            ValueError: `dim` is not a multiple of 4 * `heads`.
        """
        super().__init__()
        if dim % (4 * heads):
            raise ValueError(f"dim {dim} must be a multiple of 4 * heads ({4 * heads})")
        self.cell_m, self.channel_pairs = cell_m, dim // heads // 2
        self.blocks = nn.ModuleList(Block(dim, heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    def forward(self, cells: Tensor) -> Tensor:
        """Cell features (B, Hc, Wc, D) to cell features of the same shape."""
        batch, down, across, dim = cells.shape
        cosine, sine = (a.to(cells.device) for a in rotary_angles(down, across, self.cell_m, self.channel_pairs))
        x = cells.reshape(batch, down * across, dim)
        for block in self.blocks:
            x = block(x, cosine, sine)
        out: Tensor = self.norm(x)
        return out.reshape(batch, down, across, dim)


class CellTokens(nn.Module):
    """Token of a cell: cosine moments of the features over the cell's ground, then a linear map.

    The zero-order moment is the area-weighted mean over observed ground; higher ones are taken about that mean, so a
    constant scene gives the same token at any pixel size, phase and mask.
    """

    def __init__(self, features: int, dim: int, order: int, cell_m: float) -> None:
        """`order` moments per axis of `features` channels become `dim` channels on cells of `cell_m` metres."""
        super().__init__()
        self.order, self.cell_m = order, cell_m
        self.project = linear(features * order * order, dim)

    def moments(self, features: FeatureMap, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Moments (B, Hc, Wc, order * order * E) and observed share of each cell (B, Hc, Wc, 1)."""
        batch, height, width = features.values.shape[:3]
        down = cells_across(query.height, query.pixel_m, self.cell_m)
        across = cells_across(query.width, query.pixel_m, self.cell_m)
        dx, dy = features.offset_m.unbind(1)
        rows = moment_weights(height, features.pixel_m, dy, down, self.cell_m, self.order)
        columns = moment_weights(width, features.pixel_m, dx, across, self.cell_m, self.order)
        shape = (batch, down, self.order, across, self.order)

        def per_cell(image: Tensor) -> Tensor:
            raw = apply_separable(rows, columns, image).reshape(*shape, -1).transpose(2, 3)
            return raw.reshape(batch, down, across, self.order**2, -1)

        seen, values = per_cell(features.weight), per_cell(features.values)
        covered = seen[..., :1, :]
        share = covered.clamp_min(1e-6).reciprocal()
        mean = values[..., :1, :] * share
        higher = (values[..., 1:, :] - mean * seen[..., 1:, :]) * share
        return torch.cat((mean, higher), dim=-2).flatten(-2), covered[..., 0, :].clamp_max(1.0)

    def forward(self, features: FeatureMap, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Tokens (B, Hc, Wc, D) and observed share of each cell (B, Hc, Wc, 1)."""
        moments, covered = self.moments(features, query)
        tokens: Tensor = self.project(moments)
        return tokens, covered


class Decoder(nn.Module):
    """Up-sampled cells plus fine features, residual convolutions on the query grid, one linear head.

    No normalisation here: the fine features carry absolute radiometry past the trunk's layer norms.
    """

    def __init__(self, dim: int, fine: int, depth: int, classes: int, cell_m: float) -> None:
        """`dim` channels of the trunk and `fine` channels of the front end give `classes` logits."""
        super().__init__()
        self.cell_m = cell_m
        self.context = linear(dim, fine)
        self.convolutions = nn.ModuleList(convolution(fine, gain=0.2) for _ in range(depth))
        self.head = linear(fine, classes, gain=0.1)

    def forward(self, cells: Tensor, fine: Tensor, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) from cells (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        x = fine + upsample_cells(self.context(cells), self.cell_m, query)
        x = x.permute(0, 3, 1, 2)  # a channels-last view, which the convolutions keep
        for layer in self.convolutions:
            x = x + layer(nn.functional.relu(x))
        logits: Tensor = self.head(nn.functional.relu(x).permute(0, 2, 3, 1))
        return logits.permute(0, 3, 1, 2)


IGNORED = -1


def class_weights(label_counts: tuple[int, ...], kind: str) -> Tensor | None:
    """Weights (classes,) of the cross-entropy from training pixels per class, or None for equal weights.

    "sqrt-inverse": one over the square root of the class's share, scaled so that the mean over pixels is 1.
    """
    if kind == "none":
        return None
    counts = torch.tensor(label_counts, dtype=torch.float64).clamp_min(1)
    share = counts / counts.sum()
    weights = share.rsqrt()
    return (weights / (weights * share).sum()).float()


def masked_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Mean cross-entropy over scored pixels; 0 when a batch has none.

    Args:
        logits: (B, classes, H, W).
        labels: (B, H, W) int64 class index, -1 where not scored.
        weights: (classes,) or None.
    """
    total = torch.nn.functional.cross_entropy(logits, labels, weights, ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp_min(1)


def mean_cross_entropy(maps: Sequence[Tensor], labels: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of the masked cross-entropies of several maps (B, classes, H, W) of the same ground; arguments as above."""
    return torch.stack([masked_cross_entropy(logits, labels, weights) for logits in maps]).mean()
