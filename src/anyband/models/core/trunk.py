"""The shared trunk: pre-norm transformer blocks over cells, with rotary positions in metres."""

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from anyband.models.core.layers import linear

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
