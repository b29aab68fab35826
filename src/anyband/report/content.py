"""What stands on the page: tables, figures, maps, claims; and the topics that say in which order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

import pandas as pd
from matplotlib.figure import Figure

from anyband.report.cells import Cell, Column
from anyband.report.render import Sheet, Style, draw_pdf, draw_svg
from anyband.statistics.comparison import latex_table


@dataclass(frozen=True)
class Table:
    """A table with its caption: what to see, how it was computed, n.

    Attributes:
        key: file name in `report_data/tables/` and anchor on the page.
        title: a few words.
        caption: plain text after the title.
        columns: headings, and how a record fills them; the first heads its row.
        records: one for each row, in whatever form the columns read.
        css: class of a record's row ("proposed", "floor", ...).
        notes: footnotes.
        sortable: whether the page lets people sort it.
        dense: notes of cells stand under their text, to save width.
    """

    key: str
    title: str
    caption: str
    columns: Sequence[Column]
    records: Sequence[Any]
    css: Callable[[Any], str] = lambda _: ""
    notes: Sequence[str] = ()
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
        title: a few words.
        caption: plain text after the title.
        label: one sentence that says what the figure shows, for screen readers.
        draw: draws it for a sheet.
        style: colours and names of methods; that of the page, which its topic sets.
    """

    key: str
    title: str
    caption: str
    label: str
    draw: Callable[[Sheet], Figure]
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
    title: str
    caption: str
    panels: Sequence[Panel]
    classes: Sequence[tuple[str, str]]
    difference: Sequence[tuple[str, str]]


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
        key: anchor.
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

    def section(self, subject: Subject, style: Style, key: str, title: str, item_key: str) -> Section:
        """The section about `subject`; `key`, `title` and `item_key` are patterns with a place for the own ones."""
        items: list[Item] = []
        for make in self.makers:
            item = make(subject)
            if isinstance(item, Graphic):
                items.append(replace(item, key=item_key.format(item.key), style=style))
            elif isinstance(item, Claims):
                items.append(item)
            elif isinstance(item, PanelSet) or (item is not None and item.rows):
                items.append(replace(item, key=item_key.format(item.key)))
        words = [paragraph for paragraph in self.paragraphs(subject) if paragraph]
        return Section(key.format(self.key), title.format(self.title), items, words, self.remark(subject))
