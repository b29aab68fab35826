"""What every method has in common: options, the products it looks at, and front end, trunk and decoder in a row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from anyband.methods import Role
from anyband.models.core.decoder import Decoder
from anyband.models.core.normalisation import Statistics
from anyband.models.core.trunk import Trunk
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError, nearest

SENTINEL2 = frozenset({"sentinel2"})
LANDSAT = frozenset({"landsat"})


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
    """

    cell_m: float = 60.0
    dim: int = 64
    depth: int = 2
    heads: int = 4
    mlp_ratio: float = 2.0
    fine: int = 32
    convolutions: int = 2
    moments: int = 3

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

    Subclasses set `trained_on`, the sets of products from each of which every training step makes a map, and
    `options_type` where they have options of their own, and implement `forward`. `search` holds the options of its own
    that tuning draws from, with the values of each; none changes the size of a network. A method of the comparison has
    `label` and `role`, and may have the other facts of `anyband.methods.MethodCard`, as literals.
    """

    label: ClassVar[str]
    role: ClassVar[Role]
    colours: ClassVar[tuple[str, str]]
    marker: ClassVar[str]
    cite: ClassVar[str]
    entry_labels: ClassVar[Mapping[str, str]]
    options_type: ClassVar[type[Options]] = Options
    trained_on: ClassVar[tuple[frozenset[str], ...]]
    search: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    every_set: ClassVar[bool] = True  # False: a step has one set of `trained_on`, drawn at random
    validated: ClassVar[str] = "val_miou"  # what the validation score of a training is
    endpoint_twins: ClassVar[bool] = False  # the primary endpoint is on the HLS twins of the same acquisitions

    def __init__(self, options: Options, statistics: Statistics, classes: int) -> None:
        """Keep what is needed to build the model again; `classes` is the number of logits."""
        super().__init__()
        self.options, self.statistics, self.classes = options, statistics, classes

    @classmethod
    def of(cls, options: dict[str, Any]) -> type[Self]:
        """The class for these options, where they decide which products it trains on."""
        return cls

    def accepts(self, products: frozenset[str]) -> bool:
        """Whether a map can be made when exactly `products` are at hand."""
        return bool(self.uses(products))

    def uses(self, products: frozenset[str]) -> frozenset[str]:
        """The part of `products` that the method looks at; empty when it can make nothing of them."""
        return products & self.training_products()

    @classmethod
    def training_products(cls) -> frozenset[str]:
        """Products that training and the statistics of its pixels need."""
        return frozenset[str]().union(*cls.trained_on)

    def products_of(self, chance: float) -> frozenset[str]:
        """Products that a training batch holds, for a uniform random number in [0, 1)."""
        return self.training_products() if self.every_set else self.trained_on[int(chance * len(self.trained_on))]

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid.

        Raises:
            UnsupportedInputError: the method cannot take this input; it then has no result there.
        """
        raise NotImplementedError

    def prepare(self) -> str:
        """Before training, load what it starts from besides random weights; one line on it for settings and report."""
        return ""

    def heads(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, ...]:
        """All logits (B, classes, H, W) that training holds to the labels; their losses are averaged.

        A model that learns without labels gives its losses instead, each a number.
        """
        return tuple(self(observation.only(products), query) for products in self.sets_of(observation))

    def sets_of(self, observation: Observation) -> tuple[frozenset[str], ...]:
        """The sets of products from each of which a training step makes a map of a batch."""
        if not self.every_set:
            return (observation.products,)
        return tuple(products for products in self.trained_on if products <= observation.products)

    def fit(self, batches: Iterable[tuple[Observation, QueryGrid, Tensor]]) -> None:
        """Train a method that has no gradients, on the batches of all steps; others are trained step by step.

        Args:
            batches: what every method's steps see, with labels (B, H, W), -1 where not scored.
        """
        raise NotImplementedError

    def calibrate(self, batches: Iterable[tuple[Observation, QueryGrid, Tensor]]) -> None:
        """Fit what is fitted on validation data: called once, after the last step, in evaluation mode.

        Results belong into buffers, which are stored with the weights. Most methods have nothing to fit here.

        Args:
            batches: whole validation chips of all training products, with labels (B, H, W), -1 where not scored.
        """


class DenseMethod(Method):
    """Front end, trunk, decoder. Subclasses implement `encode`."""

    def __init__(self, options: Options, statistics: Statistics, classes: int) -> None:
        """Build trunk and decoder; the subclass adds its front end."""
        super().__init__(options, statistics, classes)
        self.trunk = Trunk(options.dim, options.depth, options.heads, options.mlp_ratio, options.cell_m)
        self.decoder = Decoder(options.dim, options.fine, options.convolutions, classes, options.cell_m)

    def encode(self, observation: Observation, query: QueryGrid) -> tuple[Tensor, Tensor]:
        """Cell tokens (B, Hc, Wc, D) and fine features (B, H, W, F)."""
        raise NotImplementedError

    def forward(self, observation: Observation, query: QueryGrid) -> Tensor:
        """Logits (B, classes, H, W) on the query grid."""
        cells, fine = self.encode(observation, query)
        logits: Tensor = self.decoder(self.trunk(cells), fine, query)
        return logits
