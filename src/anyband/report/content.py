"""What stands on the page: tables, figures, maps, claims; the topics that say in which order; and the page itself.

The page is one self-contained HTML file with numbered tables and figures.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import jinja2
import pandas as pd
import yaml
from matplotlib.figure import Figure

from anyband.report import formatting as form
from anyband.report.cells import Cell, Column
from anyband.report.palette import CLASS_COLOURS, MARKERS, method_colours, method_markers, variables
from anyband.report.render import Sheet, Style, draw_pdf, draw_svg
from anyband.statistics.comparison import latex_table

TEMPLATES = Path(__file__).parent / "template"


@dataclass(frozen=True)
class Table:
    """A table with its caption: what to see, how it was computed, n.

    Attributes:
        key: file name in `report_data/tables/` and anchor on the page.
        columns: headings, and how a record fills them; the first heads its row.
        records: one for each row, in whatever form the columns read.
        css: class of a record's row ("proposed", "floor", ...).
        title: a few words; that of the file of words where there is one, as caption, notes and hints of columns.
        caption: plain text after the title.
        notes: footnotes.
        words: what the templates of the file of words need.
        sortable: whether the page lets people sort it.
        dense: notes of cells stand under their text, to save width.
    """

    key: str
    columns: Sequence[Column]
    records: Sequence[Any]
    css: Callable[[Any], str] = lambda _: ""
    title: str = ""
    caption: str = ""
    notes: Sequence[str] = ()
    words: Mapping[str, Any] = field(default_factory=dict)
    sortable: bool = True
    dense: bool = False

    @cached_property
    def rows(self) -> list[list[Cell]]:
        """The cells."""
        return [[column.of(record) for column in self.columns] for record in self.records]

    def frame(self) -> pd.DataFrame:
        """The displayed text, one column each."""
        headings = [column.heading for column in self.columns]
        return pd.DataFrame([[cell.plain for cell in row] for row in self.rows], columns=pd.Index(headings))

    def latex(self) -> str:
        """The displayed text as a LaTeX table."""
        return latex_table(self.frame(), f"{self.title}. {self.caption}")

    def styled_rows(self) -> list[tuple[str, Sequence[Cell]]]:
        """Rows with their class."""
        return [(self.css(record), row) for record, row in zip(self.records, self.rows, strict=True)]


@dataclass(frozen=True)
class Graphic:
    """A figure with its caption.

    Attributes:
        key: file name in `report_data/figures/` and anchor on the page.
        draw: draws it for a sheet.
        title: a few words; that of the file of words where there is one, as caption and label.
        caption: plain text after the title.
        label: one sentence that says what the figure shows, for screen readers.
        words: what the templates of the file of words need.
        style: colours and names of methods; that of the page, which its topic sets.
    """

    key: str
    draw: Callable[[Sheet], Figure]
    title: str = ""
    caption: str = ""
    label: str = ""
    words: Mapping[str, Any] = field(default_factory=dict)
    style: Style = Style({}, {})

    @cached_property
    def wide(self) -> str:
        """SVG for desktops."""
        return draw_svg(self.draw, Sheet(style=self.style), f"{self.key}-w", self.label)

    @cached_property
    def narrow(self) -> str:
        """SVG for phones."""
        return draw_svg(self.draw, Sheet(False, self.style), f"{self.key}-n", self.label)

    @cached_property
    def pdf(self) -> bytes:
        """For papers."""
        return draw_pdf(self.draw, self.style)


@dataclass(frozen=True)
class Claims:
    """Generated claims of an experiment, each with links to its evidence, or the sentence that says why none."""

    entries: Sequence[Mapping[str, Any]]
    reason: str | None


@dataclass(frozen=True)
class Tile:
    """One small picture: heading, explanation for screen readers, PNG as a data URI."""

    heading: str
    alt: str
    uri: str


@dataclass(frozen=True)
class Panel:
    """The tiles of one chip and why it is shown."""

    reason: str
    block: str
    chip: str
    difference: float
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class PanelSet:
    """Maps of chips chosen by rule, with legend entries (colour, name)."""

    key: str
    panels: Sequence[Panel]
    classes: Sequence[tuple[str, str]]
    difference: Sequence[tuple[str, str]]
    title: str = ""
    caption: str = ""
    words: Mapping[str, Any] = field(default_factory=dict)


Captioned = TypeVar("Captioned", bound=Table | Graphic | PanelSet)
Item = Table | Graphic | PanelSet | Claims
Subject = TypeVar("Subject")
Maker = TypeVar("Maker", bound=Callable[..., Item | None])


@dataclass(frozen=True)
class Section:
    """One heading with paragraphs and items. `remark` stands above the items as a marked line."""

    key: str
    title: str
    items: Sequence[Item] = ()
    paragraphs: Sequence[str] = ()
    remark: str = ""


@dataclass(frozen=True)
class Topic(Generic[Subject]):
    """A section of the page about any subject; what is registered with `item` stands on it in that order.

    Attributes:
        key: anchor, and place of the items' words in the files of words.
        title: heading.
        remark: a marked line at the top.
        paragraphs: text above the items; empty ones are left out.
        makers: functions that make the items.
    """

    key: str
    title: str
    remark: Callable[[Subject], str] = lambda _: ""
    paragraphs: Callable[[Subject], Sequence[str]] = lambda _: ()
    makers: list[Callable[[Subject], Item | None]] = field(default_factory=list)

    def item(self, make: Maker) -> Maker:
        """Decorator: put what the function makes at the end of the section; None, or no rows, is left out."""
        self.makers.append(make)
        return make

    def section(self, subject: Subject, style: Style, key: str = "{}", title: str = "{}", item: str = "{}") -> Section:
        """The section about `subject`; `key`, `title` and `item` are patterns with a place for the own ones."""
        items: list[Item] = []
        for made in (make(subject) for make in self.makers):
            if isinstance(made, Claims):
                items.append(made)
            elif made is not None and not (isinstance(made, Table) and len(made.records) == 0):
                made = replace(made, style=style) if isinstance(made, Graphic) else made
                items.append(replace(worded(made, self.key, subject), key=item.format(made.key)))
        words = [paragraph for paragraph in self.paragraphs(subject) if paragraph]
        return Section(key.format(self.key), title.format(self.title), items, words, self.remark(subject))


def worded(item: Captioned, topic: str, entry: Any = None) -> Captioned:
    """The item with its words from the file beside it, if it has any there; its own notes come after those."""

    def filled(part: Any) -> Any:
        if isinstance(part, str):
            return compose(part, entry=entry, **item.words)
        return (
            {filled(key): filled(value) for key, value in part.items()}
            if isinstance(part, dict)
            else [*map(filled, part)]
        )

    said = filled(_words()[topic].get(item.key, {}))
    if isinstance(item, Table):
        hints = said.pop("hints", {})
        said["columns"] = [replace(column, hint=hints.get(column.heading, column.hint)) for column in item.columns]
        said["notes"] = [*said.get("notes", ()), *item.notes]
    return replace(item, **said)


@cache
def _words() -> dict[str, dict[str, Any]]:
    """Section -> item -> its words, from the files that stand beside what makes the items, with their names.

    The words of every table and figure are a title of a few words, a caption (what to see, how it was computed, n), of
    a figure a label for screen readers, of a table footnotes, and hints by heading. They are Jinja templates, filled
    from `entry` (the experiment or the dataset that the section is about), from words that the item brings, and with
    `form` for numbers. `sentences` stand above and between items; `phrases` are parts of several words.
    """
    words: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(__file__).parent.rglob("*.yaml")):
        for section, entries in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            words.setdefault(section, {}).update(entries)
    return words


def sentence(name: str, **words: Any) -> str:
    """A sentence of the page from the files of words."""
    return compose(_words()["sentences"][name], **words)


def compose(template: str, **words: Any) -> str:
    """Fill a template of a file of words."""
    if "{" not in template:
        return template
    return _environment(False).from_string(template).render(words, form=form, phrases=_words()["phrases"])


def fill(template: str, **words: Any) -> str:
    """Fill a template of this package; a name that it lacks is an error. Only HTML is escaped."""
    return _environment(".html" in template).get_template(template).render(words)


@cache
def _environment(escape: bool) -> jinja2.Environment:
    loader, strict = jinja2.FileSystemLoader(TEMPLATES), jinja2.StrictUndefined
    made = jinja2.Environment(loader=loader, autoescape=escape, trim_blocks=True, lstrip_blocks=True, undefined=strict)
    made.filters["kind"] = lambda item: type(item).__name__
    return made


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
    light, dark = variables(colours)
    root = f":root{{color-scheme:light dark;{light}}}"
    night = f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return f"{root}\n{night}\n{(TEMPLATES / 'style.css').read_text()}"
