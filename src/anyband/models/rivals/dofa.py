"""A front end in the style of DOFA: a hyper-network turns the wavelengths of the bands into the patch embedding.

After Z. Xiong et al., "Neural Plasticity-Inspired Foundation Model for Observing the Earth Crossing Modalities", 2024,
arXiv 2403.15356. Written from the description, not from the authors' code.

Taken over: sinusoidal code of the centre wavelength in nm; residual perceptron; a transformer layer in which the codes
of the bands at hand meet learned weight tokens and a bias token; a linear map from each band's output token to that
band's kernel and from the bias token's to the bias; all bands on one grid.
Different, because trunk and decoder are shared: kernels of one pixel on bands resampled to 10 m instead of 16 x 16
pixels of an image of 224; what follows (a layer per pixel, the summary of cells, the fine features) is that of the
other methods; widths are small. Weighted bands are averaged, not summed, so that more bands do not mean a stronger
signal. The kernel of a band is made from its own token only, so that the order of bands cannot matter (the first
release of the original mixed up channels there). No pretraining, no radar.
Not to be claimed: that these are the authors' results; that bandwidth, response or sampling distance are known to it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.core.method import Options
from anyband.models.core.network import Block, linear
from anyband.models.core.normalisation import Statistics
from anyband.models.rivals.channels import BandPixels, Channels, sinusoid


@dataclass(frozen=True)
class DofaOptions(Options):
    """Sizes.

    Attributes:
        features: features per 10 m pixel.
        hyper: width of the hyper-network; a multiple of 8.
        weight_tokens: learned tokens of the hyper-network.
    """

    features: int = 48
    hyper: int = 24
    weight_tokens: int = 16


class KernelGenerator(nn.Module):
    """Hyper-network from wavelengths to one kernel per band and a common bias."""

    def __init__(self, features: int, width: int, weight_tokens: int) -> None:
        """Kernels of `features` values, through `width` channels and `weight_tokens` learned tokens."""
        super().__init__()
        self.width = width
        self.residual = nn.Sequential(linear(width, width), nn.GELU(), linear(width, width, gain=0.5), nn.GELU())
        self.weight_tokens = nn.Parameter(torch.randn(weight_tokens, width))
        self.bias_token = nn.Parameter(torch.randn(1, width))
        self.layer = Block(width, 4, 2.0)
        self.norm = nn.LayerNorm(width)
        self.kernel, self.bias = linear(width, features), linear(width, features, gain=0.1)

    def forward(self, wavelength_nm: Tensor) -> tuple[Tensor, Tensor]:
        """Kernels (B, C, E) and bias (B, E) for wavelengths (B, C) in nm."""
        batch, bands = wavelength_nm.shape
        code = sinusoid(wavelength_nm, self.width)
        code = code + self.residual(code)
        learned = torch.cat((self.weight_tokens, self.bias_token)).expand(batch, -1, -1)
        tokens = torch.cat((code, learned), dim=1)
        still = tokens.new_zeros(tokens.shape[1], self.width // 8)  # bands have no order, so tokens have no position
        tokens = self.norm(self.layer(tokens, still + 1, still))
        return self.kernel(tokens[:, :bands]), self.bias(tokens[:, -1])


class Dofa(BandPixels):
    """One dynamic layer for any bands."""

    label = "DOFA style"
    role = "rival"
    family = "any-sensor front end"
    colours = ("#842001", "#a66139")
    marker = "p"
    cite = """
    @misc{xiong2024,
      author = {Xiong, Z. and others},
      title = {Neural plasticity-inspired multimodal foundation model for {Earth} observation ({DOFA})},
      year = {2024},
      eprint = {2403.15356},
      archiveprefix = {arXiv},
    }
    """
    options_type = DofaOptions
    any_product = True
    options: DofaOptions

    def __init__(self, options: DofaOptions, statistics: Statistics, classes: int) -> None:
        """Build the hyper-network and what follows it."""
        super().__init__(options, statistics, classes)
        self.generator = KernelGenerator(options.features, options.hyper, options.weight_tokens)
        self.add_pixels(options.features)

    def read(self, channels: Channels) -> Tensor:
        """The mean of the weighted bands."""
        kernel, bias = self.generator(channels.centres_nm())
        read: Tensor = torch.einsum("bhwc,bce->bhwe", channels.values * channels.share, kernel) + bias[:, None, None]
        return read
