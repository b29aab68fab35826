"""From a document as read from YAML to a checked configuration; every mistake is one line."""

from typing import Any

from pydantic import ValidationError

from anyband.config.data import Draw
from anyband.config.inheritance import apply_inheritance
from anyband.config.root import Config
from anyband.config.section import nearest, section_of
from anyband.runtime import UserError


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
