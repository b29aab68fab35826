"""The configuration as people read it: config.yaml with every description as a comment, tables, and the JSON schema."""

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

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

CONFIGURATION = """# Configuration

Every setting stands in `config.yaml`. A file after `--configfile` changes some. This page is made from the model
that checks the configuration, `anyband.config.schema`: a key that is not here is an error.

Names of your own (`NAME` below) have small letters, digits and hyphens. An entry may start as a copy of another one:
`{inherits: main, ...}`.
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
    if value is None or not (isinstance(inner, type) and issubclass(inner, Settings)):
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


def configuration_page() -> str:
    """Every key with its default, what it may be, and what it means, in Markdown."""
    return "\n".join([CONFIGURATION, *_sections(Config, Config(), ())])


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _sections(model: Any, values: Any, path: tuple[str, ...]) -> Iterator[str]:
    """A heading and a table for a section, then those inside it."""
    rows, inner = [], []
    for key, field in model.model_fields.items():
        section = section_of(field.annotation)
        value = getattr(values, key, None if field.is_required() else field.get_default(call_default_factory=True))
        if isinstance(section, type) and issubclass(section, Settings):
            named = get_origin(field.annotation) is dict
            one = next(iter(value.values()), None) if named and value else value
            inner.append((section, one, (*path, key, "NAME") if named else (*path, key)))
        else:
            given = "must be given" if values is None and field.is_required() else default_words(value)
            rows.append([f"`{key}`", given, _kind(field.annotation), field.description or ""])
    if path:
        yield f"\n## {'.'.join(path)}\n\n{model.__doc__.splitlines()[0]}\n"
    if rows:
        yield markdown_table(["key", "default", "may be", "meaning"], rows)
    for section, one, where in inner:
        yield from _sections(section, one, where)


def default_words(value: Any) -> str:
    """A default as a table shows it."""
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    shown = json.dumps(value, default=str, ensure_ascii=False)
    return "none" if value is None else f"`{shown}`" if len(shown) < 60 else "see `config.yaml`"


def _kind(annotation: Any) -> str:
    """What values a key takes, in words."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    words = {bool: "true or false", int: "whole number", float: "number", str: "text", type(None): "none"}
    if annotation in words:
        return words[annotation]
    parts = [part for part in get_args(annotation) if isinstance(part, type) or get_origin(part)]
    if get_origin(annotation) is list:
        return "list of " + " or ".join(map(_kind, parts))
    if get_origin(annotation) is dict:
        return "keys and values"
    kinds = dict.fromkeys(_kind(part) for part in parts)
    return " or ".join(kinds) or getattr(annotation, "__name__", "text").lower()
