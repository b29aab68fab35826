"""The configuration: one set of pydantic models gives defaults, checks, schema and config.yaml.

`python -m anyband.config` rewrites `config.yaml` and `workflow/schemas/config.schema.json` from the models.
"""

from anyband.config.comparison import MODEL_NAMES, ConditionName, Experiment, Method, Training, Tuning
from anyband.config.data import CHIP_UNIT_M, Dataset, Draw, Extract, Simulation, Split
from anyband.config.defaults import DEFAULT_METHODS
from anyband.config.inheritance import apply_inheritance, merge
from anyband.config.loading import load
from anyband.config.root import Config
from anyband.config.section import Name, Section, nearest, section_of
from anyband.config.step_settings import Comparison, Evaluation, Run

__all__ = [
    "CHIP_UNIT_M",
    "DEFAULT_METHODS",
    "MODEL_NAMES",
    "Comparison",
    "ConditionName",
    "Config",
    "Dataset",
    "Draw",
    "Evaluation",
    "Experiment",
    "Extract",
    "Method",
    "Name",
    "Run",
    "Section",
    "Simulation",
    "Split",
    "Training",
    "Tuning",
    "apply_inheritance",
    "load",
    "merge",
    "nearest",
    "section_of",
]
