"""What every part of the configuration is made of."""

import difflib
import json
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Fraction = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    def as_json(self, *keys: str) -> str:
        """The settings, or only `keys` of them, as one line of JSON with sorted keys: how they cross into a step.

        Keys without a value (None) are left out.
        """
        chosen = self.model_dump(mode="json", include=set(keys) or None, exclude_none=True)
        return json.dumps(chosen, sort_keys=True, separators=(",", ":"))


def nearest(word: str, known: Any) -> str:
    """A hint with the known word that is most like `word`, or with all of them."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(names)}"


def section_of(annotation: Any) -> Any:
    """The Section inside `dict[Name, Section]` or `Section` itself; of a choice (`Section | str`) nothing."""
    choices = get_args(annotation) if get_origin(annotation) is dict else (annotation,)
    sections = [a for a in choices if isinstance(a, type) and issubclass(a, Section)]
    return sections[0] if sections else annotation
