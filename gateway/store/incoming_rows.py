"""How events come in: looked at against `store.limits`, queued for the writer's next commit, and answered after it."""

from __future__ import annotations

import asyncio
import time
from asyncio import Future
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

from gateway.errors import StoreFull, StoreUnavailable
from gateway.store.engine.backend import Backend
from gateway.store.engine.commit_waiters import ToldWaiter, WorkFailed, resolve_all
from gateway.store.engine.session import Session
from gateway.store.engine.writer import Writer
from gateway.store.outbox import counts
from gateway.store.outbox.limits import StoreLimits
from gateway.store.outbox.retention import Keep
from gateway.store.records import Accepted, NewEvent

W = TypeVar("W")


class IncomingRows:
    """The part of Store that events are accepted with."""

    _backend: Backend
    _writer: Writer
    _keep: Keep
    _limits: StoreLimits
    _recounting: asyncio.Task[None] | None

    def accept(self, events: Sequence[NewEvent]) -> Future[Sequence[Accepted]]:
        """Store the events of one callback, all or none. Raises StoreBusy, StoreFull."""
        self._limits.check({new.event.source for new in events})
        self._count_if_tight()
        return self._writer.enqueue_accept(events, _size(events))

    def accepted_within(self, seconds: float) -> bool:
        """Whether this gateway was given an event in the last seconds."""
        return self._writer.accepted_within(seconds)

    def expect_accepts(self) -> None:
        """`accept_together` is called in the loop's next turn, perhaps with nothing: what is queued already waits for it, two
        milliseconds at most."""
        self._writer.expect_accepts()

    def accept_together(self, callbacks: Sequence[tuple[Sequence[NewEvent], ToldWaiter[W]]]) -> None:
        """`accept` for each of the callbacks that came together, with one look at the limits and one place in the queue. Never
        raises: whoever waits is told, at once where there is no room."""
        full: dict[str, StoreFull | None] = {}
        taken: list[tuple[Sequence[NewEvent], int, ToldWaiter[W]]] = []
        refused: list[WorkFailed] = []
        for events, waiter in callbacks:
            for new in events:
                source = new.event.source
                if source not in full:
                    full[source] = self._limits.refusal(source)
                if (error := full[source]) is not None:
                    refused.append(WorkFailed(waiter, error))
                    break
            else:
                taken.append((events, _size(events), waiter))
        self._count_if_tight()
        self._writer.put_accepts(taken)
        resolve_all(refused)

    # -- limits

    def _count_if_tight(self) -> None:
        due = self._limits.tight and self._limits.count_at <= time.monotonic()
        if due and (self._recounting is None or self._recounting.done()):
            self._recounting = asyncio.create_task(self._recount_quietly(), name="count by source")

    async def _recount_quietly(self) -> None:
        with suppress(StoreUnavailable):
            await self._recount()

    async def _recount(self) -> None:
        if time.monotonic() >= self._limits.count_at:
            await self._backend.reader.ask(self._count)

    def _count(self, session: Session) -> None:
        started = time.perf_counter()
        self._limits.counting()
        found = counts.open_deliveries(session, self._keep.waiting)
        of = counts.open_by_source(session, self._keep.waiting) if self._limits.would_be_tight(found) else None
        self._limits.counted(found, time.perf_counter() - started, of)


def _size(events: Sequence[NewEvent]) -> int:
    """Bytes that they take in the queue."""
    size = 512
    for new in events:
        size += len(new.body) + len(new.event.raw) + len(new.routing)
    return size
