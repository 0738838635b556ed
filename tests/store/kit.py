"""What the store's tests are written with: events by number, settlements of leases, and a look at the tables."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from gateway.events.cloudevents import fingerprint, to_json
from gateway.model import FILE_COMPLETED, Event, Outcome
from gateway.runtime.clock import Clock, FrozenClock
from gateway.store.engine.session import Session
from gateway.store.outbox import statements as sql
from gateway.store.postgres.session import PostgresSession
from gateway.store.records import Accepted, Lease, NewDelivery, NewEvent, Settlement
from gateway.store.sqlite.session import SqliteSession
from gateway.store.store import Store
from gateway.text.store_address import parse_address

LEASE = 45_000  # ms
START = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int = 1, *, at: datetime = START, **changes: Any) -> Event:
    """An event whose id says its number."""
    made = Event(
        id=f"{number:032x}",
        type=FILE_COMPLETED,
        source="live",
        provider="huawei-live",
        received_at=at,
        domain="push.example.com",
        app="live",
        stream=f"s{number}",
        raw=b'{"n": %d}' % number,
    )
    return replace(made, **changes)


def new(
    number: int | Event = 1, *sinks: str | NewDelivery, lease: int | None = None, key: str | None = None, **options: Any
) -> NewEvent:
    """A new event for these sinks; `lease` hands all of them over."""
    made = number if isinstance(number, Event) else event(number)
    wanted = [
        one if isinstance(one, NewDelivery) else NewDelivery(sink=one, lease=lease, order_key=key) for one in sinks
    ]
    values = {"body": to_json(made), "fingerprint": fingerprint(made), "routing": "[]"} | options
    return NewEvent(event=made, deliveries=tuple(wanted), **values)


def other(number: int = 1, content: str = "other", *sinks: str, **options: Any) -> NewEvent:
    """Another content under the same id."""
    return new(event(number, job_id=content), *sinks, **options)


def settlement(lease: Lease | tuple[int, int], state: str = "delivered", **changes: Any) -> Settlement:
    """How a lease ends: delivered, or dead or waiting with the outcome that usually goes with it."""
    delivery, token = lease if isinstance(lease, tuple) else (lease.delivery, lease.token)
    usual = {"delivered": Outcome.DELIVERED, "dead": Outcome.REFUSED, "waiting": Outcome.RETRY}[state]
    values: dict[str, Any] = {
        "state": state,
        "outcome": usual,
        "started_at": 1000 + token,
        "took_ms": 5,
        "detail": f"{state} {token}",
    } | changes
    if state == "dead":
        values.setdefault("reason", "refused")
    return Settlement(delivery=delivery, token=token, **values)


async def take(store: Store, *events: NewEvent) -> Sequence[Accepted]:
    """Accept each event as a callback of its own; all are queued at once."""
    answers = await asyncio.gather(*[store.accept([one]) for one in events])
    return [answer[0] for answer in answers]


def session(url: str, clock: Clock | None = None) -> Session:
    """A connection beside the store."""
    address = parse_address(url)
    if address.backend == "sqlite":
        return SqliteSession(address.path, "admin", clock)
    made = PostgresSession(address, clock)
    made.of_a_test = True  # type: ignore[attr-defined]  # see tests/plain_server.py
    return made


@contextmanager
def beside(url: str, clock: Clock | None = None) -> Iterator[Session]:
    """A connection beside the store, for a while."""
    opened = session(url, clock)
    try:
        yield opened
    finally:
        opened.close()


def table(url: str, columns: str, of: str, order: str = "1") -> list[tuple[Any, ...]]:
    """Rows of a table as plain values."""
    with beside(url) as opened:
        found = opened.rows(f"SELECT {columns} FROM {of} ORDER BY {order}")
        return [tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in found]


def states(url: str) -> list[tuple[str, str]]:
    """(sink, state) of every delivery, by id."""
    return [(sink, state) for _, sink, state in table(url, "id, sink, state", "deliveries")]


def act(url: str, clock: FrozenClock, statement: str, **values: Any) -> Sequence[tuple[Any, ...]]:
    """A person's transition beside the store, as the admin side does it."""
    with beside(url, clock) as opened, opened.atomic():
        return opened.rows(statement, values)


def pause(url: str, clock: FrozenClock, sink: str) -> None:
    act(url, clock, sql.PAUSE, sink=sink, by="test")


def resume(url: str, clock: FrozenClock, sink: str) -> None:
    act(url, clock, sql.RESUME, sink=sink)
