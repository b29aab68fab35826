"""A front end in the style of ChannelViT: one token per band and patch, told apart by learned channel embeddings.

After Y. Bao, S. Sivanandan, T. Karaletsos, "Channel Vision Transformers: An Image Is Worth C x 16 x 16 Words", ICLR
2024, arXiv 2309.16108. Written from the description, not from the authors' code.

Taken over: every channel is cut into patches by the same projection; a learned embedding per channel is added; the
tokens of all channels attend to each other in the trunk; hierarchical channel sampling in training.
Different, because trunk and decoder are shared: a patch is a 60 m cell of bands resampled to 10 m, given by its cosine
moments; its projection has a hidden layer, whose width brings the method to the size of the others; positions are the
trunk's; there is no class token, cells are the mean over channels; and the decoder's fine features come from patches of
one pixel, whose channels a learned query reads by attention. Sampling is done in a share of the batches, not in all.
By nature slower than the other methods: tokens grow with the number of bands and attention with its square, so a
training step with Sentinel-2 and Landsat takes four to five times that of input fusion (benchmarks/training.py).
Not to be claimed: that these are the authors' results, or anything on bands that training has not seen. A channel is
known by its embedding alone, so another product's bands are refused: that is the published design.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.core.method import Options, UnsupportedInputError
from anyband.models.core.normalisation import Statistics
from anyband.models.rivals.channels import BandTokens, ChannelAttention, groups_of, on_chip_grid
from anyband.observation import BandGroup, Observation, QueryGrid


@dataclass(frozen=True)
class ChannelViTOptions(Options):
    """Sizes and augmentation.

    Attributes:
        features: features per 10 m pixel; a multiple of `channel_heads`.
        channel_heads: heads of the attention that reads the bands of a pixel.
        hidden: width of the hidden layer of the patch projection.
        channel_sampling: chance that a training batch loses a random number of bands.
    """

    features: int = 48
    channel_heads: int = 16
    hidden: int = 336
    channel_sampling: float = 0.3


class ChannelViT(BandTokens):
    """Channels as words, with one learned embedding per band of the training products."""

    label = "ChannelViT style"
    role = "rival"
    family = "channel-adaptive front end"
    colours = ("#268bfe", "#0575ae")
    marker = "D"
    cite = """
    @inproceedings{bao2024,
      author = {Bao, Y. and Sivanandan, S. and Karaletsos, T.},
      title = {Channel vision transformers: an image is worth 1 x 16 x 16 words},
      booktitle = {ICLR},
      year = {2024},
      eprint = {2309.16108},
      archiveprefix = {arXiv},
    }
    """
    options_type = ChannelViTOptions
    options: ChannelViTOptions
    search = {"channel_sampling": (0.0, 0.3)}

    def __init__(self, options: ChannelViTOptions, statistics: Statistics, classes: int) -> None:
        """Build the patch projection and the channel embeddings of both levels."""
        super().__init__(options, statistics, classes)
        names = [(band.product, band.name) for band in statistics.bands]
        self.index = {name: number for number, name in enumerate(names)}
        self.add_tokens(options.hidden)
        self.channel = nn.Parameter(torch.randn(len(names), options.dim))
        self.attention = ChannelAttention(options.features, options.channel_heads)
        self.pixel_channel = nn.Parameter(torch.randn(len(names), options.features))
        self.add_pixels(options.features)

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        groups = groups_of(observation, self.training, self.options.channel_sampling)
        channels = on_chip_grid(groups, query, self.bands)
        known = torch.tensor([i for group in groups for i in self.numbers(group)], device=self.channel.device)
        codes = self.pixel_channel[known].expand(observation.batch, -1, -1)
        return self.decode(channels, self.channel[known][:, None, None], self.attention(channels, codes), query)

    def numbers(self, group: BandGroup) -> Sequence[int]:
        """Which embedding each band of a group has.

        Raises:
            UnsupportedInputError: a band that training did not have.
        """
        names = [(group.product, band.name) for band in group.band_sets[0]]
        unknown = [name for name in names if name not in self.index]
        if unknown:
            product, name = unknown[0]
            raise UnsupportedInputError(f"{product} band {name}: no such channel in training, so no embedding")
        return [self.index[name] for name in names]
