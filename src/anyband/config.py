"""The configuration: one set of pydantic models gives defaults, checks and, in `config_text`, schema and config.yaml.

`python -m anyband.config` rewrites `config.yaml` and `workflow/schemas/config.schema.json` from the models.
"""

import difflib
import json
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from anyband.catalog.providers import CATALOGUES
from anyband.evaluation.conditions import check as check_condition
from anyband.runtime import UserError, write_text

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
ConditionName = Annotated[str, AfterValidator(check_condition)]
Fraction = Annotated[float, Field(ge=0, le=1)]
CHIP_UNIT_M = 960  # the shortest side that is whole in 10, 20, 30 and 60 m pixels and leaves room for context

# Methods by registry key, listed here so that a wrong name is caught before torch is imported; a test compares
# the tuple with the registry itself.
MODEL_NAMES = (
    "s2-only",
    "l9-only",
    "input-fusion",
    "feature-fusion",
    "anyband",
    "pixel",
    "dofa-style",
    "panopticon-style",
    "channelvit-style",
    "prediction-fusion",
    "hls-unified",
    "analytic",
    "random-forest",
    "satlas",
    "senpa-style",
    "ramen-style",
    "translation",
    "atomizer-style",
)

WORLDCOVER = {
    10: "tree cover",
    20: "shrubland",
    30: "grassland",
    40: "cropland",
    50: "built-up",
    60: "bare / sparse",
    80: "permanent water",
    90: "herbaceous wetland",
}


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    def as_json(self, *keys: str) -> str:
        """The settings, or only `keys` of them, as one line of JSON with sorted keys: how they cross into a step."""
        chosen = self.model_dump(mode="json", include=set(keys) or None)
        return json.dumps(chosen, sort_keys=True, separators=(",", ":"))


class Simulation(Section):
    """The embedded archive. Its configuration is hashed into every item; no setting favours a method."""

    seed: int = Field(2022, ge=0, description="random seed of surfaces, skies and sensors")
    second_sensor: Literal["informative", "uninformative"] = Field(
        "informative",
        description="uninformative: Landsat adds nothing to Sentinel-2 (the null twin: no gain may be found)",
    )


class Draw(Section):
    """Sites drawn at random over land, the same number for the same area everywhere."""

    draw: int = Field(gt=0, description="number of sites")
    seed: int = Field(0, ge=0, description="the same seed draws the same sites")


class Split(Section):
    """How places are divided into training, validation and test blocks."""

    regime: Literal["blocks", "regions", "random"] = Field(
        "blocks",
        description="blocks: cells of the UTM grid; regions: whole regions held out; random: single chips, which leaks",
    )
    block_m: int = Field(20_000, gt=0, description="side of a block of the UTM grid, m")
    buffer_m: int = Field(1_000, ge=0, description="least ground distance between chips of different splits, m")
    test_blocks: int = Field(12, ge=1, description="held-out blocks; below 12 the report makes no claims")
    val_blocks: int = Field(4, ge=1, description="blocks for model choice and early looks")
    seed: int = Field(7, ge=0, description="seed of the assignment of blocks")


class Dataset(Section):
    """Where scenes come from, which ones pair up, and how chips are cut."""

    catalog: str = Field(
        "embedded",
        description="embedded (simulated scenes, offline), planetary-computer, earth-search, earth-search-c1, lpcloud, "
        "or the URL of a STAC API",
    )
    sites: Draw | str = Field(
        "workflow/sites/embedded.csv",
        description="CSV (site, longitude, latitude), GeoJSON, or {draw: 40, seed: 1} for a stratified draw over land",
    )
    exclude: list[str] = Field([], description="ids of items that are never used")
    start: date = Field(date(2021, 12, 1), description="first day of the search, UTC")
    end: date = Field(date(2022, 9, 30), description="last day of the search, UTC")
    extent_m: int = Field(3_840, gt=0, multiple_of=CHIP_UNIT_M, description="side of the square cut around a site, m")
    chip_m: int = Field(960, gt=0, multiple_of=CHIP_UNIT_M, description="side of a chip, m")
    max_day_gap: int = Field(3, ge=0, le=30, description="most days between the Sentinel-2 and the Landsat scene")
    min_clear: Fraction = Field(0.3, description="least share of the site that is clear in both scenes of a pair")
    chip_min_clear: Fraction = Field(0.8, description="least share of a chip that is clear in both scenes")
    classes: dict[int, str] = Field(WORLDCOVER, description="codes of the label product that are scored, with names")
    simulation: Simulation = Field(default_factory=Simulation, description="read only when catalog is embedded")
    split: Split = Field(default_factory=Split, description="blocks and buffer")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.catalog not in CATALOGUES and not self.catalog.startswith(("http://", "https://")):
            hint = nearest(self.catalog, CATALOGUES)
            raise ValueError(f"catalog {self.catalog!r} is neither a known one nor a http(s) URL of a STAC API{hint}")
        if self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        if self.extent_m % self.chip_m:
            raise ValueError(f"extent_m {self.extent_m} is not a whole number of chips of {self.chip_m} m")
        return self


class Extract(Section):
    """How chips are read; the same chips come out whichever way."""

    scheduler: str = Field(
        "threads",
        pattern=r"^(threads|processes|(tcp|tls)://[\w.:-]+)$",
        description="threads, processes (a local dask cluster), or the address of a dask scheduler (tcp://host:8786)",
    )


class Method(Section):
    """One row of the comparison: a model of the registry and its own settings."""

    model: str = Field(description="name in the registry of models")
    options: dict[str, bool | int | float | str] = Field(default_factory=dict, description="settings of that model")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.model not in MODEL_NAMES:
            raise ValueError(f"model {self.model!r} does not exist{nearest(self.model, MODEL_NAMES)}")
        return self


class Training(Section):
    """The one training loop. Every method of an experiment gets exactly these settings."""

    steps: int = Field(1250, ge=1, description="optimiser steps")
    batch: int = Field(4, ge=1, description="crops per step")
    crop_m: int = Field(480, gt=0, multiple_of=60, description="side of the random training crop, m")
    learning_rate: float = Field(5e-3, gt=0, description="peak of the one-cycle schedule")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    class_weights: Literal["none", "sqrt-inverse"] = Field("none", description="weights of the cross-entropy")
    label_fraction: float = Field(
        1.0, gt=0, le=1, description="share of the training blocks that is used; nested, drawn by seed"
    )
    leave_out: Literal["none", "sentinel2", "landsat", "hls_s30", "hls_l30"] = Field(
        "none", description="a product that no method may train on (leave-one-sensor-out), or none"
    )
    validations: int = Field(1, ge=1, description="how often validation chips are scored during training")


class Experiment(Section):
    """A set of methods trained and tested on one dataset with the same seeds."""

    dataset: Name = Field("main", description="key of datasets")
    methods: list[Name] = Field(
        ["s2-only", "l9-only", "input-fusion", "feature-fusion", "anyband", "pixel"], description="keys of methods"
    )
    proposed: Name = Field("anyband", description="the method that every other one is compared with")
    seeds: list[int] = Field([0, 1, 2, 3, 4], min_length=1, description="same seeds for every method; claims need 5")
    conditions: list[ConditionName] = Field(
        ["S2", "L9", "S2+L9", "S30", "L30", "S30+L30"],
        description="sensors at hand at test time, and what is done to them (S2+L9/drop-red-edge; docs/protocol.md)",
    )
    equivalence_margin: float = Field(0.01, gt=0, lt=1, description="mIoU difference that counts as none")
    training: Training = Field(default_factory=Training, description="the same for every method")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.proposed not in self.methods:
            raise ValueError(f"proposed {self.proposed!r} is not among its methods {', '.join(self.methods)}")
        for key, values in (("seeds", self.seeds), ("methods", self.methods), ("conditions", self.conditions)):
            if len(set(values)) != len(values):
                raise ValueError(f"{key} names the same entry twice")
        for condition in self.conditions:
            if (before := condition.split("/")[0]) not in self.conditions:
                raise ValueError(f"conditions: {condition!r} is compared with {before!r}, which is not among them")
        return self


class Run(Section):
    """What one training depends on, and nothing else: changing another method must not retrain this one."""

    name: Name = Field(description="key of methods")
    method: Method = Field(description="model and options")
    training: Training = Field(description="the loop")
    classes: dict[int, str] = Field(description="codes of the label product that are scored, with names")


class Evaluation(Section):
    """What the evaluation of one trained method depends on, besides its run folder."""

    conditions: list[ConditionName] = Field(description="sensors at hand at test time, and what is done to them")


class Comparison(Section):
    """What the comparison of an experiment depends on, besides the confusion matrices."""

    name: Name = Field(description="key of experiments")
    experiment: Experiment = Field(description="methods, seeds, endpoint")
    classes: dict[int, str] = Field(description="codes of the label product that are scored, with names")


DEFAULT_METHODS = {name: Method(model=name) for name in MODEL_NAMES}


class Config(Section):
    """Everything a run depends on."""

    datasets: dict[Name, Dataset] = Field(
        default_factory=lambda: {"main": Dataset()}, min_length=1, description="named sets of chips"
    )
    methods: dict[Name, Method] = Field(
        default_factory=lambda: dict(DEFAULT_METHODS), min_length=1, description="rows of the comparison"
    )
    experiments: dict[Name, Experiment] = Field(
        default_factory=lambda: {"main": Experiment()}, min_length=1, description="comparisons; each gets its section"
    )
    extract: Extract = Field(default_factory=Extract, description="reading of chips")
    track_source: bool = Field(True, description="rerun a step when its own source code changes")

    @model_validator(mode="after")
    def _references(self) -> Self:
        for name, experiment in self.experiments.items():
            if experiment.dataset not in self.datasets:
                hint = nearest(experiment.dataset, self.datasets)
                raise ValueError(f"experiments.{name}.dataset {experiment.dataset!r} does not exist{hint}")
            for method in experiment.methods:
                if method not in self.methods:
                    hint = nearest(method, self.methods)
                    raise ValueError(f"experiments.{name}.methods: {method!r} does not exist{hint}")
        return self


def nearest(word: str, known: Any) -> str:
    """A hint with the known word that is most like `word`, or with all of them."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"


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


def load(document: dict[str, Any]) -> Config:
    """Check a configuration as read from YAML.

    Raises:
        UserError: one line that names the key, what is wrong, and the nearest valid key for a misspelt one.
    """
    resolved = {
        section: apply_inheritance(value, section) if isinstance(value, dict) else value
        for section, value in document.items()
    }
    try:
        return Config.model_validate(resolved)
    except ValidationError as error:
        raise UserError(f"config: {_one_line(error)}") from None


def _one_line(error: ValidationError) -> str:
    """The first problem of a validation, with a path that a person can find in the file."""
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"] if part != Draw.__name__)
    if first["type"] == "extra_forbidden":
        return f"unknown key {path}{nearest(str(first['loc'][-1]), _keys_beside(first['loc']))}"
    message = first["msg"].removeprefix("Value error, ")
    shown = "" if first["type"] in ("missing", "value_error") else f", not {first['input']!r}"
    return f"{path + ': ' if path else ''}{message[0].lower()}{message[1:]}{shown}"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """Valid keys of the section in which an unknown key was found."""
    model: Any = Config
    entry_name_follows = False
    for part in location[:-1]:
        if entry_name_follows:
            entry_name_follows = False
            continue
        annotation = model.model_fields[str(part)].annotation
        model = section_of(annotation)
        entry_name_follows = model is not annotation
    return list(model.model_fields)


def section_of(annotation: Any) -> Any:
    """The Section inside `dict[Name, Section]` or `Section` itself; of a choice (`Section | str`) nothing."""
    choices = get_args(annotation) if get_origin(annotation) is dict else (annotation,)
    sections = [a for a in choices if isinstance(a, type) and issubclass(a, Section)]
    return sections[0] if sections else annotation


def main() -> None:
    """Rewrite the generated files under the repository's root."""
    from anyband.config_text import documented_yaml, schema_json

    root = Path(__file__).parents[2]
    targets = {root / "config.yaml": documented_yaml(), root / "workflow/schemas/config.schema.json": schema_json()}
    for path, text in targets.items():
        sys.stderr.write(f"{'written' if write_text(path, text) else 'unchanged'}: {path.relative_to(root)}\n")


if __name__ == "__main__":
    main()
