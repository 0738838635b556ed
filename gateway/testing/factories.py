"""Events, deliveries and callbacks for tests: complete, alike from call to call, and changed by keyword."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.events.samples import sample
from gateway.model import EVENT_TYPES, FILE_COMPLETED, Delivery, Event, event_id
from gateway.plugin import Callback, Played, Scene, Source

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)  # where FrozenClock stands


def event(type: str = FILE_COMPLETED, *, number: int = 1, **changes: Any) -> Event:
    """A full event of this type. `number` tells one from another; `changes` are fields of Event."""
    sampled = sample(type).replace(received_at=NOW, **changes)
    if "id" in changes:
        return sampled
    names = (sampled.source, sampled.type, sampled.domain, sampled.app, sampled.stream, sampled.format)
    return sampled.replace(id=event_id(*names, [number]))


def events() -> tuple[Event, ...]:
    """One full event of every type."""
    return tuple(event(type) for type in EVENT_TYPES)


def delivery(of: Event | None = None, *, sink: str = "sink", attempt: int = 1, **changes: Any) -> Delivery:
    """A delivery of this event (or of a finished file) to this sink; `changes` are fields of Delivery."""
    started = NOW + timedelta(seconds=1)
    usual: dict[str, Any] = {"id": 1, "first_attempt_at": started, "deadline": started + timedelta(seconds=15)}
    return Delivery(event=of or event(), sink=sink, attempt=attempt, **(usual | changes))


def callback(
    body: bytes | Mapping[str, object] | Played,
    *,
    source: str = "live",
    headers: Mapping[str, str] | None = None,
    path: str | None = None,
    peer: str | None = "192.0.2.1",
    received_at: datetime = NOW,
) -> Callback:
    """A request as the public listener hands it to a source: from bytes, from an object to be sent as JSON, or as played."""
    sent = {"content-type": "application/json"}
    if isinstance(body, Played):
        sent |= {name.lower(): value for name, value in body.headers.items()}
        body = body.body
    elif not isinstance(body, bytes):
        body = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    sent |= {name.lower(): value for name, value in (headers or {}).items()}
    return Callback.of(
        source, body, headers=sent.items(), path=path or f"/hooks/{source}", peer=peer, received_at=received_at
    )


def callbacks(source: Source, *, now: datetime = NOW) -> tuple[Callback, ...]:
    """One callback of every type this source can play, signed as it is configured, received when it was sent."""
    played = [source.play(Scene(type=type, number=1, now=now)) for type in source.scenes]
    return tuple(callback(one, source=source.name, received_at=now) for one in played)
