"""From a function that draws to SVG that follows the page, wide and narrow, and to PDF for papers.

A drawing gets a `Sheet`: how wide it may be and which colours to use. For the page these are placeholders, which become
CSS variables in the SVG, so that a figure follows the light or dark page; for a PDF they are the colours of the light
page. Text stays text, so it can be searched and files stay small.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from anyband.report.palette import PLACEHOLDERS, THEME, method_markers, method_variable, variable, variables

WIDE, NARROW = 900, 360
LOOK = Path(__file__).parent / "template" / "figure.mplstyle"
Pick = TypeVar("Pick")
Margins = tuple[float, float, float, float]


@dataclass(frozen=True)
class Style:
    """Colour (light, dark) and name of every method; the same in every figure."""

    colours: Mapping[str, tuple[str, str]]
    labels: Mapping[str, str]

    def colour(self, method: str) -> str:
        """The light colour, which the page replaces by a variable."""
        return self.colours[method][0]

    def marker(self, method: str) -> str:
        """The method's marker."""
        return method_markers(list(self.colours))[method]

    def names(self, methods: Sequence[str]) -> list[str]:
        """Names of methods."""
        return [self.labels[method] for method in methods]


@dataclass(frozen=True)
class Sheet:
    """What a figure is drawn on.

    Attributes:
        wide: for a desktop or a paper, else for a phone.
        style: colours and names of methods.
        ink, muted, rule, band, paper: colours of text, of what is less important, of lines, of shaded ground, of paper.
    """

    wide: bool = True
    style: Style = Style({}, {})
    ink: str = PLACEHOLDERS["ink"]
    muted: str = PLACEHOLDERS["muted"]
    rule: str = PLACEHOLDERS["rule"]
    band: str = PLACEHOLDERS["band"]
    paper: str = PLACEHOLDERS["paper"]

    def __call__(self, wide: Pick, narrow: Pick) -> Pick:
        """One of two, by the width: `sheet(4, 2)`."""
        return wide if self.wide else narrow

    @property
    def width(self) -> int:
        """Pixels."""
        return self(WIDE, NARROW)

    def figure(
        self, height: float, margins: Margins, columns: int = 1, rows: int = 1, wspace: float = 0.2, hspace: float = 0.2
    ) -> tuple[Figure, list[Axes]]:
        """A figure of `height` pixels with margins (left, right, top, bottom) in pixels and a grid of axes."""
        width = self.width
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        left, right, top, bottom = margins
        axes = figure.subplots(rows, columns, squeeze=False)
        edges = (left / width, bottom / height, 1 - right / width, 1 - top / height)
        figure.subplots_adjust(*edges, wspace=wspace, hspace=hspace)
        return figure, list(axes.ravel())

    def legend_height(self, methods: Sequence[str]) -> int:
        """Pixels that a legend above a figure needs."""
        return 16 + 16 * -(-len(methods) // self(4, 2))

    def legend(self, figure: Figure, methods: Sequence[str]) -> None:
        """Marks and names of methods above a figure."""
        handles = [Line2D([], [], markersize=6.5, linewidth=1.8, **self.look(method)) for method in methods]
        spacing = {"handlelength": 1.5, "columnspacing": 1.4, "handletextpad": 0.5, "borderaxespad": 0.2}
        self.key(figure, handles, self.style.names(methods), ncols=self(4, 2), **spacing)

    def key(self, figure: Figure, handles: Sequence[Line2D], names: Sequence[str], **spacing: Any) -> None:
        """Marks and their names at the top left of a figure."""
        place: Any = {"loc": "upper left", "bbox_to_anchor": (34 / self.width, 1.0)}
        figure.legend(handles, names, **place, **spacing)

    def look(self, method: str) -> Any:
        """Colour and marker of a method."""
        return {"color": self.style.colour(method), "marker": self.style.marker(method)}

    def settings(self) -> Any:
        """Settings of matplotlib, in which the placeholders give way to the colours of the sheet."""
        names = {colour: name for name, colour in PLACEHOLDERS.items()}
        look = mpl.rc_params_from_file(LOOK, use_default_template=False)
        return look | {key: getattr(self, names[value]) for key, value in look.items() if str(value) in names}


Draw = Callable[[Sheet], Figure]


def plain_rows(axes: Axes, top: float, bottom: float, label: str = "") -> None:
    """Rows that stand beneath each other, named by hand: no axis at the left, a grid upright, the first at the top."""
    axes.set_ylim(top, bottom)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(label)


def matrix_axes(axes: Axes, columns: int, rows: int) -> None:
    """Cells of side 1 from the upper left corner, without ticks and frame."""
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def draw_svg(draw: Draw, sheet: Sheet, key: str, label: str) -> str:
    """Draw a figure as an `<svg>` element for the page.

    Args:
        draw: draws it for a sheet, with the light colours of methods.
        sheet: with placeholders as colours.
        key: unique on the page; prefixes every id.
        label: one sentence that says what the figure shows, for screen readers.
    """
    buffer = io.StringIO()
    with mpl.rc_context(sheet.settings() | {"svg.hashsalt": key}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        draw(sheet).savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = _fonts(_variables(_rename_ids(text, key), sheet.style.colours))
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    assert size is not None  # matplotlib always writes one
    head = f'<svg viewBox="0 0 {size[1]} {size[2]}" width="{size[1]}" height="{size[2]}" role="img" '
    words = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return _compact(re.sub(r"<svg[^>]*>", f'{head}aria-label="{words}">', text, count=1))


def draw_pdf(draw: Draw, style: Style) -> bytes:
    """Draw a figure as PDF in the colours of the light page; equal figures give equal bytes."""
    sheet = Sheet(True, style, *(THEME[variable(name)][0] for name in PLACEHOLDERS))
    buffer = io.BytesIO()
    with mpl.rc_context(sheet.settings()):
        draw(sheet).savefig(buffer, format="pdf", metadata=dict.fromkeys(("CreationDate", "Creator", "Producer")))
    return buffer.getvalue()


def standalone(svg: str, colours: Mapping[str, tuple[str, str]]) -> str:
    """Make a page's figure a file of its own: with its namespace and its colours for light and dark."""
    light, dark = (f"svg{{{css};color:{ink}}}" for css, ink in zip(variables(colours), THEME["--ink"], strict=True))
    style = f"<style>{light}@media (prefers-color-scheme:dark){{{dark}}}text{{font-family:sans-serif}}</style>"
    head, body = svg.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg">{style}{body}\n'


def _rename_ids(text: str, key: str) -> str:
    """Keep only ids that something refers to, and make them unique on the page."""
    referenced = set(re.findall(r'xlink:href="#([^"]+)"', text)) | set(re.findall(r"url\(#([^)]+)\)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in referenced else "", text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{key}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", text)


def _variables(text: str, colours: Mapping[str, tuple[str, str]]) -> str:
    """Replace placeholders and method colours by CSS variables."""
    known = {colour: variable(name) for name, colour in PLACEHOLDERS.items()}
    known |= {light: method_variable(method) for method, (light, _) in colours.items()}
    return re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var({known[m[0]]})" if m[0] in known else m[0], text)


def _fonts(text: str) -> str:
    """Let the page choose the font family; drop rotations by nothing."""
    return re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", re.sub(r"font-family: [^;\"]*;? ?", "", text))


def _compact(text: str) -> str:
    """Drop what only makes the file longer: white space between elements and digits below a hundredth of a pixel."""
    text = re.sub(r"(\d+\.\d{2})\d+", r"\1", text)
    text = re.sub(r">\s+<", "><", text)
    text = re.sub(r"</?defs>\s*<style[^>]*>\*\{[^}]*\}</style>(</defs>)?", "", text)
    return re.sub(r"\s+", " ", text).strip()
