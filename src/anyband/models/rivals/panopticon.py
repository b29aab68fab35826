"""A front end in the style of Panopticon: one learned query attends over the bands of a patch.

After L. Waldmann, A. Shah, Y. Wang, N. Lehmann, A. J. Stewart, Z. Xiong, X. X. Zhu, S. Bauer, J. Chuang, "Panopticon:
Advancing Any-Sensor Foundation Models for Earth Observation", 2025, arXiv 2503.10845. Written from the description, not
from the authors' code.

Taken over: one embedding shared by all bands, plus a sinusoidal code of the response's mean wavelength in nm, gives a
token per band; a learned query attends over them with many heads; a linear map follows; random parts of the bands in
training.
Different, because trunk and decoder are shared: patches of one pixel on bands resampled to 10 m instead of 14 x 14
pixels; what follows (a layer per pixel, the summary of cells, the fine features) is that of the other methods; widths
are small; bands are left out in a share of the batches only. The embedding of a pixel is linear in its one value, so
keys and values are computed once per band and not once per pixel: the same numbers at a fraction of the cost.
No self-distillation, no radar.
Not to be claimed: that these are the authors' results; that bandwidth or sampling distance are known to it.
"""

from dataclasses import dataclass

from torch import Tensor

from anyband.models.core.method import Options
from anyband.models.core.normalisation import Statistics
from anyband.models.rivals.channels import BandPixels, ChannelAttention, Channels, sinusoid


@dataclass(frozen=True)
class PanopticonOptions(Options):
    """Sizes and augmentation.

    Attributes:
        features: features per 10 m pixel; a multiple of `channel_heads`.
        channel_heads: heads of the attention over bands.
        channel_sampling: chance that a training batch loses a random number of bands.
    """

    features: int = 48
    channel_heads: int = 16
    channel_sampling: float = 0.3


class Panopticon(BandPixels):
    """Bands become features by attention over them."""

    label = "Panopticon style"
    role = "rival"
    family = "any-sensor front end"
    colours = ("#323aac", "#fce2ff")
    marker = ">"
    cite = """
    @misc{waldmann2025,
      author = {Waldmann, L. and others},
      title = {{Panopticon}: advancing any-sensor foundation models for {Earth} observation},
      year = {2025},
      eprint = {2503.10845},
      archiveprefix = {arXiv},
    }
    """
    options_type = PanopticonOptions
    any_product = True
    options: PanopticonOptions
    search = {"channel_sampling": (0.0, 0.3)}

    def __init__(self, options: PanopticonOptions, statistics: Statistics, classes: int) -> None:
        """Build the attention over bands and what follows it."""
        super().__init__(options, statistics, classes)
        self.attention = ChannelAttention(options.features, options.channel_heads)
        self.add_pixels(options.features)

    def read(self, channels: Channels) -> Tensor:
        """What the query reads of the bands, coded by their wavelengths."""
        read: Tensor = self.attention(channels, sinusoid(channels.centres_nm(), self.options.features))
        return read
