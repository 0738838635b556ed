"""How this gateway comes to deliveries and keeps them: claimed, lengthened, given back, or settled together with what follows."""

from __future__ import annotations

import json
from asyncio import Future
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec import to_builtins

from gateway.model import Progress
from gateway.store.engine.backend import Backend
from gateway.store.engine.batch import Bulk, memo_text
from gateway.store.engine.writer import Writer
from gateway.store.outbox import losses, queues
from gateway.store.outbox import settle as settling
from gateway.store.outbox.claim import end_unreadable, probe_claim
from gateway.store.outbox.clock_repair import Spans
from gateway.store.outbox.clock_steps import ClockSteps
from gateway.store.outbox.group_claim import claim_group
from gateway.store.outbox.settle import settle_with
from gateway.store.records import Claim, FencingToken, GroupClaim, Lease, NewEvent, Settled, Settlement

CLAIM_ROWS_MAX: Final = 100  # rows of one claim


class LeasedRows:
    """The part of Store that leases are taken and kept with; an outcome, which ends one, is settled."""

    _backend: Backend
    _writer: Writer
    _owner: str
    _spans: Spans
    _steps: ClockSteps
    _leads: dict[str, int]

    def claim(
        self, sink: str, most: int, lease: int, *, running: Collection[int] = (), probe: bool = False
    ) -> Future[Sequence[Lease]]:
        """Lease up to `most` due deliveries for `lease` ms: ended leases first, then fresh and again in turn.

        `running` are the deliveries this process has in hand. `probe`: past an open circuit, one: the oldest never
        tried, else the least tried, due or not.
        """
        running = tuple(running)

        def work(session: Bulk) -> Sequence[Lease]:
            self._spans.note(session, "lease", lease)
            if not self._backend.alone:
                losses.count(session, sink, self._owner)
            if probe:
                leases = probe_claim(session, sink, lease, running, self._owner)
            else:
                first = self._leads.get(sink, 0)
                self._leads[sink] = 1 - first
                leases = session.lease_due(Claim(sink, min(most, CLAIM_ROWS_MAX), lease, first, self._owner, running))
                leases = self._at_the_right_time(session, leases, lease)
            return _known_losses(session, sink, leases)

        return self._writer.enqueue(work)

    def claim_group(
        self, sink: str, most: int, lease: int, window: int, *, running: Collection[int] = ()
    ) -> Future[GroupClaim]:
        """The same, of one group: of the one that has waited longest, once its first row has waited `window` ms."""
        running = tuple(running)

        def work(session: Bulk) -> GroupClaim:
            self._spans.note(session, "lease", lease)
            if not self._backend.alone:
                losses.count(session, sink, self._owner)
            first = self._leads.get(sink, 0)
            self._leads[sink] = 1 - first
            claim = Claim(sink, min(most, CLAIM_ROWS_MAX), lease, first, self._owner, running)
            claimed = claim_group(session, claim, window)
            leases = self._at_the_right_time(session, claimed.leases, lease)
            return claimed._replace(leases=_known_losses(session, sink, leases))

        return self._writer.enqueue(work)

    def group_by(self, fields: Mapping[str, Sequence[str]]) -> None:
        """From now on new rows of these sinks get the key of their group; those of all others get none."""
        self._backend.groups.by = dict(fields)

    def _at_the_right_time(self, session: Bulk, leases: Sequence[Lease], lease: int) -> Sequence[Lease]:
        """The same leases, told by a clock that may have been set in between."""
        if not leases or not self._steps.suspects(leases[0].until - lease):
            return leases
        step = max(self._steps.correct(session), 0)  # no delivery grows old by it
        return [one.replace(elapsed=max(one.elapsed - step, 0)) for one in leases]

    def keep_alive(
        self,
        delivery: int,
        token: FencingToken,
        lease: int,
        memo: Mapping[str, object] | None,
        progress: Progress | None,
    ) -> Future[bool]:
        """A long delivery gets on: lengthen its lease to `lease` ms from now, and keep what is not None; False: the lease was lost.

        A memo that was kept is progress: what the delivery was in flight of before counts no longer as its loss.
        """

        def work(session: Bulk) -> bool:
            self._spans.note(session, "lease", lease)
            said = None if progress is None else json.dumps(to_builtins(progress))
            kept_memo = None if memo is None else memo_text(memo) or "{}"
            with session.atomic():
                kept = settling.keep_alive(session, delivery, token, lease, kept_memo, said)
                if kept and memo is not None:
                    losses.progressed(session, delivery)
                return kept

        return self._writer.enqueue(work)

    def settle_with(self, settlement: Settlement, events: Sequence[NewEvent]) -> Future[Settled]:
        """Write one outcome together with the events that follow on it; none of them where the lease was lost.

        `store.limits` do not hold them up: what made them is done already.
        """

        def work(session: Bulk) -> Settled:
            self._spans.note(session, "delay", settlement.delay)
            return settle_with(session, settlement, events, self._owner)

        return self._writer.enqueue(work, 256 + sum(len(new.body) for new in events))

    def renew(self, delivery: int, token: FencingToken, lease: int) -> Future[bool]:
        """Lengthen a lease before sending; False: lost, do not send."""

        def work(session: Bulk) -> bool:
            self._spans.note(session, "lease", lease)
            return settling.renew(session, delivery, token, lease)

        return self._writer.enqueue(work)

    def release(self, leases: Sequence[tuple[int, int]], *, delay: int = 0) -> Future[None]:
        """Give back (delivery, token) pairs that were not begun; their attempt is not burnt; due after `delay` ms."""
        leases = tuple(leases)

        def work(session: Bulk) -> None:
            self._spans.note(session, "delay", delay)
            settling.release(session, leases, delay)

        return self._writer.enqueue(work)

    def join_queue(self, sink: str, key: str, leases: Sequence[tuple[int, int]], *, delay: int) -> Future[None]:
        """Give (delivery, token) pairs back that were not begun, to stand in this queue one behind the other: no claim
        sees more than the first, which is due after `delay` ms."""
        leases = tuple(leases)

        def work(session: Bulk) -> None:
            self._spans.note(session, "delay", delay)
            queues.join(session, sink, key, leases, delay)

        return self._writer.enqueue(work)

    def leave_queue(self, sink: str, key: str, delivery: int, token: FencingToken) -> Future[None]:
        """What stands first in this queue waits by itself from now on; the next one comes free."""

        def work(session: Bulk) -> None:
            queues.leave(session, sink, key, delivery, token)

        return self._writer.enqueue(work)


def _known_losses(session: Bulk, sink: str, leases: Sequence[Lease]) -> Sequence[Lease]:
    """With how often a process died with each in flight; those that nobody can read are ended."""
    end_unreadable(session)
    if not any(one.attempt > 1 for one in leases):
        return leases
    known = losses.of_sink(session, sink)
    if not known:
        return leases
    suspects = losses.suspects(session)
    return [_with_losses(one, known, suspects) for one in leases]


def _with_losses(lease: Lease, known: Mapping[int, tuple[int, int]], suspects: int) -> Lease:
    if lease.delivery not in known:
        return lease
    count, lone = known[lease.delivery]
    return lease.replace(losses=count, lone_losses=lone, suspects=suspects)
