"""The hook plugin `acme-audit`: watches, wraps every delivery, and brings one more type of sink."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Generator, Sequence
from pathlib import Path
from typing import Any

from acme_recordings.shelf import Shelf
from gateway import Alarm, Attempt, Delivery, Event, Outcome, Sink, Source, __version__, format_time, hookimpl

Results = Sequence[str | None | Exception]


def note(*words: Any) -> None:
    with Path(os.environ["ACME_AUDIT"]).open("a") as file:
        print(*words, file=file)


@hookimpl
def event_stored(event: Event, sinks: Sequence[str]) -> None:
    alarm: Alarm | None = event.alarm
    what = format_time(event.received_at) if alarm is None else alarm.about
    note("stored", event.id, ",".join(sinks), what, __version__)


@hookimpl
def attempt_finished(delivery: Delivery, attempt: Attempt) -> None:
    note("attempt", delivery.event.id, delivery.sink, attempt.number, attempt.outcome)
    if attempt.outcome is Outcome.REFUSED:
        raise RuntimeError("the audit has a bug of its own")


@hookimpl(wrapper=True)
def deliver(deliveries: Sequence[Delivery], sink: Sink) -> Generator[None, Awaitable[Results], Awaitable[Results]]:
    inner = yield
    return timed(inner, sink.name, len(deliveries))


async def timed(inner: Awaitable[Results], sink: str, count: int) -> Results:
    note("begin", sink, count)
    try:
        return await inner
    finally:
        note("end", sink, count)


@hookimpl
def register_sinks() -> list[type[Sink]]:
    return [type("SecondShelf", (Shelf,), {"type": "acme-second-shelf"})]


@hookimpl
def register_sources() -> list[type[Source]]:
    return []
