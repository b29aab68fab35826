"""What is compared: methods, the one training loop, experiments, and the search for settings."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from anyband.conditions import check as check_condition
from anyband.config.section import Name, Section, nearest
from anyband.products import SATELLITES

ConditionName = Annotated[str, AfterValidator(check_condition)]
Target = Literal["all", "rivals", "ablations", "unseen"]
if TYPE_CHECKING:
    LeftOut = str
else:
    LeftOut = Literal["none", *SATELLITES]

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
    "sensor-only",
)


PRETRAINED = ("anyband",)
"""Models that can learn from pixels alone."""


class Method(Section):
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


class Training(Section):
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


class Experiment(Section):
    """A set of methods trained and tested on one dataset with the same seeds."""

    dataset: Name = Field("main", description="key of datasets")
    methods: list[Name] = Field(
        [
            "s2-only",
            "l9-only",
            "input-fusion",
            "feature-fusion",
            "prediction-fusion",
            "translation",
            "hls-unified",
            "analytic",
            "random-forest",
            "anyband",
            "pixel",
        ],
        description="keys of methods",
    )
    proposed: Name = Field("anyband", description="the method that every other one is compared with")
    seeds: list[int] = Field([0, 1, 2, 3, 4], min_length=1, description="same seeds for every method; claims need 5")
    conditions: list[ConditionName] = Field(
        ["S2", "L9", "S2+L9", "S30", "L30", "S30+L30"],
        description="sensors at hand at test time, and what is done to them (S2+L9/drop-red-edge; docs/protocol.md)",
    )
    target: Target = Field("all", description="the target that trains and reports it: all, rivals, ablations or unseen")
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


class Tuning(Section):
    """The search for learning rate, weight decay and own options of every method, judged on the validation split."""

    trials: int = Field(8, ge=1, description="trainings per method, the first with the settings of this file")
    seed: int = Field(1000, ge=0, description="of the draws and of the trials' trainings; no experiment may use it")
