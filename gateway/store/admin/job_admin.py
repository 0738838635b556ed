"""Bulk acts that go on by themselves, written down in the store; and how any one act gets its row in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gateway.states import BulkAct
from gateway.store.admin import audit, jobs
from gateway.store.admin.audit import Actor, AuditEntry
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.event_search import EventFilter
from gateway.store.admin.queries import StoreQueries
from gateway.store.engine.batch import Bulk

T = TypeVar("T")


class JobAdmin(StoreQueries):
    """The part of StoreAdmin that jobs are begun, carried and ended with."""

    def preview(self, wanted: DeliveryFilter | EventFilter, upto: int | None = None) -> tuple[int, int]:
        """How many are meant, and the last row there is: what comes later is not touched."""
        return self._connections.read(lambda session: jobs.preview(session, self._known, wanted, upto))

    def start_job(
        self,
        act: BulkAct,
        wanted: DeliveryFilter | EventFilter,
        *,
        upto: int,
        options: Mapping[str, Any],
        pause_us: int,
        actor: Actor,
        holder: str,
    ) -> int:
        """Write a bulk act down; a gateway does it. `holder` says which token it was asked with."""
        matched, upto = self.preview(wanted, upto)
        return self._connections.change(
            lambda session: jobs.start(
                session,
                act=act,
                wanted=wanted,
                options=options,
                pause_us=pause_us,
                matched=matched,
                upto=upto,
                actor=actor,
                holder=holder,
            )
        )

    def cancel_job(self, id: int, *, actor: Actor) -> str:
        """End a bulk act before its next step. Raises NotFound, StoreError."""
        return self._one("jobs cancel", str(id), actor, lambda session: jobs.cancel(session, id))

    def step_job(self, id: int, most: int, **tools: Any) -> jobs.JobRow:
        """Do some of a bulk act; the job as it is then."""
        with_sinks = jobs.Tools(known=self._known, **tools)
        return self._connections.change(lambda session: jobs.step(session, id, with_sinks, most))

    def hold_job(self, id: int, owner: str) -> jobs.JobRow:
        """Keep a bulk act that rests; the job as it is."""
        return self._connections.change(lambda session: jobs.hold(session, id, owner))

    def leave_jobs(self, owner: str | None) -> None:
        """Let go of a gateway's bulk acts, or of all."""
        self._connections.change(lambda session: jobs.leave(session, owner))

    def fail_job(self, id: int, why: str) -> None:
        """End a bulk act that cannot go on."""
        self._connections.change(lambda session: jobs.fail(session, id, why))

    def note(self, act: str, target: str, *, actor: Actor, result: str = "done") -> None:
        """Write down something that changes nothing in the store, such as looking at credentials."""
        self._one(act, target, actor, lambda session: result)

    def once(self, work: Callable[[Bulk], T]) -> T:
        """Something small of the API's own, in a transaction without a row in the audit log."""
        return self._connections.change(work)

    # -- how one act is done

    def _entry(
        self, act: str, actor: Actor | None, matched: int, target: str = "", wanted: DeliveryFilter | None = None
    ) -> AuditEntry:
        return AuditEntry(
            actor=actor or Actor.here(),
            act=act,
            target=target,
            filter=None if wanted is None else wanted.said(),
            matched=matched,
        )

    def _one(self, act: str, target: str, actor: Actor | None, work: Callable[[Bulk], str]) -> str:
        entry = self._entry(act, actor, 1, target)

        def whole(session: Bulk) -> str:
            said = work(session)
            audit.begin(session, entry, 1, said)
            return said

        return self._connections.change(whole)
