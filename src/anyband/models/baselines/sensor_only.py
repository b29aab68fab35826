"""The specialist of any one product: the upper reference on a sensor that the other methods never saw in training."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from anyband.models.baselines.input_fusion import OneStack, StackOptions
from anyband.models.core.method import SENTINEL2, Options
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
    trained_on = (SENTINEL2,)
    products = ("sentinel2",)

    @classmethod
    def of(cls, options: dict[str, Any]) -> type[Self]:
        """The class for the product that the options name: what a method trains on is asked of its class.

        Raises:
            UserError: no sensor delivers the product.
        """
        product = str(options.get("product", SensorOnlyOptions.product))
        if not platforms(product):
            raise UserError(f"methods.sensor-only.options.product: no sensor delivers {product!r}")
        if (product,) == cls.products:
            return cls
        return type(cls.__name__, (cls,), {"products": (product,), "trained_on": (frozenset({product}),)})
