"""Floors of the comparison: a linear classifier of single pixels, without any context."""

import torch
from torch import Tensor, nn

from anyband.models.core.band_stack import GRID_M, BandStack
from anyband.models.core.feature_maps import FeatureMap
from anyband.models.core.method import Method, Options, Subsets, each_and_all
from anyband.models.core.normalisation import Statistics
from anyband.observation import Observation, QueryGrid


class Pixel(Method):
    """Linear softmax on the bands of both sensors at the nearest pixel, with presence channels."""

    label = "Pixel classifier"
    role = "floor"
    colours = ("#08324a", "#43798c")
    marker = "d"

    def __init__(self, options: Options, statistics: Statistics, classes: int) -> None:
        """One linear layer on the stack."""
        super().__init__(options, statistics, classes)
        self.stack = BandStack(("sentinel2", "landsat"), statistics, linear=False)
        self.head = nn.Linear(self.stack.channels, classes)

    @classmethod
    def training_subsets(cls, options: Options) -> tuple[Subsets, ...]:
        """A step has one sensor or both."""
        return tuple((subset,) for subset in each_and_all(cls.products))

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        stacked, weight = self.stack(observation, query)
        everywhere, offset = torch.ones_like(weight), weight.new_zeros(len(weight), 2)
        logits, _ = FeatureMap(self.head(stacked), everywhere, GRID_M, offset).read(query, linear=False)
        return logits.permute(0, 3, 1, 2)
