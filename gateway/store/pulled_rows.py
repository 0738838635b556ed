"""How consumers come to the deliveries of a pull sink through this gateway: leased, looked at, extended."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence

from gateway.store.engine.backend import Backend
from gateway.store.engine.batch import Bulk
from gateway.store.engine.writer import Writer
from gateway.store.outbox import pulled
from gateway.store.outbox.claim import end_unreadable
from gateway.store.outbox.clock_repair import Spans
from gateway.store.records import FencingToken, Lease, Peeked, Pulled

PULL_ROWS_MAX = 100  # deliveries that a consumer is given, or speaks of, at once


class PulledRows:
    """The part of Store that pull sinks use; outcomes are settled as those of any sink."""

    _backend: Backend
    _writer: Writer
    _spans: Spans
    _leads: dict[str, int]

    def lease_out(self, sink: str, most: int, lease: int, limit: int) -> Future[Pulled]:
        """Lease up to `most` due deliveries for `lease` ms, while fewer than `limit` of this sink are leased."""

        def work(session: Bulk) -> Pulled:
            self._spans.note(session, "lease", lease)
            first = self._leads.get(sink, 0)
            self._leads[sink] = 1 - first
            given = pulled.lease_out(session, sink, min(most, PULL_ROWS_MAX), lease, limit, first)
            end_unreadable(session)
            return given

        return self._writer.enqueue(work)

    def leased(self, sink: str, ids: Sequence[tuple[int, int]]) -> Future[Sequence[Lease | None]]:
        """What is leased under these (delivery, token) pairs; None: it is not any more."""
        ids = tuple(ids)
        return self._writer.enqueue(lambda session: pulled.leased(session, sink, ids))

    def ended_as(self, delivery: int, token: FencingToken, started_at: int) -> Future[str | None]:
        """The outcome that this lease was ended with before, by the same word."""
        return self._writer.enqueue(lambda session: pulled.ended_as(session, delivery, token, started_at))

    def extend(self, ids: Sequence[tuple[int, int]], lease: int) -> Future[Sequence[int | None]]:
        """Until when (ms) each is leased now; None: it was lost."""
        ids = tuple(ids)

        def work(session: Bulk) -> Sequence[int | None]:
            self._spans.note(session, "lease", lease)
            return pulled.extend(session, ids, lease)

        return self._writer.enqueue(work)

    def peek(self, sink: str, most: int) -> Future[Sequence[Peeked]]:
        """What would be handed out next; read beside the writer, so nothing waits for it."""
        return self._backend.reader.ask(lambda session: pulled.peek(session, sink, most))

    def receipt_key(self) -> Future[bytes]:
        """The key that receipts are made with, one for all gateways on this store."""
        return self._writer.enqueue(pulled.receipt_key)
