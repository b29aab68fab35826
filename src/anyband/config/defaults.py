"""Defaults of methods and experiments as documents, in which an entry may start as a copy of another one."""

from typing import Any

from anyband.config.schema import MODEL_NAMES, Dataset, Experiment, MethodSettings
from anyband.products import EXTRA, PRODUCTS
from anyband.runtime import UserError, nearest

Document = dict[str, Any]

# Settings that tuning has chosen, as in docs/tuning/main.csv; trial 0 of the others did best.
CHOSEN: dict[str, Document] = {
    "analytic": {"learning_rate": 0.00845, "weight_decay": 0.0237, "options": {"length": 0.1, "noise": 0.01}},
    "feature-fusion": {"learning_rate": 0.00796, "weight_decay": 0.00233, "options": {"fusion": "concat"}},
    "hls-unified": {"learning_rate": 0.00236, "weight_decay": 0.0168},
    "input-fusion": {"learning_rate": 0.00849, "weight_decay": 0.00199},
    "l9-only": {"learning_rate": 0.00129, "weight_decay": 0.00849},
    "pixel": {"learning_rate": 0.018, "weight_decay": 0.0193},
    "prediction-fusion": {"learning_rate": 0.0057, "weight_decay": 0.0541},
    "random-forest": {"options": {"levels": 18, "trees": 64}},
    "s2-only": {"learning_rate": 0.00597, "weight_decay": 0.0356},
}


def _variant(parent: str, **options: bool | int | float | str) -> Document:
    """A method that differs from another in some options."""
    return {"inherits": parent, "options": options}


# The methods of the ablations: each changes one thing of its parent.
VARIANTS = {
    "anyband-exact-responses": _variant("anyband", catalogue_response=0.0),
    "anyband-gaussian-responses": _variant("anyband", catalogue_response=1.0),
    "anyband-codes-only": _variant("anyband", spectral="codes"),
    "anyband-posterior-only": _variant("anyband", spectral="posterior"),
    "anyband-no-synthetic": _variant("anyband", synthetic=0.0),
    "anyband-wider-bands": _variant("anyband", wider=0.5),
    "anyband-coarser-pixels": _variant("anyband", coarser=0.5),
    "anyband-cell-means": _variant("anyband", moments=1),
    "anyband-scene": _variant("anyband", scene=True),
    "anyband-pretrained": {"inherits": "anyband", "pretraining_steps": 1250},
    "input-no-presence": _variant("input-fusion", presence=False),
    "input-together-only": _variant("input-fusion", alone=False),
    "feature-attention": _variant("feature-fusion", fusion="attention"),
    "feature-mean": _variant("feature-fusion", fusion="mean"),
    "feature-together-only": _variant("feature-fusion", alone=False),
    "feature-full-size": _variant("feature-fusion", hidden=64, features=96, latent=64),
    "prediction-mean": _variant("prediction-fusion", rule="mean"),
    "prediction-product": _variant("prediction-fusion", rule="product"),
    "prediction-full-size": _variant("prediction-fusion", dim=64, fine=32, hidden=64, features=48),
    "hls-red-edge": _variant("hls-unified", red_edge=True),
    "translation-frozen": _variant("translation", specialist="frozen"),
    "translation-plain": _variant("translation", translator="plain"),
}

RIVALS = (
    "dofa-style",
    "panopticon-style",
    "channelvit-style",
    "senpa-style",
    "ramen-style",
    "atomizer-style",
    "satlas",
)


def _specialist(product: str) -> Document:
    """The specialist of one product, with the settings that tuning chose for that of Sentinel-2."""
    return {"model": "sensor-only", "options": {"product": product}} | CHOSEN["s2-only"]


# The further methods of the experiment on sensors that training never sees.
SPECIALISTS = {
    "s30-only": _specialist("hls_s30"),
    "l30-only": _specialist("hls_l30"),
    "broad-only": _specialist("broadband"),
    "narrow-only": _specialist("narrowband"),
    "hyper-only": _specialist("hyperspectral"),
}
WITHOUT = {
    f"anyband-without-{product}": {"inherits": "anyband", "leave_out": product} for product in ("landsat", "sentinel2")
}
OTHERS = ["S30", "L30", *(PRODUCTS[product].short for product in EXTRA)]
UNSEEN_CONDITIONS = [
    *("S2", "L9", "S2+L9", *OTHERS, "S2/as-L9", "L9/as-S2"),
    *(f"{at_hand}/as-{sensor}" for at_hand in OTHERS for sensor in ("S2", "L9")),
]


def method_entries() -> Document:
    """Every model of the registry under its own name (`sensor-only` once a product), and the variants."""
    named = {name: {"model": name, **CHOSEN.get(name, {})} for name in MODEL_NAMES if name != "sensor-only"}
    return named | VARIANTS | SPECIALISTS | WITHOUT


def dataset_variants() -> Document:
    """Datasets that differ from the main one."""
    return {"unseen": {"inherits": "main", "simulation": {"extra_sensors": list(EXTRA)}}}


def experiment_variants() -> Document:
    """Experiments that differ from the main one in methods and target, and in what goes with them."""
    parents = dict.fromkeys(entry["inherits"] for entry in VARIANTS.values() if entry["inherits"] != "anyband")
    return {
        "rivals": {"inherits": "main", "target": "rivals", "methods": ["anyband", "input-fusion", *RIVALS]},
        "ablations": {"inherits": "main", "target": "ablations", "methods": ["anyband", *parents, *VARIANTS]},
        "unseen": {
            "inherits": "main",
            "target": "unseen",
            "dataset": "unseen",
            "methods": ["s2-only", "l9-only", "anyband", *SPECIALISTS, *WITHOUT],
            "conditions": UNSEEN_CONDITIONS,
        },
    }


def apply_inheritance(entries: dict[str, Any], section: str) -> dict[str, Any]:
    """Resolve `inherits:`: an entry starts as a copy of another one and changes keys.

    Raises:
        UserError: the parent does not exist, or entries inherit in a circle.
    """
    done: dict[str, Any] = {}

    def resolve(name: str, trail: tuple[str, ...]) -> Any:
        entry = entries[name]
        if name in done or not isinstance(entry, dict) or "inherits" not in entry:
            return done.setdefault(name, entry)
        parent = entry["inherits"]
        if not isinstance(parent, str):
            raise UserError(f"config: {section}.{name}.inherits: write the name of one entry, not {parent!r}")
        if parent in trail or parent == name:
            raise UserError(f"config: {section}.{name} inherits in a circle: {' > '.join((*trail, name, parent))}")
        if parent not in entries:
            raise UserError(f"config: {section}.{name}.inherits {parent!r} does not exist{nearest(parent, entries)}")
        base = resolve(parent, (*trail, name))
        return done.setdefault(name, merge(base, {k: v for k, v in entry.items() if k != "inherits"}))

    return {name: resolve(name, ()) for name in entries}


def merge(base: Any, change: Any) -> Any:
    """Dictionaries are merged key by key; anything else in `change` replaces `base`."""
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {key: merge(base.get(key), value) for key, value in change.items()}
    return change


def default_datasets() -> dict[str, Dataset]:
    """The default of `datasets`."""
    entries = apply_inheritance({"main": Dataset().model_dump()} | dataset_variants(), "datasets")
    return {name: Dataset.model_validate(entry) for name, entry in entries.items()}


def default_methods() -> dict[str, MethodSettings]:
    """The default of `methods`."""
    entries = apply_inheritance(method_entries(), "methods")
    return {name: MethodSettings.model_validate(entry) for name, entry in entries.items()}


def default_experiments() -> dict[str, Experiment]:
    """The default of `experiments`."""
    entries = {"main": Experiment().model_dump()} | experiment_variants()
    resolved = apply_inheritance(entries, "experiments")
    return {name: Experiment.model_validate(entry) for name, entry in resolved.items()}


DEFAULT_METHODS = default_methods()
