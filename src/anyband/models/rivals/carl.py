"""A front end in the style of CARL: learned spectral representations read the bands of a pixel, layer by layer.

After A. Baumann, L. Ayala, S. Seidlitz, J. Sellner, A. Studier-Fischer, B. Oezdemir, L. Maier-Hein, S. Ilic, "CARL:
Camera-Agnostic Representation Learning for Spectral Image Analysis", ICLR 2026, arXiv 2504.19223. Written from the
abstract and the project's description, not from the authors' code; the full text was not at hand.

Taken from the description: one token per channel, from a projection shared by all of them, with a positional code of
its wavelength; a spectral encoder in which the tokens of a patch attend to each other and a few learned spectral
representations attend to them (self-attention, cross-attention); what these hold goes to a spatial encoder, here the
shared trunk.
Guessed: the code is one of Fourier features of random, fixed frequencies of the wavelength in micrometres; both
attentions share one block, of which there are few; the representations are summed.
Different, because trunk and decoder are shared: a patch is one pixel of an acquisition's finest grid; what follows is
that of the other methods, and acquisitions are averaged with learned weights. No self-supervised pretraining.
Not to be claimed: that these are the authors' results; that bandwidth or sampling distance are known to it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.core.method import Options
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap, observed
from anyband.models.rivals.channels import Modalities
from anyband.observation import Observation, QueryGrid

FREQUENCY = 3.0  # standard deviation of the frequencies, turns per micrometre
LONGEST_UM = 3.0  # beyond it lies the thermal infrared, whose bands are told apart from the others only


@dataclass(frozen=True)
class CarlOptions(Options):
    """Sizes.

    Attributes:
        features: features per pixel.
        token: size of the tokens of bands and of the representations.
        representations: learned spectral representations.
        layers: of the spectral encoder.
    """

    features: int = 46
    token: int = 16
    representations: int = 4
    layers: int = 2


class SpectralLayer(nn.Module):
    """Tokens of bands attend to each other, representations to them; a perceptron follows each."""

    def __init__(self, size: int) -> None:
        """`size` channels in one head."""
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(size) for _ in range(5))
        self.own, self.read_query, self.read = (
            linear(size, 3 * size, gain=0.7),
            linear(size, size),
            linear(size, 2 * size),
        )
        self.outs = nn.ModuleList(linear(size, size, gain=0.5) for _ in range(2))
        self.perceptrons = nn.ModuleList(
            nn.Sequential(linear(size, 2 * size), nn.GELU(), linear(2 * size, size, gain=0.5)) for _ in range(2)
        )

    def forward(self, tokens: Tensor, latents: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (N, C, E) and representations (N, K, E); `mask` (N, 1, C) is 0 for bands that were seen, else low."""
        attend = nn.functional.scaled_dot_product_attention
        query, key, value = self.own(self.norms[0](tokens)).chunk(3, dim=-1)
        tokens = tokens + self.outs[0](attend(query, key, value, attn_mask=mask))
        tokens = tokens + self.perceptrons[0](self.norms[1](tokens))
        query, (key, value) = self.read_query(self.norms[2](latents)), self.read(self.norms[3](tokens)).chunk(2, dim=-1)
        latents = latents + self.outs[1](attend(query, key, value, attn_mask=mask))
        return tokens, latents + self.perceptrons[1](self.norms[4](latents))


class Carl(Modalities):
    """Representations that read the bands of each pixel."""

    label = "CARL style"
    role = "rival"
    family = "any-sensor front end"
    colours = ("#32574b", "#b4ddb6")
    marker = "d"
    cite = """
    @inproceedings{baumann2026,
      author = {Baumann, A. and others},
      title = {{CARL}: camera-agnostic representation learning for spectral image analysis},
      booktitle = {ICLR},
      year = {2026},
      eprint = {2504.19223},
      archiveprefix = {arXiv},
    }
    """
    options_type = CarlOptions
    any_product = True
    options: CarlOptions
    frequencies: Tensor

    def __init__(self, options: CarlOptions, statistics: Statistics, classes: int) -> None:
        """Build the spectral encoder and what follows it."""
        super().__init__(options, statistics, classes)
        size = options.token
        drawn = torch.randn(size // 2, generator=torch.Generator().manual_seed(0)) * FREQUENCY
        self.register_buffer("frequencies", drawn, persistent=False)
        self.embed, self.position = linear(1, size), linear(size, size)
        self.representations = nn.Parameter(torch.randn(options.representations, size))
        self.layers = nn.ModuleList(SpectralLayer(size) for _ in range(options.layers))
        self.mix = nn.Sequential(nn.LayerNorm(size), linear(size, options.features), nn.ReLU(),
                                 linear(options.features, options.features), nn.ReLU())  # fmt: skip
        self.add_fusion(options.features)

    def features(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Features of one acquisition on its finest grid."""
        channels, finest = self.channels(observation)
        shape = channels.values.shape
        tokens = self.embed(channels.values[..., None]) + self.code(channels.centres_nm())[:, None, None]
        tokens = tokens.reshape(-1, shape[-1], self.options.token)
        latents = self.representations.expand(len(tokens), -1, -1)
        mask = (channels.seen.reshape(-1, 1, shape[-1]) - 1) * 1e4  # finite, so that a pixel without any gives no NaN
        for layer in self.layers:
            tokens, latents = layer(tokens, latents, mask)
        features = self.mix(latents.sum(dim=1)).reshape(*shape[:3], -1)
        return observed(features, channels.any_seen, finest.pixel_m, finest.offset_m)

    def code(self, wavelength_nm: Tensor) -> Tensor:
        """Positional codes (B, C, E) of wavelengths (B, C) in nm."""
        angle = 2 * math.pi * (wavelength_nm[..., None] / 1000).clamp_max(LONGEST_UM) * self.frequencies
        position: Tensor = self.position(torch.cat((angle.sin(), angle.cos()), dim=-1))
        return position
