"""What people and their programs read: tables, JSON, times. Nothing from outside reaches a terminal as it came."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import click

from gateway.text.escaping import to_json, visible

PAGE: Final = 200  # rows asked of the store at once
CELL: Final = 600  # characters; because a stream may have a name that fills the screen many times
_IDS: Final = ("id", "event")
Row = TypeVar("Row")
_F = TypeVar("_F", bound=Callable[..., Any])


def listing_options(command: _F) -> _F:
    """The three options every listing has."""
    for option in (
        click.option("--all", "everything", is_flag=True, help="Everything, one JSON object a line."),
        click.option(
            "--limit",
            type=click.IntRange(min=1),
            metavar="N",
            default=50,
            show_default=True,
            help="At most so many rows.",
        ),
        click.option("--json", "as_json", is_flag=True, help="A JSON array of objects."),
    ):
        command = option(command)
    return command


def listing(
    page: Callable[[int, int | None], Sequence[Row]],
    key: Callable[[Row], int],
    columns: Mapping[str, Callable[[Row], str]],
    as_object: Callable[[Row], Mapping[str, Any]],
    *,
    what: str,
    as_json: bool,
    limit: int,
    everything: bool,
) -> None:
    """Print a listing as its options ask.

    `page(limit, before)` gives rows, newest first; `before` is the key of the last row of the page before. `columns`
    are the table's, `as_object` gives the documented fields.
    """
    rows = _walk(page, key)
    print_rows(rows, columns, as_object, what=what, first="newest", as_json=as_json, limit=limit, everything=everything)


def print_rows(
    rows: Iterable[Row],
    columns: Mapping[str, Callable[[Row], str]],
    as_object: Callable[[Row], Mapping[str, Any]],
    *,
    what: str,
    first: str = "first",
    as_json: bool,
    limit: int,
    everything: bool,
) -> None:
    """The same for rows that are at hand; `first` says which ones those are that are shown where there are more."""
    if everything:
        for row in rows:
            click.echo(to_json(as_object(row)))
        return
    found = list(itertools.islice(rows, limit + 1))
    shown = found[:limit]
    if as_json:
        click.echo(to_json([as_object(row) for row in shown], indent=True))
    elif shown:
        table(list(columns), [[cell(row) for cell in columns.values()] for row in shown])
    else:
        note(f"no {what}")
    if len(found) > limit and not as_json:
        note(f"the {first} {limit}; more with --limit N or --all")


def _walk(page: Callable[[int, int | None], Sequence[Row]], key: Callable[[Row], int]) -> Iterator[Row]:
    before: int | None = None
    while True:
        rows = page(PAGE, before)
        yield from rows
        if len(rows) < PAGE:
            return
        before = key(rows[-1])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: on a terminal folded to its width, elsewhere as wide as it must be; no cell over 600 characters."""
    cells = [[_short(visible(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(head, cells)
        return
    widths = [max(_width(row[column]) for row in [head, *cells]) for column in range(len(head))]
    for row in [[name.upper() for name in head], *cells]:
        line = "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _short(text: str) -> str:
    return text if len(text) <= CELL else f"{text[:CELL]}… ({len(text):,} characters)"


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _rich_table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column, name in enumerate(head):
        # because an id on two lines cannot be copied; on a narrow terminal that is still better than a part of it
        whole = name in _IDS and max(_width(row[column]) for row in cells) <= console.width // 2
        drawn.add_column(name.upper(), overflow="fold", no_wrap=whole)
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))  # Text, because a plain string may hold rich's own mark-up
    console.print(drawn)


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """`name   value` lines; a pair without a value is left out."""
    kept = [(name, visible(str(value))) for name, value in pairs if value is not None and value != ""]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        click.echo(f"{name:<{width}}  {value}")


def note(text: str) -> None:
    """Something about the answer that is not part of it: to standard error."""
    click.echo(visible(text), err=True)


class Times:
    """Milliseconds since 1970 UTC as people of one time zone read them."""

    def __init__(self, zone: str = "UTC") -> None:
        self._zone = ZoneInfo(zone)

    def __call__(self, at: int | None) -> str:
        """Such as `2026-01-01 12:00:00`, or nothing."""
        return "" if at is None else datetime.fromtimestamp(at // 1000, self._zone).strftime("%Y-%m-%d %H:%M:%S")


def stamp(at: int | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, for JSON."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def progress(length: int, label: str) -> Any:
    """A bar on standard error where a person watches, for what takes long; use it in a `with` and call `.update(1)`."""
    hidden = length < 20 or not sys.stderr.isatty()
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=hidden)
