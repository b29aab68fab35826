"""What a comparison needs to know of the configuration, and the fixed numbers of the protocol."""

from typing import Literal, Self

from pydantic import Field

from anyband.config import Config, Experiment, Method, Name, Section, nearest
from anyband.runtime import UserError

Role = Literal["proposed", "baseline", "specialist", "floor"]

PRIMARY_CONDITIONS = ("S2", "L9", "S2+L9")
LEVEL = 0.95
ALPHA = 0.05
# Difference that a two-sided 5 % test finds with 80 % power, in standard errors: z(0.975) + z(0.8).
RESOLUTION_FACTOR = 2.8
CLAIM_SEEDS = 5
CLAIM_BLOCKS = 12
# Fewest pairs for which an exact two-sided sign-flip test can stay below 0.05 after Holm over six comparisons.
SIGN_FLIP_SEEDS = 8
MAJORITY = "majority"

LABELS = {
    "s2-only": "Sentinel-2 specialist",
    "l9-only": "Landsat 9 specialist",
    "input-fusion": "Input fusion",
    "feature-fusion": "Feature fusion",
    "anyband": "anyband",
    "pixel": "Pixel classifier",
    MAJORITY: "Majority class",
}
FLOOR_MODELS = ("pixel",)


class ComparisonSettings(Section):
    """One experiment with the names it refers to; crosses into the step as one JSON string."""

    name: Name = Field(description="key of the experiment")
    experiment: Experiment = Field(description="methods, seeds, conditions, margin")
    methods: dict[Name, Method] = Field(description="the methods the experiment names")
    classes: dict[int, str] = Field(description="label codes that are scored, with names")

    @classmethod
    def of(cls, config: Config, experiment: str) -> Self:
        """Cut the settings of one experiment out of the configuration."""
        if experiment not in config.experiments:
            raise UserError(f"experiments.{experiment} does not exist{nearest(experiment, config.experiments)}")
        chosen = config.experiments[experiment]
        return cls(
            name=experiment,
            experiment=chosen,
            methods={name: config.methods[name] for name in chosen.methods},
            classes=config.datasets[chosen.dataset].classes,
        )

    def label(self, method: str) -> str:
        """Name of a method for people: the registry's words when key and model agree, otherwise the key itself."""
        if method == MAJORITY or (method in self.methods and self.methods[method].model == method):
            return LABELS.get(method, method)
        return method

    def role(self, method: str, complete: bool) -> Role:
        """Role of a method; `complete` says whether it takes every condition of the primary endpoint."""
        if method == self.experiment.proposed:
            return "proposed"
        if method == MAJORITY or self.methods[method].model in FLOOR_MODELS:
            return "floor"
        return "baseline" if complete else "specialist"

    @property
    def endpoint(self) -> tuple[str, ...]:
        """Conditions of the primary endpoint that the experiment tests."""
        return tuple(condition for condition in PRIMARY_CONDITIONS if condition in self.experiment.conditions)
