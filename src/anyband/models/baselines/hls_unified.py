"""One model for both HLS products: the bands that L30 and S30 share, on their common 30 m grid.

HLS V2.0 (Claverie et al. 2018, Remote Sensing of Environment 219; user guide, table of band names) gives Landsat and
Sentinel-2 one grid, one atmospheric correction and one spectral reference, so equal reflectances of L30 and S30 mean
the same and get the same answer here. What Sentinel-2 resolves below 30 m is lost before this model sees it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from anyband.models.baselines.input_fusion import StackOptions
from anyband.models.core.band_stack import pixel_layers, require
from anyband.models.core.method import AcquisitionMethod, UnsupportedInputError
from anyband.models.core.normalisation import Floats, Statistics
from anyband.models.core.regrid import FeatureMap, observed
from anyband.models.core.whitening import Whitening
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError

GRID_M = 30.0
SHARED = {
    "hls_l30": ("B01", "B02", "B03", "B04", "B05", "B06", "B07"),
    "hls_s30": ("B01", "B02", "B03", "B04", "B8A", "B11", "B12"),
}
"""Names of coastal, blue, green, red, narrow near infrared, SWIR 1 and SWIR 2."""
RED_EDGE = {"hls_l30": (), "hls_s30": ("B05", "B06", "B07")}


@dataclass(frozen=True)
class HlsUnifiedOptions(StackOptions):
    """Sizes, and whether the red edge is read.

    Attributes:
        red_edge: read the red-edge bands of S30 too; L30 has none, and the presence channels say so.
    """

    red_edge: bool = False


class HlsUnified(AcquisitionMethod):
    """The same weights for every HLS acquisition; acquisitions are averaged with learned weights."""

    label = "HLS unified"
    role = "baseline"
    family = "unified product"
    colours = ("#309cb2", "#7db2b8")
    marker = ">"
    cite = "claverie2018hls"
    options_type = HlsUnifiedOptions
    options: HlsUnifiedOptions
    products = ("hls_s30", "hls_l30")
    endpoint_twins = True
    mean: Tensor
    std: Tensor

    def __init__(self, options: HlsUnifiedOptions, statistics: Statistics, classes: int) -> None:
        """Build the per-pixel layers, the cell summary and the fusion over acquisitions."""
        super().__init__(options, statistics, classes)
        self.names = {p: SHARED[p] + (RED_EDGE[p] if options.red_edge else ()) for p in SHARED}
        mean, std = pooled_statistics(self.names, statistics)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.map = Whitening(pooled_covariance(self.names, statistics)) if options.whiten else None
        self.layers = pixel_layers(2 * len(mean), options.hidden, options.features)
        self.add_fusion(options.features)

    def usable(self, products: frozenset[str]) -> frozenset[str]:
        """All that is HLS, also where training saw one of both sensors: their bands are the same."""
        return products & set(SHARED)

    def features(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Features of one acquisition on the 30 m grid."""
        (product,) = observation.products
        stacked, valid, offset_m = self.stack(observation, product)
        if self.map is not None:
            stacked = self.map(stacked, valid > 0)
        inputs = torch.cat((stacked, valid), dim=-1)
        return observed(self.layers(inputs), valid.amax(dim=-1, keepdim=True), GRID_M, offset_m)

    def stack(self, observation: Observation, product: str) -> tuple[Tensor, Tensor, Tensor]:
        """Standardised bands and presence (B, h, w, bands), 0 where not seen, and the grid's offset (B, 2) in m.

        Raises:
            UnsupportedInputError: a shared band is missing, or the bands are not on the 30 m grid.
        """
        (group,) = observation.of(product)
        if group.pixel_m != GRID_M:
            raise UnsupportedInputError(f"{product} has pixels of {group.pixel_m:g} m, not {GRID_M:g} m")
        position = {band.name: channel for channel, band in enumerate(group.band_sets[0])}
        require(product, self.names[product], position)
        channels = [position[name] for name in self.names[product]]
        values, valid = (t[:, channels].permute(0, 2, 3, 1) for t in (group.values, group.valid.float()))
        absent = len(self.mean) - len(channels)  # the red edge stands last
        values, valid = (nn.functional.pad(t, (0, absent)) for t in (values, valid))
        return (values - self.mean) / self.std * valid, valid, group.offset_m


def pooled_statistics(names: dict[str, tuple[str, ...]], statistics: Statistics) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (bands,) of every band over the training products, which count alike.

    Both products must be standardised with the same numbers, or equal reflectances would no longer be equal inputs.

    Raises:
        UserError: statistics of a band are missing.
    """
    known = {(entry.product, entry.name): entry for entry in statistics.bands}
    mean, std = [], []
    for channel in range(max(len(bands) for bands in names.values())):
        wanted = [(product, bands[channel]) for product, bands in names.items() if channel < len(bands)]
        entries = [known[key] for key in wanted if key in known]
        if not entries:
            raise UserError(f"no training statistics of {wanted[0][0]} band {wanted[0][1]}")
        first = sum(entry.mean for entry in entries) / len(entries)
        second = sum(entry.std**2 + entry.mean**2 for entry in entries) / len(entries)
        mean.append(first)
        std.append(max(second - first**2, 1e-12) ** 0.5)
    return torch.tensor(mean), torch.tensor(std)


def pooled_covariance(names: dict[str, tuple[str, ...]], statistics: Statistics) -> Floats:
    """Covariance (bands, bands): the mean of both products', or of one where the other lacks a band or training."""
    bands = max(len(own) for own in names.values())
    total, count = np.zeros((bands, bands)), np.zeros((bands, bands))
    for product, own in names.items():
        entries = {band.name: band for band in statistics.of([product])}
        if not entries:
            continue
        place = slice(0, len(own))
        total[place, place] += statistics.covariance_of(product, [entries[name] for name in own])
        count[place, place] += 1
    return total / count
