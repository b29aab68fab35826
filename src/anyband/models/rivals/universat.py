"""A front end in the style of UniverSat: the axes of a patch are collapsed one by one by cross-attention.

After Y. Perron, G. Astruc, N. Gonthier, C. Mallet, L. Landrieu, "UniverSat: Resolution- and Modality-Agnostic
Transformers for Earth Observation", 2026, arXiv 2606.23503. Written from the project's description, not from the
authors' code; the full text was not at hand.

Taken from the description: every value is lifted by learnable Fourier features; a patch of any shape is collapsed by
axial cross-attention, whose learned queries read one axis at a time, channels (with a code of their wavelength), then
sub-patches (with their place); sub-patch embeddings from before the last step keep fine detail for the output, which
may have any grid; embeddings of modalities meet before the trunk; no resampling between sensors.
Guessed: sizes; one query per pixel and several per patch; the code of the wavelength (that of transformer positions);
additive codes; the order of norm and perceptron.
Different, because trunk and decoder are shared: a patch is a cell of 60 m and a sub-patch one pixel of an acquisition's
finest grid, so there are no pixels within it to collapse, and one date, so no time; modalities are averaged with
learned weights instead of by attention; the decoder reads the sub-patch embeddings by interpolation. Scores are kept
within 10 smoothly, as for the Atomizer style. No masked pretraining, no radar.
Not to be claimed: that these are the authors' results; that bandwidth is known to it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from anyband.models.core.method import Options
from anyband.models.core.network import linear
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap, apply_separable, cells_across, observed
from anyband.models.rivals.atomizer import HIGHEST_SCORE, centres, fourier, membership
from anyband.models.rivals.channels import Modalities, sinusoid
from anyband.observation import Observation, QueryGrid

PLACE_FREQUENCIES = 3


@dataclass(frozen=True)
class UniversatOptions(Options):
    """Sizes.

    Attributes:
        features: size of a sub-patch embedding; a multiple of `channel_heads`.
        channel_heads: heads of the attention over channels.
        frequencies: learned frequencies of a value.
        token: size of the token of a value.
        queries: learned queries of a patch.
    """

    features: int = 48
    channel_heads: int = 4
    frequencies: int = 8
    token: int = 24
    queries: int = 8


class CollapseCells(nn.Module):
    """Learned queries of each cell attend over the pixels whose centre lies in it."""

    def __init__(self, features: int, queries: int, dim: int, cell_m: float) -> None:
        """`queries` readings of `features` channels become `dim` channels on cells of `cell_m` metres."""
        super().__init__()
        self.cell_m = cell_m
        self.place = linear(4 * PLACE_FREQUENCIES, features, gain=0.5)
        self.score = nn.Linear(features, queries, bias=False)
        self.project = linear(features * queries, dim)

    def forward(self, features: FeatureMap, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Tokens (B, Hc, Wc, D), and 1 where the cell has an observed pixel, else 0 (B, Hc, Wc, 1)."""
        sizes, spans = features.values.shape[1:3], (query.height, query.width)
        codes: list[Tensor] = []
        members: list[Tensor] = []
        for size, span, offset in zip(sizes, spans, features.offset_m.flip(1).unbind(1), strict=True):
            at = centres(size, features.pixel_m, offset) / self.cell_m
            codes.append(fourier(at - torch.floor(at + 1e-6) - 0.5, PLACE_FREQUENCIES, math.pi))
            cells = cells_across(span, query.pixel_m, self.cell_m)
            members.append(membership(size, features.pixel_m, offset, cells, self.cell_m))
        rows, columns = codes
        across, down = rows[:, :, None].expand(-1, -1, sizes[1], -1), columns[:, None].expand(-1, sizes[0], -1, -1)
        place = torch.cat((across, down), dim=-1)
        pixels = features.values + self.place(place)
        scores = HIGHEST_SCORE * torch.tanh(self.score(pixels) / HIGHEST_SCORE)
        weight = scores.exp() * (features.weight > 0)
        both = torch.cat((pixels[..., None, :].expand(*scores.shape, -1), torch.ones_like(scores)[..., None]), dim=-1)
        sums = apply_separable(members[0], members[1], (weight[..., None] * both).flatten(3))
        sums = sums.reshape(*sums.shape[:3], *both.shape[3:])
        total = sums[..., -1]
        seen = (total.sum(dim=-1, keepdim=True) > 0).float()
        tokens: Tensor = self.project((sums[..., :-1] / total[..., None].clamp_min(1e-6)).flatten(3)) * seen
        return tokens, seen


class Universat(Modalities):
    """Values, then channels, then pixels, each axis collapsed by attention."""

    label = "UniverSat style"
    role = "rival"
    family = "any-sensor front end"
    colours = ("#08324a", "#43798c")
    marker = "^"
    cite = """
    @inproceedings{perron2026,
      author = {Perron, Y. and Astruc, G. and Gonthier, N. and Mallet, C. and Landrieu, L.},
      title = {{UniverSat}: resolution- and modality-agnostic transformers for {Earth} observation},
      booktitle = {NeurIPS},
      year = {2026},
      eprint = {2606.23503},
      archiveprefix = {arXiv},
    }
    """
    options_type = UniversatOptions
    any_product = True
    options: UniversatOptions

    def __init__(self, options: UniversatOptions, statistics: Statistics, classes: int) -> None:
        """Build the lifting of values and the two collapses."""
        super().__init__(options, statistics, classes)
        width, heads = options.features, options.channel_heads
        self.frequencies = nn.Parameter(torch.randn(options.frequencies))
        self.lift = linear(2 * options.frequencies + 1, options.token)
        self.wavelength = linear(options.token, options.token)
        self.query = nn.Parameter(torch.randn(heads, width // heads))
        self.key, self.value = linear(options.token, width), linear(options.token, width)
        self.mix = nn.Sequential(nn.LayerNorm(width), linear(width, width), nn.ReLU(), linear(width, width), nn.ReLU())
        self.add_fusion(width)
        self.tokens = CollapseCells(width, options.queries, options.dim, options.cell_m)  # type: ignore[assignment]

    def features(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Sub-patch embeddings of one acquisition on its finest grid."""
        channels, finest = self.channels(observation)
        angle = channels.values[..., None] * self.frequencies
        lifted = self.lift(torch.cat((channels.values[..., None], angle.sin(), angle.cos()), dim=-1))
        code = self.wavelength(sinusoid(channels.centres_nm(), self.options.token))
        tokens = nn.functional.gelu(lifted + code[:, None, None])  # (B, h, w, C, T)
        key, value = (part(tokens).unflatten(-1, self.query.shape) for part in (self.key, self.value))
        scores = (key * self.query).sum(dim=-1) / math.sqrt(self.query.shape[1]) + (channels.seen[..., None] - 1) * 1e4
        read = (scores.softmax(dim=3)[..., None] * value).sum(dim=3).flatten(3)
        return observed(self.mix(read), channels.any_seen, finest.pixel_m, finest.offset_m)
