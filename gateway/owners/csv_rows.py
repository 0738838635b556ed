"""Reads a table of owners: CSV with a header, a line a row. What is wrong is said with line and column, all of it at once.

A file that people keep beside the configuration, and that programs write: so it is bounded, taken as it stands (nothing is
substituted or filled in), and what cannot be seen is refused, because it would never match.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from gateway.text.suggest import nearest

OWNER: Final = "owner"  # the column with the keys
NOTE: Final = "note"  # a column for people
TABLE_BYTES_MAX: Final = 16 * 1024 * 1024
ROWS_MAX: Final = 50_000
OWNER_CHARS_MAX: Final = 256
CELL_CHARS_MAX: Final = 4096
LINE_CHARS_MAX: Final = 64 * 1024
PROBLEMS_MAX: Final = 20  # that are told one by one
_FILLED_IN: Final = ("${", "{{", "{%")


class Cell(NamedTuple):
    """One text of the table, and where it stands: `line` and `column` count from 1."""

    text: str
    line: int
    column: int


class Row(NamedTuple):
    """An owner, and the cells of its row that are not empty, by the name of their column."""

    owner: Cell
    cells: dict[str, Cell]


class TableProblem(NamedTuple):
    """What is wrong with the table. It never holds the text of a cell that may be secret."""

    line: int
    column: int
    mistake: str
    expected: str = ""
    hint: str = ""


def folded(owner: str) -> str:
    """An owner as it is compared: the same letters, however they are composed."""
    return unicodedata.normalize("NFC", owner).strip()


class TableReader:
    """One file. `rows` are those without a mistake, `problems` the mistakes of the others."""

    def __init__(self, columns: Collection[str]) -> None:
        """`columns` are those that the sink's type takes, beside `owner` and `note`."""
        self._columns = tuple(columns)
        self.rows: list[Row] = []
        self.problems: list[TableProblem] = []
        self.more = 0  # further problems

    def parse(self, content: bytes) -> None:
        """The whole of it."""
        if len(content) > TABLE_BYTES_MAX:
            self._say(0, 0, f"a table of over {TABLE_BYTES_MAX} bytes", "a smaller one, or several sinks with one each")
            return
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            at = content.count(b"\n", 0, error.start) + 1
            self._say(at, 0, "bytes that are no UTF-8", "a table in UTF-8", "save it as `CSV UTF-8`")
            return
        lines = _lines(text)
        header = self._header(next(lines, None))
        if header is None:
            return
        lines_of: dict[str, int] = {}
        for number, line in lines:
            if len(lines_of) >= ROWS_MAX:
                expected = f"at most {ROWS_MAX} owners, or several sinks with a table each"
                self._say(number, 1, f"more than {ROWS_MAX} rows", expected)
                return
            row = self._row(number, line, header)
            if row is None:
                continue
            if row.owner.text in lines_of:
                found = f"the owner {row.owner.text!r} again"
                self._say(
                    number, row.owner.column, found, "each owner once", f"it stands in line {lines_of[row.owner.text]}"
                )
                continue
            lines_of[row.owner.text] = number
            self.rows.append(row)
        if not self.rows and not self.problems:
            self._say(0, 0, "a table without a row", "a line for each owner, below the header")

    def _header(self, first: tuple[int, str] | None) -> Sequence[str] | None:
        expected = f"a header such as `{','.join((OWNER, *self._columns[:2]))}`"
        if first is None:
            self._say(0, 0, "an empty table", expected)
            return None
        number, line = first
        cells = self._cells(number, line)
        if cells is None:
            return None
        names = [cell.text for cell in cells]
        if OWNER not in names:
            semicolons = "separate the columns by commas" if ";" in line and "," not in line else ""
            self._say(number, 1, f"no column `{OWNER}`", expected, semicolons)
            return None
        known = (OWNER, *self._columns, NOTE)
        seen: set[str] = set()
        for cell in cells:
            if cell.text in seen:
                self._say(number, cell.column, f"the column {cell.text[:60]!r} twice", "each column once")
            elif cell.text not in known:
                found = f"the column {cell.text[:60]!r}" if cell.text else "a column without a name"
                near = nearest(cell.text, known)
                self._say(
                    number, cell.column, found, f"one of {', '.join(known)}", f"did you mean {near}?" if near else ""
                )
            seen.add(cell.text)
        if not self.problems and not seen & set(self._columns):
            self._say(number, 1, "no column with a target", f"one of {', '.join(self._columns)}")
        return None if self.problems else names

    def _row(self, number: int, line: str, header: Sequence[str]) -> Row | None:
        cells = self._cells(number, line)
        if cells is None:
            return None
        if len(cells) > len(header):
            place = cells[len(header)]
            hint = 'a cell with a comma stands in quotes: `"a,b"`'
            self._say(number, place.column, f"{len(cells)} cells", f"{len(header)}, as in the header", hint)
            return None
        named = {name: cell for name, cell in zip(header, cells, strict=False) if cell.text}
        owner = named.pop(OWNER, None)
        if owner is None:
            self._say(number, 1, "a row without an owner", f"a text in the column `{OWNER}`")
            return None
        if len(owner.text) > OWNER_CHARS_MAX:
            self._say(number, owner.column, "a longer owner", f"at most {OWNER_CHARS_MAX} characters")
            return None
        named.pop(NOTE, None)
        if not named:
            self._say(number, owner.column, "an owner without a target", "a text in one of the other columns")
            return None
        sound = [self._is_sound(name, cell) for name, cell in named.items()]
        return Row(owner._replace(text=folded(owner.text)), named) if all(sound) else None

    def _is_sound(self, name: str, cell: Cell) -> bool:
        if len(cell.text) > CELL_CHARS_MAX:
            self._say(cell.line, cell.column, f"a longer text for `{name}`", f"at most {CELL_CHARS_MAX} characters")
            return False
        if any(mark in cell.text for mark in _FILLED_IN):
            hint = "a table is taken as it stands: `${…}` and templates belong into the configuration file"
            self._say(cell.line, cell.column, f"something to be filled in for `{name}`", "the text itself", hint)
            return False
        return True

    def _cells(self, number: int, line: str) -> list[Cell] | None:
        """The texts of a line without the white space around them; None: it is none, and that was said."""
        if len(line) > LINE_CHARS_MAX:
            self._say(number, 1, "a longer line", f"at most {LINE_CHARS_MAX} characters")
            return None
        try:
            texts = next(csv.reader([line], strict=True))
        except (csv.Error, StopIteration):
            hint = 'a quote inside a cell is written twice: `"say ""hello"""`; no cell spans several lines'
            self._say(number, 1, "quotes that do not fit together", "a line of cells with commas between them", hint)
            return None
        cells = [Cell(text.strip(), number, column) for text, column in zip(texts, _columns(line), strict=False)]
        for cell in cells:
            if not cell.text.isprintable():
                found = "a character that cannot be seen, in a cell"
                self._say(number, cell.column, found, "letters, digits and signs", "it would never match; type it anew")
                return None
        return cells

    def _say(self, line: int, column: int, found: str, expected: str = "", hint: str = "") -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(TableProblem(line, column, found, expected, hint))
        else:
            self.more += 1


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, but for empty ones and those that begin with `#`."""
    start, number = 0, 0
    while start < len(text):
        end = text.find("\n", start)
        line = text[start : len(text) if end < 0 else end].removesuffix("\r")
        start = len(text) if end < 0 else end + 1
        number += 1
        if line.strip() and not line.startswith("#"):
            yield number, line


def _columns(line: str) -> Iterator[int]:
    """Where each cell begins."""
    yield 1
    if '"' not in line:
        at = line.find(",")
        while at >= 0:
            yield at + 2
            at = line.find(",", at + 1)
        return
    inside = False
    for at, letter in enumerate(line, 2):
        if letter == '"':
            inside = not inside
        elif letter == "," and not inside:
            yield at
