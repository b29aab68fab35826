"""The methods, without importing torch: where each one is, and what its class says of itself.

A new method is its file and one line of `MODELS`. Label, role, colours, marker and citation stand in the body of its
class as literals and are read from there by `card`, so that statistics and report need no torch.
"""

import ast
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from anyband.runtime import UserError

Role = Literal["proposed", "baseline", "specialist", "floor", "rival"]

# The order is that of config.yaml, and that in which methods without colours of their own take those of others.
MODELS = {
    "anyband": "anyband.models.proposed.anyband:AnyBand",
    "input-fusion": "anyband.models.baselines.input_fusion:InputFusion",
    "feature-fusion": "anyband.models.baselines.feature_fusion:FeatureFusion",
    "prediction-fusion": "anyband.models.baselines.prediction_fusion:PredictionFusion",
    "translation": "anyband.models.baselines.translation:Translation",
    "hls-unified": "anyband.models.baselines.hls_unified:HlsUnified",
    "one-space": "anyband.models.baselines.one_space:OneSpace",
    "satlas": "anyband.models.rivals.small_satlas:SmallSatlas",
    "s2-only": "anyband.models.baselines.input_fusion:Sentinel2Only",
    "l9-only": "anyband.models.baselines.input_fusion:LandsatOnly",
    "sensor-only": "anyband.models.baselines.input_fusion:SensorOnly",
    "analytic": "anyband.models.baselines.analytic:Analytic",
    "random-forest": "anyband.models.baselines.pixel:RandomForest",
    "texture-forest": "anyband.models.baselines.texture:TextureForest",
    "pixel": "anyband.models.baselines.pixel:Pixel",
    "dofa-style": "anyband.models.rivals.dofa:Dofa",
    "panopticon-style": "anyband.models.rivals.panopticon:Panopticon",
    "channelvit-style": "anyband.models.rivals.channelvit:ChannelViT",
    "senpa-style": "anyband.models.rivals.senpa:Senpa",
    "ramen-style": "anyband.models.rivals.ramen:Ramen",
    "atomizer-style": "anyband.models.rivals.atomizer:Atomizer",
    "universat-style": "anyband.models.rivals.universat:Universat",
    "carl-style": "anyband.models.rivals.carl:Carl",
    "satlas-full-size": "anyband.models.rivals.satlas:Satlas",
}
# Learn from pixels alone and make no map: no rows of a comparison, but what one may start from.
PRETRAINING = {"reconstruction": "anyband.models.proposed.reconstruction:Reconstruction"}
PRETRAINED = {"anyband": "reconstruction"}


@dataclass(frozen=True)
class MethodCard:
    """What a method's class says of itself.

    Attributes:
        label: name for people.
        role: in the comparison; a "rival" is compared with other rivals and may share a colour with another method.
        family: of ways to use sensors, in a few words.
        colours: `#rrggbb` on light and on dark ground; none: it takes spare ones.
        marker: of matplotlib; goes with `colours`.
        cite: BibTeX entry of its source as text, or the key of one that the report has anyway.
        entry_labels: labels of entries of the default configuration that are this model under another name.
        needs: a package of the extra `models`, without which it cannot be built.
    """

    label: str
    role: Role
    family: str = ""
    colours: tuple[str, str] | None = None
    marker: str | None = None
    cite: str | None = None
    entry_labels: Mapping[str, str] | None = None
    needs: str | None = None


def source(model: str) -> tuple[Path, str]:
    """File and class of a model, found without importing it.

    Raises:
        KeyError: no such model.
        UserError: its line in `MODELS` names no module.
    """
    place = (MODELS | PRETRAINING)[model]
    module, _, name = place.partition(":")
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None or found.origin is None:
        raise UserError(f"model {model!r}: there is no module {module}, which methods.MODELS names")
    return Path(found.origin), name


@cache
def card(model: str) -> MethodCard:
    """What the class of a model says of itself.

    Raises:
        KeyError: no such model.
        UserError: the class is not in the file, lacks a fact, or computes one instead of writing it out.
    """
    file, name = source(model)
    body = next(
        (n.body for n in ast.parse(file.read_bytes()).body if isinstance(n, ast.ClassDef) and n.name == name), None
    )
    if body is None:
        raise UserError(f"model {model!r}: {file} has no class {name}, which methods.MODELS names")
    wanted = {field.name: field for field in fields(MethodCard)}
    said: dict[str, Any] = {}
    for key, value in _assigned(body):
        if key in wanted:
            try:
                said[key] = ast.literal_eval(value)
            except ValueError:
                raise UserError(
                    f"model {model!r}: {key} of {name} in {file} must be written out, not computed"
                ) from None
    for key, field in wanted.items():
        if key not in said and field.default is MISSING:
            raise UserError(f"model {model!r}: {name} in {file} has no {key}")
    if said["role"] not in get_args(Role):
        raise UserError(f"model {model!r}: role {said['role']!r} is none of {', '.join(get_args(Role))}")
    return MethodCard(**said)


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def cards() -> dict[str, MethodCard]:
    """The card of every model, in the order of `MODELS`."""
    return {model: card(model) for model in MODELS}


def labels() -> dict[str, str]:
    """Names for people, of models and of the entries of the default configuration that are a model of another name."""
    found: dict[str, str] = {}
    for model, own in cards().items():
        found |= {model: own.label, **(own.entry_labels or {})}
    return found
