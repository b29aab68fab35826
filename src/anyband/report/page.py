"""The page: sections in order, numbered tables and figures, one self-contained HTML file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anyband.report.content import TEMPLATES, Graphic, PanelSet, Section, Table, fill
from anyband.report.palette import CLASS_COLOURS, MARKERS, THEME, method_colours, method_markers, method_variable


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
    page = fill(
        "page.html.j2",
        heads=heads,
        sections=sections,
        numbers=number(sections),
        markers={method: MARKERS[marker] for method, marker in method_markers(methods).items()},
        foot=foot,
        class_colours=CLASS_COLOURS,
        style=stylesheet(method_colours(methods)),
        script=(TEMPLATES / "sort.js").read_text(),
    )
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
