"""From a function that draws to a figure of the report: SVG for wide and narrow pages, PDF for papers."""

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from anyband.report.figures.results import NARROW, WIDE, Style
from anyband.report.palette import THEME
from anyband.report.pdf import to_pdf
from anyband.report.svg import RC, to_svg
from anyband.report.tables.table import Graphic

Draw = Callable[[int], Figure]


def graphic(key: str, title: str, caption: str, draw: Draw, style: Style, label: str) -> Graphic:
    """Draw a figure wide and narrow."""
    with mpl.rc_context(RC):  # type: ignore[arg-type]  # matplotlib types every key
        figure = draw(WIDE)
        wide = to_svg(figure, f"{key}-w", style.colours, label)
        pdf = to_pdf(figure, THEME)
        narrow = to_svg(draw(NARROW), f"{key}-n", style.colours, label)
    return Graphic(key, title, caption, wide, narrow, pdf)


def key_of(design: Mapping[str, Any], name: str) -> str:
    """Key of a figure of an experiment."""
    return f"{design['experiment']}-{name}"
