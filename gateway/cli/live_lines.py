"""Lines of what happens, one after the other as it comes: in columns and colours for people, as JSON for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import click

from gateway.admin.timestamps import stamp
from gateway.cli import output
from gateway.cli.news import BACK, LOST, NewsItem
from gateway.cli.rows import event_object, event_state
from gateway.cli.table import available, cell_width, cut, styled
from gateway.text.escaping import visible, visible_json

if TYPE_CHECKING:
    from gateway.store.admin.shown_rows import EventRow

ID_CHARS: Final = 10  # of an id whose shortest name was not asked for
WORD_COLUMNS: Final = 11
PLACE_COLUMNS_MIN: Final = 8
PLACE_COLUMNS_MAX: Final = 18
TEXT_CHARS_MAX: Final = 1000
NARROW_COLUMNS: Final = 70  # a terminal with fewer is not told the day, nor the place in a column
COLOURS: Final = {
    "delivered": "green",
    "dead": "red",
    "refused": "red",
    "held": "magenta",
    "retry": "yellow",
    "unavailable": "yellow",
    "lost": "yellow",
    "sending": "cyan",
    "event": "cyan",
    "sink": "yellow",
    "alarm": "red",
}


class LiveLines:
    """Prints events and news, each on one line, at once."""

    def __init__(self, zone: output.Times, *, as_json: bool, states: bool) -> None:
        self._zone = zone
        self._as_json = as_json
        self._states = states  # an event's line says what became of it, not only that it came
        self._place = PLACE_COLUMNS_MIN
        self._id = ID_CHARS
        self._names: dict[str, str] = {}

    def events(self, rows: Sequence[EventRow], short: Mapping[tuple[str, str], str]) -> None:
        """Events, with the shortest names that they have."""
        for row in rows:
            name = short.get((row.ref, row.source), row.ref)
            self._names[row.ref] = name
            if self._as_json:
                kind = {} if self._states else {"kind": "event"}
                click.echo(visible_json(kind | event_object(row)))
                continue
            state = event_state(row)
            word = _worst(row) if self._states else state if row.held is not None or not row.deliveries else "event"
            about = f"{row.type}  {row.subject}"
            if self._states and len(row.deliveries) > 1:
                about += f"  ({state})"
            self._line(row.received_at, name, word, row.source, about)
        while len(self._names) > 1000:
            del self._names[next(iter(self._names))]

    def news(self, item: NewsItem) -> None:
        """One piece of news."""
        kind, data = item
        if kind == LOST:
            output.remark(f"the connection is lost ({data['why']}); trying again")
        elif kind == BACK:
            output.remark("connected again")
        elif kind == "missed":
            output.remark(f"{data.get('missed')} more happened than could be told")
        elif self._as_json:
            at = data.get("at")
            stamped = stamp(at) if isinstance(at, int) else None
            click.echo(visible_json({"kind": kind, **data, "at": stamped}))
        else:
            self._news_line(kind, data)

    def _news_line(self, kind: str, data: Mapping[str, object]) -> None:
        at = data.get("at")
        at = at if isinstance(at, int) else round(time.time() * 1000)
        if kind == "attempt":
            word = "dead" if data.get("state") == "dead" else str(data.get("outcome"))
            ref = str(data.get("id", ""))
            self._line(at, self._names.get(ref, ref[:ID_CHARS]), word, f"→ {data.get('sink')}", _attempt(data))
        elif kind == "sink":
            self._line(at, "", "sink", f"→ {data.get('sink')}", _sink(data))
        elif kind == "job":
            self._line(at, "", "job", f"job {data.get('job')}", _job(data))
        else:
            self._line(
                at, str(data.get("id", ""))[:ID_CHARS], kind, str(data.get("source", "")), str(data.get("text", ""))
            )

    def _line(self, at: int, id: str, word: str, place: str, text: str) -> None:
        width = available()
        id, word, place, text = (visible(part[:TEXT_CHARS_MAX]) for part in (id, word, place, text))
        place = cut(place, PLACE_COLUMNS_MAX, middle=True)
        if width is not None and width < NARROW_COLUMNS:
            head, word, tail = (
                f"{self._zone(at)[11:]} {_padded(id, ID_CHARS)} ",
                cut(word, WORD_COLUMNS, middle=True),
                f" {place} {text}",
            )
        else:
            self._place = max(self._place, min(cell_width(place), PLACE_COLUMNS_MAX))
            self._id = max(self._id, min(cell_width(id), 2 * ID_CHARS))
            when = self._zone(at) if width is None else self._zone(at)[5:]
            head, word = f"{when}  {_padded(id, self._id)}  ", _padded(word, WORD_COLUMNS)
            tail = f"  {_padded(place, self._place)}  {text}"
        if width is not None:
            word = cut(word, max(width - cell_width(head), 1), middle=False)
            room = width - cell_width(head) - cell_width(word)
            tail = cut(tail, room, middle=False) if room > 0 else ""
        colour = COLOURS.get(word.strip().partition(":")[0])
        click.echo(f"{head}{styled(word, fg=colour) if colour else word}{tail}".rstrip())


def _padded(text: str, columns: int) -> str:
    text = cut(text, columns, middle=True)
    return text + " " * (columns - cell_width(text))


def _worst(row: EventRow) -> str:
    """The state that a person must look at first."""
    if row.held is not None:
        return "held"
    return next(
        (state for state in ("dead", "waiting", "sending", "delivered") if row.deliveries.get(state)), "no route"
    )


def _attempt(data: Mapping[str, object]) -> str:
    parts = []
    if isinstance(seconds := data.get("seconds"), int | float):
        parts.append(f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s")
    if (status := data.get("status")) is not None:
        parts.append(str(status))
    text = ", ".join(parts)
    if data.get("detail"):
        text += f": {data['detail']}"
    if isinstance(again := data.get("next_try_in"), int | float):
        text += f"; again in {again:g} s"
    if data.get("dead"):
        text += f"; dead: {data['dead']}"
    return text


def _sink(data: Mapping[str, object]) -> str:
    state = "paused" if data.get("paused") else "circuit open" if data.get("circuit_open") else "goes on"
    return f"{state}: {data['reason']}" if data.get("reason") else state


def _job(data: Mapping[str, object]) -> str:
    failed = f", {data['failed']} could not be" if data.get("failed") else ""
    return f"{data.get('act')} {data.get('state')}: {data.get('done')} of {data.get('matched')}{failed}"
