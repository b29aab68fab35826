"""The proposed encoder: any bands, any sampling distance, any number of acquisitions, nothing resampled.

A band enters with weights that a hyper-network makes from its spectral response and sampling distance. On the finest
native grid of an acquisition the contributions of all its bands are averaged (each band read at the pixel that contains
the point), so neither the number nor the order of bands matters. Acquisitions are then averaged with learned weights,
per cell and per query pixel.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.features import CellTokens, FeatureMap, observed
from anyband.models.geometry import apply_separable, reading_weights
from anyband.models.layers import linear
from anyband.models.method import LANDSAT, SENTINEL2, DenseMethod, Options
from anyband.models.spectral import BandCodes, BandWeights
from anyband.models.statistics import Statistics
from anyband.observation import BandGroup, Observation, QueryGrid


@dataclass(frozen=True)
class AnyBandOptions(Options):
    """Sizes and augmentation of the proposed method.

    Attributes:
        features: features per native pixel.
        hyper: hidden width of the network that turns band codes into weights.
        band_drop: chance that a training batch loses a random number of an acquisition's bands.
        catalogue_response: chance that a training batch sees Gaussian responses from centre and width only.
    """

    features: int = 48
    hyper: int = 48
    band_drop: float = 0.0
    catalogue_response: float = 0.3


class AnyBand(DenseMethod):
    """Conditions on the measurement operator of every band instead of on its name."""

    options_type = AnyBandOptions
    options: AnyBandOptions
    trained_on = (SENTINEL2, LANDSAT, SENTINEL2 | LANDSAT)
    search = {"band_drop": (0.0, 0.2), "catalogue_response": (0.0, 0.3)}

    def __init__(self, options: AnyBandOptions, statistics: Statistics, classes: int) -> None:
        """Build the hyper-network, the per-pixel layer and the fusion over acquisitions."""
        super().__init__(options, statistics, classes)
        width = options.features
        self.codes = BandCodes(options.cell_m)
        self.weights = BandWeights(width, options.hyper)
        self.mix = nn.Sequential(nn.ReLU(), linear(width, width), nn.ReLU())
        self.tokens = CellTokens(width, options.dim, options.moments, options.cell_m)
        self.fine = linear(width, options.fine)
        self.cell_gate = nn.Linear(options.dim, 1)
        self.fine_gate = nn.Linear(options.fine, 1)

    def uses(self, products: frozenset[str]) -> frozenset[str]:
        """Every product."""
        return products

    def encode(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        cells, fine = [], []
        for product in sorted(observation.products):
            features = self.acquisition(observation.of(product))
            cells.append(self.tokens(features, query))
            read, weight = features.read(query, linear=True)
            fine.append((self.fine(read), weight))
        return fuse(cells, self.cell_gate), fuse(fine, self.fine_gate)

    def acquisition(self, groups: tuple[BandGroup, ...]) -> FeatureMap:
        """Features of one acquisition on its finest native grid, from groups in order of pixel size."""
        if self.training:
            groups = self.drop_bands(groups)
        finest = groups[0]
        scaled, valid, weights = zip(*(self.band_inputs(group, finest) for group in groups), strict=True)
        values, seen = torch.cat(scaled, dim=-1), torch.cat(valid, dim=-1)
        share = seen.sum(dim=-1, keepdim=True).clamp_min(1.0).reciprocal()
        inputs = torch.cat((values * share, seen * share), dim=-1)
        weight, bias = zip(*weights, strict=True)
        batch, height, width, channels = inputs.shape
        mean = torch.bmm(inputs.reshape(batch, height * width, channels), torch.cat(weight + bias, dim=1))
        features = self.mix(mean.reshape(batch, height, width, -1))
        return observed(features, seen.amax(dim=-1, keepdim=True), finest.pixel_m, finest.offset_m)

    def band_inputs(self, group: BandGroup, finest: BandGroup) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """What the bands of a group contribute to an average over bands on the grid of `finest`.

        Returns:
            Standardised values (B, h, w, C), 0 where invalid; validity (B, h, w, C) as 0 or 1; and weights and
            biases (B, C, E) of the bands.
        """
        gaussian = self.training and bool(torch.rand(()) < self.options.catalogue_response)
        codes = self.codes.of(group.band_sets, group.values.device, gaussian=gaussian)
        weight, bias = (t[group.band_set_index] for t in self.weights(codes))
        levels = [[self.statistics.at(band) for band in band_set] for band_set in group.band_sets]
        mean, std = torch.tensor(levels, device=group.values.device)[group.band_set_index].unbind(-1)  # (B, C)
        scaled = (group.values - mean[..., None, None]) / std[..., None, None] * group.valid
        both = torch.cat((scaled, group.valid.float()), dim=1).permute(0, 2, 3, 1)
        values, valid = read_containing(both, group, finest).chunk(2, dim=-1)
        return values, valid, (weight, bias)

    def drop_bands(self, groups: tuple[BandGroup, ...]) -> tuple[BandGroup, ...]:
        """With chance `band_drop`, keep a random number of random bands of the acquisition."""
        if torch.rand(()) >= self.options.band_drop:
            return groups
        bands = [(g, c) for g, group in enumerate(groups) for c in range(group.values.shape[1])]
        count = int(torch.randint(1, len(bands) + 1, ()))
        kept = {bands[i] for i in torch.randperm(len(bands))[:count].tolist()}
        chosen = [tuple(c for g, c in bands if g == index and (g, c) in kept) for index in range(len(groups))]
        return tuple(group.select_bands(c) for group, c in zip(groups, chosen, strict=True) if c)


def read_containing(image: Tensor, group: BandGroup, finest: BandGroup) -> Tensor:
    """Read a map (B, h, w, C) of `group` at the pixel centres of `finest`: the pixel that contains them."""
    if group is finest:
        return image
    dx, dy = (group.offset_m - finest.offset_m).unbind(1)
    height, width = finest.values.shape[2:]
    rows = reading_weights(image.shape[1], group.pixel_m, dy, height, finest.pixel_m, linear=False)
    columns = reading_weights(image.shape[2], group.pixel_m, dx, width, finest.pixel_m, linear=False)
    return apply_separable(rows, columns, image)


def fuse(parts: list[tuple[Tensor, Tensor]], gate: nn.Linear) -> Tensor:
    """Average of acquisitions (B, h, w, C) with learned weights; where an acquisition saw nothing it does not count.

    Args:
        parts: per acquisition, features and observed share (B, h, w, 1).
        gate: scores an acquisition from its features.
    """
    if len(parts) == 1:
        return parts[0][0] * (parts[0][1] > 0)
    values = torch.stack([value for value, _ in parts])
    seen = torch.stack([weight for _, weight in parts])
    share = torch.sigmoid(gate(values)) * seen
    return (values * share).sum(dim=0) / share.sum(dim=0).clamp_min(1e-6)
