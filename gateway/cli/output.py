"""What people and their programs read: tables, JSON, times. Nothing from outside reaches a terminal as it came."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from time import monotonic
from typing import Final, Protocol, Self, TypeVar

import click

from gateway.cli.table import table, wrapped
from gateway.store.admin.search_budget import SearchBudget
from gateway.text.escaping import visible, visible_json

PAGE_ROWS: Final = 200  # rows asked of the store at once
COLUMNS_MIN: Final = 40  # columns that a line is folded to at least
LISTED_ROWS_MAX: Final = 10**9  # rows; more is `--all`
LONG_ITEMS_MIN: Final = 20  # of fewer nobody needs to be told how far it is
SPOKEN_SECONDS: Final = 10.0  # between two lines that say so
RowT = TypeVar("RowT")
TableColumns = Mapping[str, Callable[[RowT], str]]
PrepareColumns = Callable[[TableColumns[RowT], Sequence[RowT]], TableColumns[RowT]]
_F = TypeVar("_F", bound=Callable[..., object])


def listing_options(command: _F) -> _F:
    """The three options every listing has."""
    for option in (
        click.option("--all", "everything", is_flag=True, help="Everything, one JSON object a line."),
        click.option(
            "--limit",
            type=click.IntRange(min=1, max=LISTED_ROWS_MAX),
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
    page: Callable[[int, int | None], Sequence[RowT]],
    key: Callable[[RowT], int],
    columns: Mapping[str, Callable[[RowT], str]],
    as_object: Callable[[RowT], Mapping[str, object]],
    *,
    what: str,
    as_json: bool,
    limit: int,
    everything: bool,
    prepare: PrepareColumns[RowT] | None = None,
    budget: SearchBudget | None = None,
) -> None:
    """Print a listing as its options ask.

    `page(limit, before)` gives rows, newest first; `before` is the key of the last row of the page before. `columns`
    are the table's, `as_object` gives the documented fields. `prepare` changes the columns when the rows are known. `budget` is what `page` searches with: where it was cut, that
    is said.
    """
    rows = _CountedRows(_walk(page, key, budget))
    print_rows(
        rows,
        columns,
        as_object,
        what=what,
        first="newest",
        prepare=prepare,
        as_json=as_json,
        limit=limit,
        everything=everything,
    )
    if budget is not None and budget.cut_at is not None and rows.count <= limit:
        far = (
            f" only the newest {budget.looked:,} were looked through"
            if budget.looked
            else " not all were looked through"
        )
        remark(f"older ones are not shown:{far}; --all looks through all of them")


def print_rows(
    rows: Iterable[RowT],
    columns: Mapping[str, Callable[[RowT], str]],
    as_object: Callable[[RowT], Mapping[str, object]],
    *,
    what: str,
    first: str = "first",
    prepare: PrepareColumns[RowT] | None = None,
    as_json: bool,
    limit: int,
    everything: bool,
    show: Callable[[Sequence[RowT]], None] | None = None,
) -> None:
    """The same for rows that are at hand; `first` says which ones those are that are shown where there are more.

    `show` prints rows in another way than as a table.
    """
    if everything:
        for row in rows:
            click.echo(visible_json(as_object(row)))
        return
    page = list(itertools.islice(rows, limit + 1))
    shown = page[:limit]
    if as_json:
        click.echo(visible_json([as_object(row) for row in shown], indent=True))
    elif shown and show is not None:
        show(shown)
    elif shown:
        columns = prepare(columns, shown) if prepare is not None else columns
        table(list(columns), [[cell(row) for cell in columns.values()] for row in shown])
    else:
        remark(f"no {what}")
    if len(page) > limit and not as_json:
        remark(f"the {first} {limit}; more with --limit N or --all")


class _CountedRows(Iterator[RowT]):
    def __init__(self, rows: Iterator[RowT]) -> None:
        self._rows = rows
        self.count = 0

    def __next__(self) -> RowT:
        row = next(self._rows)
        self.count += 1
        return row


def _walk(
    page: Callable[[int, int | None], Sequence[RowT]], key: Callable[[RowT], int], budget: SearchBudget | None
) -> Iterator[RowT]:
    before: int | None = None
    while True:
        rows = page(PAGE_ROWS, before)
        yield from rows
        if len(rows) < PAGE_ROWS or (budget is not None and budget.cut_at is not None):
            return
        before = key(rows[-1])


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """`name   value` lines; a pair without a value is left out."""
    kept = [(name, visible(str(value))) for name, value in pairs if value is not None and value != ""]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        click.echo(f"{name:<{width}}  {value}")


def remark(text: str) -> None:
    """Something about the answer that is not part of it: to standard error."""
    click.echo(folded_text(visible(text)), err=True)


def folded_text(text: str, *, beside: int = 0) -> str:
    """Lines for standard error: on a terminal folded between words, what goes on further in; in a pipe whole, as `grep` wants
    them. `beside` columns of the first line are taken."""
    if not sys.stderr.isatty():
        return text
    columns = max(shutil.get_terminal_size().columns, COLUMNS_MIN)
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        said = line.lstrip(" ")
        margin = line[: len(line) - len(said)]
        first, *rest = wrapped(said, columns - len(margin) - 2 - (0 if number else beside))
        lines += [margin + first, *(f"{margin}  {more}" for more in rest)]
    return "\n".join(lines)


class Times:
    """Milliseconds since 1970 UTC as people of one time zone read them."""

    def __init__(self, zone: str = "UTC") -> None:
        from gateway.fields.locale import is_twice, zone_of

        self._zone = zone_of(zone)
        self._is_twice = is_twice

    def __call__(self, at: int | None) -> str:
        """Such as `2026-01-01 12:00:00`, or nothing; in UTC where the calendar ends in the zone, and with `+01:00` behind it
        in the hour that is twice because clocks are set back."""
        if at is None:
            return ""
        try:
            local = datetime.fromtimestamp(at // 1000, self._zone)
        except OverflowError:
            local = datetime.fromtimestamp(at // 1000, UTC)
        if self._is_twice(local):
            return local.isoformat(" ")
        return local.replace(tzinfo=None).isoformat(" ")  # and not strftime, which writes the year 1 so


class Ages:
    """How long ago something was, or how long it is until then: `12 s`, `3 m`, `5 h`, `9 d`."""

    def __init__(self, now: int) -> None:
        self._now = now

    def __call__(self, at: int | None) -> str:
        return "" if at is None else span(max(self._now - at, 0))

    def until(self, at: int | None) -> str:
        """Such as `in 3 m`, or `now`."""
        return "" if at is None else "now" if at <= self._now else f"in {span(at - self._now)}"


def span(ms: int) -> str:
    """A duration in its largest unit, such as `3 m`."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        if ms >= 2 * size or (unit != "m" and ms >= size):
            return f"{ms // size} {unit}"
    return f"{ms // 1000} s" if ms < 60_000 else "1 m"


class ShownProgress(Protocol):
    """Hears how far something is. `hidden`: there is no bar."""

    hidden: bool

    def update(self, n_steps: int, /) -> object:
        """So many more are done."""


def progress(length: int, label: str) -> AbstractContextManager[ShownProgress]:
    """How far something is that takes long, on standard error: a bar where a person watches, a line now and then elsewhere.
    Use it in a `with` and call `.update(1)`."""
    if length >= LONG_ITEMS_MIN and not sys.stderr.isatty():
        return SpokenProgress(length, label)
    hidden = length < LONG_ITEMS_MIN
    return click.progressbar(length=length, label=label, file=sys.stderr, width=0, show_pos=True, hidden=hidden)


class SpokenProgress:
    """Says in a line how far it is, when there was nothing to be read for a while."""

    hidden = True  # there is no bar

    def __init__(self, length: int, label: str) -> None:
        self._length = length
        self._label = label
        self._done = 0
        self._said_at = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def update(self, steps: int) -> None:
        """So many more are done."""
        self._done += steps
        if monotonic() - self._said_at >= SPOKEN_SECONDS and self._done < self._length:
            self._said_at = monotonic()
            remark(f"{self._label}: {self._done:,} of {self._length:,}")
