"""A store with something in it, made by the store itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from gateway.events.cloudevents import fingerprint, to_json
from gateway.events.samples import sample
from gateway.model import Event, Outcome
from gateway.routing import Route, Router
from gateway.states import DeadReason, DeliveryState, ProblemCode
from gateway.store.records import Accepted, NewDelivery, NewEvent, Refusal, Settlement
from gateway.store.store import Store

T = TypeVar("T")
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ROUTES = Router([Route(name="failures", match={"type": ["recording.failed"]}, to=["screen", "lines"])])


def stock(folder: Path, work: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store of `folder`, do the work, close it."""

    async def run() -> T:
        store = Store(f"sqlite:///{folder}/gateway.db")
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def an_event(type: str = "recording.failed", *, number: int = 0, **flat: Any) -> Event:
    """An event of its own stream."""
    event = sample(type, stream=f"stream-{number}", **flat)
    return replace(event, received_at=NOW + timedelta(seconds=number), raw=b'{"auth_sign": "canary", "n": %d}' % number)


def wanted(event: Event, sinks: Sequence[str] | None = None) -> NewEvent:
    """What the intake makes of it."""
    decision = ROUTES.decide(event)
    return NewEvent(
        event=event,
        body=to_json(event),
        fingerprint=fingerprint(event),
        routing=decision.json(),
        deliveries=tuple(NewDelivery(sink=sink) for sink in (decision.sinks if sinks is None else sinks)),
    )


async def accept(store: Store, *events: NewEvent) -> list[Accepted]:
    return [(await store.accept([event]))[0] for event in events]


async def settle(
    store: Store, sink: str, state: DeliveryState, *, reason: DeadReason | None = None, detail: str = ""
) -> int:
    """Carry the oldest waiting delivery of a sink to this state; its id."""
    [lease] = await store.claim(sink, 1, 30_000)
    outcomes = {"delivered": Outcome.DELIVERED, "dead": Outcome.REFUSED, "waiting": Outcome.RETRY}
    await store.settle(
        [
            Settlement(
                delivery=lease.delivery,
                token=lease.token,
                state=state,
                outcome=outcomes[state],
                started_at=round(NOW.timestamp() * 1000),
                took_ms=12,
                detail=detail,
                status=400 if state == "dead" else None,
                delay=3_600_000,
                reason=reason,
            )
        ]
    )
    return lease.delivery


def a_refusal(
    body: bytes, *, code: ProblemCode = "signature_mismatch", received_at: datetime = NOW, source: str = "live"
) -> Refusal:
    return Refusal(
        source=source,
        code=code,
        detail="auth_sign fits none of the keys",
        received_at=round(received_at.timestamp() * 1000),
        method="POST",
        path="/hooks/live",
        headers=(("content-type", "application/json"), ("x-signature", "canary-signature")),
        body=body,
        size=len(body),
        peer="203.0.113.7",
    )
