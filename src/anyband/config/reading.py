"""A configuration file as a document: mistakes of writing are one line with the file and the line."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from anyband.runtime import UserError


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
    """The keys and values of a file, YAML or JSON.

    Raises:
        UserError: the file is missing, no UTF-8 text, empty, or not well written.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): run this in the repository") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    try:
        document = json.loads(text) if path.suffix == ".json" else yaml.load(text, _OneOfEach)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(document, dict):
        raise UserError(f"{path} has no keys and values: a configuration needs at least one, or leave the file out")
    return document
