"""What people change in a store beside a running gateway: each act with its row in the audit log, one or many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from gateway.errors import StoreError
from gateway.states import AuditAct
from gateway.store.admin import bulk, commands, erasure, refusals
from gateway.store.admin.audit import Actor, AuditEntry, AuditRow
from gateway.store.admin.bulk import ItemResult, Total, Watcher
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.job_admin import JobAdmin
from gateway.store.admin.pages import values_of
from gateway.store.admin.shown_rows import DeliveryRow
from gateway.store.engine.batch import Bulk, storable
from gateway.store.outbox import key_change
from gateway.store.outbox import statements as sql

__all__ = ["Actor", "AuditRow", "DeliveryFilter", "StoreAdmin", "Total", "Watcher"]

REENCRYPT_ROWS: Final = 200  # of one transaction
SCRUB_SECONDS: Final = 10.0  # a gateway looks four times a second; a reader that holds the log is gone within seconds
WATCHER: Final = Watcher()


class StoreAdmin(JobAdmin):
    """What the command line and the admin API read and change. `actor` says who acts; None: who runs this process."""

    # -- one

    def retry(self, delivery: int, *, actor: Actor | None = None) -> str:
        """Start a new round of a dead or delivered one, or make a waiting one due now; says what was done.

        In each case give_up_after starts afresh. Raises NotFound.
        """
        return self._one("deliveries retry", str(delivery), actor, lambda session: commands.retry(session, delivery))

    def cancel(self, delivery: int, *, actor: Actor | None = None) -> str:
        """End an open delivery, dead with reason `cancelled`; says what was done. Raises NotFound."""
        return self._one("deliveries cancel", str(delivery), actor, lambda session: commands.cancel(session, delivery))

    def pause(self, sink: str, *, actor: Actor | None = None) -> bool:
        """Hold everything for a sink until `resume`; False: it was paused."""
        by = storable(str(actor or Actor.here()))

        def work(session: Bulk) -> str:
            session.tally.waiting.add(sink)
            return "paused" if session.change(sql.PAUSE, {"sink": sink, "by": by}) == 1 else "was paused already"

        return self._one("sinks pause", sink, actor, work) == "paused"

    def resume(self, sink: str, *, actor: Actor | None = None) -> bool:
        """End a pause; False: there was none."""

        def work(session: Bulk) -> str:
            session.tally.waiting.add(sink)
            return "goes on" if session.change(sql.RESUME, {"sink": sink}) == 1 else "was not paused"

        return self._one("sinks resume", sink, actor, work) == "goes on"

    def replay(
        self,
        ref: str,
        *,
        sinks: Sequence[str] | None = None,
        routing: str | None = None,
        actor: Actor | None = None,
    ) -> Sequence[DeliveryRow]:
        """A new round of this event's deliveries: to `sinks`, else to those of the first time. With `routing`, keep the
        new verdict beside the earlier ones (reroute). Open deliveries are left alone; the answer is those that begin a round.

        Raises NotFound, and StoreError for a held event, or without `sinks` for one that no route wanted.
        """
        begun: list[int] = []
        verdict = None if routing is None else commands.Asked(routing, _by(actor))

        def work(session: Bulk) -> str:
            begun[:] = commands.replay(session, ref, sinks, verdict, self._known.ordered)
            return f"{len(begun)} begin a round"

        self._one("events replay", ref, actor, work)
        return self._rows_of(begun)

    def release(self, ref: str, sinks: Sequence[str], *, actor: Actor | None = None) -> Sequence[DeliveryRow]:
        """End the hold of a conflicting or quarantined event and give it its deliveries. Raises NotFound, StoreError."""
        begun: list[int] = []

        def work(session: Bulk) -> str:
            begun[:] = commands.release(session, ref, sinks, self._known.ordered)
            return f"released to {len(begun)} sinks"

        self._one("events release", ref, actor, work)
        return self._rows_of(begun)

    def migrate(self, *, actor: Actor | None = None) -> tuple[int, int]:
        """Bring the tables to this program's schema, making them where there are none: (from, to)."""
        self.close()
        before, after = self._connections.migrate()
        self._one("store migrate", "", actor, lambda session: f"schema {before} to {after}")
        return before, after

    def encrypt_anew(
        self, tell: Callable[[key_change.KeyChange], None] = lambda _: None, *, actor: Actor | None = None
    ) -> key_change.KeyChange | None:
        """Encrypt with the first key what stands in plain or under another, to the end; `tell` hears how far it is. None: no key
        is configured. Raises StoreKeyMissing."""
        ended = self._connections.change(lambda session: key_change.step(session, REENCRYPT_ROWS, again=True))
        while ended is not None and ended.ended_at is None:
            tell(ended)
            following = self._connections.change(lambda session: key_change.step(session, REENCRYPT_ROWS))
            following = following or self.ask(key_change.state)  # a gateway has brought it to its end meanwhile
            if following is None or following.to != ended.to:
                raise StoreError(
                    f"a gateway encrypts the store with another key than {ended.to!r}, which is newer: put that one first here too"
                )
            ended = following
        if ended is not None:
            result = f"{ended.rows} rows encrypted, {ended.given_up} given up"
            self._one("store reencrypt", ended.to, actor, lambda session: result)
        return ended

    # -- many. What was committed stays where it is stopped; all of one act have one row in the audit log

    def retry_many(
        self,
        deliveries: Sequence[int],
        *,
        filter: DeliveryFilter | None = None,
        actor: Actor | None = None,
        watcher: Watcher = WATCHER,
    ) -> Total:
        """`retry` each; `filter` is the filter that chose them, where one did."""
        return self._many_deliveries("deliveries retry", deliveries, filter, actor, commands.retry, watcher)

    def cancel_many(
        self,
        deliveries: Sequence[int],
        *,
        filter: DeliveryFilter | None = None,
        actor: Actor | None = None,
        watcher: Watcher = WATCHER,
    ) -> Total:
        """`cancel` each; `filter` is the filter that chose them, where one did."""
        return self._many_deliveries("deliveries cancel", deliveries, filter, actor, commands.cancel, watcher)

    def move(
        self,
        sink: str,
        to: str,
        *,
        deliveries: Sequence[int] | None = None,
        actor: Actor | None = None,
        watcher: Watcher = WATCHER,
    ) -> Total:
        """Give the waiting deliveries of one sink to another; those that have one there already are cancelled.

        `deliveries` are those that were chosen; None: all that wait now. What is being sent stays.
        """
        if sink == to:
            raise StoreError(f"{sink} and {to} are the same sink")
        filter = DeliveryFilter(sink=sink, state="waiting")
        ids = self.choose(filter) if deliveries is None else deliveries
        entry = self._entry("deliveries move", actor, len(ids), f"{sink} {to}", filter)
        rule = partial(commands.move, sink=sink, to=to)
        return bulk.run_act(self._connections, entry, ids, rule, watcher, summary=commands.moved)

    def replay_many(
        self,
        refs: Sequence[str],
        *,
        sinks: Sequence[str] | None = None,
        route: commands.Rerouting,
        reroute: bool = False,
        actor: Actor | None = None,
        watcher: Watcher = WATCHER,
    ) -> Total:
        """`replay` each: to `sinks`, else by today's routes (`reroute`, or where no route wanted it), else as the first time."""
        one = partial(
            commands.replay_one, sinks=sinks, route=route, reroute=reroute, ordered=self._known.ordered, by=_by(actor)
        )
        return self._many_events("events replay", refs, actor, one, watcher)

    def release_many(
        self, refs: Sequence[str], *, route: commands.Rerouting, actor: Actor | None = None, watcher: Watcher = WATCHER
    ) -> Total:
        """`release` each to the sinks of today's routes."""
        one = partial(commands.release_one, route=route, ordered=self._known.ordered, by=_by(actor))
        return self._many_events("events release", refs, actor, one, watcher)

    def erase(
        self,
        refs: str | Sequence[str],
        *,
        ids: erasure.Ids | None = None,
        asked: Mapping[str, str] | None = None,
        actor: Actor | None = None,
        watcher: Watcher = WATCHER,
    ) -> Total:
        """Cancel open deliveries and delete events with everything that was kept of them; their ids stay remembered.

        A plain id takes what is held beside it along. `ids` says which events a refused callback would make, so that
        those of the same content go too. `asked` is what chose them, where something did. Freed bytes are overwritten; `scrub` waits for the write-ahead log.
        """
        refs = [refs] if isinstance(refs, str) else refs
        same = erasure.SameCallbacks(ids)
        entry = AuditEntry(
            actor=actor or Actor.here(),
            act="events erase",
            filter={"refs": list(refs)} if asked is None else asked,
            matched=len(refs),
            hidden=True,
        )

        def one(session: Bulk, ref: str) -> ItemResult:
            return ItemResult(ref, erasure.ERASED, ref=erasure.erase(session, ref, same))

        return bulk.run_act(self._connections, entry, refs, bulk.each(one), watcher)

    def scrub(self, wait: float = SCRUB_SECONDS) -> bool:
        """Wait until what was erased is also out of SQLite's write-ahead log: the gateway that runs empties it, or this
        does. False: not yet, a gateway goes on trying. On PostgreSQL, whose log is the server's, nothing is waited for."""
        return self._connections.scrub(wait)

    def take_refused(
        self,
        refused: Sequence[int],
        judge: refusals.Judge,
        *,
        source: str | None = None,
        actor: Actor | None = None,
        watcher: Watcher = WATCHER,
    ) -> Total:
        """Judge refused callbacks again and accept those that pass, beside the running gateway, whose lanes find the rows
        within a second. `source`: they were chosen as all of this one."""
        entry = AuditEntry(
            actor=actor or Actor.here(),
            act="refused retry",
            target="" if source is None else source,
            filter=None if source is None else {"source": source},
            matched=len(refused),
        )
        prepare = partial(refusals.reverify_all, self._connections, judge)
        return bulk.run_act(self._connections, entry, refused, refusals.accept_judged, watcher, prepare=prepare)

    # -- how

    def _many_deliveries(
        self,
        act: AuditAct,
        ids: Sequence[int],
        filter: DeliveryFilter | None,
        actor: Actor | None,
        act_on: Callable[[Bulk, int], str],
        watcher: Watcher,
    ) -> Total:
        target = "" if filter is None else " ".join(values_of(filter.sink or "any sink"))

        def one(session: Bulk, id: int) -> ItemResult:
            return ItemResult(str(id), act_on(session, id))

        each = bulk.each(one)

        def rule(session: Bulk, batch: Sequence[int]) -> Sequence[ItemResult]:
            commands.lock_keys(session, batch)
            return each(session, batch)

        entry = self._entry(act, actor, len(ids), target, filter)
        return bulk.run_act(self._connections, entry, ids, rule, watcher)

    def _many_events(
        self,
        act: AuditAct,
        refs: Sequence[str],
        actor: Actor | None,
        one: Callable[[Bulk, str], ItemResult],
        watcher: Watcher,
    ) -> Total:
        return bulk.run_act(self._connections, self._entry(act, actor, len(refs)), refs, bulk.each(one), watcher)


def _by(actor: Actor | None) -> str:
    return str(actor or Actor.here())
