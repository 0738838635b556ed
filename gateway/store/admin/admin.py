"""The people's side of the store: what the command line reads and changes beside a running gateway."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gateway.errors import NotFound, StoreError, StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.store.address import parse_address
from gateway.store.admin import commands, event_lookup, overview, pages
from gateway.store.admin import deliveries as waiting
from gateway.store.admin.connections import Connections
from gateway.store.engine.batch import Bulk, storable
from gateway.store.outbox import statements as sql
from gateway.store.outbox.accept import accept
from gateway.store.records import (
    Accepted,
    AttemptRow,
    DeliveryRow,
    EventFull,
    EventRow,
    NewEvent,
    RefusedRow,
    SinkRow,
    Status,
)

if TYPE_CHECKING:
    from gateway.config.grammar.settings import Settings

__all__ = ["Desk"]


class Desk:
    """The people's side: what the command line (and later the admin API) reads and changes beside a running gateway.

    Opens its own short-lived connections, takes no lock, never checkpoints, never makes or migrates a store (except
    `migrate`). Synchronous; one short transaction a call. `configured` are the sinks of the configuration, for
    `held: orphaned` (None: not known, so nothing is); `rated`, `batched` and `ordered` those with delivery.rate,
    delivery.batch and delivery.order, for `held: rate|batch` and for the order of what is replayed.

    Everything raises StoreUnavailable where the store is not there or does not answer, and SchemaMismatch where its
    tables are older or newer than this program.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        clock: Clock | None = None,
        configured: Collection[str] | None = None,
        rated: Collection[str] = (),
        batched: Collection[str] = (),
        ordered: Collection[str] = (),
    ) -> None:
        try:
            self._address = parse_address(url, password)
        except ValueError as error:
            raise StoreUnavailable(str(error)) from None
        self._connections = Connections(self._address, clock)
        self._known = waiting.Configured(
            sinks=None if configured is None else frozenset(configured),
            rated=frozenset(rated),
            batched=frozenset(batched),
            ordered=frozenset(ordered),
        )

    @classmethod
    def of(cls, settings: Settings, *, clock: Clock | None = None) -> Desk:
        """The desk of the store that a configuration names, with what it says of its sinks."""
        store, sinks = settings.store, settings.sinks.items()
        return cls(
            store.url,
            password=None if store.password is None else store.password.reveal(),
            clock=clock,
            configured=tuple(settings.sinks),
            rated=tuple(name for name, sink in sinks if sink.delivery.rate is not None),
            batched=tuple(name for name, sink in sinks if sink.delivery.batch is not None),
            ordered=tuple(name for name, sink in sinks if sink.delivery.order == "stream"),
        )

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        self._connections.close()

    # -- reading: newest first; `before` is the last key of the previous page; limit <= 200 a page

    def events(
        self,
        *,
        held: bool = False,
        source: str | None = None,
        type: str | None = None,  # glob
        subject: str | None = None,  # glob
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[EventRow]:
        """A page of events; `before` is the `seq` of the last one seen."""
        return self._connections.read(
            lambda session: pages.events(
                session, held=held, source=source, type=type, subject=subject, limit=limit, before=before
            )
        )

    def event(self, ref: str) -> EventFull:
        """By id, unique prefix of at least 6 digits, or `id~variant`. Raises NotFound, naming near misses."""
        return self._connections.read(lambda session: event_lookup.full(session, ref))

    def deliveries(
        self,
        *,
        event: str | None = None,
        sink: str | None = None,
        state: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[DeliveryRow]:
        """A page of deliveries; `event` is named as in `event`, `before` is the `id` of the last one seen. Raises NotFound."""
        return self._connections.read(
            lambda session: waiting.deliveries(
                session,
                self._known,
                event=None if event is None else event_lookup.seq_of(session, event),
                sink=sink,
                state=state,
                limit=limit,
                before=before,
            )
        )

    def delivery(self, id: int) -> tuple[DeliveryRow, Sequence[AttemptRow]]:
        """One delivery with all its attempts, oldest first. Raises NotFound."""
        return self._connections.read(lambda session: waiting.one(session, self._known, id))

    def refused(self, *, source: str | None = None, limit: int = 50, before: int | None = None) -> Sequence[RefusedRow]:
        """A page of refused callbacks; `before` is the `id` of the last one seen."""
        return self._connections.read(lambda session: pages.refused(session, source=source, limit=limit, before=before))

    def refusal(self, id: int) -> RefusedRow:
        """One refused callback. Raises NotFound."""
        found = self._connections.read(lambda session: pages.refusal(session, id))
        if found is None:
            raise NotFound(f"there is no refused callback {id}; only the last ones of each source are kept")
        return found

    def sinks(self) -> Sequence[SinkRow]:
        """Every sink that the store knows of: that has deliveries, was paused, or whose circuit was open."""
        return self._connections.read(overview.sinks)

    def status(self) -> Status:
        """The store at a glance."""
        return self._connections.read(lambda session: overview.status(session, self._address))

    # -- changing

    def retry(self, delivery: int) -> str:
        """Start a new round of a dead or delivered one, or make a waiting one due now; says what was done.

        In each case give_up_after starts afresh. Raises NotFound.
        """
        return self._connections.change(lambda session: commands.retry(session, delivery))

    def cancel(self, delivery: int) -> str:
        """End an open delivery, dead with reason `cancelled`; says what was done. Raises NotFound."""
        return self._connections.change(lambda session: commands.cancel(session, delivery))

    def move(self, sink: str, to: str) -> int:
        """Give the waiting deliveries of one sink to another; those that have one there already are cancelled.

        In several short transactions; how many were moved. What is being sent stays.
        """
        if sink == to:
            raise StoreError(f"{sink} and {to} are the same sink")
        ((upto,),) = self._connections.read(lambda session: session.rows("SELECT coalesce(max(id), 0) FROM deliveries"))
        after: int | None = 0
        moved = 0
        while after is not None:
            count, after = self._connections.change(partial(commands.move, sink=sink, to=to, after=after, upto=upto))
            moved += count
        return moved

    def replay(
        self, ref: str, *, sinks: Sequence[str] | None = None, routing: str | None = None
    ) -> Sequence[DeliveryRow]:
        """A new round of this event's deliveries: to `sinks`, else to those of the first time. With `routing`, store the
        new verdict (reroute). Open deliveries are left alone; the answer is those that begin a round.

        Raises NotFound, and StoreError for a held event, or without `sinks` for one that no route wanted.
        """
        begun = self._connections.change(
            lambda session: commands.replay(session, ref, sinks, routing, self._known.ordered)
        )
        return self._rows(begun)

    def release(self, ref: str, sinks: Sequence[str]) -> Sequence[DeliveryRow]:
        """End the hold of a conflicting or quarantined event and give it its deliveries. Raises NotFound, StoreError."""
        begun = self._connections.change(lambda session: commands.release(session, ref, sinks, self._known.ordered))
        return self._rows(begun)

    def erase(self, ref: str) -> None:
        """Cancel open deliveries and delete the event with everything that was kept of it; its id stays remembered.

        A plain id takes what is held beside it along. Freed bytes are overwritten on SQLite; those of the write-ahead
        log go with the gateway's next checkpoint. Raises NotFound.
        """
        self._connections.change(lambda session: commands.erase(session, ref))

    def pause(self, sink: str, by: str) -> bool:
        """Hold everything for a sink until `resume`; False: it was paused. `by` is for people."""

        def work(session: Bulk) -> bool:
            session.tally.waiting.add(sink)
            return session.change(sql.PAUSE, {"sink": sink, "by": storable(by)}) == 1

        return self._connections.change(work)

    def resume(self, sink: str) -> bool:
        """End a pause; False: there was none."""

        def work(session: Bulk) -> bool:
            session.tally.waiting.add(sink)
            return session.change(sql.RESUME, {"sink": sink}) == 1

        return self._connections.change(work)

    def forget_refusal(self, id: int) -> None:
        """Keep a refused callback no longer; nothing if it is gone."""
        self._connections.change(lambda session: session.change("DELETE FROM refused WHERE id = :id", {"id": id}))

    def take(self, events: Sequence[NewEvent]) -> Sequence[Accepted]:
        """Accept beside the running gateway, for `refused retry`; its lanes find the rows within a second."""
        # Without leases: nobody here would carry them.
        unleased = [
            replace(new, deliveries=tuple(replace(one, lease=None) for one in new.deliveries)) for new in events
        ]
        return self._connections.change(lambda session: accept(session, [unleased], "desk")[0])

    def migrate(self) -> tuple[int, int]:
        """Bring the tables to this program's schema, making them where there are none: (from, to)."""
        self.close()
        return self._connections.migrate()

    def _rows(self, ids: Sequence[int]) -> Sequence[DeliveryRow]:
        return self._connections.read(lambda session: waiting.by_id(session, self._known, ids))[::-1]
