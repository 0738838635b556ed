"""The trace stands in the store beside its event: in both databases, past an open circuit, and for other content of an id."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gateway.model import Event, Trust
from gateway.runtime.clock import FrozenClock
from gateway.store.records import NewDelivery, NewEvent
from gateway.store.store import Store

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 a=1"


def _new(id: str, trace: str | None, *, trust: Trust = Trust.TIMESTAMP, fingerprint: bytes = b"f" * 16) -> NewEvent:
    event = Event(
        id=id,
        type="recording.started",
        source="live",
        provider="p",
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        trust=trust,
    )
    body = json.dumps({"id": id, "type": "recording.started", "source": "recording-gateway/live", "specversion": "1.0"})
    return NewEvent(
        event=event,
        body=body,
        fingerprint=fingerprint,
        routing="[]",
        deliveries=(NewDelivery(sink="s"),),
        hold_conflicts=False,
        trace=trace,
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: object) -> str:
    """The URL of an empty store of each kind."""
    return f"sqlite:///{tmp_path}/g.db" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


async def test_a_lease_brings_the_trace_of_its_event(url: str) -> None:
    clock = FrozenClock()
    store = Store(url, clock=clock)
    await store.open(lock_wait=0)
    try:
        await store.accept([_new("a", TRACE)])
        await store.accept([_new("b", None)])
        await store.accept([_new("a", "other", trust=Trust.FIELDS, fingerprint=b"g" * 16)])  # takes its place
        leases = await store.claim("s", 10, 60_000)
        assert [(lease.event.id, lease.event.variant != "", lease.trace) for lease in leases] == [
            ("a", False, TRACE),
            ("b", False, None),
            ("a", True, "other"),
        ]
    finally:
        await store.close()


async def test_the_probe_past_an_open_circuit_brings_it_too(url: str) -> None:
    store = Store(url, clock=FrozenClock())
    await store.open(lock_wait=0)
    try:
        await store.accept([_new("a", TRACE)])
        [lease] = await store.claim("s", 1, 60_000, probe=True)
        assert lease.trace == TRACE
    finally:
        await store.close()
