"""Bulk acts that go on by themselves, written down in the store; and how any one act gets its row in the audit log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeVar

from gateway.errors import PageDamaged
from gateway.states import AuditAct, BulkAct
from gateway.store.admin import audit, commands, erasure, jobs
from gateway.store.admin.audit import Actor, AuditEntry
from gateway.store.admin.bulk import ItemResult
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.event_search import EventFilter
from gateway.store.admin.job_rows import JobOptions, JobRow
from gateway.store.admin.queries import StoreQueries
from gateway.store.engine.batch import Bulk

T = TypeVar("T")


class JobAdmin(StoreQueries):
    """The part of StoreAdmin that jobs are begun, carried and ended with."""

    def preview(self, filter: DeliveryFilter | EventFilter, upto: int | None = None) -> tuple[int, int]:
        """How many are meant, and the last row there is: what comes later is not touched."""
        return self._connections.read(lambda session: jobs.preview(session, self._known, filter, upto))

    def start_job(
        self,
        act: BulkAct,
        filter: DeliveryFilter | EventFilter,
        *,
        upto: int,
        options: JobOptions,
        pause_us: int,
        actor: Actor,
        holder: str,
    ) -> int:
        """Write a bulk act down; a gateway does it. `holder` says which token it was asked with."""
        matched, upto = self.preview(filter, upto)
        return self._connections.change(
            lambda session: jobs.start(
                session,
                act=act,
                filter=filter,
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

    def step_job(
        self,
        id: int,
        most: int,
        *,
        owner: str,
        holders: Collection[str],
        route: commands.Rerouting,
        ids: erasure.Ids | None,
    ) -> JobRow:
        """Do some of a bulk act; the job as it is then."""
        with_sinks = jobs.Tools(owner=owner, holders=holders, known=self._known, route=route, ids=ids)
        try:
            return self._connections.change(lambda session: jobs.step(session, id, with_sinks, most))
        except PageDamaged:
            return self._step_round_damage(id, most, with_sinks)

    def _step_round_damage(self, id: int, most: int, tools: jobs.Tools) -> JobRow:
        """A step in a transaction for each part of it, and in the end for each row, so that only what lies on a damaged page
        is not done."""
        job = self._connections.read(lambda session: jobs.job_of(session, id))
        filter, most = jobs.filter_of(job.act, job.filter), min(most, jobs.STEP_ROWS_MAX)
        chosen, at = self._connections.read(
            lambda session: jobs.next_readable(session, self._known, filter, after=job.at_row, upto=job.upto, most=most)
        )
        parts: list[Sequence[object]] = [chosen] if chosen else []
        while parts:
            part = parts.pop(0)
            span = jobs.JobSpan(_row_of(part[0]) - 1, _row_of(part[-1]))
            try:
                job = self._span(id, tools, span)
            except PageDamaged as error:
                half = len(part) // 2
                if half:
                    parts[:0] = [part[:half], part[half:]]
                    continue
                given_up = ItemResult(_name(part[0]), str(error), well=False)
                job = self._span(id, tools, replace(span, given_up=given_up))
            if job.finished_at is not None or job.at_row != span.upto:
                return job  # it was ended, or another gateway goes on
        return self._span(id, tools, jobs.JobSpan(at, at)) if job.at_row < at else job

    def _span(self, id: int, tools: jobs.Tools, span: jobs.JobSpan) -> JobRow:
        return self._connections.change(lambda session: jobs.step(session, id, tools, jobs.STEP_ROWS_MAX, span))

    def renew_job(self, id: int, owner: str) -> JobRow:
        """Keep a bulk act that rests; the job as it is."""
        return self._connections.change(lambda session: jobs.renew(session, id, owner))

    def fail_job(self, id: int, why: str) -> None:
        """End a bulk act that cannot go on."""
        self._connections.change(lambda session: jobs.fail(session, id, why))

    def note(self, act: AuditAct, target: str, *, actor: Actor, result: str = "done") -> None:
        """Write down something that changes nothing in the store, such as looking at credentials."""
        self._one(act, target, actor, lambda session: result)

    def once(self, work: Callable[[Bulk], T]) -> T:
        """Something small of the API's own, in a transaction without a row in the audit log."""
        return self._connections.change(work)

    # -- how one act is done

    def _entry(
        self, act: AuditAct, actor: Actor | None, matched: int, target: str = "", filter: DeliveryFilter | None = None
    ) -> AuditEntry:
        return AuditEntry(
            actor=actor or Actor.here(),
            act=act,
            target=target,
            filter=None if filter is None else filter.criteria(),
            matched=matched,
        )

    def _one(self, act: AuditAct, target: str, actor: Actor | None, work: Callable[[Bulk], str]) -> str:
        entry = self._entry(act, actor, 1, target)

        def whole(session: Bulk) -> str:
            said = work(session)
            audit.begin_act(session, entry, 1, said)
            return said

        return self._connections.change(whole)


def _row_of(chosen: object) -> int:
    """The row of a delivery, or of an event with its name."""
    row, _ = chosen if isinstance(chosen, tuple) else (chosen, "")
    assert isinstance(row, int)
    return row


def _name(chosen: object) -> str:
    _, name = chosen if isinstance(chosen, tuple) else (0, chosen)
    return str(name)
