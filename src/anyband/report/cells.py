"""Cells of tables, and columns that make them from the records of the rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from anyband.report import formatting as form

Row = Mapping[Any, Any]
Key = TypeVar("Key")


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


EMPTY = Cell(form.DASH)


def named(name: str, method: str = "", note: str = "") -> Cell:
    """A name that its column sorts by, with the mark of `method`."""
    return Cell(name, note, name, method=method)


def wrapped(text: str) -> Cell:
    """Text that may take several lines."""
    return Cell(text, css="wrap")


def count(number: float) -> Cell:
    """A whole number."""
    return Cell(form.count(number), value=float(number))


def points(value: float, signed: bool = False) -> Cell:
    """A score in [0, 1] as points, or a difference with its sign."""
    return Cell((form.signed_points if signed else form.points)(value), value=value)


def score(row: Row, name: str, css: str = "") -> Cell:
    """A score of a row as points with its interval, from the columns `name`, `name`_lower and `name`_upper."""
    return Cell(form.points(row[name]), form.interval(*_bounds(row, name)), float(row[name]), css)


def change(row: Row, name: str, css: str = "") -> Cell:
    """The same of a signed difference."""
    return Cell(form.signed_points(row[name]), form.interval(*_bounds(row, name), signed=True), row[name], css)


def share(value: float, bar: bool = False) -> Cell:
    """A share in whole percent, over a bar of its length if wanted."""
    return Cell(form.percent(value), value=value, bar=value if bar else None)


def duration(seconds: float) -> Cell:
    """A time, given in seconds."""
    return Cell(form.duration(seconds), value=float(seconds))


def p_value(value: float) -> Cell:
    """A p value."""
    return Cell(form.p_value(value), value=value)


def _bounds(row: Row, name: str) -> tuple[float, float]:
    return row[f"{name}_lower"], row[f"{name}_upper"]


@dataclass(frozen=True)
class Column:
    """A heading and what stands under it in the row of a record; numbers are right-aligned, `hint` explains more."""

    heading: str
    cell: Callable[[Any], Cell | str]
    hint: str = ""
    numeric: bool = True

    def of(self, record: Any) -> Cell:
        """The cell in the row of a record."""
        cell = self.cell(record)
        return Cell(cell) if isinstance(cell, str) else cell


def text(heading: str, cell: Callable[[Any], Cell | str], hint: str = "") -> Column:
    """A column of words."""
    return Column(heading, cell, hint, numeric=False)


def decimals(heading: str, key: str, digits: int = 2, factor: float = 1.0) -> Column:
    """A column of plain numbers: the record's entry `key` times `factor`, with a fixed number of decimals."""
    return Column(heading, lambda row: Cell(form.decimal(factor * row[key], digits), value=float(row[key])))


def spread(headings: Mapping[Key, str], cell: Callable[[Any, Key], Cell | str]) -> list[Column]:
    """A column of numbers under each heading; `cell` gets the record and the heading's key."""

    def of_key(key: Key) -> Callable[[Any], Cell | str]:
        return lambda record: cell(record, key)

    return [Column(heading, of_key(key)) for key, heading in headings.items()]


METHOD = text("Method", lambda row: named(row["label"], row["method"]))
"""The first column of tables whose records are rows of a frame with the labels of methods."""
HOLM = Column("Holm p", lambda row: p_value(row["p_adjusted"]))
"""The same for corrected p values."""
