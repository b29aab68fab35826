"""The usual input of fusion baselines: all bands of some products, resampled to one 10 m grid and stacked."""

from collections.abc import Container, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from anyband.models.core.method import UnsupportedInputError
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap, observed, read_points
from anyband.models.core.whitening import Whitening
from anyband.observation import BandGroup, Observation, QueryGrid

GRID_M = 10.0


class BandStack(nn.Module):
    """Stack of whitened bands in a fixed order, 0 where nothing was seen, then one presence channel per product."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        products: tuple[str, ...],
        statistics: Statistics,
        *,
        linear: bool = True,
        presence: bool = True,
        whiten: bool = True,
        only: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Bands of `products` in the order of `statistics`; `linear` interpolates, else the nearest pixel is taken.

        Without `presence` there are no presence channels, so an unseen band looks like one at its mean; without
        `whiten` bands are standardised only. `only` names the bands of each product that are taken, in their order.
        """
        super().__init__()
        self.products, self.linear, self.presence = products, linear, presence
        found = {product: {band.name: band for band in statistics.of([product])} for product in products}
        chosen = {p: [found[p][name] for name in (only or found)[p] if name in found[p]] for p in products}
        self.bands = {product: tuple(band.name for band in bands) for product, bands in chosen.items()}
        entries = [band for bands in chosen.values() for band in bands]
        self.maps = {p: Whitening(statistics.covariance_of(p, bands)) for p, bands in chosen.items()} if whiten else {}
        self.register_buffer("mean", torch.tensor([entry.mean for entry in entries]), persistent=False)
        self.register_buffer("std", torch.tensor([max(entry.std, 1e-6) for entry in entries]), persistent=False)
        self.channels = len(entries) + len(products) * presence

    def forward(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Stack (B, H, W, channels) and weight (B, H, W, 1) on the 10 m grid that covers the query's extent."""
        return self.stack(*self.standardise(observation, query))

    def standardise(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Standardised bands, 0 where not seen, and whether they were, both (B, H, W, bands)."""
        parts = [self._product(observation, product, stack_grid(query)) for product in self.products]
        values, valid = (torch.cat(kind, dim=-1) for kind in zip(*parts, strict=True))
        return ((values - self.mean) / self.std).where(valid, 0.0), valid

    def stack(self, standard: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Stack (B, H, W, channels) and weight (B, H, W, 1) of standardised bands and their validity."""
        sizes = [len(self.bands[product]) for product in self.products]
        values, seen = torch.split(standard, sizes, dim=-1), torch.split(valid, sizes, dim=-1)
        if self.maps:
            values = tuple(self.maps[p](*part) for p, *part in zip(self.products, values, seen, strict=True))
        present = [part.any(dim=-1, keepdim=True).float() for part in seen]
        stacked = torch.cat((*values, *present) if self.presence else values, dim=-1)
        return stacked, torch.cat(present, dim=-1).amax(dim=-1, keepdim=True)

    def _product(self, observation: Observation, product: str, grid: QueryGrid) -> tuple[Tensor, Tensor]:
        """Values and validity (B, H, W, bands) of one product, in the unit of the data."""
        names = self.bands[product]
        groups = observation.of(product)
        if not groups:
            empty = torch.zeros(observation.batch, grid.height, grid.width, len(names), device=self.mean.device)
            return empty, empty.bool()
        bands = by_name([resample(group, grid, linear=self.linear) for group in groups], groups)
        require(product, names, bands)
        values, valid = zip(*(bands[name] for name in names), strict=True)
        return torch.stack(values, dim=-1), torch.stack(valid, dim=-1)


def stack_grid(query: QueryGrid) -> QueryGrid:
    """The 10 m grid that covers the query's extent."""
    return QueryGrid(GRID_M, *(round(n * query.pixel_m / GRID_M) for n in (query.height, query.width)))


def on_stack_grid(values: Tensor, weight: Tensor | None = None) -> FeatureMap:
    """A feature map of values (B, H, W, E) on the 10 m grid, 0 where `weight` (B, H, W, 1) is 0; without, all seen."""
    offset = values.new_zeros(len(values), 2)
    if weight is None:
        return FeatureMap(values, torch.ones_like(values[..., :1]), GRID_M, offset)
    return observed(values, weight, GRID_M, offset)


def by_name(parts: Sequence[tuple[Tensor, Tensor]], groups: Sequence[BandGroup]) -> dict[str, tuple[Tensor, Tensor]]:
    """Values and validity (B, h, w) of every band, from those (B, h, w, C) of its group."""
    return {
        band.name: (values[..., channel], valid[..., channel])
        for (values, valid), group in zip(parts, groups, strict=True)
        for channel, band in enumerate(group.band_sets[0])
    }


def require(product: str, names: Iterable[str], has: Container[str], why: str = "this model was trained with") -> None:
    """Make sure that all bands are there.

    Raises:
        UnsupportedInputError: one is not, with its name.
    """
    missing = [name for name in names if name not in has]
    if missing:
        raise UnsupportedInputError(f"{product} lacks band {missing[0]}, which {why}")


def resample(group: BandGroup, grid: QueryGrid, *, linear: bool) -> tuple[Tensor, Tensor]:
    """Values and validity (B, H, W, C) of a group on the 10 m `grid`, by exact offsets in metres.

    Invalid pixels do not enter; a point counts as seen when at least half of its interpolation weight is valid.
    """
    values, valid = (t.permute(0, 2, 3, 1) for t in (group.values, group.valid.float()))
    aligned = group.pixel_m == GRID_M and group.values.shape[2:] == (grid.height, grid.width)
    if aligned and not group.offset_m.any():
        return values, valid > 0.5
    if bool(group.valid.all()):
        read = read_points(values, group.pixel_m, group.offset_m, grid, linear=linear)
        return read, torch.ones_like(read, dtype=torch.bool)
    both = torch.cat((values * valid, valid), dim=-1)
    read = read_points(both, group.pixel_m, group.offset_m, grid, linear=linear)
    total, weight = read.chunk(2, dim=-1)
    return total / weight.clamp_min(1e-6), weight > 0.5


class StackEncoder(nn.Module):
    """Per-pixel features of a stack of bands on the 10 m grid."""

    def __init__(
        self,
        products: tuple[str, ...],
        statistics: Statistics,
        hidden: int,
        features: int,
        *,
        presence: bool = True,
        whiten: bool = True,
    ) -> None:
        """Two linear layers per pixel, `hidden` wide, to `features` channels; `presence`, `whiten` as for the stack."""
        super().__init__()
        self.stack = BandStack(products, statistics, presence=presence, whiten=whiten)
        self.layers = pixel_layers(self.stack.channels, hidden, features)

    def forward(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Feature map on the 10 m grid."""
        stacked, weight = self.stack(observation, query)
        return on_stack_grid(self.layers(stacked), weight)


def pixel_layers(channels: int, hidden: int, features: int) -> nn.Sequential:
    """What turns the channels of a pixel into features: two layers, the same for every method on a fixed stack."""
    return nn.Sequential(linear(channels, hidden), nn.ReLU(), linear(hidden, features), nn.ReLU())


def some_bands(groups: tuple[BandGroup, ...], least: int) -> tuple[BandGroup, ...]:
    """A random number of random bands, at least `least` where there are so many."""
    bands = [(g, c) for g, group in enumerate(groups) for c in range(group.values.shape[1])]
    count = int(torch.randint(min(least, len(bands)), len(bands) + 1, ()))
    kept = {bands[i] for i in torch.randperm(len(bands))[:count].tolist()}
    chosen = [tuple(c for g, c in bands if g == index and (g, c) in kept) for index in range(len(groups))]
    return tuple(group.select_bands(c) for group, c in zip(groups, chosen, strict=True) if c)
