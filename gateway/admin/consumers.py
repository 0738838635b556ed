"""What consumers do with a pull sink of a running gateway: fetch, acknowledge, give back, keep longer, look."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from gateway.admin.pull_messages import EndedAnswer, ExtendAnswer, ExtendedItem, NackCommand
from gateway.admin.sink_results import SinkItem
from gateway.admin.timestamps import moment
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.pulled_lane import PulledLane
from gateway.dispatch.receipts import Receipts
from gateway.errors import NotFound, Problem, Refused, Retry
from gateway.events.cloudevents import to_json
from gateway.store.records import Lease, Peeked, Pulled
from gateway.text.trace_context import TraceContext

WAITERS_PER_SINK_MAX: Final = 32  # long polls of one sink at once
WAITERS_MAX: Final = 64  # of all sinks, because the private listener has 128 connections, and people need some
ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024  # of one lease's events; what is beyond it goes back untouched


class Consumers:
    """Everything raises GatewayError: NotFound, Problem (409, 429, a receipt), StoreUnavailable."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._waiting: Counter[str] = Counter()

    def lane(self, sink: str) -> PulledLane:
        """The sink's lane of now: a reload may bring another one."""
        lane = self._dispatcher.lanes.get(sink)
        if lane is None:
            raise NotFound(f"there is no sink {sink[:100]!r} now")
        if not isinstance(lane, PulledLane):
            raise Problem(
                409, "not_possible", f"nothing is fetched from {sink!r}: its type is {lane.sink.type}, not pull"
            )
        return lane

    @contextmanager
    def place(self, sink: str) -> Iterator[None]:
        """While a consumer waits. Raises Problem 429 where too many do."""
        if self._waiting[sink] >= WAITERS_PER_SINK_MAX or self._waiting.total() >= WAITERS_MAX:
            raise Problem(429, "too_many_consumers", "too many consumers wait here already", retry_after=5)
        self._waiting[sink] += 1
        try:
            yield
        finally:
            self._waiting[sink] -= 1

    async def ack(self, sink: str, texts: Sequence[str], consumer: str) -> EndedAnswer:
        """These arrived."""
        outcomes = self.lane(sink).outcomes
        receipts = await outcomes.receipts()
        done = await outcomes.end_leases([receipts.parse(text) for text in _once(texts)], f"acknowledged by {consumer}")
        return _ended(_once(texts), done)

    async def nack(self, sink: str, asked: NackCommand, consumer: str) -> EndedAnswer:
        """These did not."""
        outcomes = self.lane(sink).outcomes
        receipts = await outcomes.receipts()
        texts = _once(asked.receipts)
        read = [receipts.parse(text) for text in texts]
        if asked.outcome == "released":
            return _ended(texts, await outcomes.give_back(read))
        why = asked.reason.strip() or f"given back by {consumer}"
        after = None if asked.delay is None else timedelta(seconds=asked.delay)
        result = Refused(why) if asked.outcome == "refused" else Retry(why, after)
        return _ended(texts, await outcomes.end_leases(read, result))

    async def extend(self, sink: str, texts: Sequence[str], seconds: float | None) -> ExtendAnswer:
        """These take longer."""
        lane = self.lane(sink)
        receipts = await lane.outcomes.receipts()
        texts = _once(texts)
        untils = await lane.outcomes.extend([receipts.parse(text) for text in texts], length_of(lane, seconds))
        pairs = list(zip(texts, untils, strict=True))
        if not any(untils):
            raise _all_lost()
        return ExtendAnswer(
            items=[ExtendedItem(receipt=text, leased_until=moment(until)) for text, until in pairs if until],
            lost=[text for text, until in pairs if not until],
        )


def length_of(lane: PulledLane, seconds: float | None) -> int:
    """Milliseconds of a lease."""
    return lane.usual_lease if seconds is None else round(seconds * 1000)


async def lease_answer(lane: PulledLane, given: Pulled, length: int) -> bytes:
    """The answer as JSON, each event as it is stored. Raises StoreError."""
    receipts = await lane.outcomes.receipts()
    fit, rest = _fitting(given.leases)
    await lane.give_back(rest)
    items = ",".join(_item(lease, event, receipts, length) for lease, event in fit)
    return f'{{"items":[{items}],"why":{json.dumps(given.why)}}}'.encode()


def peek_answer(sink: SinkItem, peeked: Sequence[Peeked]) -> bytes:
    """The answer to a look, as JSON."""
    head = {
        "sink": sink.name,
        "state": sink.state,
        "waiting": sink.waiting,
        "leased": sink.sending,
        "oldest_waiting_at": sink.oldest_waiting_at,
    }
    items = ",".join(
        f'{{"delivery":{one.delivery},"attempts":{one.attempts},"event":{to_json(one.event)}}}' for one in peeked
    )
    return f'{json.dumps(head)[:-1]},"items":[{items}]}}'.encode()


def _fitting(leases: Sequence[Lease]) -> tuple[list[tuple[Lease, str]], list[Lease]]:
    fit: list[tuple[Lease, str]] = []
    size = 0
    for number, lease in enumerate(leases):
        event = to_json(lease.event)
        size += len(event)
        if fit and size > ANSWER_BYTES_MAX:
            return fit, list(leases[number:])
        fit.append((lease, event))
    return fit, []


def _item(lease: Lease, event: str, receipts: Receipts, length: int) -> str:
    trace = TraceContext.of_stored(lease.trace)
    head = {
        "delivery": lease.delivery,
        "attempt": lease.attempt,
        "replay": lease.replay,
        "receipt": receipts.receipt_of(lease, length),
        "leased_until": moment(lease.until),
        "traceparent": None if trace is None else trace.traceparent,
    }
    return f'{json.dumps(head)[:-1]},"event":{event}}}'


def _once(texts: Sequence[str]) -> Sequence[str]:
    return list(dict.fromkeys(texts))


def _ended(texts: Sequence[str], done: Sequence[bool]) -> EndedAnswer:
    if not any(done):
        raise _all_lost()
    lost = [text for text, kept in zip(texts, done, strict=True) if not kept]
    return EndedAnswer(done=sum(done), lost=lost)


def _all_lost() -> Problem:
    return Problem(
        409, "lease_lost", "no lease of these holds any more: it ended, and somebody else may have the delivery"
    )
