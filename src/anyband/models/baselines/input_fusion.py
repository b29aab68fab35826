"""Specialists and input fusion: the bands of some sensors, resampled to one 10 m grid and stacked.

Both usual fusions (the other is in `feature_fusion`) train on each sensor alone beside both together, know which sensor
saw a pixel, and place every grid by its position in metres. Options take these away one by one, for comparisons with
the weaker forms found in practice.
"""

from dataclasses import dataclass
from typing import ClassVar

from anyband.models.core.band_stack import StackEncoder
from anyband.models.core.method import DenseMethod, Options, Subsets, each_and_all
from anyband.models.core.normalisation import Statistics
from anyband.models.core.regrid import FeatureMap
from anyband.observation import Observation, QueryGrid
from anyband.runtime import UserError
from anyband.sensors import platforms


@dataclass(frozen=True)
class StackOptions(Options):
    """Sizes of a method with one stack.

    Attributes:
        hidden: width of the per-pixel layer between the bands and the features.
        features: features per pixel that are summarised over cells.
    """

    hidden: int = 64
    features: int = 48


class OneStack(DenseMethod):
    """The bands of some products stacked at 10 m; one encoder."""

    options_type: ClassVar[type[Options]] = StackOptions
    options: StackOptions

    def __init__(
        self,
        options: StackOptions,
        statistics: Statistics,
        classes: int,
        *,
        products: tuple[str, ...] = (),
        presence: bool = True,
    ) -> None:
        """Build the stack encoder, of `products` other than those of the class, or without presence channels."""
        super().__init__(options, statistics, classes)
        products = products or self.products
        self.encoder = StackEncoder(
            products, statistics, options.hidden, options.features, presence=presence, whiten=options.whiten
        )
        self.add_summary(options.features)

    def features(self, observation: Observation, query: QueryGrid) -> FeatureMap:
        """Features on the 10 m grid."""
        features: FeatureMap = self.encoder(observation, query)
        return features


class Sentinel2Only(OneStack):
    """The specialist of Sentinel-2; it ignores every other product."""

    label = "Sentinel-2 specialist"
    role = "specialist"
    family = "specialist"
    colours = ("#211365", "#2782f8")
    marker = "^"
    cite = "anyband"
    products = ("sentinel2",)


class LandsatOnly(OneStack):
    """The specialist of Landsat; it ignores every other product."""

    label = "Landsat specialist"
    role = "specialist"
    family = "specialist"
    colours = ("#268bfe", "#0575ae")
    marker = "v"
    cite = "anyband"
    products = ("landsat",)


@dataclass(frozen=True)
class InputFusionOptions(StackOptions):
    """Sizes, and what a weaker form lacks.

    Attributes:
        presence: tell by a channel per sensor where it saw the ground; else an unseen band looks like a mean one.
        alone: train on each sensor alone too; else on all together only.
    """

    presence: bool = True
    alone: bool = True


class InputFusion(OneStack):
    """All bands of the training products stacked at 10 m with presence channels; one encoder."""

    label = "Input fusion"
    role = "baseline"
    family = "fusion of inputs"
    colours = ("#0b6bab", "#5aaeec")
    marker = "s"
    cite = "dallamura2015"
    options_type = InputFusionOptions
    options: InputFusionOptions

    def __init__(self, options: InputFusionOptions, statistics: Statistics, classes: int) -> None:
        """Build the stack encoder."""
        super().__init__(options, statistics, classes, presence=options.presence)
        if not options.alone:
            self.steps = tuple(step[-1:] for step in self.steps)


@dataclass(frozen=True)
class SensorOnlyOptions(StackOptions):
    """Sizes, and which product.

    Attributes:
        product: of the registry of sensors.
    """

    product: str = "sentinel2"


class SensorOnly(OneStack):
    """Trains on one product and ignores every other one; the same network as `s2-only` and `l9-only`."""

    label = "One-product specialist"
    role = "specialist"
    family = "specialist"
    cite = "anyband"
    entry_labels = {
        "broad-only": "Broadband specialist",
        "narrow-only": "Narrowband specialist",
        "hyper-only": "Hyperspectral specialist",
        "s30-only": "HLS S30 specialist",
        "l30-only": "HLS L30 specialist",
    }
    options_type: ClassVar[type[Options]] = SensorOnlyOptions
    options: SensorOnlyOptions

    def __init__(self, options: SensorOnlyOptions, statistics: Statistics, classes: int) -> None:
        """Build the stack encoder of the product."""
        super().__init__(options, statistics, classes, products=(options.product,))

    @classmethod
    def training_subsets(cls, options: Options) -> tuple[Subsets, ...]:
        """The product alone.

        Raises:
            UserError: no sensor delivers it.
        """
        assert isinstance(options, SensorOnlyOptions)
        if not platforms(options.product):
            raise UserError(f"methods.sensor-only.options.product: no sensor delivers {options.product!r}")
        return (each_and_all([options.product]),)
