"""The registry of models. A new method is one file, one line here and one entry in the configuration."""

from typing import Any

from anyband.models.baselines.analytic import Analytic
from anyband.models.baselines.feature_fusion import FeatureFusion
from anyband.models.baselines.hls_unified import HlsUnified
from anyband.models.baselines.input_fusion import InputFusion, LandsatOnly, Sentinel2Only
from anyband.models.baselines.pixel import Pixel
from anyband.models.baselines.prediction_fusion import PredictionFusion
from anyband.models.baselines.random_forest import RandomForest
from anyband.models.baselines.sensor_only import SensorOnly
from anyband.models.baselines.translation import Translation
from anyband.models.core.method import Method
from anyband.models.core.normalisation import Statistics
from anyband.models.proposed.anyband import AnyBand
from anyband.models.proposed.reconstruction import Reconstruction
from anyband.models.rivals.atomizer import Atomizer
from anyband.models.rivals.channelvit import ChannelViT
from anyband.models.rivals.dofa import Dofa
from anyband.models.rivals.panopticon import Panopticon
from anyband.models.rivals.ramen import Ramen
from anyband.models.rivals.satlas import Satlas
from anyband.models.rivals.senpa import Senpa
from anyband.runtime import UserError

MODELS: dict[str, type[Method]] = {
    "s2-only": Sentinel2Only,
    "l9-only": LandsatOnly,
    "input-fusion": InputFusion,
    "feature-fusion": FeatureFusion,
    "anyband": AnyBand,
    "pixel": Pixel,
    "dofa-style": Dofa,
    "panopticon-style": Panopticon,
    "channelvit-style": ChannelViT,
    "prediction-fusion": PredictionFusion,
    "hls-unified": HlsUnified,
    "analytic": Analytic,
    "random-forest": RandomForest,
    "satlas": Satlas,
    "senpa-style": Senpa,
    "ramen-style": Ramen,
    "translation": Translation,
    "atomizer-style": Atomizer,
    "sensor-only": SensorOnly,
}
# Learn from pixels alone and make no map: no rows of a comparison, but what one may start from.
PRETRAINING: dict[str, type[Method]] = {"reconstruction": Reconstruction}
PRETRAINED = {"anyband": "reconstruction"}


def model_type(name: str, leave_out: str = "none", options: dict[str, Any] | None = None) -> type[Method]:
    """The class of a model, with a product left out of all training unless that is "none".

    Of the `options` only the product of `sensor-only` decides.

    Raises:
        UserError: no such model, or one that cannot be trained without the product.
    """
    known = MODELS | PRETRAINING
    if name not in known:
        raise UserError(f"model {name!r} does not exist; known: {', '.join(MODELS)}")
    model = known[name]
    if issubclass(model, SensorOnly):
        model = model.of(options or {})
    kept = tuple(products for products in model.trained_on if leave_out not in products)
    if not kept:
        raise UserError(f"model {name!r} cannot be trained without {leave_out}: take it out of this experiment")
    # A class of its own, because what a method trains on is asked of its class before there is a model.
    return model if kept == model.trained_on else type(model.__name__, (model,), {"trained_on": kept})


def build(name: str, options: dict[str, Any], statistics: Statistics, classes: int, leave_out: str = "none") -> Method:
    """A model with fresh weights; `leave_out` as in `model_type`.

    Raises:
        UserError: no such model, or an option that it does not have.
    """
    model = model_type(name, leave_out, options)
    return model(model.options_type.parse(options, name), statistics, classes)
