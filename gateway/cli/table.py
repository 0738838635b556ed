"""A listing as a table: as wide as the terminal, states and headings whole, names cut in the middle, words at the end."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

import click

from gateway.text.escaping import visible

CELL_CHARS_MAX: Final = 600  # characters; because a stream may have a name that fills the screen many times
GAP_COLUMNS: Final = 2  # columns between two cells
# How a column gives way where the terminal is narrow; one that is not here (ids, states, ages, counts) never does.
MIDDLE: Final = {"event", "subject", "stream", "type", "source", "sink", "target", "from", "act", "who", "path"}
END: Final = {"last error", "detail", "why", "result"}
LEFT_OUT: Final = (
    "last error",
    "why",
    "detail",
    "result",
    "path",
    "target",
    "next try",
    "from",
    "plot",
    "p95",
    "ok 1h",
    "sending",
    "failed 1h",
)  # where even that is too wide
CELL_COLUMNS_MIN: Final = 8  # columns that a cell keeps, or its heading's width


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print it, fitted to the terminal; elsewhere, as in a pipe, as wide as it must be."""
    for number, line in enumerate(table_lines(head, rows, available())):
        click.echo(styled(line, bold=True) if number == 0 else line)


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Its lines, the headings first, in at most so many columns; None: as wide as it must be."""
    cells = [[_short(visible(cell)) for cell in row] for row in rows]
    columns = [[name.upper(), *(row[number] for row in cells)] for number, name in enumerate(head)]
    names = list(head)
    if width is not None:
        names, columns = fitted(names, columns, width)
    widths = [max(map(cell_width, column)) for column in columns]
    return [
        (" " * GAP_COLUMNS)
        .join(cell + " " * (wide - cell_width(cell)) for cell, wide in zip(row, widths, strict=True))
        .rstrip()
        for row in zip(*columns, strict=True)
    ]


def folded(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table of sentences: on a terminal they are folded, not cut."""
    if not sys.stdout.isatty():
        table(head, rows)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in head:
        drawn.add_column(name.upper(), overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(_short(visible(cell))) for cell in row))  # because a string may hold rich's own mark-up
    Console(file=sys.stdout, highlight=False).print(drawn)


def available() -> int | None:
    """How many columns there are; None: as many as it takes."""
    return max(shutil.get_terminal_size().columns, 20) if sys.stdout.isatty() else None


def styled(text: str, **style: Any) -> str:
    """The text in this style where a person watches whose terminal knows styles."""
    plain = not sys.stdout.isatty() or os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
    return text if plain else click.style(text, **style)


def fitted(names: list[str], columns: list[list[str]], width: int) -> tuple[list[str], list[list[str]]]:
    """The columns cut so that a line is no wider; the widest gives way first, and what nobody misses is left out last."""
    names, columns = list(names), list(columns)
    while True:
        widths = [max(map(cell_width, column)) for column in columns]
        least = [
            min(wide, max(CELL_COLUMNS_MIN, cell_width(column[0]))) if name in MIDDLE | END else wide
            for name, column, wide in zip(names, columns, widths, strict=True)
        ]
        over = sum(widths) + GAP_COLUMNS * (len(names) - 1) - width
        if over <= 0 or sum(least) + GAP_COLUMNS * (len(names) - 1) <= width:
            break
        gone = next((name for name in LEFT_OUT if name in names), None)
        if gone is None:
            break
        number = names.index(gone)
        del names[number], columns[number]
    while over > 0:
        room = [wide - small for wide, small in zip(widths, least, strict=True)]
        widest = max(range(len(widths)), key=lambda number: (room[number] > 0, widths[number]))
        if room[widest] <= 0:
            break
        widths[widest] -= 1
        over -= 1
    return names, [
        [cut(cell, wide, middle=name in MIDDLE) for cell in column]
        for name, column, wide in zip(names, columns, widths, strict=True)
    ]


def cut(text: str, width: int, *, middle: bool) -> str:
    """The text in at most so many columns, with `…` in place of its middle or its end."""
    if cell_width(text) <= width:
        return text
    before = (width - 1) // 2 if middle else width - 1
    start, end = "", ""
    for character in text:
        if cell_width(start + character) > before:
            break
        start += character
    for character in reversed(text) if middle else ():
        if cell_width(character + end) > width - 1 - cell_width(start):
            break
        end = character + end
    return f"{start}…{end}"


def cell_width(text: str) -> int:
    """How many columns of a terminal a text takes; marks that stand on a letter take none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(character) in ("Mn", "Me")
        else 2 if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )  # fmt: skip


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most so many columns, broken between words, and inside one that is too long for a line."""
    lines: list[str] = [""]
    for word in text.split(" "):
        if lines[-1] and cell_width(lines[-1]) + 1 + cell_width(word) <= width:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if cell_width(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines


def _short(text: str) -> str:
    return text if len(text) <= CELL_CHARS_MAX else f"{text[:CELL_CHARS_MAX]}… ({len(text):,} characters)"
