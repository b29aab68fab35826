"""Which files belong together: the rows of a table, or all files that fit a pattern."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anyband.config.schema import Files
from anyband.runtime import UserError, nearest

CHIP, BLOCK, SPLIT = "chip", "block", "split"
_FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Row:
    """One chip or image: `cells` by column, and where the table says so for messages."""

    where: str
    cells: Mapping[str, str]

    @property
    def name(self) -> str:
        """Of the chip or image."""
        return self.cells[CHIP]

    def path(self, folder: Path, key: str, template: str, **more: str) -> str:
        """The file that a template stands for, "" where a cell that it names is empty.

        Raises:
            UserError: no such column.
        """
        known = {**self.cells, **more}
        for column in _FIELD.findall(template):
            if column not in known:
                raise UserError(f"{self.where}: {key} names a column {column!r}{nearest(column, known)}")
            if not known[column]:
                return ""
        return str(folder / _FIELD.sub(lambda found: known[found[1]], template))


def read_rows(files: Files) -> list[Row]:
    """The rows, in the order of the table, or of the files' names.

    Raises:
        UserError: one line with file and column.
    """
    rows = _from_table(files) if files.table else _from_files(files)
    names = [row.name for row in rows]
    for number, row in enumerate(rows):
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", row.name):
            raise UserError(f"{row.where}: {row.name!r} is no name of a chip: letters, digits, - and _")
        if row.name in names[:number]:
            raise UserError(f"{row.where}: chip {row.name} comes twice")
    return rows


def _from_table(files: Files) -> list[Row]:
    path = Path(files.table)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({getattr(error, 'strerror', None) or 'no CSV'})") from None
    if not lines:
        raise UserError(f"{path} has no rows")
    if CHIP not in lines[0]:
        raise UserError(f"{path}: column {CHIP!r} is missing: it names each chip or image")
    rows = []
    for number, cells in enumerate(lines, start=2):
        if None in cells or None in cells.values():
            raise UserError(f"{path}, line {number}: has another number of cells than the first line")
        rows.append(Row(f"{path}, line {number}", {key: value.strip() for key, value in cells.items()}))
    return rows


def _from_files(files: Files) -> list[Row]:
    """Every name that `{chip}` can stand for in the path of a sensor."""
    names: set[str] = set()
    folder = files.root
    for key, sensor in files.sensors.items():
        template = sensor.file.replace("{band}", sensor.bands[0])
        if _FIELD.findall(template) != [CHIP]:
            raise UserError(f"files.sensors.{key}.file: without a table it needs {{{CHIP}}} once and no other column")
        before, after = re.sub(r"\.npz:.*", ".npz", template).split(f"{{{CHIP}}}")
        for path in folder.glob(f"{before}*{after}"):
            names.add(path.relative_to(folder).as_posix().removeprefix(before).removesuffix(after))
    if not names:
        raise UserError(f"{folder}: no file fits the paths of files.sensors")
    return [Row(str(folder), {CHIP: name}) for name in sorted(names)]
