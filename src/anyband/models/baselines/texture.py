"""The floor of handcrafted texture: band ratios, and means and variances of the neighbourhood, in a random forest.

What was usual before networks: beside each pixel's bands the normalised difference of every two bands of reflectance of
one product, and mean and standard deviation of each band in squares of three sizes around it (of the valid pixels).
"""

from itertools import combinations

import torch
from torch import Tensor, nn

from anyband.models.baselines.pixel import RandomForest, RandomForestOptions
from anyband.models.core.normalisation import Statistics
from anyband.observation import Observation, QueryGrid
from anyband.sensors.band import REFLECTANCE

SQUARES = (3, 7, 15)  # pixels of 10 m across


class TextureForest(RandomForest):
    """The random forest with more to look at."""

    label = "Texture forest"
    role = "floor"
    family = "handcrafted texture"
    colours = ("#779381", "#c2f89d")
    marker = "v"
    cite = "breiman2001"

    def __init__(self, options: RandomForestOptions, statistics: Statistics, classes: int) -> None:
        """Room for the forest, and which bands are compared."""
        super().__init__(options, statistics, classes)
        entries = statistics.of(self.products)
        self.pairs = [
            (i, j)
            for (i, one), (j, other) in combinations(enumerate(entries), 2)
            if one.product == other.product and one.quantity == other.quantity == REFLECTANCE
        ]

    def inputs(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """All channels (B, H, W, channels) and weight (B, H, W, 1) on the 10 m grid."""
        standard, valid = self.stack.standardise(observation, query)
        stacked, weight = self.stack.stack(standard, valid)
        level = (standard * self.stack.std + self.stack.mean).clamp_min(1e-3)
        first, second = (level[..., list(side)] for side in zip(*self.pairs, strict=True))
        both = valid[..., [i for i, _ in self.pairs]] & valid[..., [j for _, j in self.pairs]]
        ratios = ((first - second) / (first + second)).where(both, 0.0)
        return torch.cat((stacked, ratios, *surroundings(standard, valid)), dim=-1), weight


def surroundings(values: Tensor, valid: Tensor) -> list[Tensor]:
    """Mean and standard deviation of the valid pixels of each square, each (B, H, W, C); values are 0 elsewhere."""
    found = []
    for size in SQUARES:
        parts = [part.permute(0, 3, 1, 2) for part in (valid.float(), values, values.square())]
        count, first, second = (nn.functional.avg_pool2d(p, size, 1, size // 2) for p in parts)
        mean = first / count.clamp_min(1e-6)
        spread = (second / count.clamp_min(1e-6) - mean.square()).clamp_min(0.0).sqrt()
        found += [mean.permute(0, 2, 3, 1), spread.permute(0, 2, 3, 1)]
    return found
