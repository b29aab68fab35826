"""Feature maps on metric grids, read at the query's pixels and summarised over the trunk's cells.

All front ends share these steps, so methods differ only in how pixels become features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.core.layers import linear
from anyband.models.core.regrid import apply_separable, cells_across, moment_weights, reading_weights
from anyband.observation import QueryGrid


@dataclass(frozen=True)
class FeatureMap:
    """Features of one acquisition on one grid.

    Attributes:
        values: (B, h, w, E) float32; 0 where the weight is 0.
        weight: (B, h, w, 1) float32 in [0, 1]: 1 where the pixel was observed.
        pixel_m: spacing, m.
        offset_m: (B, 2) (dx, dy) m of the upper-left corner from the chip's.
    """

    values: Tensor
    weight: Tensor
    pixel_m: float
    offset_m: Tensor

    def read(self, query: QueryGrid, *, linear: bool) -> tuple[Tensor, Tensor]:
        """Features (B, H, W, E) and weight (B, H, W, 1) at the query's pixel centres, by position in metres."""
        height, width = self.values.shape[1:3]
        aligned = self.pixel_m == query.pixel_m and (height, width) == (query.height, query.width)
        if aligned and not self.offset_m.any():
            return self.values, self.weight
        dx, dy = self.offset_m.unbind(1)
        rows = reading_weights(height, self.pixel_m, dy, query.height, query.pixel_m, linear=linear)
        columns = reading_weights(width, self.pixel_m, dx, query.width, query.pixel_m, linear=linear)
        values = apply_separable(rows, columns, self.values)
        weight = apply_separable(rows, columns, self.weight)
        return values * weight.clamp_min(1e-6).reciprocal(), weight


def observed(values: Tensor, weight: Tensor, pixel_m: float, offset_m: Tensor) -> FeatureMap:
    """A feature map of `values` (B, h, w, E) that is 0 where `weight` (B, h, w, 1) is 0."""
    if not bool((weight > 0).all()):
        values = values.where(weight > 0, 0.0)
    return FeatureMap(values, weight, pixel_m, offset_m)


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


def upsample_cells(cells: Tensor, cell_m: float, query: QueryGrid) -> Tensor:
    """Read cell features (B, Hc, Wc, C) at the query's pixels by linear interpolation between cell centres."""
    down, across = cells.shape[1:3]
    if (query.height * query.pixel_m, query.width * query.pixel_m) == (down * cell_m, across * cell_m):
        image = nn.functional.interpolate(
            cells.permute(0, 3, 1, 2), size=(query.height, query.width), mode="bilinear", align_corners=False
        )
        return image.permute(0, 2, 3, 1)
    zero = torch.zeros(1, device=cells.device)
    rows = reading_weights(down, cell_m, zero, query.height, query.pixel_m, linear=True)
    columns = reading_weights(across, cell_m, zero, query.width, query.pixel_m, linear=True)
    return apply_separable(rows.expand(len(cells), -1, -1), columns.expand(len(cells), -1, -1), cells)
