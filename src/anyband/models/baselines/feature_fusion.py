"""Feature fusion: one encoder per sensor, whose latents of cells and of pixels meet before the trunk.

Three ways to join them: side by side (the default), after the sensors have looked at each other's cells by
cross-attention, and their plain mean. The trunk's blocks follow in every case.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.baselines.input_fusion import StackOptions
from anyband.models.core.band_stack import StackEncoder
from anyband.models.core.method import DenseMethod
from anyband.models.core.network import CellTokens, linear, rotary_angles, rotate
from anyband.models.core.normalisation import Statistics
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

FUSIONS = ("concat", "attention", "mean")


@dataclass(frozen=True)
class FeatureFusionOptions(StackOptions):
    """Sizes that bring two smaller encoders to the size of one; `features` are those of both together.

    `{hidden: 64, features: 96, latent: 64}` makes the encoder of each sensor as large as that of a specialist, the
    upper reference.

    Attributes:
        latent: channels of the cell latents of one sensor; 0 for half of `dim`.
        fusion: "concat", "attention" or "mean".
        alone: train on each sensor alone too; else on all together only.
    """

    hidden: int = 96
    features: int = 60
    latent: int = 0
    fusion: str = "concat"
    alone: bool = True


class FeatureFusion(DenseMethod):
    """One encoder per sensor and a fusion of their latents, with a learned latent where a sensor is absent."""

    label = "Feature fusion"
    role = "baseline"
    family = "fusion of features"
    colours = ("#32574b", "#b4ddb6")
    marker = "D"
    cite = "garnot2021"
    options_type = FeatureFusionOptions
    options: FeatureFusionOptions
    tokens: nn.ModuleDict  # type: ignore[assignment]
    search = {"fusion": ("concat", "attention")}

    def __init__(self, options: FeatureFusionOptions, statistics: Statistics, classes: int) -> None:
        """Build one stack encoder and one cell summary per product, and the fusion of both levels.

        Raises:
            UserError: no such fusion, or an option that does not fit it.
        """
        super().__init__(options, statistics, classes)
        if not options.alone:
            self.steps = tuple(step[-1:] for step in self.steps)
        if options.fusion not in FUSIONS:
            raise UserError(f"options.fusion: {options.fusion!r} does not exist; known: {', '.join(FUSIONS)}")
        count, half, latent = len(self.products), options.features // 2, options.latent or options.dim // 2
        self.encoders = nn.ModuleDict(
            {p: StackEncoder((p,), statistics, options.hidden, half, whiten=options.whiten) for p in self.products}
        )
        self.tokens = nn.ModuleDict(
            {p: CellTokens(half, latent, options.moments, options.cell_m) for p in self.products}
        )
        self.absent_cell = nn.Parameter(torch.zeros(count, latent))
        self.absent_fine = nn.Parameter(torch.zeros(count, half))
        joined = 1 if options.fusion == "mean" else count
        self.fuse_cells = nn.Sequential(nn.GELU(), linear(latent * joined, options.dim))
        self.fuse_fine = linear(half * joined, options.fine)
        self.cross = None
        if options.fusion == "attention":
            self.cross = CrossAttention(latent, max(options.heads // 2, 1), options.cell_m)

    def encode(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        cells: list[tuple[Tensor, Tensor] | None] = []
        fine: list[tuple[Tensor, Tensor] | None] = []
        for product in self.products:
            if not observation.of(product):
                cells.append(None)
                fine.append(None)
                continue
            features = self.encoders[product](observation, query)
            tokens, covered = self.tokens[product](features, query)
            cells.append((tokens, (covered > 0).float()))
            fine.append(features.read(query, linear=True))
        latents, seen = filled(cells, self.absent_cell)
        if self.cross is not None:
            latents = self.cross(latents, seen)
        pixels, weight = filled(fine, self.absent_fine)
        return self.fuse_cells(self.join(latents, seen)), self.fuse_fine(self.join(pixels, weight))

    def join(self, latents: Tensor, seen: Tensor) -> Tensor:
        """Latents (B, h, w, S * C) of all sensors side by side, or (B, h, w, C) their mean where they saw the ground.

        Args:
            latents: (S, B, h, w, C) of each sensor.
            seen: (S, B, h, w, 1) 0 to 1.
        """
        if self.options.fusion == "mean":
            return (latents * seen).sum(dim=0) / seen.sum(dim=0).clamp_min(1e-6)
        return latents.movedim(0, -2).flatten(-2)


def filled(parts: list[tuple[Tensor, Tensor] | None], absent: Tensor) -> tuple[Tensor, Tensor]:
    """Latents (S, B, h, w, C), those of `absent` (S, C) where a sensor saw nothing, and what was seen (S, B, h, w, 1).

    Args:
        parts: per sensor, latents (B, h, w, C) and observed share (B, h, w, 1), or None without the sensor.
        absent: learned latent of each sensor.
    """
    present = next(part for part in parts if part is not None)
    latents, seen = [], []
    for part, instead in zip(parts, absent, strict=True):
        values, weight = part or (torch.zeros_like(present[0]), torch.zeros_like(present[1]))
        latents.append(torch.lerp(instead.expand_as(values), values.to(instead), weight))
        seen.append(weight)
    return torch.stack(latents), torch.stack(seen)


class CrossAttention(nn.Module):
    """The cells of each sensor attend to those of the other sensors, anywhere in the crop, by position in metres."""

    def __init__(self, latent: int, heads: int, cell_m: float) -> None:
        """Attention over `latent` channels in `heads` heads, shared by all sensors; at first it adds nothing.

        Raises:
            UserError: a head's channels are no multiple of four, which rotary positions need.
        """
        super().__init__()
        if latent % (4 * heads):
            raise UserError(f"options.latent: {latent} must be a multiple of {4 * heads} (4 x half of the heads)")
        self.heads, self.cell_m = heads, cell_m
        self.norm = nn.LayerNorm(latent)
        self.query_key_value = linear(latent, 3 * latent, gain=0.7)
        self.out = linear(latent, latent, gain=0.0)

    def forward(self, latents: Tensor, seen: Tensor) -> Tensor:
        """Latents (S, B, h, w, C) plus what each sensor reads from cells that the others saw; `seen` is 0 or 1."""
        sensors, batch, down, across, channels = latents.shape
        packed = self.query_key_value(self.norm(latents)).reshape(sensors, batch, down * across, 3, self.heads, -1)
        query, key, value = packed.permute(3, 0, 1, 4, 2, 5)  # each (S, B, heads, N, c)
        angles = rotary_angles(down, across, self.cell_m, channels // self.heads // 2)
        cosine, sine = (angle.to(latents.device) for angle in angles)
        known = seen.reshape(sensors, batch, 1, 1, -1)

        def of_others(x: Tensor, dim: int) -> Tensor:
            return torch.cat([x.roll(-step, dims=0) for step in range(1, sensors)], dim=dim)

        others = of_others(known, 4)
        read = nn.functional.scaled_dot_product_attention(
            rotate(query, cosine, sine),
            of_others(rotate(key, cosine, sine), 3),
            of_others(value, 3),
            attn_mask=(others - 1) * 1e4,  # finite, so that a sensor without others to read gives no NaN
        )
        read = read * others.amax(dim=-1, keepdim=True)
        added: Tensor = self.out(read.transpose(2, 3).reshape(latents.shape))
        return latents + added
