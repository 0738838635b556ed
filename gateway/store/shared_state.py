"""What all gateways of one store agree about: what is in flight, circuits, who serves which sink, rates, alarms."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial

from gateway.model import Event
from gateway.store.engine.backend import Backend
from gateway.store.engine.batch import Bulk
from gateway.store.engine.writer import Writer
from gateway.store.outbox import (
    alarms,
    counts,
    erasures,
    gates,
    losses,
    rates,
    reconciliation,
    recording_joins,
    watches,
)
from gateway.store.outbox.conditions import AlarmDue, Announced, Seen
from gateway.store.outbox.rates import RateUse
from gateway.store.outbox.reconciliation import PageStored, ReconciliationRow, Run
from gateway.store.outbox.retention import Keep
from gateway.store.outbox.watch_due import Told, WatchDue, is_due, store_due
from gateway.store.outbox.watches import WatchRule
from gateway.store.records import Due, Gate, NewEvent


class SharedState:
    """The part of Store that other gateways see."""

    _backend: Backend
    _writer: Writer
    _owner: str
    _keep: Keep

    # -- what was in flight when a process died

    def begin_suspected(self, leases: Collection[tuple[int, int]], *, alone: bool) -> Future[bool]:
        """Note that these, (delivery, token) each, are about to be sent, with nothing else in flight here (`alone`) or beside
        others; False: a lease was lost, do not send."""
        these = tuple(leases)
        return self._writer.enqueue(lambda session: losses.note_sending(session, these, self._owner, alone))

    def survived(self, deliveries: Collection[int]) -> Future[None]:
        """A try of these came to its end, so that they are not what the process died of."""
        these = tuple(deliveries)
        return self._writer.enqueue(lambda session: losses.survived(session, these))

    def disown(self) -> Future[None]:
        """This process stops in good order: what it leaves in flight is no loss."""

        def work(session: Bulk) -> None:
            self._beat_at = float("inf")  # because one more sign of life would name a gateway that is gone
            losses.disown(session, self._owner)

        return self._writer.enqueue(work)

    # -- circuits and pauses

    def trip(self, sink: str, pause: int, reason: str) -> Future[Gate]:
        """Open the circuit for `pause` ms, unless it is open."""
        return self._writer.enqueue(lambda session: gates.trip(session, sink, pause, reason))

    def probe(self, sink: str, lease: int) -> Future[int | None]:
        """Take the right to probe for `lease` ms; the answer is the mark to give to `probed`, None: not now."""
        return self._writer.enqueue(lambda session: gates.probe(session, sink, lease))

    def probed(self, sink: str, mark: int, *, good: bool, pause: int = 0, reason: str = "") -> Future[None]:
        """Close the circuit, or keep it open `pause` ms more."""
        return self._writer.enqueue(lambda session: gates.probed(session, sink, mark, good, pause, reason))

    def gates(self) -> Future[Mapping[str, Gate]]:
        """The gate of every sink that has a row."""
        return self._backend.reader.ask(gates.all_gates)

    def serving(self, sinks: Collection[str]) -> Future[None]:
        """Say which sinks this process carries. Called at start and about once a minute. Time in which nobody said so
        (gateway down, sink not configured) counts as stalled: give_up_after stands still."""
        names = tuple(sinks)
        return self._writer.enqueue(lambda session: gates.serving(session, names))

    @property
    def shared(self) -> bool:
        """Whether other gateways may carry deliveries of this store."""
        return not self._backend.alone

    def share_rates(self, uses: Sequence[RateUse]) -> Future[Mapping[str, int]]:
        """The tokens of each sink's rate that are this gateway's for the next ten seconds."""
        return self._writer.enqueue(lambda session: rates.share(session, uses, self._owner))

    def leave_rates(self, uses: Sequence[RateUse]) -> Future[None]:
        """This gateway sends nothing more: its shares are the others'."""
        return self._writer.enqueue(lambda session: rates.leave(session, uses, self._owner))

    def due(self) -> Future[Sequence[Due]]:
        """The least due time of every sink, an index probe each, read by the reader's connection; for the 1 s poll."""
        return self._backend.reader.ask(counts.due)

    def erasures(self, after: int) -> Future[Sequence[erasures.ErasureRow]]:
        """The next of what people erased, by whichever gateway or command; for sinks that hold something of it."""
        return self._backend.reader.ask(lambda session: erasures.page(session, after))

    # -- what the gateway says of itself

    def begin_alarms(self) -> Future[None]:
        """From now on what happens is told; what happened before is not."""
        return self._writer.enqueue(alarms.skip_past)

    def survey_alarms(self, seen: Sequence[Seen], every: int) -> Future[tuple[bool, Sequence[AlarmDue]]]:
        """Whether `announce` has something to do, and what is due; `every` ms lie between two alarms of a type."""
        return self._backend.reader.ask(lambda session: alarms.survey(session, seen, every))

    def announce(
        self, seen: Sequence[Seen], every: int, make: Callable[[AlarmDue], NewEvent]
    ) -> Future[Sequence[Announced]]:
        """Store the alarms that are due, each once for all gateways. Exempt from `store.limits`: they say that these are
        reached. `make` is called on the writer's thread."""
        work = partial(alarms.announce, seen=tuple(seen), every=every, make=make, owner=self._owner)
        return self._writer.enqueue(work)

    async def follow_recordings(self, rules: Sequence[WatchRule] = ()) -> recording_joins.Followed:
        """Join the next events into recordings, behind everything else; without a write where there are none.

        On PostgreSQL not on the writer's connection, because whoever joins waits for other gateways that do.
        """
        if not await self._backend.reader.ask(recording_joins.behind):
            return recording_joins.Followed(0, ())
        step = partial(recording_joins.follow, most=self._backend.step_rows, rules=tuple(rules))
        return await self._backend.background(self._writer, step)

    async def apply_watches(self, rules: Sequence[WatchRule]) -> None:
        """From now on recordings wait by these rules."""
        step = partial(watches.apply_step, rules=tuple(rules), most=self._backend.step_rows)
        while await self._backend.background(self._writer, step):
            pass

    async def tell_watches(
        self, rules: Sequence[WatchRule], make: Callable[[WatchDue, Event], NewEvent]
    ) -> tuple[Sequence[Told], bool]:
        """Store some of what is overdue or came after all, each once for all gateways, and whether there may be more. `make` is
        called on the writer's thread."""
        if not await self._backend.reader.ask(is_due):
            return (), False
        most = self._backend.step_rows
        step = partial(store_due, rules=tuple(rules), make=make, owner=self._owner, most=most)
        return await self._writer.put_background(step)

    # -- asking vendors for their lists

    def reconciliations(self) -> Future[Mapping[str, ReconciliationRow]]:
        """What is known of the asking, by source."""
        return self._backend.reader.ask(reconciliation.rows)

    def lease_reconciliation(self, source: str) -> Future[ReconciliationRow | None]:
        """Take the asking of a source for two minutes, or keep it; None: another gateway has it."""
        return self._writer.enqueue(lambda session: reconciliation.lease(session, source, self._owner))

    async def note_places(self, source: str) -> int:
        """Know where the files of all stored events lie; from when on (ms) nothing can have been forgotten."""
        first = True
        while await self._writer.put_background(
            partial(reconciliation.note_step, source=source, keep=self._keep, first=first, most=self._backend.step_rows)
        ):
            first = False
        row = (await self.reconciliations()).get(source)
        return 0 if row is None else row.known_from

    async def reconcile_step(self, source: str, run: Run, events: Sequence[NewEvent]) -> PageStored | None:
        """Store what a page brought, behind everything else; None: another gateway has it now, and nothing was stored."""
        step: PageStored | None = await self._writer.put_background(
            partial(reconciliation.step, source=source, owner=self._owner, run=run, events=tuple(events))
        )
        return step

    def ask_for_reconciliation(self, source: str, run: Run) -> Future[bool]:
        """Let a gateway begin this run at once; False: one is under way."""
        return self._writer.enqueue(lambda session: reconciliation.ask_for(session, source, run))

    def end_reconciliation(self, source: str, run: Run, wait: timedelta) -> Future[Run | None]:
        """A run has ended; the next begins after `wait`."""
        return self._writer.enqueue(lambda session: reconciliation.end_run(session, source, self._owner, run, wait))

    def fail_reconciliation(self, source: str, error: str, wait: timedelta) -> Future[None]:
        """A run could not get on, and goes on after `wait`."""
        return self._writer.enqueue(lambda session: reconciliation.fail(session, source, self._owner, error, wait))

    def leave_reconciliations(self, *, dead: bool = False) -> Future[None]:
        """Let go of this gateway's runs; `dead`: of those of a gateway that died, where this one is alone."""
        owner = None if dead and self._backend.alone else self._owner
        return self._writer.enqueue(lambda session: reconciliation.leave(session, owner))
