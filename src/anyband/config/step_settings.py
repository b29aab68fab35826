"""What a single step depends on, and nothing else: a step runs again when one of these values changes."""

from pydantic import Field

from anyband.config.comparison import ConditionName, Experiment, Method, Training
from anyband.config.section import Name, Section


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
    variants: list[Name] = Field([], description="methods with the proposed one's model: its ablations, no baselines")
    classes: dict[int, str] = Field(description="codes of the label product that are scored, with names")
