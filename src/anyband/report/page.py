"""The page: sections in order, numbered tables and figures, one self-contained HTML file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyband.report.figures.maps import Panel
from anyband.report.palette import CLASS_COLOURS, MARKERS, THEME, method_colours, method_markers
from anyband.report.svg import method_variable
from anyband.report.tables.table import Graphic, Table

TEMPLATES = Path(__file__).parent / "template"


@dataclass(frozen=True)
class Claims:
    """Generated claims of an experiment, each with links to its evidence, or the sentence that says why none."""

    entries: Sequence[Mapping[str, Any]]
    reason: str | None


@dataclass(frozen=True)
class PanelSet:
    """Maps of chips chosen by rule, with legend entries (colour, name)."""

    key: str
    title: str
    caption: str
    panels: Sequence[Panel]
    classes: Sequence[tuple[str, str]]
    difference: Sequence[tuple[str, str]]


Item = Table | Graphic | PanelSet | Claims


@dataclass(frozen=True)
class Section:
    """One heading with paragraphs and items. `remark` stands above the items as a marked line."""

    key: str
    title: str
    items: Sequence[Item] = field(default_factory=tuple)
    paragraphs: Sequence[str] = field(default_factory=tuple)
    remark: str = ""


@dataclass(frozen=True)
class Head:
    """The first screen: what was compared, on what, with what outcome."""

    title: str
    compared: str
    notices: Sequence[str]
    outcome: str
    figures: Sequence[tuple[str, str, str]]  # number, what it is, detail
    notes: Sequence[str]


def render(heads: Sequence[Head], sections: Sequence[Section], methods: Sequence[str], foot: str) -> str:
    """Fill the template.

    Args:
        heads: one per experiment.
        sections: the body.
        methods: keys of all methods, for their colours.
        foot: last line.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    environment.filters["kind"] = lambda item: type(item).__name__
    colours = method_colours(methods)
    markers = {method: MARKERS[marker] for method, marker in method_markers(methods).items()}
    page = environment.get_template("page.html.j2").render(
        heads=heads, sections=sections, numbers=number(sections), markers=markers, foot=foot,
        class_colours=CLASS_COLOURS, style=stylesheet(colours), script=(TEMPLATES / "sort.js").read_text(),
    )  # fmt: skip
    # a number and its unit stay on one line
    return re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", page)


def number(sections: Sequence[Section]) -> dict[str, str]:
    """Key of every table and figure -> "Table 3" or "Figure 2", in the order of the page."""
    names, tables, figures = {}, 0, 0
    for item in (item for section in sections for item in section.items):
        if isinstance(item, Table):
            tables += 1
            names[item.key] = f"Table {tables}"
        elif isinstance(item, Graphic | PanelSet):
            figures += 1
            names[item.key] = f"Figure {figures}"
    return names


def stylesheet(colours: Mapping[str, tuple[str, str]]) -> str:
    """Colours for light and dark, then the style sheet."""
    variables = dict(THEME) | {method_variable(method): pair for method, pair in colours.items()}
    light, dark = (";".join(f"{name}:{pair[i]}" for name, pair in variables.items()) for i in (0, 1))
    root = f":root{{color-scheme:light dark;{light}}}"
    night = f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return f"{root}\n{night}\n{(TEMPLATES / 'style.css').read_text()}"
