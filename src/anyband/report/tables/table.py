"""Tables as the report shows them: cells with text and a value to sort by, written as HTML, CSV and LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from anyband.statistics.latex import latex_table


def by_method(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Rows of a table that has one row per method."""
    return {str(row["method"]): {str(k): v for k, v in row.items()} for row in frame.to_dict("records")}


@dataclass(frozen=True)
class Cell:
    """One cell: `text` in ink, `note` in grey beside it, `value` to sort by, `css` classes.

    `method` puts the method's mark before the text; `bar` draws a bar of that share (0-1) behind the cell.
    """

    text: str
    note: str = ""
    value: float | str | None = None
    css: str = ""
    method: str = ""
    bar: float | None = None

    @property
    def plain(self) -> str:
        """Text and note without markup."""
        return f"{self.text} {self.note}".strip()

    def classes(self, column: "Column") -> str:
        """CSS classes of the cell: its own, and the alignment of its column."""
        return f"{self.css} {'' if column.numeric else 'text'}".strip()

    @property
    def sort_key(self) -> str:
        """What the page sorts by; empty cells sort last."""
        if self.value is None or self.value != self.value:  # NaN
            return ""
        return f"{self.value:.9g}" if isinstance(self.value, float) else str(self.value)


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers are right-aligned. `hint` explains the heading."""

    heading: str
    numeric: bool = True
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its caption: what to see, how it was computed, n.

    Attributes:
        key: file name in `report_data/tables/` and anchor on the page.
        title: a few words.
        caption: plain text after the title.
        columns, rows: the content; the first column heads its row.
        row_css: one class per row ("proposed", "floor", ...), or nothing.
        notes: footnotes.
        sortable: whether the page lets people sort it.
        dense: notes of cells stand under their text, to save width.
    """

    key: str
    title: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    row_css: Sequence[str] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)
    sortable: bool = True
    dense: bool = False

    def frame(self) -> pd.DataFrame:
        """The displayed text, one column each."""
        headings = [column.heading for column in self.columns]
        return pd.DataFrame([[cell.plain for cell in row] for row in self.rows], columns=pd.Index(headings))

    def latex(self) -> str:
        """The displayed text as a LaTeX table."""
        return latex_table(self.frame(), f"{self.title}. {self.caption}")

    def styled_rows(self) -> list[tuple[str, Sequence[Cell]]]:
        """Rows with their class."""
        css = list(self.row_css) or [""] * len(self.rows)
        return list(zip(css, self.rows, strict=True))


@dataclass(frozen=True)
class Graphic:
    """A figure on the page: wide and narrow SVG, and the wide one as PDF."""

    key: str
    title: str
    caption: str
    wide: str
    narrow: str = ""
    pdf: bytes = b""
