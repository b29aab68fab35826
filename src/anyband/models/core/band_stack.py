"""The usual input of fusion baselines: all bands of some products, resampled to one 10 m grid and stacked."""

import torch
from torch import Tensor, nn

from anyband.models.core.method import UnsupportedInputError
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap, apply_separable, observed, reading_weights
from anyband.observation import BandGroup, Observation, QueryGrid

GRID_M = 10.0


class BandStack(nn.Module):
    """Stack of z-scored bands in a fixed order, 0 where nothing was seen, then one presence channel per product."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, products: tuple[str, ...], statistics: Statistics, *, linear: bool = True, presence: bool = True
    ) -> None:
        """Bands of `products` in the order of `statistics`; `linear` interpolates, else the nearest pixel is taken.

        Without `presence` there are no presence channels, so an unseen band looks like one at its mean.
        """
        super().__init__()
        self.products, self.linear, self.presence = products, linear, presence
        self.bands = {product: tuple(band.name for band in statistics.of([product])) for product in products}
        entries = statistics.of(products)
        self.register_buffer("mean", torch.tensor([entry.mean for entry in entries]), persistent=False)
        self.register_buffer("std", torch.tensor([max(entry.std, 1e-6) for entry in entries]), persistent=False)
        self.channels = len(entries) + len(products) * presence

    def forward(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Stack (B, H, W, channels) and weight (B, H, W, 1) on the 10 m grid that covers the query's extent."""
        height, width = (round(n * query.pixel_m / GRID_M) for n in (query.height, query.width))
        values, seen = [], []
        for product in self.products:
            bands, valid = self._product(observation, product, height, width)
            values.append(bands)
            seen.append(valid)
        stacked, valid = torch.cat(values, dim=-1), torch.cat(seen, dim=-1)
        stacked = ((stacked - self.mean) / self.std).where(valid, 0.0)
        presence, start = [], 0
        for product in self.products:
            stop = start + len(self.bands[product])
            presence.append(valid[..., start:stop].any(dim=-1, keepdim=True).float())
            start = stop
        present = torch.cat(presence, dim=-1)
        if self.presence:
            stacked = torch.cat((stacked, present), dim=-1)
        return stacked, present.amax(dim=-1, keepdim=True)

    def _product(self, observation: Observation, product: str, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Values and validity (B, H, W, bands) of one product, in the unit of the data."""
        names = self.bands[product]
        groups = observation.of(product)
        if not groups:
            empty = torch.zeros(observation.batch, height, width, len(names), device=self.mean.device)
            return empty, empty.bool()
        values: dict[str, Tensor] = {}
        valid: dict[str, Tensor] = {}
        for group in groups:
            resampled, inside = resample(group, height, width, linear=self.linear)
            for channel, band in enumerate(group.band_sets[0]):
                values[band.name], valid[band.name] = resampled[..., channel], inside[..., channel]
        missing = [name for name in names if name not in values]
        if missing:
            raise UnsupportedInputError(f"{product} lacks band {missing[0]}, which this model was trained with")
        return torch.stack([values[n] for n in names], dim=-1), torch.stack([valid[n] for n in names], dim=-1)


def resample(group: BandGroup, height: int, width: int, *, linear: bool) -> tuple[Tensor, Tensor]:
    """Values and validity (B, H, W, C) of a group on the 10 m grid, by exact offsets in metres.

    Invalid pixels do not enter; a point counts as seen when at least half of its interpolation weight is valid.
    """
    dx, dy = group.offset_m.unbind(1)
    rows = reading_weights(group.values.shape[2], group.pixel_m, dy, height, GRID_M, linear=linear)
    columns = reading_weights(group.values.shape[3], group.pixel_m, dx, width, GRID_M, linear=linear)
    values, valid = (t.permute(0, 2, 3, 1) for t in (group.values, group.valid.float()))
    aligned = group.pixel_m == GRID_M and group.values.shape[2:] == (height, width)
    if aligned and not group.offset_m.any():
        return values, valid > 0.5
    if bool(group.valid.all()):
        read = apply_separable(rows, columns, values)
        return read, torch.ones_like(read, dtype=torch.bool)
    read = apply_separable(rows, columns, torch.cat((values * valid, valid), dim=-1))
    total, weight = read.chunk(2, dim=-1)
    return total / weight.clamp_min(1e-6), weight > 0.5


class StackEncoder(nn.Module):
    """Per-pixel features of a stack of bands on the 10 m grid."""

    def __init__(
        self, products: tuple[str, ...], statistics: Statistics, hidden: int, features: int, *, presence: bool = True
    ) -> None:
        """Two linear layers per pixel, `hidden` wide, to `features` channels; `presence` as for the stack."""
        super().__init__()
        self.stack = BandStack(products, statistics, presence=presence)
        self.layers = nn.Sequential(linear(self.stack.channels, hidden), nn.ReLU(), linear(hidden, features), nn.ReLU())

    def forward(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Feature map on the 10 m grid."""
        stacked, weight = self.stack(observation, query)
        offset = torch.zeros(observation.batch, 2, device=stacked.device)
        return observed(self.layers(stacked), weight, GRID_M, offset)


def some_bands(groups: tuple[BandGroup, ...], least: int) -> tuple[BandGroup, ...]:
    """A random number of random bands, at least `least` where there are so many."""
    bands = [(g, c) for g, group in enumerate(groups) for c in range(group.values.shape[1])]
    count = int(torch.randint(min(least, len(bands)), len(bands) + 1, ()))
    kept = {bands[i] for i in torch.randperm(len(bands))[:count].tolist()}
    chosen = [tuple(c for g, c in bands if g == index and (g, c) in kept) for index in range(len(groups))]
    return tuple(group.select_bands(c) for group, c in zip(groups, chosen, strict=True) if c)
