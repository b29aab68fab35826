"""The proposed encoder: any bands, any sampling distance, any number of acquisitions, nothing resampled.

A pixel is a linear functional of the scene, and the encoder is told which. On the finest native grid of an acquisition
(each band read at the pixel that contains the point) its bands enter in two ways that do not depend on their number or
order: through the spectral posterior, what they say about the spectrum by Gaussian inference from training pixels; and
with weights that a hyper-network makes from the spectral response and sampling distance of each, averaged. Both are
linear in the pixel, so they cost one matrix product. Acquisitions are then averaged with learned weights, per cell and
per query pixel. A training step makes a map from each sensor and from all together, and computes what they share once.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from anyband.models.core.method import AcquisitionMethod, Options
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap, observed, read_group
from anyband.models.proposed.codes import BandCodes, BandWeights, SceneCode
from anyband.models.proposed.merge_bands import resolved, synthetic_sensor
from anyband.models.proposed.posterior import Conversion, SpectralPosterior
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import Band

SPECTRAL = ("both", "codes", "posterior")


@dataclass(frozen=True)
class AnyBandOptions(Options):
    """Sizes and augmentation of the proposed method.

    Attributes:
        features: features per native pixel.
        hyper: hidden width of the network that turns band codes into weights.
        spectral: how bands enter: "codes" with weights from the hyper-network, "posterior", or "both".
        noise: standard deviation of a band's error in the posterior, over that of its values.
        synthetic: chance that a training step makes a map from a synthetic sensor too: a random part of the bands.
        wider: chance that such a sensor has neighbouring bands averaged into wider ones.
        coarser: chance that it has a coarser sampling distance.
        catalogue_response: chance that a training batch sees Gaussian responses from centre and width only.
        scene: whether sun, view and day of the year of an acquisition enter, where they are known.
    """

    features: int = 48
    hyper: int = 24
    spectral: str = "both"
    noise: float = 0.05
    synthetic: float = 0.5
    wider: float = 0.0
    coarser: float = 0.0
    catalogue_response: float = 0.3
    scene: bool = False


class AnyBand(AcquisitionMethod):
    """Conditions on the measurement operator of every band instead of on its name."""

    label = "anyband"
    role = "proposed"
    family = "proposed"
    colours = ("#c8500a", "#ff8a4c")
    marker = "o"
    cite = "anyband"
    entry_labels = {
        "anyband-without-landsat": "anyband without Landsat",
        "anyband-without-sentinel2": "anyband without Sentinel-2",
    }
    options_type = AnyBandOptions
    any_product = True
    options: AnyBandOptions

    def __init__(self, options: AnyBandOptions, statistics: Statistics, classes: int) -> None:
        """Build the ways in of bands, the per-pixel layer and the fusion over acquisitions.

        Raises:
            UserError: no such way in.
        """
        super().__init__(options, statistics, classes)
        if options.spectral not in SPECTRAL:
            known = ", ".join(SPECTRAL)
            raise UserError(f"options.spectral: {options.spectral!r} does not exist; known: {known}")
        width = options.features
        self._levels: dict[Band, tuple[float, float]] = {}
        self.codes = BandCodes(options.cell_m)
        self.weights = None if options.spectral == "posterior" else BandWeights(width, options.hyper)
        self.posterior = (
            None if options.spectral == "codes" else SpectralPosterior(statistics, options.noise, whiten=options.whiten)
        )
        if self.posterior is not None:
            self.from_spectrum = linear(self.posterior.size, width)
            self.from_known = linear(self.posterior.size, width, gain=0.1)
        self.mix = nn.Sequential(nn.ReLU(), linear(width, width), nn.ReLU())
        self.add_fusion(width)
        # Last, so that all other weights start as they do without it.
        self.scene = SceneCode(width) if options.scene else None

    def further(self, observation: Observation, query: QueryGrid) -> list[tuple[Tensor, Tensor]]:
        """With chance `synthetic`, what a synthetic sensor made of one acquisition shows."""
        if torch.rand(()) >= self.options.synthetic:
            return []
        products = sorted(observation.products)
        product = products[int(torch.randint(len(products), ()))]
        synthetic = synthetic_sensor(observation.of(product), self.options.wider, self.options.coarser)
        return [self.encode(Observation(synthetic), query)]

    def features(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Features of one acquisition on its finest native grid."""
        (product,) = observation.products
        groups = tuple(resolved(group) for group in observation.of(product))
        gaussian = self.training and bool(torch.rand(()) < self.options.catalogue_response)
        mean, std = self.levels(groups)
        values, seen = read_nearest(groups, mean)
        mappings: list[BandMapping] = []
        bias = values.new_zeros(())
        if self.weights is not None:
            weight, level = self.code_weights(groups, gaussian)
            mappings.append(BandMapping(weight / std[..., None], level, averaged=True))
        if self.posterior is not None:
            centre, gain, known = self.conversions(groups, gaussian)
            weight = gain @ self.from_spectrum.weight.T
            mappings.append(BandMapping(weight, (mean - centre)[..., None] * weight, averaged=False))
            bias = (self.from_spectrum.bias + self.from_known(known))[:, None]
        if self.scene is not None:
            bias = bias + self.scene(groups[0].scene)[:, None]
        mixed = self.mix((all_seen(values, mappings) if seen is None else some_seen(values, seen, mappings)) + bias)
        where = torch.ones_like(mixed[..., :1]) if seen is None else seen.amax(dim=-1, keepdim=True)
        features, where = (part.reshape(len(part), *groups[0].values.shape[2:], -1) for part in (mixed, where))
        return observed(features, where, groups[0].pixel_m, groups[0].offset_m)

    def levels(self, groups: tuple[BandGroup, ...]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, C) that training expects at the bands of `groups`."""
        parts = []
        for group in groups:
            table = [[self.level(band) for band in band_set] for band_set in group.band_sets]
            parts.append(torch.tensor(table, device=group.values.device)[group.band_set_index])
        mean, std = torch.cat(parts, dim=1).unbind(-1)
        return mean, std

    def level(self, band: Band) -> tuple[float, float]:
        """Mean and standard deviation of a band, computed once."""
        if band not in self._levels:
            self._levels[band] = self.statistics.at(band)
        return self._levels[band]

    def code_weights(self, groups: tuple[BandGroup, ...], gaussian: bool) -> tuple[Tensor, Tensor]:
        """Weights and biases (B, C, E) of the bands from the hyper-network."""
        assert self.weights is not None
        parts = []
        for group in groups:
            codes = self.codes.of(group.band_sets, group.values.device, gaussian=gaussian)
            parts.append([part[group.band_set_index] for part in self.weights(codes)])
        weight, bias = (torch.cat(kind, dim=1) for kind in zip(*parts, strict=True))
        return weight, bias

    def conversions(self, groups: tuple[BandGroup, ...], gaussian: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Centre (B, C), gain (B, C, K) and known share (B, K) of every sample, for the bands that it has."""
        assert self.posterior is not None
        seen = torch.cat([group.valid.any(dim=3).any(dim=2) for group in groups], dim=1).cpu().numpy()
        indices = [tuple(int(group.band_set_index[sample]) for group in groups) for sample in range(len(seen))]
        keys = [(index, row.tobytes()) for index, row in zip(indices, seen, strict=True)]
        once = {key: sample for sample, key in enumerate(keys)}
        order = {key: number for number, key in enumerate(once)}
        found: list[Conversion] = []
        for (index, _), sample in once.items():
            bands = tuple(band for group, i in zip(groups, index, strict=True) for band in group.band_sets[i])
            found.append(self.posterior.conversion(bands, seen[sample], gaussian=gaussian))
        which = [order[key] for key in keys]
        arrays = (np.stack([getattr(one, name) for one in found]) for name in ("centre", "gain", "known"))
        centre, gain, known = (torch.from_numpy(array[which]).to(groups[0].values.device) for array in arrays)
        return centre, gain, known


def read_nearest(groups: tuple[BandGroup, ...], mean: Tensor) -> tuple[Tensor, Tensor | None]:
    """Values about their mean at the pixel centres of the first group, and validity as 0 or 1, both (B, h * w, C).

    Validity is None when every band is valid everywhere, which saves most of the work on many bands.

    Args:
        groups: of one acquisition, the finest first.
        mean: (B, C) of the bands.
    """
    finest = groups[0]

    def read(images: list[Tensor]) -> Tensor:
        if len(groups) == 1:
            return images[0].flatten(2).transpose(1, 2)  # a view: a product with it takes the images as they lie
        parts = [images[0].permute(0, 2, 3, 1)]
        for group, image in zip(groups[1:], images[1:], strict=True):
            parts.append(read_group(image.permute(0, 2, 3, 1), group, finest, linear=False))
        return torch.cat(parts, dim=-1).flatten(1, 2)

    means = torch.split(mean[..., None, None], [group.values.shape[1] for group in groups], dim=1)
    about = [group.values - level for group, level in zip(groups, means, strict=True)]
    if all(bool(group.valid.all()) for group in groups):
        return read(about), None
    valid = [group.valid.float() for group in groups]
    return read([values * mask for values, mask in zip(about, valid, strict=True)]), read(valid)


@dataclass(frozen=True)
class BandMapping:
    """How bands enter the features.

    Attributes:
        weight: (B, C, E) of the values about their mean.
        level: (B, C, E) of the band's being there.
        averaged: over the bands that saw the pixel; else summed.
    """

    weight: Tensor
    level: Tensor
    averaged: bool


def all_seen(values: Tensor, mappings: list[BandMapping]) -> Tensor:
    """Features (B, N, E) of values (B, N, C) where every band saw every pixel: one product for all ways in."""
    shares = [1 / values.shape[2] if mapping.averaged else 1.0 for mapping in mappings]
    weight = torch.stack([share * m.weight for share, m in zip(shares, mappings, strict=True)]).sum(dim=0)
    level = torch.stack([share * m.level.sum(dim=1, keepdim=True) for share, m in zip(shares, mappings, strict=True)])
    return torch.bmm(values, weight) + level.sum(dim=0)


def some_seen(values: Tensor, seen: Tensor, mappings: list[BandMapping]) -> Tensor:
    """Features (B, N, E) of values, 0 where invalid, and their validity (B, N, C)."""
    share = seen.sum(dim=-1, keepdim=True).clamp_min(1.0).reciprocal()
    both = torch.cat((values, seen), dim=-1)
    total = values.new_zeros(())
    for mapping in mappings:
        mixed = torch.bmm(both, torch.cat((mapping.weight, mapping.level), dim=1))
        total = total + (mixed * share if mapping.averaged else mixed)
    return total
