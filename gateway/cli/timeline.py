"""One event as a story on a terminal: from the callback to every attempt, with how long after it, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.admin import views
from gateway.admin.results import DeliveryDetail, EventDetail
from gateway.admin.timestamps import milliseconds
from gateway.cli import output
from gateway.cli.overview_lines import Line
from gateway.cli.table import wrapped
from gateway.events.times import parse_time
from gateway.store.admin.shown_rows import AttemptRow, DeliveryRow, EventFull
from gateway.text.escaping import visible
from gateway.web.pages.story import StoryStep, story_of
from gateway.web.pages.words import PageWords

COLOURS: Final = {"good": "green", "bad": "red", "next": "yellow"}
MARKS: Final = {"good": "+", "bad": "!", "next": ">"}
DETAIL_CHARS_MAX: Final = 1000
WIDTH_COLUMNS_MIN: Final = 30
ENGLISH: Final = PageWords("en")


def detail_of(event: EventFull, deliveries: Sequence[tuple[DeliveryRow, Sequence[AttemptRow]]]) -> EventDetail:
    """The event as the API and the pages have it. Deliveries oldest first, each with its attempts."""
    return views.event_detail(event, [views.delivery_detail(row, attempts) for row, attempts in deliveries], whole=True)


def timeline_lines(detail: EventDetail, zone: output.Times, now: int, width: int | None) -> Iterator[Line]:
    """In a sentence what became of it, then step by step. `now` in ms."""
    story = story_of(detail, ENGLISH)
    for sentence in story.summary:
        yield from (Line(line, bold=True) for line in _folded(visible(sentence), width, ""))
    yield Line("")
    came = milliseconds(detail.item.received_at)
    if (happened := _vendor_time(detail)) is not None:
        yield from _step(_when(happened, came, zone), "", "It happened, as the vendor says.", width)
    for number, step in enumerate(story.steps):
        if number == 1 and story.hidden:
            yield Line(f"  … {story.hidden} steps before those that follow", dim=True)
        if step.kind == "next":
            yield from _ahead(step, now, width)
        else:
            yield from _behind(step, came, zone, width)


def _behind(step: StoryStep, came: int, zone: output.Times, width: int | None) -> Iterator[Line]:
    at = None if step.at is None else milliseconds(step.at)
    took = "" if step.took is None else f", after {_span(round(step.took * 1000))}"
    why = "" if step.state is None else f" ({_state(step.state)})"
    yield from _step("" if at is None else _when(at, came, zone), step.kind, f"{visible(step.text)}{took}{why}", width)
    if step.detail:
        text = visible(step.detail[:DETAIL_CHARS_MAX])
        yield from (Line(f"      {line}", dim=True) for line in _folded(text, width, "      "))


def _ahead(step: StoryStep, now: int, width: int | None) -> Iterator[Line]:
    delivery = step.state
    assert delivery is not None
    why = "" if delivery.next is None else f": {delivery.next.why}"
    at = output.Ages(now).until(None if step.at is None else milliseconds(step.at))
    yield from _step(at or "next", "next", f"{visible(delivery.sink)}{why} ({_state(delivery)})", width)


def _state(delivery: DeliveryDetail) -> str:
    because = delivery.held or delivery.reason
    return f"delivery {delivery.id}: {delivery.state}{f', {because}' if because else ''}"


def _step(when: str, kind: str, text: str, width: int | None) -> Iterator[Line]:
    head = f"{when}  " if when else ""
    for number, line in enumerate(_folded(f"{head}{text}", width, "    ")):
        mark = MARKS.get(kind, "-") if number == 0 else " "
        yield Line(f"{'  ' if number else ''}{mark} {line}", colour=COLOURS.get(kind))


def _folded(text: str, width: int | None, indent: str) -> Sequence[str]:
    return [text] if width is None else wrapped(text, max(width - len(indent), WIDTH_COLUMNS_MIN - len(indent)))


def _when(at: int, came: int, zone: output.Times) -> str:
    """The time of day, with the day where it is another than the callback's, and how long after the callback."""
    whole, first = zone(at), zone(came)
    shown = whole[11:] if whole[:10] == first[:10] else whole
    if at == came:
        return shown
    return f"{shown} ({'+' if at > came else '-'}{_span(abs(at - came))})"


def _span(ms: int) -> str:
    if ms < 1000:
        return f"{ms} ms"
    if ms < 10_000:
        return f"{ms / 1000:.1f} s"
    return output.span(ms)


def _vendor_time(detail: EventDetail) -> int | None:
    try:
        return None if detail.item.time is None else round(parse_time(detail.item.time).timestamp() * 1000)
    except ValueError:
        return None
