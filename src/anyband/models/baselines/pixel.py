"""Floors of the comparison: classifiers of the bands of single pixels, without any context.

The trees of the random forest, the strong classical floor, are grown by scikit-learn (Breiman 2001, Random forests,
Machine Learning 45) and kept as tensors, so that a stored forest is one file like any other model and mapping needs
nothing but torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anyband.models.core.band_stack import BandStack, on_stack_grid
from anyband.models.core.method import Batch, Method, Options, Subsets, each_and_all
from anyband.models.core.normalisation import Statistics
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError


class PixelMethod(Method):
    """A classifier of single pixels: a training step has one sensor or both."""

    @classmethod
    def training_subsets(cls, options: Options) -> tuple[Subsets, ...]:
        """Each sensor alone or both together."""
        return tuple((subset,) for subset in each_and_all(cls.products_of(options)))


class Pixel(PixelMethod):
    """Linear softmax on the bands of both sensors at the nearest pixel, with presence channels."""

    label = "Pixel classifier"
    role = "floor"
    family = "pixel classifier"
    colours = ("#08324a", "#43798c")
    marker = "d"
    cite = "anyband"

    def __init__(self, options: Options, statistics: Statistics, classes: int) -> None:
        """One linear layer on the stack."""
        super().__init__(options, statistics, classes)
        self.stack = BandStack(self.products, statistics, linear=False, whiten=options.whiten)
        self.head = nn.Linear(self.stack.channels, classes)

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        stacked, _ = self.stack(observation, query)
        logits, _ = on_stack_grid(self.head(stacked)).read(query, linear=False)
        return logits.permute(0, 3, 1, 2)


SMOOTHING = 0.01
"""Share of equal probabilities mixed into the forest's vote, so that no class is impossible."""
TOGETHER = 8192
"""Pixels that go through a tree at once: few enough that what belongs to them stays in the processor's cache."""


@dataclass(frozen=True)
class RandomForestOptions(Options):
    """Sizes of the forest; the sizes of trunk and decoder are not used.

    Attributes:
        trees: number of trees.
        leaves: most leaves of a tree.
        levels: most splits between a tree's root and a leaf.
        pixels: pixels that are drawn from every training batch.
        whiten: a forest splits along single bands, which whitening mixes, so it gets them as they are.
    """

    trees: int = 32
    leaves: int = 512
    levels: int = 14
    pixels: int = 64
    whiten: bool = False


class RandomForest(PixelMethod):
    """Mean vote of decision trees on the bands of both sensors at the nearest pixel, with presence channels."""

    label = "Random forest"
    role = "floor"
    family = "pixel classifier"
    colours = ("#779381", "#c2f89d")
    marker = "P"
    cite = "breiman2001"
    options_type = RandomForestOptions
    options: RandomForestOptions
    search = {"trees": (32, 64), "levels": (10, 14, 18)}
    feature: Tensor
    branches: Tensor

    def __init__(self, options: RandomForestOptions, statistics: Statistics, classes: int) -> None:
        """Room for the forest; until `fit` every tree is a single leaf that gives all classes the same share."""
        super().__init__(options, statistics, classes)
        self.stack = BandStack(self.products, statistics, linear=False, whiten=options.whiten)
        shape = options.trees, 2 * options.leaves - 1
        self.register_buffer("feature", torch.zeros(shape, dtype=torch.int32))
        self.register_buffer("branches", torch.zeros((*shape, 2), dtype=torch.int32))
        self.threshold = nn.Parameter(torch.full(shape, torch.inf), requires_grad=False)
        self.share = nn.Parameter(torch.full((*shape, classes), 1 / classes), requires_grad=False)

    def read(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """What trees look at (B, H, W, channels), and whether anything was seen (B, H, W), at the query's pixels."""
        values, _ = on_stack_grid(torch.cat(self.inputs(observation, query), dim=-1)).read(query, linear=False)
        return values[..., :-1], values[..., -1] > 0

    def inputs(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Bands and presence (B, H, W, channels) and weight (B, H, W, 1) on the 10 m grid."""
        stacked: tuple[Tensor, Tensor] = self.stack(observation, query)
        return stacked

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        values, _ = self.read(observation, query)
        votes = self.vote(values.flatten(0, 2)) * (1 - SMOOTHING) + SMOOTHING / self.classes
        return votes.log().reshape(*values.shape[:3], -1).permute(0, 3, 1, 2)

    def vote(self, values: Tensor) -> Tensor:
        """Mean over trees of the class shares (N, classes) in the leaves that pixels (N, channels) fall into."""
        return torch.cat([self._vote(part) for part in torch.split(values, TOGETHER)])

    def _vote(self, values: Tensor) -> Tensor:
        total, flat = values.new_zeros(len(values), self.classes), values.flatten()
        start = torch.arange(len(values), dtype=torch.int32, device=values.device) * values.shape[1]
        trees = zip(self.feature, self.threshold, self.branches.flatten(1), self.share, strict=True)
        for feature, threshold, branches, share in trees:
            node = torch.zeros_like(start)
            for _ in range(self.options.levels):
                value = flat.index_select(0, start + feature.index_select(0, node))
                right = value > threshold.index_select(0, node)
                node = branches.index_select(0, 2 * node + right)
            total += share.index_select(0, node)
        return total / len(self.feature)

    @torch.no_grad()
    def fit(self, batches: Iterable[Batch]) -> None:
        """Grow the forest on pixels that are drawn from every batch."""
        from sklearn.ensemble import RandomForestClassifier

        drawn, truth = [], []
        for observation, query, labels in batches:
            values, seen = self.read(observation, query)
            where = (seen & (labels >= 0)).flatten().nonzero()[:, 0]
            where = where[torch.randperm(len(where))[: self.options.pixels]]
            drawn.append(values.flatten(0, 2)[where])
            truth.append(labels.flatten()[where])
        pixels, classes = torch.cat(drawn).numpy(), torch.cat(truth).numpy()
        if not len(pixels):
            raise UserError("random-forest: no training pixel is scored and was seen")
        forest = RandomForestClassifier(
            n_estimators=self.options.trees,
            max_leaf_nodes=self.options.leaves,
            max_depth=self.options.levels,
            random_state=int(torch.randint(2**31 - 1, ())),
        )
        forest.fit(pixels, classes)
        for number, tree in enumerate(forest.estimators_):
            self._keep(number, tree.tree_, forest.classes_)

    def _keep(self, number: int, tree: Any, classes: np.ndarray) -> None:
        """Copy one tree of scikit-learn; a leaf leads to itself."""
        count = tree.node_count
        leaf = tree.children_left < 0
        itself = np.arange(count)
        exact = tree.threshold.astype(np.float32)
        # Pixels are single precision: the largest such number not above the threshold splits them just the same.
        exact = np.where(exact > tree.threshold, np.nextafter(exact, np.float32(-np.inf)), exact)
        self.feature[number, :count] = torch.from_numpy(np.where(leaf, 0, tree.feature))
        self.branches[number, :count, 0] = torch.from_numpy(np.where(leaf, itself, tree.children_left))
        self.branches[number, :count, 1] = torch.from_numpy(np.where(leaf, itself, tree.children_right))
        self.threshold[number, :count] = torch.from_numpy(exact)
        shares = np.zeros((count, self.classes), np.float32)
        shares[:, classes] = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
        self.share[number, :count] = torch.from_numpy(shares)
