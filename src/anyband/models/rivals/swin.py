"""Swin Transformer V2 with the parameter names of torchvision, so that checkpoints written with it load strictly.

Liu et al., "Swin Transformer V2: scaling up capacity and resolution", CVPR 2022 (arXiv 2111.09883): windows of 8 x 8
tokens, shifted by half a window in every second block; cosine attention with a learned temperature; a position bias
from a small network on log-spaced offsets; layer norms after attention and perceptron instead of before.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

WINDOW = 8
PATCH = 4


@dataclass(frozen=True)
class SwinSize:
    """Width of the first stage, and per stage the number of blocks and of heads.

    `drop_path` is the chance that the last block is skipped in training; it rises linearly from 0 at the first one.
    """

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    drop_path: float
    classes: int = 1000

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.width * 2**stage for stage in range(len(self.depths)))


# `t` and `b` as swin_v2_t and swin_v2_b of torchvision; `ci` is small enough for a test to train.
SIZES = {
    "t": SwinSize(96, (2, 2, 6, 2), (3, 6, 12, 24), 0.2),
    "b": SwinSize(128, (2, 2, 18, 2), (4, 8, 16, 32), 0.5),
    "ci": SwinSize(8, (2, 1, 1, 1), (1, 2, 4, 8), 0.0, classes=4),
}


class SwinV2(nn.Module):
    """The four stages as `features`, alternating with patch mergers; `norm` and `head` are for checkpoints only."""

    def __init__(self, channels: int, size: SwinSize) -> None:
        """Random weights for inputs of `channels` bands."""
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(channels, size.width, PATCH, PATCH), ChannelsLast(), nn.LayerNorm(size.width))
        layers: list[nn.Module] = [stem]
        drops = iter(torch.linspace(0, size.drop_path, sum(size.depths), device="cpu").tolist())
        for stage, (width, depth, heads) in enumerate(zip(size.widths, size.depths, size.heads, strict=True)):
            if stage:
                layers.append(PatchMerging(width // 2))
            layers.append(nn.Sequential(*(SwinBlock(width, heads, i % 2 == 1, next(drops)) for i in range(depth))))
        self.features = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(size.widths[-1])
        self.head = nn.Linear(size.widths[-1], size.classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features (B, width * 2**i, H / 2**(2 + i), W / 2**(2 + i)) of the four stages i of an image (B, C, H, W)."""
        x, stages = image, []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index % 2:
                stages.append(x.permute(0, 3, 1, 2))
        return stages


class ChannelsLast(nn.Module):
    """(B, C, H, W) to (B, H, W, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """A view."""
        return x.permute(0, 2, 3, 1)


class PatchMerging(nn.Module):
    """Four neighbouring tokens of `width` channels become one of twice the width."""

    def __init__(self, width: int) -> None:
        """`width` is that of the finer stage."""
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to (B, ceil(h / 2), ceil(w / 2), 2 C); an odd edge is padded with zeros."""
        x = nn.functional.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        quarters = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        out: Tensor = self.norm(self.reduction(torch.cat(quarters, dim=-1)))
        return out


class SwinBlock(nn.Module):
    """Window attention and a two-layer perceptron, each followed by a layer norm inside its residual."""

    def __init__(self, width: int, heads: int, shifted: bool, drop_path: float) -> None:
        """`shifted` blocks attend in windows that are moved by half a window."""
        super().__init__()
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, WINDOW // 2 if shifted else 0)
        self.norm2 = nn.LayerNorm(width)
        # The two empty layers keep torchvision's numbers: its perceptron has dropout there.
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Identity(), nn.Linear(4 * width, width), nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same shape."""
        x = x + self.skip(self.norm1(self.attn(x)))
        return x + self.skip(self.norm2(self.mlp(x)))

    def skip(self, branch: Tensor) -> Tensor:
        """In training, drop the branch of random samples and scale up that of the others (stochastic depth)."""
        if not self.training or self.drop_path == 0:
            return branch
        keep = 1 - self.drop_path
        kept = torch.rand(len(branch), 1, 1, 1, device=branch.device) < keep
        return branch * kept / keep


class WindowAttention(nn.Module):
    """Cosine attention inside windows of `WINDOW` x `WINDOW` tokens."""

    relative_coords_table: Tensor
    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, shift: int) -> None:
        """`shift` tokens down and to the right is where the windows start."""
        super().__init__()
        self.heads, self.shift = heads, shift
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10.0)))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.cpb_mlp = nn.Sequential(nn.Linear(2, 512), nn.ReLU(), nn.Linear(512, heads, bias=False))
        table, index = relative_positions()
        self.register_buffer("relative_coords_table", table)
        self.register_buffer("relative_position_index", index)

    def forward(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to the same shape; edges are padded with zeros to whole windows."""
        batch, height, width, channels = x.shape
        x = nn.functional.pad(x, (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        _, down, across, _ = x.shape
        # One window has no neighbour to be shifted against.
        shift = (self.shift if down > WINDOW else 0, self.shift if across > WINDOW else 0)
        x = torch.roll(x, (-shift[0], -shift[1]), dims=(1, 2))
        x = x.reshape(batch, down // WINDOW, WINDOW, across // WINDOW, WINDOW, channels)
        x = self.attend(x.transpose(2, 3).reshape(batch, -1, WINDOW**2, channels), down, across, shift)
        x = x.reshape(batch, down // WINDOW, across // WINDOW, WINDOW, WINDOW, channels).transpose(2, 3)
        x = torch.roll(x.reshape(batch, down, across, channels), shift, dims=(1, 2))
        return x[:, :height, :width]

    def attend(self, windows: Tensor, down: int, across: int, shift: tuple[int, int]) -> Tensor:
        """Attention of windows (B, n, 64, C) among their own tokens."""
        batch, count, tokens, channels = windows.shape
        bias = self.qkv.bias.reshape(3, channels) * self.qkv.bias.new_tensor([[1.0], [0.0], [1.0]])  # keys have none
        packed = nn.functional.linear(windows, self.qkv.weight, bias.flatten())
        packed = packed.reshape(batch, count, tokens, 3, self.heads, channels // self.heads).permute(3, 0, 1, 4, 2, 5)
        query, key = nn.functional.normalize(packed[:2], dim=-1)
        query = query * self.logit_scale.clamp(max=math.log(100.0)).exp()
        offset = self.position_bias()
        if any(shift):
            offset = offset + shift_mask(down, across, shift).to(offset)[:, None]
        mixed = nn.functional.scaled_dot_product_attention(query, key, packed[2], attn_mask=offset, scale=1.0)
        out: Tensor = self.proj(mixed.transpose(2, 3).reshape(batch, count, tokens, channels))
        return out

    def position_bias(self) -> Tensor:
        """Bias (1, heads, 64, 64) between the tokens of a window: 16 sigmoid(network(log offset))."""
        table = self.cpb_mlp(self.relative_coords_table).reshape(-1, self.heads)
        bias = table[self.relative_position_index].reshape(WINDOW**2, WINDOW**2, self.heads)
        return 16 * torch.sigmoid(bias.permute(2, 0, 1)[None])


def relative_positions() -> tuple[Tensor, Tensor]:
    """Log-spaced offsets (1, 15, 15, 2) between two tokens, and which of them each pair (64 * 64,) of tokens has.

    An offset d of at most 7 becomes sign(d) log2(1 + 8 |d| / 7) / 3, which runs from about -1 to 1.
    """
    scaled = torch.arange(1 - WINDOW, WINDOW, dtype=torch.float32) * (8 / (WINDOW - 1))
    scaled = scaled.sign() * torch.log2(scaled.abs() + 1) / 3
    table = torch.stack(torch.meshgrid(scaled, scaled, indexing="ij"), dim=-1)[None]
    place = torch.stack(torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")).flatten(1)
    row, column = place[:, :, None] - place[:, None, :] + WINDOW - 1
    return table, (row * (2 * WINDOW - 1) + column).flatten()


@lru_cache(maxsize=64)
@torch.inference_mode(mode=False)  # kept, so training must be able to use what a map made
def shift_mask(down: int, across: int, shift: tuple[int, int]) -> Tensor:
    """Bias (windows, 64, 64) of -100 between tokens that only the cyclic shift has brought into one window."""
    region = torch.zeros(down, across)
    for number, rows in enumerate(_bands(down, shift[0])):
        for other, columns in enumerate(_bands(across, shift[1])):
            region[rows, columns] = 3 * number + other
    region = region.reshape(down // WINDOW, WINDOW, across // WINDOW, WINDOW).transpose(1, 2).reshape(-1, WINDOW**2)
    return (region[:, None] != region[:, :, None]) * -100.0


def _bands(length: int, shift: int) -> tuple[slice, ...]:
    """Rows of a shifted map that were neighbours before: whole windows, the last one's own part, the wrapped part."""
    if not shift:
        return (slice(0, length),)
    return slice(0, length - WINDOW), slice(length - WINDOW, length - shift), slice(length - shift, length)
