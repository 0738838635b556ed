"""The spans of attempts: one for each delivery in its event's trace; a batch has one more, which links to all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar, TypeVarTuple, Unpack

from gateway.dispatch.leased_delivery import LeasedDelivery
from gateway.dispatch.outcome import AttemptRecord
from gateway.model import Outcome
from gateway.runtime.failure_shield import harmless
from gateway.runtime.traces import Span, Traces, Underway, current
from gateway.text.trace_context import TraceContext

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class AttemptSpans:
    """One sink's."""

    def __init__(self, traces: Traces, sink: str) -> None:
        self._traces = traces
        self._sink = sink

    def around(
        self, members: Sequence[LeasedDelivery], send: Callable[[Unpack[Ts]], Awaitable[T]], *given: *Ts
    ) -> Awaitable[T]:
        """What `send` gives. While it sends them: what the sink's requests carry, and, where spans are made, a span for each."""
        if self._traces.on:
            return self._send(members, send, *given)
        for member in members:
            if member.lease.trace:
                return self._send(members, send, *given)
        return send(*given)  # as nearly always, and a context of nothing would cost two calls

    async def _send(
        self, members: Sequence[LeasedDelivery], send: Callable[[Unpack[Ts]], Awaitable[T]], *given: *Ts
    ) -> T:
        with self._around(members):
            return await send(*given)

    @contextmanager
    def _around(self, members: Sequence[LeasedDelivery]) -> Iterator[None]:
        parents = [TraceContext.of_stored(member.lease.trace) for member in members]
        batch = self._begin_batch(parents) if len(members) > 1 else None
        for member, parent in zip(members, parents, strict=True):
            member.span = self._start_span(member, parent, batch)
        token = current.set(_underway(members, parents, batch))
        try:
            yield
        finally:
            current.reset(token)
            if batch is not None:
                batch.end()

    def _start_span(self, member: LeasedDelivery, parent: TraceContext | None, batch: Span | None) -> Span | None:
        lease = member.lease
        about: dict[str, str | int | bool] = {
            **self._about(),
            "messaging.message.id": lease.event.ref,
            "recording_gateway.source": lease.event.source,
            "recording_gateway.event.type": lease.event.type,
            "recording_gateway.delivery.id": lease.delivery,
            "recording_gateway.attempt": lease.attempt,
        }
        if lease.replay:
            about["recording_gateway.replay"] = True
        links = () if batch is None else (batch.context,)
        return self._traces.start(f"deliver {self._sink}", "client", parent, about, links)

    def _begin_batch(self, parents: Sequence[TraceContext | None]) -> Span | None:
        about: dict[str, str | int] = {**self._about(), "messaging.batch.message_count": len(parents)}
        links = [parent for parent in parents if parent is not None]
        return self._traces.start(f"deliver batch {self._sink}", "client", None, about, links)

    def _about(self) -> dict[str, str]:
        return {
            "messaging.system": "recording_gateway",
            "messaging.operation.name": "deliver",
            "messaging.operation.type": "send",
            "messaging.destination.name": self._sink,
        }


def _underway(
    members: Sequence[LeasedDelivery], parents: Sequence[TraceContext | None], batch: Span | None
) -> Underway | None:
    """What the requests carry: the span, or where none is made the trace that all members belong to."""
    span = batch or (members[0].span if len(members) == 1 else None)
    if span is not None:
        return Underway(span.context, span)
    shared = parents[0] if len(set(parents)) == 1 else None
    return None if shared is None else Underway(shared)


def trace_of(member: LeasedDelivery) -> TraceContext | None:
    """Where an attempt stands: its own span, else what its event was stored with."""
    return TraceContext.of_stored(member.lease.trace) if member.span is None else member.span.context


@harmless
def end_span(member: LeasedDelivery, record: AttemptRecord) -> None:
    """The attempt is decided: say how it ended. Not in which words, because they quote the receiver's answer."""
    span, member.span = member.span, None
    if span is None:
        return
    attempt, settlement = record.attempt, record.settlement
    about: dict[str, str | int | float] = {
        "recording_gateway.outcome": attempt.outcome.value,
        "recording_gateway.state": settlement.state,
    }
    if attempt.status is not None:
        about["http.response.status_code"] = attempt.status
    if settlement.state == "waiting":
        about["recording_gateway.next_try_in"] = settlement.delay / 1000
    if settlement.reason:
        about["recording_gateway.dead"] = settlement.reason
    span.describe(about)
    if attempt.outcome is not Outcome.DELIVERED:
        span.fail(attempt.outcome.value if attempt.status is None else str(attempt.status))
    span.end()
