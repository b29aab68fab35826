"""Specialists and the usual fusions, on inputs resampled to 10 m."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from anyband.models.features import CellTokens
from anyband.models.layers import linear
from anyband.models.method import LANDSAT, SENTINEL2, DenseMethod, Options
from anyband.models.resampled import StackEncoder
from anyband.models.statistics import Statistics
from anyband.observation import Observation, QueryGrid


@dataclass(frozen=True)
class StackOptions(Options):
    """Sizes of a method with one stack.

    Attributes:
        hidden: width of the per-pixel layer between the bands and the features.
        features: features per pixel that are summarised over cells.
    """

    hidden: int = 64
    features: int = 48


class InputFusion(DenseMethod):
    """All bands of the training products stacked at 10 m with presence channels; one encoder."""

    options_type = StackOptions
    options: StackOptions
    trained_on: ClassVar[tuple[frozenset[str], ...]] = (SENTINEL2, LANDSAT, SENTINEL2 | LANDSAT)
    products: ClassVar[tuple[str, ...]] = ("sentinel2", "landsat")

    def __init__(self, options: StackOptions, statistics: Statistics, classes: int) -> None:
        """Build the stack encoder."""
        super().__init__(options, statistics, classes)
        self.encoder = StackEncoder(self.products, statistics, options.hidden, options.features)
        self.tokens = CellTokens(options.features, options.dim, options.moments, options.cell_m)
        self.fine = linear(options.features, options.fine)

    def encode(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        features = self.encoder(observation, query)
        cells, _ = self.tokens(features, query)
        read, _ = features.read(query, linear=True)
        return cells, self.fine(read)


class Sentinel2Only(InputFusion):
    """The specialist of Sentinel-2; it ignores every other product."""

    trained_on = (SENTINEL2,)
    products = ("sentinel2",)


class LandsatOnly(InputFusion):
    """The specialist of Landsat; it ignores every other product."""

    trained_on = (LANDSAT,)
    products = ("landsat",)


@dataclass(frozen=True)
class FeatureFusionOptions(StackOptions):
    """Sizes that bring two smaller encoders to the size of one; `features` are those of both together."""

    hidden: int = 96
    features: int = 60


class FeatureFusion(DenseMethod):
    """One encoder per sensor; their latents are concatenated, with a learned latent where a sensor is absent."""

    options_type = FeatureFusionOptions
    options: FeatureFusionOptions
    trained_on = (SENTINEL2, LANDSAT, SENTINEL2 | LANDSAT)
    products: ClassVar[tuple[str, ...]] = ("sentinel2", "landsat")

    def __init__(self, options: FeatureFusionOptions, statistics: Statistics, classes: int) -> None:
        """Build one stack encoder and one cell summary per product, and the fusion of both levels."""
        super().__init__(options, statistics, classes)
        count, half = len(self.products), options.features // 2
        self.encoders = nn.ModuleDict({p: StackEncoder((p,), statistics, options.hidden, half) for p in self.products})
        self.tokens = nn.ModuleDict(
            {p: CellTokens(half, options.dim // 2, options.moments, options.cell_m) for p in self.products}
        )
        self.absent_cell = nn.Parameter(torch.zeros(count, options.dim // 2))
        self.absent_fine = nn.Parameter(torch.zeros(count, half))
        self.fuse_cells = nn.Sequential(nn.GELU(), linear(options.dim // 2 * count, options.dim))
        self.fuse_fine = linear(half * count, options.fine)

    def encode(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        cells: list[Tensor | None] = []
        fine: list[Tensor | None] = []
        for index, product in enumerate(self.products):
            if not observation.of(product):
                cells.append(None)
                fine.append(None)
                continue
            features = self.encoders[product](observation, query)
            tokens, covered = self.tokens[product](features, query)
            read, weight = features.read(query, linear=True)
            cells.append(torch.lerp(self.absent_cell[index].expand_as(tokens), tokens, (covered > 0).float()))
            fine.append(torch.lerp(self.absent_fine[index].expand_as(read), read, weight))
        return self.fuse_cells(_concatenate(cells, self.absent_cell)), self.fuse_fine(
            _concatenate(fine, self.absent_fine)
        )


def _concatenate(parts: list[Tensor | None], absent: Tensor) -> Tensor:
    """Concatenate maps (B, h, w, C) along channels; a missing one is its row of `absent` (products, C) everywhere."""
    shape = next(part.shape[:3] for part in parts if part is not None)
    filled = [absent[i].expand(*shape, -1) if part is None else part for i, part in enumerate(parts)]
    return torch.cat(filled, dim=-1)
