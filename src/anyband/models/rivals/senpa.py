"""A front end in the style of SenPa-MAE: one token per band and patch, told apart by response and sampling distance.

After J. Prexl, M. Schmitt, "SenPa-MAE: Sensor Parameter Aware Masked Autoencoder for Multi-Satellite Self-Supervised
Pretraining", 2024, arXiv 2408.11000. Written from the description, not from the authors' code.

Taken over: every band is cut into patches by the same projection; perceptrons with ReLU turn the sampled spectral
response (300 to 2600 nm) and the ground sampling distance of the band into codes that are added to its tokens; the
tokens of all bands attend to each other in the trunk; random parts of the bands, and mixtures of bands whose responses
are mixed alike, in training.
Different, because trunk and decoder are shared: a patch is a 60 m cell of bands resampled to 10 m (not 5 m), given by
its cosine moments; positions are the trunk's; cells are the mean over bands; the decoder's fine features come from
patches of one pixel, whose bands a learned query reads by attention. The response, of area 1, enters as its exact
integrals over bins of 10 nm, not as 2301 samples; the sampling distance as its logarithm; perceptrons have fewer
layers; one band per grid is mixed, with one other, in a share of the batches. No masked autoencoding.
By nature slower than the other methods: tokens grow with the number of bands and attention with its square, so a
training step with Sentinel-2 and Landsat takes four to five times that of input fusion (benchmarks/training.py).
Not to be claimed: that these are the authors' results. Bands with less than half of their response between 300 and
2600 nm, thermal ones above all, lie outside the published design: they are left out of the input.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from anyband.models.core.method import Options
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.models.rivals.channels import BandTokens, ChannelAttention, Channels, groups_of, on_chip_grid
from anyband.observation import BandGroup, Observation, QueryGrid
from anyband.sensors import Band, SpectralResponse
from anyband.sensors.band import superpose

EDGES_NM = np.arange(300.0, 2601.0, 10.0)
BINS = len(EDGES_NM) - 1
REFERENCE_GSD_M = 10.0
MIXTURE = "mixture"
SPARSE = 16.0  # a response fills few of the bins: this start brings the first layer to the scale of one


@dataclass(frozen=True)
class SenpaOptions(Options):
    """Sizes and augmentation.

    Attributes:
        features: features per 10 m pixel; a multiple of `channel_heads`.
        channel_heads: heads of the attention that reads the bands of a pixel.
        hidden: width of the hidden layer of the patch projection.
        sensor: width of the perceptrons of response and sampling distance.
        channel_sampling: chance that a training batch loses a random number of bands.
        superposition: chance that it sees mixtures of bands.
    """

    features: int = 48
    channel_heads: int = 16
    hidden: int = 48
    sensor: int = 64
    channel_sampling: float = 0.3
    superposition: float = 0.3


def binned(response: SpectralResponse) -> np.ndarray:
    """Integrals (BINS,) of a response of area 1 over bins of 10 nm from 300 to 2600 nm.

    The response is linear between the rows of its table, so the trapezium rule on rows and edges together is exact.
    """
    grid = np.union1d(response.wavelength_nm, EDGES_NM)
    weight = np.interp(grid, response.wavelength_nm, response.weight, left=0.0, right=0.0)
    steps = (weight[1:] + weight[:-1]) / 2 * np.diff(grid)
    total = np.concatenate(([0.0], np.cumsum(steps)))
    return np.diff(np.interp(EDGES_NM, grid, total))


@lru_cache(maxsize=4096)
def histogram(band: Band) -> tuple[float, ...]:
    """The binned response of a band, computed once."""
    return tuple(binned(band.response).tolist())


class Senpa(BandTokens):
    """Sensor parameters as codes of tokens."""

    label = "SenPa style"
    role = "rival"
    family = "any-sensor front end"
    colours = ("#309cb2", "#7db2b8")
    marker = "*"
    cite = """
    @misc{prexl2024,
      author = {Prexl, J. and Schmitt, M.},
      title = {{SenPa-MAE}: sensor parameter aware masked autoencoder for multi-satellite self-supervised pretraining},
      year = {2024},
      eprint = {2408.11000},
      archiveprefix = {arXiv},
    }
    """
    options_type = SenpaOptions
    any_product = True
    whitened = False  # a mixture of bands has no place in the map of a product
    options: SenpaOptions
    search = {"channel_sampling": (0.0, 0.3), "superposition": (0.0, 0.3)}

    def __init__(self, options: SenpaOptions, statistics: Statistics, classes: int) -> None:
        """Build the patch projection and the perceptrons of the sensor parameters."""
        super().__init__(options, statistics, classes)
        wide, dim = options.sensor, options.dim
        self.add_tokens(options.hidden)
        self.response = nn.Sequential(
            linear(BINS, wide, gain=SPARSE), nn.ReLU(), linear(wide, wide), nn.ReLU(), linear(wide, dim)
        )
        self.distance = nn.Sequential(linear(1, wide // 4), nn.ReLU(), linear(wide // 4, dim))
        self.attention = ChannelAttention(options.features, options.channel_heads)
        self.pixel_code = linear(dim, options.features)
        self.add_pixels(options.features)

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        groups = self.on_axis(groups_of(observation, self.training, self.options.channel_sampling))
        if self.training:
            groups = mix_bands(groups, self.options.superposition)
        channels = on_chip_grid(groups, query, self.bands)
        codes = self.sensor_codes(channels)
        pixels = self.attention(channels, self.pixel_code(codes))
        return self.decode(channels, codes[:, :, None, None], pixels, query)

    def sensor_codes(self, channels: Channels) -> Tensor:
        """Codes (B, C, D) of response plus sampling distance."""
        distance = channels.describe(lambda band: [math.log(band.gsd_m / REFERENCE_GSD_M)])
        codes: Tensor = self.response(channels.describe(histogram)) + self.distance(distance)
        return codes

    def on_axis(self, groups: tuple[BandGroup, ...]) -> tuple[BandGroup, ...]:
        """Without the bands that have less than half of their response on the axis.

        Where no other is left, one of them stays as a band that saw nothing.
        """
        chosen = [
            tuple(i for i, band in enumerate(group.band_sets[0]) if sum(histogram(band)) > 0.5) for group in groups
        ]
        kept = tuple(g.select_bands(c) for g, c in zip(groups, chosen, strict=True) if c)
        return kept or (replace(groups[0], valid=torch.zeros_like(groups[0].valid)),)


def mix_bands(groups: tuple[BandGroup, ...], chance: float) -> tuple[BandGroup, ...]:
    """With `chance`, one random band of each group becomes a random mean of it and another one, response included."""
    if torch.rand(()) >= chance:
        return groups
    return tuple(_mix(group) if group.values.shape[1] > 1 else group for group in groups)


def _mix(group: BandGroup) -> BandGroup:
    """Band a becomes s * a + (1 - s) * b: an exact measurement with the mixed response, on one grid."""
    a, b = torch.randperm(group.values.shape[1])[:2].tolist()
    share = float(torch.rand(()))
    if len({band_set.bands[i].quantity for band_set in group.band_sets for i in (a, b)}) > 1:
        return group
    values, valid = group.values.clone(), group.valid.clone()
    values[:, a] = share * group.values[:, a] + (1 - share) * group.values[:, b]
    valid[:, a] &= group.valid[:, b]
    sets = []
    for band_set in group.band_sets:
        pair = (band_set.bands[a], band_set.bands[b])
        response = superpose([band.response for band in pair], [share, 1 - share])
        mixed = replace(pair[0], name=MIXTURE, response=response, gsd_m=max(band.gsd_m for band in pair))
        sets.append(replace(band_set, bands=(*band_set.bands[:a], mixed, *band_set.bands[a + 1 :])))
    return replace(group, values=values * valid, valid=valid, band_sets=tuple(sets))
