"""The whole configuration: from a file and a document to checked settings, and what each step depends on.

Every mistake is one line.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator
from yaml.constructor import ConstructorError

from anyband.conditions import parse
from anyband.config.defaults import apply_inheritance, default_datasets, default_experiments, default_methods
from anyband.config.schema import (
    NAME_PATTERN,
    ConditionName,
    Dataset,
    Draw,
    Experiment,
    Extract,
    MethodSettings,
    Name,
    Settings,
    Target,
    Training,
    Tuning,
    section_of,
)
from anyband.methods import card
from anyband.products import EXTRA
from anyband.runtime import UserError, nearest

OWN = ("learning_rate", "weight_decay", "leave_out")  # settings of the loop that a method may have of its own


class Run(Settings):
    """What one training depends on, and nothing else: changing another method must not retrain this one."""

    name: Name = Field(description="key of methods")
    method: MethodSettings = Field(description="model and options")
    training: Training = Field(description="the loop")
    classes: dict[int, str] = Field(description="codes of the label product that are scored, with names")
    products: list[str] | None = Field(None, description="those of a folder; none: a catalogue's, which are all")


class Evaluation(Settings):
    """What the evaluation of one trained method depends on, besides its run folder."""

    conditions: list[ConditionName] = Field(description="sensors at hand at test time, and what is done to them")


class ComparisonSettings(Settings):
    """What the comparison of an experiment depends on, besides the confusion matrices."""

    name: Name = Field(description="key of experiments")
    experiment: Experiment = Field(description="methods, seeds, endpoint")
    variants: list[Name] = Field([], description="methods with the proposed one's model: its ablations, no baselines")
    classes: dict[int, str] = Field(description="codes of the label product that are scored, with names")


class Config(Settings):
    """Everything a run depends on."""

    datasets: dict[Name, Dataset] = Field(
        default_factory=default_datasets, min_length=1, description="named sets of chips"
    )
    methods: dict[Name, MethodSettings] = Field(
        default_factory=default_methods,
        min_length=1,
        description="rows of the comparison: model, and options, learning_rate, weight_decay of its own",
    )
    experiments: dict[Name, Experiment] = Field(
        default_factory=default_experiments, min_length=1, description="comparisons; each gets its section"
    )
    tuning: Tuning = Field(default_factory=Tuning, description="the target tuning; the same trials for every method")
    extract: Extract = Field(default_factory=Extract, description="reading of chips")
    track_source: bool = Field(True, description="rerun a step when its own source code changes")

    def _check_products(self, name: str, experiment: Experiment) -> None:
        """Refuse an experiment on extra sensors that its simulated dataset does not have.

        Real catalogues have none of them; there the store of chips says so when such an experiment is asked for.
        """
        dataset = self.datasets[experiment.dataset]
        if dataset.catalog != "embedded" or dataset.files is not None:
            return
        wanted = {key: set(parse(key).products) for key in experiment.conditions}
        wanted |= {method: {str(self.methods[method].options.get("product"))} for method in experiment.methods}
        for key, products in wanted.items():
            for product in sorted((products & set(EXTRA)) - set(dataset.extra_products)):
                where = f"datasets.{experiment.dataset}.simulation.extra_sensors"
                raise ValueError(f"experiments.{name}: {key} needs {product}, which is not among {where}")

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
            self._check_products(name, experiment)
            self._check_pretraining(name, experiment)
            if self.tuning.seed in experiment.seeds:
                raise ValueError(f"tuning.seed {self.tuning.seed} is a seed of experiments.{name}: take another")
        return self

    def _check_pretraining(self, name: str, experiment: Experiment) -> None:
        if experiment.training.leave_out == "none":
            return
        for method in experiment.methods:
            if self.methods[method].pretraining_steps:
                raise ValueError(
                    f"experiments.{name}.training.leave_out: {method} learns from the pixels of all sensors before;"
                    " give the method itself a leave_out"
                )

    def of_target(self, target: Target) -> Self:
        """The experiments of one target with their methods and datasets: what its report depends on."""
        experiments = {name: e for name, e in self.experiments.items() if e.target == target}
        used = {method for experiment in experiments.values() for method in experiment.methods}
        read = {experiment.dataset for experiment in experiments.values()}
        return self.model_copy(
            update={
                "experiments": experiments,
                "methods": {name: method for name, method in self.methods.items() if name in used},
                "datasets": {name: dataset for name, dataset in self.datasets.items() if name in read},
            }
        )

    def run(self, experiment: str, method: str) -> Run:
        """What a training depends on: where the method has a setting of the loop of its own, that one."""
        settings, own = self.experiments[experiment], self.methods[method]
        dataset = self.datasets[settings.dataset]
        chosen = {key: value for key in OWN if (value := getattr(own, key)) is not None}
        options = own.options | ({"hls": True} if dataset.only_hls else {})
        return Run(
            name=method,
            method=own.model_copy(update=dict.fromkeys(OWN) | {"options": options}),
            training=settings.training.model_copy(update=chosen),
            classes=dataset.classes,
            products=dataset.products,
        )

    def pretraining(self, dataset: str, method: str) -> Run:
        """What learning from the pixels of a dataset without labels depends on: of the loop only its own steps."""
        own = self.methods[method]
        chosen = {key: value for key in OWN if (value := getattr(own, key)) is not None}
        return Run(
            name=method,
            method=own.model_copy(update=dict.fromkeys(OWN)),
            training=Training(steps=own.pretraining_steps or 1).model_copy(update=chosen),
            classes=self.datasets[dataset].classes,
        )


def without_missing(config: Config) -> tuple[Config, list[str]]:
    """The configuration without the methods whose package is not installed, and a line on each.

    An experiment of nothing else keeps them: its trainings say what they need.
    """
    cards = {name: card(method.model) for name, method in config.methods.items()}
    absent = {name: own.needs for name, own in cards.items() if own.needs and find_spec(own.needs) is None}
    experiments, lines = {}, []
    for name, experiment in config.experiments.items():
        kept = [method for method in experiment.methods if method not in absent]
        experiments[name] = experiment.model_copy(update={"methods": kept}) if kept else experiment
        gone = [method for method in experiment.methods if method in absent]
        if kept and gone:
            packages = ", ".join(sorted({absent[method] for method in gone}))
            lines.append(
                f"experiment {name} goes without {', '.join(gone)}: no {packages} here (pip install 'anyband[models]')"
            )
    return config.model_copy(update={"experiments": experiments}), lines


def load(document: dict[str, Any]) -> Config:
    """Check a configuration as read from YAML.

    Raises:
        UserError: one line that names the key, what is wrong, and the nearest valid key for a misspelt one.
    """
    _refuse_keys("config", document)
    resolved = {
        section: apply_inheritance(value, section) if isinstance(value, dict) else value
        for section, value in document.items()
    }
    try:
        return Config.model_validate(resolved)
    except ValidationError as error:
        raise UserError(f"config: {_one_line(error)}") from None


def _refuse_keys(path: str, document: Mapping[Any, Any]) -> None:
    """YAML reads an entry named no, on or null as no text, and a class code `yes` as the number 1."""
    for key, value in document.items():
        if key is None or isinstance(key, bool | float):
            raise UserError(f"{path}: a key is read as {key}: put it in quotes")
        if isinstance(value, Mapping):
            _refuse_keys(f"{path}: {key}" if path == "config" else f"{path}.{key}", value)


def _one_line(error: ValidationError) -> str:
    """The first problem of a validation, with a path that a person can find in the file."""
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"] if part not in (Draw.__name__, "[key]"))
    if first["type"] == "extra_forbidden":
        return f"unknown key {path}{nearest(str(first['loc'][-1]), _keys_beside(first['loc']))}"
    message = first["msg"].removeprefix("Value error, ")
    if first.get("ctx", {}).get("pattern") == NAME_PATTERN:
        message = "a name has small letters, digits and hyphens"
    shown = "" if first["type"] in ("missing", "value_error") else f", not {first['input']!r}"
    if first["type"] == "string_type" and not isinstance(first["input"], dict | list):
        shown += ": put it in quotes"
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


class _OneOfEach(yaml.SafeLoader):
    """Takes no key twice, of which YAML would keep the last, and no day that is not in the calendar."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.value != "<<":
                raise ConstructorError(None, None, f"key {key.value} comes twice: keep one", key.start_mark)
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> date | datetime:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            raise ConstructorError(None, None, f"{node.value} is no date ({error})", node.start_mark) from None


_OneOfEach.add_constructor("tag:yaml.org,2002:timestamp", _OneOfEach.construct_yaml_timestamp)


def read_document(path: Path) -> dict[str, Any]:
    """The keys and values of a file, YAML or JSON; an empty one has none.

    Raises:
        UserError: the file is missing, no UTF-8 text, or not well written.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): run this in the repository or in a study") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    try:
        document = json.loads(text) if path.suffix == ".json" else yaml.load(text, _OneOfEach)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(document, dict | None):
        raise UserError(f"{path} has no keys and values: write KEY: VALUE, or leave the file empty")
    return document or {}
