"""Defaults of methods and experiments as documents, in which an entry may start as a copy of another one."""

from typing import Any

from anyband.config.schema import METHOD_TABLE, MODEL_NAMES, Dataset, Experiment, MethodSettings
from anyband.products import EXTRA, PRODUCTS
from anyband.runtime import UserError, nearest

Document = dict[str, Any]

CHOSEN: dict[str, Document] = METHOD_TABLE["chosen"]
FULL_SIZE: dict[str, Document] = METHOD_TABLE["full-size"]
PLAIN = {f"{name}-plain": {"inherits": name, "options": {"whiten": False}} for name in METHOD_TABLE["whitened"]}
VARIANTS: dict[str, Document] = METHOD_TABLE["variants"] | PLAIN
RIVALS: list[str] = METHOD_TABLE["rivals"]


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
    return named | FULL_SIZE | VARIANTS | SPECIALISTS | WITHOUT


def dataset_variants() -> Document:
    """Datasets that differ from the main one."""
    return {"unseen": {"inherits": "main", "simulation": {"extra_sensors": list(EXTRA)}}}


def experiment_variants() -> Document:
    """Experiments that differ from the main one in methods and target, and in what goes with them."""
    parents = dict.fromkeys(entry["inherits"] for entry in VARIANTS.values() if entry["inherits"] != "anyband")
    return {
        "rivals": {"inherits": "main", "target": "rivals", "methods": ["anyband", "input-fusion", *RIVALS]},
        "ablations": {"inherits": "main", "target": "ablations", "methods": ["anyband", *parents, *VARIANTS, *WITHOUT]},
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
