"""The configuration: one set of pydantic models gives defaults, checks, schema and config.yaml.

`python -m anyband.config` rewrites `config.yaml`, `config/README.md` and `workflow/schemas/config.schema.json` from the
models, and the version where it is repeated.
"""

from anyband.config.defaults import DEFAULT_METHODS, apply_inheritance, merge
from anyband.config.loading import (
    ComparisonSettings,
    Config,
    Evaluation,
    Run,
    load,
    read_document,
    without_missing,
)
from anyband.config.schema import (
    MODEL_NAMES,
    ConditionName,
    Dataset,
    Draw,
    Experiment,
    Extract,
    MethodSettings,
    Name,
    Settings,
    Simulation,
    Split,
    Training,
    Tuning,
    section_of,
)

__all__ = [
    "DEFAULT_METHODS",
    "MODEL_NAMES",
    "ComparisonSettings",
    "ConditionName",
    "Config",
    "Dataset",
    "Draw",
    "Evaluation",
    "Experiment",
    "Extract",
    "MethodSettings",
    "Name",
    "Run",
    "Settings",
    "Simulation",
    "Split",
    "Training",
    "Tuning",
    "apply_inheritance",
    "load",
    "merge",
    "read_document",
    "section_of",
    "without_missing",
]
