"""The configuration as people read it: config.yaml with every description as a comment, and the JSON schema."""

import json
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from anyband.config.defaults import dataset_variants, experiment_variants, method_entries
from anyband.config.loading import Config
from anyband.config.schema import Settings, section_of

HEADER = """\
# anyband: every setting with its default. Generated from src/anyband/config; change values freely.
# A preset changes some of them:  snakemake --cores 8 all --configfile workflow/presets/smoke.yaml
# An entry under datasets, methods or experiments may start as a copy of another:  {inherits: main, ...}
"""


def documented_yaml() -> str:
    """The default configuration as YAML with each key's description as a comment."""
    return HEADER + "\n" + "\n".join(_document(Config, Config().model_dump(mode="json"), 0)) + "\n"


def _document(model: Any, values: dict[str, Any], depth: int) -> list[str]:
    """Lines of one section."""
    lines: list[str] = []
    for key, field in model.model_fields.items():
        if depth == 0 and lines:
            lines.append("")
        lines += _document_field(key, field, values[key], depth)
    return lines


def _document_field(key: str, field: FieldInfo, value: Any, depth: int) -> list[str]:
    """Lines of one key: nested sections are opened, everything else is written on one line."""
    pad = "  " * depth
    inner = section_of(field.annotation)
    comment = f"  # {field.description}"
    if not (isinstance(inner, type) and issubclass(inner, Settings)):
        return [f"{pad}{key}: {_inline(value)}{comment}"]
    if inner is field.annotation:
        return [f"{pad}{key}:{comment}", *_document(inner, value, depth + 1)]
    lines = [f"{pad}{key}:{comment}"]
    if key == "methods":
        return lines + [f"{pad}  {name}: {_inline(entry)}" for name, entry in method_entries().items()]
    known = {"datasets": dataset_variants, "experiments": experiment_variants}
    variants = known[key]() if key in known else {}
    for name, entry in value.items():
        lines.append(f"{pad}  {name}:")
        if name in variants:
            lines += [f"{pad}    {setting}: {_inline(chosen)}" for setting, chosen in variants[name].items()]
        else:
            lines += _document(inner, entry, depth + 2)
    return lines


def _inline(value: Any) -> str:
    """A value as one line of YAML."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip().removesuffix("\n...")


def schema_json() -> str:
    """The JSON schema of the configuration."""
    return json.dumps(Config.model_json_schema(), indent=1, sort_keys=True) + "\n"
