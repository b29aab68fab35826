"""The specialist of any one product: the upper reference on a sensor that the other methods never saw in training."""

from dataclasses import dataclass
from typing import ClassVar

from anyband.models.baselines.input_fusion import OneStack, StackOptions
from anyband.models.core.method import Options, Subsets, each_and_all
from anyband.models.core.normalisation import Statistics
from anyband.runtime import UserError
from anyband.sensors import platforms


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
