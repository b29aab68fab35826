"""The parts of the configuration: where scenes come from and how chips are cut, methods, training, experiments.

Every class carries its defaults, checks and descriptions, from which the file, the schema and the table are generated.
"""

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from anyband.conditions import parse
from anyband.ground import CHIP_M, LATTICE_M
from anyband.landcover import SCORED
from anyband.methods import MODELS, PRETRAINED
from anyband.products import EXTRA, SATELLITES
from anyband.providers import places
from anyband.runtime import nearest

Seed = Annotated[int, Field(ge=0, lt=2**32)]
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Classes = dict[Annotated[int, Field(ge=1, le=255)], Annotated[str, StringConstraints(min_length=1)]]
Fraction = Annotated[float, Field(ge=0, le=1)]
ConditionName = Annotated[str, AfterValidator(lambda key: parse(key).key)]
Target = Literal["all", "rivals", "ablations", "unseen", "real"]
if TYPE_CHECKING:
    ExtraSensor = str
    LeftOut = str
else:
    ExtraSensor = Literal[EXTRA]
    LeftOut = Literal["none", *SATELLITES]


MODEL_NAMES = tuple(MODELS)
METHOD_TABLE = yaml.safe_load(Path(__file__).with_name("methods.yaml").read_text(encoding="utf-8"))
"""Methods of the experiments, and what differs in them from the models' own settings."""


class Settings(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_boolean_elsewhere(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads yes, on and true as a boolean, which pydantic would take for the number 1."""
        taken = "bool" in str(cls.model_fields[str(info.field_name)].annotation)
        if not taken and any(isinstance(entry, bool) for entry in (value if isinstance(value, list) else [value])):
            raise ValueError("true, false, yes, no, on and off are no value here: write a number, or a name in quotes")
        return value

    def as_json(self, *keys: str) -> str:
        """The settings, or only `keys` of them, as one line of JSON with sorted keys: how they cross into a step.

        Keys without a value (None) are left out.
        """
        chosen = self.model_dump(mode="json", include=set(keys) or None, exclude_none=True)
        return json.dumps(chosen, sort_keys=True, separators=(",", ":"))


def section_of(annotation: Any) -> Any:
    """The Settings in `dict[Name, Settings]`, `Settings | None` or itself; of a choice (`Settings | str`) nothing."""
    inside = get_origin(annotation) is dict or type(None) in get_args(annotation)
    choices = get_args(annotation) if inside else (annotation,)
    sections = [a for a in choices if isinstance(a, type) and issubclass(a, Settings)]
    return sections[0] if sections else annotation


class Simulation(Settings):
    """The embedded archive. Its configuration is hashed into every item; no setting favours a method."""

    seed: int = Field(2026, ge=0, description="random seed of surfaces, skies and sensors")
    second_sensor: Literal["informative", "uninformative"] = Field(
        "informative",
        description="uninformative: Landsat adds nothing to Sentinel-2 (the null twin: no gain may be found)",
    )
    extra_sensors: list[ExtraSensor] = Field(
        [], description=f"sensors for tests only, at each Sentinel-2 overpass: {', '.join(EXTRA)}"
    )

    @field_validator("extra_sensors")
    @classmethod
    def _once(cls, value: list[ExtraSensor]) -> list[ExtraSensor]:
        if len(set(value)) != len(value):
            raise ValueError("names the same sensor twice")
        return value


class Draw(Settings):
    """Sites drawn at random over land, the same number for the same area everywhere."""

    draw: int = Field(gt=0, le=20_000, description="number of sites")
    seed: int = Field(0, ge=0, description="the same seed draws the same sites")


class Split(Settings):
    """How places are divided into training, validation and test blocks."""

    regime: Literal["blocks", "regions", "random", "given", "folds"] = Field(
        "blocks",
        description="blocks: cells of the UTM grid; regions: whole regions held out; random: single chips, which leaks;"
        " of own files also given: test rows by the column split; folds: one of several parts of the blocks",
    )
    folds: int = Field(3, ge=2, description="parts of the regime folds")
    fold: int = Field(0, ge=0, description="the part of the regime folds that is tested, from 0")
    block_m: int = Field(20_000, gt=0, description="side of a block of the UTM grid, m")
    buffer_m: int = Field(1_000, ge=0, description="least ground distance between chips of different splits, m")
    test_blocks: int = Field(12, ge=1, description="held-out blocks; below 12 the report makes no claims")
    val_blocks: int = Field(4, ge=1, description="blocks for model choice and early looks")
    seed: int = Field(7, ge=0, description="seed of the assignment of blocks")

    @model_validator(mode="after")
    def _fold_exists(self) -> Self:
        if self.fold >= self.folds:
            raise ValueError(f"fold {self.fold} is none of {self.folds} folds, which count from 0")
        return self


class QualityFile(Settings):
    """The layer that tells clouds: where it is, and its coding or the values of clear ground."""

    file: str = Field("", description="as that of a sensor; none: the sensor's own file")
    band: int = Field(1, ge=1, description="number of the layer in the file")
    coding: Literal["scl", "qa_pixel", "fmask", "mask"] | None = Field(None, description="known coding")
    clear: list[int] = Field([], description="values that mean clear ground, in place of a coding")

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if bool(self.clear) == (self.coding is not None):
            raise ValueError("give either coding (scl, qa_pixel, fmask, mask) or clear (list of values)")
        return self


class SensorFiles(Settings):
    """The files of one product; `{column}` stands for a cell of the table, `{chip}` for the name of a chip or image."""

    file: str = Field(min_length=1, description="path with {columns}; with {band}, a file for every band")
    bands: list[str] = Field(min_length=1, description="names of the registry in the order of the file; - for none")
    platform: str = Field("", description="of the registry; none: the first one of the product")
    scale: float | None = Field(None, gt=0, description="reflectance = number * scale + offset; none: the product's")
    offset: float | None = Field(None, description="see scale")
    nodata: float | None = Field(None, description="number without data; none: that of the file, else the product's")
    quality: QualityFile | None = Field(None, description="layer that tells clouds; none: all with data is clear")
    date: str = Field("", description="column with the day of the acquisition, where it is known")


class LabelFiles(Settings):
    """A map or polygons with a class."""

    file: str = Field(min_length=1, description="path with {columns}: raster, array, .gpkg or .geojson")
    band: int = Field(1, ge=1, description="number of the layer in a raster or array")
    column: str = Field("", description="column of polygons that holds the class")
    codes: dict[str | int, int] = Field({}, description="value in the file -> code of classes; none: as they are")


class Files(Settings):
    """A folder of images of one's own with labels (docs/own-data.md)."""

    folder: str = Field("", description="where the files are; none: beside the table")
    table: str = Field("", description="CSV, a row for each chip or image; none: every file that fits")
    pixel_m: float | None = Field(None, gt=0, description="pixel of files that do not say where they lie, m")
    thin: int = Field(
        1, ge=1, description="take every n-th chip of an image, down and across; neighbours are much alike"
    )
    sensors: dict[str, SensorFiles] = Field(min_length=1, description="by product")
    labels: LabelFiles = Field(description="the classes")

    @property
    def root(self) -> Path:
        """The folder that paths count from."""
        return Path(self.folder) if self.folder or not self.table else Path(self.table).parent

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.sensors:
            if name not in SATELLITES:
                raise ValueError(f"sensors: {name!r} is no product{nearest(name, SATELLITES)}; {', '.join(SATELLITES)}")
        return self


class Dataset(Settings):
    """Where scenes come from, which ones pair up, and how chips are cut."""

    source: Literal["catalog", "folder"] = Field("catalog", description="catalog, or folder: files of one's own")
    files: Files | None = Field(None, description="read only when source is folder (docs/own-data.md)")
    catalog: str | dict[str, Any] = Field(
        "embedded",
        description="embedded (simulated scenes, offline), planetary-computer, earth-search, earth-search-c1, lpcloud, "
        "the URL of a STAC API, or one of them for each product (docs/data.md, Access)",
    )
    sites: Draw | str = Field(
        "workflow/sites/embedded.csv",
        description="CSV (site, longitude, latitude), GeoJSON, or {draw: 40, seed: 1} for a stratified draw over land",
    )
    exclude: list[str] = Field([], description="ids of items that are never used")
    start: date = Field(date(2021, 12, 1), description="first day of the search, UTC")
    end: date = Field(date(2022, 9, 30), description="last day of the search, UTC")
    extent_m: int = Field(3_840, gt=0, multiple_of=CHIP_M, description="side of the square cut around a site, m")
    chip_m: int = Field(CHIP_M, gt=0, description="side of a chip, m; of own files any multiple of 60")
    max_day_gap: int = Field(3, ge=0, le=30, description="most days between the Sentinel-2 and the Landsat scene")
    min_clear: Fraction = Field(0.3, description="least share of the site that is clear in both scenes of a pair")
    chip_min_clear: Fraction = Field(0.8, description="least share of a chip that is clear in both scenes")
    classes: Classes = Field(SCORED, min_length=1, description="codes of the label product that are scored, with names")
    simulation: Simulation = Field(default_factory=Simulation, description="read only when catalog is embedded")
    split: Split = Field(default_factory=Split, description="blocks and buffer")

    @property
    def products(self) -> list[str] | None:
        """Products of a folder; None for a catalogue, which has all."""
        return None if self.files is None else sorted(self.files.sensors)

    @property
    def only_hls(self) -> bool:
        """Whether all there is are HLS products."""
        return self.files is not None and all(name.startswith("hls_") for name in self.files.sensors)

    @property
    def extra_products(self) -> list[ExtraSensor]:
        """Products beside the usual ones; only the embedded archive has any."""
        return self.simulation.extra_sensors if self.catalog == "embedded" and self.files is None else []

    @field_validator("chip_m")
    @classmethod
    def _whole_pixels(cls, value: int, info: ValidationInfo) -> int:
        step = LATTICE_M if info.data.get("source") == "folder" else CHIP_M
        if value % step:
            raise ValueError(f"should be a multiple of {step}, not {value}")
        return value

    @field_validator("start", "end", mode="before")
    @classmethod
    def _day(cls, value: Any) -> Any:
        if isinstance(value, (int, float)):
            raise ValueError(f"is the number {value}: write a day as 2022-05-31")
        return value

    @field_validator("catalog", mode="before")
    @classmethod
    def _known_places(cls, value: object) -> object:
        places(value)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.classes.values())) != len(self.classes):
            raise ValueError("classes names the same class twice")
        if self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        if (self.source == "folder") != (self.files is not None):
            raise ValueError("source: folder and files go together")
        if self.source == "folder":
            return self
        if self.split.regime in ("given", "folds"):
            raise ValueError(f"split.regime {self.split.regime} is for source: folder")
        if self.extent_m % self.chip_m:
            raise ValueError(f"extent_m {self.extent_m} is not a whole number of chips of {self.chip_m} m")
        return self


class Extract(Settings):
    """How chips are read; the same chips come out whichever way."""

    scheduler: str = Field(
        "threads",
        pattern=r"^(threads|processes|(tcp|tls)://[\w.:-]+)$",
        description="threads, processes (a local dask cluster), or the address of a dask scheduler (tcp://host:8786)",
    )


class MethodSettings(Settings):
    """One row of the comparison: a model of the registry and its own settings."""

    model: str = Field(description="name in the registry of models")
    options: dict[str, bool | int | float | str] = Field(default_factory=dict, description="settings of that model")
    learning_rate: float | None = Field(None, gt=0, description="peak of the schedule; none: the experiment's")
    weight_decay: float | None = Field(None, ge=0, description="of AdamW; none: the experiment's")
    leave_out: LeftOut | None = Field(None, description="a product it may not train on; none: the experiment's")
    pretraining_steps: int | None = Field(
        None, ge=1, description="steps of learning from pixels without labels, before; none: random weights"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.model not in MODEL_NAMES:
            raise ValueError(f"model {self.model!r} does not exist{nearest(self.model, MODEL_NAMES)}")
        if self.pretraining_steps and self.model not in PRETRAINED:
            raise ValueError(f"pretraining_steps: {self.model!r} cannot be pretrained; {', '.join(PRETRAINED)} can")
        return self


class Training(Settings):
    """The one training loop, the same for every method of an experiment but for the settings that tuning chooses."""

    steps: int = Field(1250, ge=1, description="optimiser steps")
    batch: int = Field(4, ge=1, description="crops per step")
    micro_batch: int | None = Field(
        None, ge=1, description="crops at once in memory, whose gradients add up to the batch's; none: all of them"
    )
    crop_m: int = Field(480, gt=0, multiple_of=60, description="side of the random training crop, m")
    learning_rate: float = Field(5e-3, gt=0, description="peak of the one-cycle schedule")
    weight_decay: float = Field(0.01, ge=0, description="of AdamW")
    class_weights: Literal["none", "sqrt-inverse"] = Field("none", description="weights of the cross-entropy")
    label_fraction: float = Field(
        1.0, gt=0, le=1, description="share of the training blocks that is used; nested, drawn by seed"
    )
    leave_out: LeftOut = Field(
        "none", description="a product that no method may train on (leave-one-sensor-out), or none"
    )
    validations: int = Field(1, ge=1, description="how often validation chips are scored during training")


class Experiment(Settings):
    """A set of methods trained and tested on one dataset with the same seeds."""

    dataset: Name = Field("main", description="key of datasets")
    methods: list[Name] = Field(METHOD_TABLE["main"], min_length=1, description="keys of methods")
    proposed: Name = Field("anyband", description="the method that every other one is compared with")
    seeds: list[Seed] = Field([0, 1, 2, 3, 4], min_length=1, description="same seeds for every method; claims need 5")
    conditions: list[ConditionName] = Field(
        ["S2", "L9", "S2+L9", "S30", "L30", "S30+L30"],
        min_length=1,
        description="sensors at hand at test time, and what is done to them (S2+L9/drop-red-edge; docs/protocol.md)",
    )
    target: Target = Field(
        "all", description="the target that trains and reports it: all, rivals, ablations, unseen or real"
    )
    equivalence_margin: float = Field(0.01, gt=0, lt=1, description="mIoU difference that counts as none")
    training: Training = Field(
        default_factory=Training,
        description="the same for every method, save what its entry tunes",
    )

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


class Tuning(Settings):
    """The search for learning rate, weight decay and own options of every method, judged on the validation split."""

    trials: int = Field(8, ge=1, description="trainings per method, the first with the settings of this file")
    seed: int = Field(1000, ge=0, description="of the draws and of the trials' trainings; no experiment may use it")
