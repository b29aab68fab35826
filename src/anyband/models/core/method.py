"""What every method has in common: options, the products it looks at, and front end, trunk and decoder in a row."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from anyband.methods import Role
from anyband.models.core.network import CellTokens, Decoder, Trunk, linear, mean_cross_entropy
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap
from anyband.observation import Observation, QueryGrid
from anyband.products import PRODUCTS
from anyband.runtime import UserError, nearest

Subsets = tuple[frozenset[str], ...]
Batch = tuple[Observation, QueryGrid, Tensor]
"""What a method sees, where it is asked, and labels (B, H, W) there, -1 where not scored."""


def each_and_all(products: Sequence[str]) -> Subsets:
    """Each product alone, and where there are several all of them together."""
    alone = tuple(frozenset({product}) for product in products)
    return alone if len(alone) == 1 else (*alone, frozenset(products))


def within(steps: Iterable[Subsets], products: Container[str]) -> tuple[Subsets, ...]:
    """Of `steps` the sets that hold `products` only."""
    kept = (tuple(subset for subset in step if all(product in products for product in subset)) for step in steps)
    return tuple(step for step in kept if step)


def union(steps: Iterable[Subsets]) -> frozenset[str]:
    """All products of `steps`."""
    return frozenset(product for step in steps for subset in step for product in subset)


@dataclass(frozen=True)
class Options:
    """Sizes that all methods share.

    Attributes:
        cell_m: side of the trunk's cells, m.
        dim: channels of the trunk; a multiple of 4 * heads.
        depth: blocks of the trunk.
        heads: attention heads.
        mlp_ratio: hidden width of a block's perceptron over `dim`.
        fine: channels of the fine features and of the decoder.
        convolutions: 3 x 3 convolutions of the decoder.
        moments: cosine moments per axis that summarise a cell.
        whiten: whiten the bands of each product by their covariance over training pixels; else they are standardised
            only. Of no effect where docs/protocol.md says so.
        hls: train on the HLS products of both sensors in place of their own.
    """

    cell_m: float = 60.0
    dim: int = 64
    depth: int = 2
    heads: int = 4
    mlp_ratio: float = 2.0
    fine: int = 32
    convolutions: int = 2
    moments: int = 3
    whiten: bool = True
    hls: bool = False

    @classmethod
    def parse(cls, given: dict[str, Any], method: str) -> Self:
        """Options from the configuration.

        Raises:
            UserError: an unknown key, or a value of the wrong type, with the key's name.
        """
        known = {field.name: field.type for field in fields(cls)}
        for key, value in given.items():
            if key not in known:
                raise UserError(f"methods.{method}.options: unknown key {key!r}{nearest(key, known)}")
            wanted = type(getattr(cls, key))
            whole_number = wanted is float and type(value) is int
            if type(value) is not wanted and not whole_number:
                raise UserError(f"methods.{method}.options.{key}: {value!r} is not of type {wanted.__name__}")
        return cls(**given)


class UnsupportedInputError(UserError):
    """An input that a method cannot take, such as one without a band that it needs: it then has no result there."""


class Method(nn.Module):
    """A model of the comparison.

    A subclass implements `forward`, and sets `options_type` where it has options of its own. What it may say about
    products: `training_subsets` and `usable`; about training: `loss`. `search` holds the options of its own that tuning
    draws from, with the values of each; none changes the size of a network. A method of the comparison has `label` and
    `role`, and may have the other facts of `anyband.methods.MethodCard`, as literals.

    Attributes:
        products: that it has inputs for, in their order.
        steps: `training_subsets` of the products that training measured.
        training_products: all of those, which training and the statistics of its pixels need.
    """

    label: ClassVar[str]
    role: ClassVar[Role]
    family: ClassVar[str] = ""
    colours: ClassVar[tuple[str, str]]
    marker: ClassVar[str]
    cite: ClassVar[str]
    entry_labels: ClassVar[Mapping[str, str]]
    needs: ClassVar[str]
    options_type: ClassVar[type[Options]] = Options
    products: tuple[str, ...] = ("sentinel2", "landsat")
    search: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    validated: ClassVar[str] = "val_miou"  # what the validation score of a training is
    any_product: ClassVar[bool] = False  # describes bands by numbers, so those of every product will do
    endpoint_twins: ClassVar[bool] = False  # the primary endpoint is on the HLS twins of the same acquisitions

    def __init__(self, options: Options, statistics: Statistics, classes: int) -> None:
        """Keep what is needed to build the model again; `classes` is the number of logits."""
        super().__init__()
        self.options, self.statistics, self.classes = options, statistics, classes
        self.products = self.products_of(options)
        self.steps = within(self.training_subsets(options), {band.product for band in statistics.bands})
        self.training_products = union(self.steps)

    @classmethod
    def products_of(cls, options: Options) -> tuple[str, ...]:
        """The products of the class, or their HLS twins."""
        return tuple((PRODUCTS[p].twin or p) if options.hls else p for p in cls.products)

    @classmethod
    def training_subsets(cls, options: Options) -> tuple[Subsets, ...]:
        """Sets of products from each of which a training step makes a map; of several tuples a step draws one."""
        return (each_and_all(cls.products_of(options)),)

    def usable(self, products: frozenset[str]) -> frozenset[str]:
        """The part of the `products` at hand that the method looks at; empty when it can make no map of them."""
        return products if self.any_product else products & self.training_products

    def loss(self, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """What a training step descends, a scalar: the mean cross-entropy of the maps from `training_subsets`.

        Args:
            batch: of the products of one tuple of `training_subsets`.
            class_weights: (classes,) of the cross-entropy, or None for equal ones.
        """
        observation, query, labels = batch
        subsets = self.mapped(observation.products)
        return mean_cross_entropy([self(observation.only(s), query) for s in subsets], labels, class_weights)

    def drawn(self, chance: float, seen: frozenset[str]) -> frozenset[str]:
        """Products that a training batch holds, for a uniform random number in [0, 1) and the products that saw it.

        Where a step needs more than there is, what there is of it.
        """
        steps = within(self.steps, seen) or self.steps
        return union([steps[int(chance * len(steps))]]) & seen

    def mapped(self, products: frozenset[str]) -> Subsets:
        """The sets of products from each of which a training step makes a map of a batch that holds `products`."""
        step = next(step for step in self.steps if products <= union([step]))
        return tuple(subset for subset in step if subset <= products) or (products,)

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid.

        Raises:
            UnsupportedInputError: the method cannot take this input; it then has no result there.
        """
        raise NotImplementedError

    def prepare(self) -> str:
        """Before training, load what it starts from besides random weights; one line on it for settings and report."""
        return ""

    def fit(self, batches: Iterable[Batch]) -> None:
        """Train a method that has no gradients, on the batches of all steps; others are trained step by step.

        Args:
            batches: what every method's steps see, with labels (B, H, W), -1 where not scored.
        """
        raise NotImplementedError

    def calibrate(self, batches: Iterable[Batch]) -> None:
        """Fit what is fitted on validation data: called once, after the last step, in evaluation mode.

        Results belong into buffers, which are stored with the weights. Most methods have nothing to fit here.

        Args:
            batches: whole validation chips of all training products, with labels (B, H, W), -1 where not scored.
        """


class DenseMethod(Method):
    """Front end, trunk, decoder. Subclasses implement `features` and call `add_summary`, or implement `encode`."""

    def __init__(self, options: Options, statistics: Statistics, classes: int) -> None:
        """Build trunk and decoder; the subclass adds its front end."""
        super().__init__(options, statistics, classes)
        self.trunk = Trunk(options.dim, options.depth, options.heads, options.mlp_ratio, options.cell_m)
        self.decoder = Decoder(options.dim, options.fine, options.convolutions, classes, options.cell_m)

    def add_summary(self, width: int) -> None:
        """Build the ways from features of `width` channels to cell tokens and to fine features."""
        self.tokens = CellTokens(width, self.options.dim, self.options.moments, self.options.cell_m)
        self.fine = linear(width, self.options.fine)

    def features(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Features on a grid of the method's own."""
        raise NotImplementedError

    def encode(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        features = self.features(observation, query)
        cells, _ = self.tokens(features, query)
        read, _ = features.read(query, linear=True)
        return cells, self.fine(read)

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        cells, fine = self.encode(observation, query)
        logits: Tensor = self.decoder(self.trunk(cells), fine, query)
        return logits


Encoded = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F) of an acquisition, each with its observed share."""


class AcquisitionMethod(DenseMethod):
    """Encodes acquisitions one by one and averages them with learned weights, per cell and per query pixel.

    Subclasses implement `features`, which is given one product, and call `add_fusion`.
    """

    def add_fusion(self, width: int) -> None:
        """Build the summary of features of `width` channels and what weighs acquisitions."""
        self.add_summary(width)
        self.cell_gate = nn.Linear(self.options.dim, 1)
        self.fine_gate = nn.Linear(self.options.fine, 1)

    def loss(self, batch: Batch, class_weights: Tensor | None = None) -> Tensor:
        """The mean cross-entropy of the maps from `training_subsets` and `further`; acquisitions are encoded once."""
        observation, query, labels = batch
        each = self.encode_each(observation, query)
        seen = [self.fuse(each, products) for products in self.mapped(observation.products)]
        seen += self.further(observation, query)
        cells, fine = zip(*seen, strict=True)
        logits: Tensor = self.decoder(self.trunk(torch.cat(cells)), torch.cat(fine), query)
        return mean_cross_entropy(logits.chunk(len(seen)), labels, class_weights)

    def further(self, observation: Observation, query: QueryGrid) -> list[tuple[Tensor, Tensor]]:
        """Cell tokens and fine features of what a training step makes maps of besides; for most methods nothing."""
        return []

    def encode_each(self, observation: Observation, query: QueryGrid) -> dict[str, Encoded]:
        """Every product encoded by itself."""
        found = {}
        for product in sorted(self.usable(observation.products)):
            features = self.features(observation.only(frozenset({product})), query)
            read, weight = features.read(query, linear=True)
            found[product] = self.tokens(features, query), (self.fine(read), weight)
        return found

    def fuse(self, each: dict[str, Encoded], products: frozenset[str]) -> tuple[Tensor, Tensor]:
        """Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F) of `products` together."""
        cells, fine = zip(*(encoded for product, encoded in each.items() if product in products), strict=True)
        return weighted_mean(list(cells), self.cell_gate), weighted_mean(list(fine), self.fine_gate)

    def encode(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        return self.fuse(self.encode_each(observation, query), observation.products)


def weighted_mean(parts: list[tuple[Tensor, Tensor]], gate: nn.Linear) -> Tensor:
    """Average of acquisitions (B, h, w, C) with learned weights; where an acquisition saw nothing it does not count.

    Args:
        parts: per acquisition, features and observed share (B, h, w, 1).
        gate: scores an acquisition from its features.
    """
    if len(parts) == 1:
        return parts[0][0] * (parts[0][1] > 0)
    values = torch.stack([value for value, _ in parts])
    seen = torch.stack([weight for _, weight in parts])
    share = torch.sigmoid(gate(values)) * seen
    return (values * share).sum(dim=0) / share.sum(dim=0).clamp_min(1e-6)
