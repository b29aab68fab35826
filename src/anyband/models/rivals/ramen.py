"""A front end in the style of RAMEN: projectors made from wavelengths, features resampled to the wanted distance.

After N. Houdré, D. Marcos, H. Riffaud de Turckheim, D. Ienco, L. Wendling, C. Kurtz, S. Lobry, "RAMEN:
Resolution-Adjustable Multimodal Encoder for Earth Observation", 2025, arXiv 2512.05025. Written from the description,
not from the authors' code.

Taken over: a modality is one stack on its own grid; per pixel, each band's value is multiplied by a vector that a
perceptron makes from the sinusoidal code of its centre wavelength in nm; the feature map is resampled bilinearly to the
distance that is asked for, then mixed by four 1 x 1 experts whose shares a gate takes from the code of the logarithm of
the ratio of both distances; modalities meet after that.
Different, because trunk and decoder are shared: the distance asked for is the query's; the trunk always has cells of
60 m, summarised from the resampled features as for the other methods, and its positions are in metres. Weighted bands
are averaged, not summed, so that more bands do not mean a stronger signal. ReLU follows the projector and the experts.
Modalities are averaged with learned weights, per cell and per pixel, instead of adding tokens. No masked
reconstruction, no radar, no time series.
Not to be claimed: that these are the authors' results; that bandwidth is known to it; that native grids survive within
a modality: coarser bands are interpolated to its finest grid.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.core.method import Options
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap, observed
from anyband.models.rivals.channels import Modalities, sinusoid
from anyband.observation import Observation, QueryGrid

SCALE_FREQUENCIES = 4
LARGEST_SCALE = 100.0  # ratio of sampling distances, up or down, that one turn of the slowest code spans


@dataclass(frozen=True)
class RamenOptions(Options):
    """Sizes.

    Attributes:
        features: features per pixel.
        hyper: size of the wavelength's code and width of the projector's perceptron.
        experts: 1 x 1 maps that the resampler mixes.
    """

    features: int = 44
    hyper: int = 44
    experts: int = 4


def scale_code(pixel_m: float, wanted_m: float) -> Tensor:
    """Code (2 * SCALE_FREQUENCIES,) of a change of sampling distance: sin and cos of 2^i pi s, i = 0, 1, ...

    s = ln(pixel / wanted) / ln(LARGEST_SCALE) lies in [-1, 1] and is 0 for no change.
    """
    share = math.log(pixel_m / wanted_m) / math.log(LARGEST_SCALE)
    angle = math.pi * share * 2.0 ** torch.arange(SCALE_FREQUENCIES)
    return torch.cat((angle.sin(), angle.cos()))


class Projector(nn.Module):
    """A vector of weights per band, from its centre wavelength."""

    def __init__(self, features: int, hyper: int) -> None:
        """`features` weights through one hidden layer of `hyper`."""
        super().__init__()
        self.hyper = hyper
        self.layers = nn.Sequential(linear(hyper, hyper), nn.GELU(), linear(hyper, features))

    def forward(self, wavelength_nm: Tensor) -> Tensor:
        """Weights (B, C, E) of wavelengths (B, C) in nm."""
        weights: Tensor = self.layers(sinusoid(wavelength_nm, self.hyper))
        return weights


class Resampler(nn.Module):
    """Bilinear interpolation to the wanted distance, then a mixture of 1 x 1 experts that knows the ratio."""

    def __init__(self, features: int, experts: int) -> None:
        """`experts` maps of `features` channels."""
        super().__init__()
        self.experts = nn.ModuleList(linear(features, features) for _ in range(experts))
        self.gate = nn.Linear(2 * SCALE_FREQUENCIES, experts)

    def forward(self, features: FeatureMap, query: QueryGrid) -> FeatureMap:
        """A feature map on the query grid."""
        values, weight = features.read(query, linear=True)
        shares = self.shares(features.pixel_m, query.pixel_m)
        kernel = sum(share * expert.weight for share, expert in zip(shares, self.experts, strict=True))
        bias = sum(share * expert.bias for share, expert in zip(shares, self.experts, strict=True))
        mixed = torch.relu(nn.functional.linear(values, kernel, bias))
        return observed(mixed, weight, query.pixel_m, torch.zeros_like(features.offset_m))

    def shares(self, pixel_m: float, wanted_m: float) -> Tensor:
        """What each expert counts (experts,), summing to 1."""
        shares: Tensor = self.gate(scale_code(pixel_m, wanted_m).to(self.gate.weight.device)).softmax(dim=0)
        return shares


class Ramen(Modalities):
    """Modalities on their own grids, brought to the distance that is asked for as features."""

    label = "RAMEN style"
    role = "rival"
    family = "any-sensor front end"
    colours = ("#8e975a", "#fdfd76")
    marker = "h"
    cite = """
    @misc{houdre2025,
      author = {Houdr{\\'e}, N. and others},
      title = {{RAMEN}: resolution-adjustable multimodal encoder for {Earth} observation},
      year = {2025},
      eprint = {2512.05025},
      archiveprefix = {arXiv},
    }
    """
    options_type = RamenOptions
    any_product = True
    options: RamenOptions

    def __init__(self, options: RamenOptions, statistics: Statistics, classes: int) -> None:
        """Build projector, resampler and the fusion of modalities."""
        super().__init__(options, statistics, classes)
        width = options.features
        self.projector = Projector(width, options.hyper)
        self.bias = nn.Parameter(torch.zeros(width))
        self.resampler = Resampler(width, options.experts)
        self.add_fusion(width)

    def features(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Features of one product on the query grid."""
        resampled: FeatureMap = self.resampler(self.modality(observation), query)
        return resampled

    def modality(self, observation: Observation) -> FeatureMap:
        """Features of one product on its finest grid."""
        channels, finest = self.channels(observation)
        weights = self.projector(channels.centres_nm())
        mean = torch.einsum("bhwc,bce->bhwe", channels.values * channels.share, weights)
        features = torch.relu(mean + self.bias)
        return observed(features, channels.any_seen, finest.pixel_m, finest.offset_m)
