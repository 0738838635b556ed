"""The way of a callback from the listener to the commit: verify, normalise, route, store, answer.

Callbacks that come together go from stage to stage together: each stage is so much code that it pushes the others out of
the processor's caches, and a task of its own for each would cost as much as a stage (docs/decisions/0013).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, TypeVar

from gateway.compact_json import encode_struct_or_str
from gateway.dispatch.dispatcher import Dispatcher
from gateway.events.cloudevents import render
from gateway.intake.failures import Failures
from gateway.intake.pipeline import new_event, normalise, verify
from gateway.intake.rejections import Refusals
from gateway.intake.reporter import Journal
from gateway.intake.stages import Stage, compute_or_raise, fail
from gateway.intake.under_way import Answered, CallbackAnswer, CallbackUnderWay, SourceEndpoint
from gateway.model import RECORDING_FAILED, Event, Verified, order_key
from gateway.plugin import Callback, Source
from gateway.plugin.contract import checked_response
from gateway.routing import Router, RoutingDecision
from gateway.store.engine.commit_waiters import ToldWaiter
from gateway.store.records import Accepted, NewDelivery, NewEvent
from gateway.store.store import Store

__all__ = ["CallbackAnswer", "Intake", "SourceEndpoint"]

T = TypeVar("T")

LARGE_BODY_BYTES: Final = 16 * 1024  # what is made of a larger one, by a stranger too, may take over 2 ms: off the loop
TOGETHER_MAX: Final = (
    64  # callbacks that go together, so that whatever else the loop has to do waits for some 10 ms at most
)
CALL_SECONDS_MAX: Final = 0.25  # after which a call of the loop that did not come is made again
NOT_CALLED: Final = float("-inf")


class Intake:
    """Takes callbacks. A 2xx is answered only after the commit; whatever is refused leaves through one `Problem`."""

    def __init__(
        self, *, router: Router, store: Store, dispatcher: Dispatcher, journal: Journal, refusals: Refusals
    ) -> None:
        self._router = router
        self._store = store
        self._dispatcher = dispatcher
        self._journal = journal
        self._failures = failures = Failures(journal, refusals)
        self._arrived: deque[CallbackUnderWay] = deque()
        self._called_at = NOT_CALLED  # monotonic: when the loop was asked to carry them in its next turn
        self._to_store: list[
            tuple[Sequence[NewEvent], ToldWaiter[CallbackUnderWay]]
        ] = []  # rows of this turn of the loop
        self._large: set[asyncio.Task[None]] = set()
        self._to_verify = Stage(self._verify, self._verified, failures.of_verify)
        self._to_normalise = Stage(self._normalise, self._normalised, failures.of_normalise)
        self._to_write = Stage(self._write, self._written, failures.of_writing)

    def take_callback(self, endpoint: SourceEndpoint, callback: Callback, answered: Answered) -> None:
        """Verify, normalise, route and store one callback, beginning in the loop's next turn; `answered` hears once what
        became of it. It is stored and told whether or not anybody still listens then."""
        work = CallbackUnderWay(endpoint, callback, answered)
        if len(callback.body) > LARGE_BODY_BYTES:
            task = asyncio.get_running_loop().create_task(self._carry_large(work), name="large callback")
            self._large.add(task)
            task.add_done_callback(self._large.discard)
            return
        self._arrived.append(work)
        self._call()

    # -- from stage to stage

    def _call(self) -> None:
        """Once a turn; but a call that never came, because there was no memory for it, is not waited for."""
        now = time.monotonic()
        if now - self._called_at > CALL_SECONDS_MAX:
            asyncio.get_running_loop().call_soon(
                self._carry_arrived
            )  # asks the kernel whose process it is, at each call
            self._called_at = now
            self._store.expect_accepts()

    def _carry_arrived(self) -> None:
        self._called_at = NOT_CALLED  # first, so that what is left without memory goes with the next one
        arrived = self._arrived
        begun: list[CallbackUnderWay] = []
        try:
            while arrived and len(begun) < TOGETHER_MAX:
                begun.append(arrived[0])
                arrived.popleft()  # last: it is in one of both, whatever fails
            if arrived:
                self._call()
            verified = self._pass(self._to_verify, begun)
            normalised = self._pass(self._to_normalise, verified)
            self._pass(self._to_write, normalised)
            self._store_rows()
        except BaseException as error:  # a mistake of ours, or no memory: nobody waits for ever
            self._give_up(begun, error)

    def _give_up(self, begun: Sequence[CallbackUnderWay], error: BaseException) -> None:
        for work in begun:
            if not work.queued:  # else the store answers it
                work.answer(error)
        self._store_rows()

    def _pass(self, stage: Stage[T], together: Sequence[CallbackUnderWay]) -> list[CallbackUnderWay]:
        """Those that go on to the next stage. All are computed before the first goes on, because that is other code."""
        computed: list[tuple[CallbackUnderWay, T]] = []
        compute, go_on, _ = stage
        for work in together:
            try:
                computed.append((work, compute(work)))
            except BaseException as error:  # a KeyboardInterrupt of a plugin too: the others go on
                fail(stage, work, error)
        going_on = []
        for work, given in computed:
            try:
                if go_on(work, given):
                    going_on.append(work)
            except BaseException as error:
                fail(stage, work, error)
        return going_on

    async def _carry_large(self, work: CallbackUnderWay) -> None:
        """The same stages in a thread, because one would make every other callback wait."""
        if (
            await self._pass_large(self._to_verify, work)
            and await self._pass_large(self._to_normalise, work)
            and await self._pass_large(self._to_write, work)
        ):
            self._store_rows()

    async def _pass_large(self, stage: Stage[T], work: CallbackUnderWay) -> bool:
        given = await asyncio.to_thread(compute_or_raise, stage.compute, work)
        return bool(self._pass(Stage(given, stage.go_on, stage.failed), [work]))

    # -- who and what

    def _verify(self, work: CallbackUnderWay) -> Verified:
        return verify(work.endpoint.source, work.callback, work.endpoint.min_trust)

    def _verified(self, work: CallbackUnderWay, verified: Verified) -> bool:
        work.verified = verified
        self._journal.verified(work.endpoint.source, verified, work.callback)
        work.callback.known()
        return True

    def _normalise(self, work: CallbackUnderWay) -> Sequence[Event]:
        endpoint = work.endpoint
        return normalise(
            endpoint.source,
            work.callback,
            work.verified,
            keep_ids=endpoint.keep_ids,
            redaction=endpoint.redaction,
        )

    def _normalised(self, work: CallbackUnderWay, events: Sequence[Event]) -> bool:
        work.events = events
        if events:
            return True
        endpoint, callback = work.endpoint, work.callback
        self._journal.ignored(endpoint.source, callback, redacted=endpoint.redaction is not None)
        self._journal.answered(endpoint.name, "ignored", callback.received_at)
        work.answer(self._answer(work, b'{"status":"accepted","events":[]}'))
        return False

    # -- into the store

    def _write(self, work: CallbackUnderWay) -> Sequence[tuple[str, bytes]]:
        work.decisions = list(map(self._router.decide, work.events))
        return list(map(render, work.events))

    def _written(self, work: CallbackUnderWay, written: Sequence[tuple[str, bytes]]) -> bool:
        try:
            new = self._new_events(work, written)
            self._to_store.append((new, ToldWaiter(self._committed, work)))
        except BaseException:
            self._unreserve(work.reserved)
            raise
        work.queued = True
        return True

    def _store_rows(self) -> None:
        """All that came so far, in one go."""
        rows, self._to_store = self._to_store, []
        try:
            self._store.accept_together(rows)
        except BaseException as error:  # a mistake of ours, or no memory: nobody waits for ever
            for _, told in rows:
                if not told.done():
                    told.set_exception(error)

    def _new_events(self, work: CallbackUnderWay, written: Sequence[tuple[str, bytes]]) -> list[NewEvent]:
        endpoint, callback = work.endpoint, work.callback
        raw_type = callback.media_type
        rows = []
        for event, decision, rendered in zip(work.events, work.decisions, written, strict=True):
            new = new_event(
                event,
                decision,
                deliveries=self._reserve(event, decision, work.reserved) if decision.sinks else (),
                raw_type=raw_type,
                hold_conflicts=endpoint.hold_conflicts,
                verified=work.verified,
                rendered=rendered,
                trace=callback.trace,
                placed=endpoint.reconciles,
            )
            rows.append(new)
        return rows

    def _reserve(self, event: Event, decision: RoutingDecision, reserved: list[str]) -> tuple[NewDelivery, ...]:
        reservations = []
        for sink in decision.sinks:
            key = order_key(event.source, event.subject, ordered=self._dispatcher.keeps_order(sink))
            lease = self._dispatcher.reserve(sink)
            if lease is not None:
                reserved.append(sink)
            reservations.append(NewDelivery(sink=sink, order_key=key, lease=lease))
        return tuple(reservations)

    def _unreserve(self, reserved: list[str]) -> None:
        for sink in reserved:
            self._dispatcher.unreserve(sink)
        reserved.clear()

    # -- after the commit

    def _committed(self, work: CallbackUnderWay, accepted: Sequence[Accepted], error: BaseException | None) -> None:
        """Every reservation becomes a lease in its lane's hands, or is given back; then the answer.

        The lines are written here and not where the answer is sent: whoever went away meanwhile has been stored all the
        same, and what a commit brought comes one after the other while the processor knows the way.
        """
        try:
            if error is None:
                self._give_to_lanes(work, accepted)
        finally:
            if work.reserved:
                self._unreserve(work.reserved)
            if error is not None:
                work.answer(self._failures.of_store(work.endpoint, error))
            else:
                answer: CallbackAnswer | BaseException
                try:
                    answer = self._taken(work, accepted)
                except BaseException as mistake:  # a caller without an answer would wait for ever
                    answer = mistake
                work.answer(answer)

    def _give_to_lanes(self, work: CallbackUnderWay, accepted: Sequence[Accepted]) -> None:
        self._journal.stored(work.events, work.decisions, accepted, work.callback)
        for event, kept in zip(work.events, accepted, strict=True):
            for lease in kept.leases:
                work.reserved.remove(lease.sink)
                self._dispatcher.hand_over(lease)
            for sink in kept.waiting:
                self._dispatcher.wake(sink, urgent=event.type == RECORDING_FAILED)

    def _taken(self, work: CallbackUnderWay, accepted: Sequence[Accepted]) -> CallbackAnswer | BaseException:
        status = "duplicate"
        for one in accepted:
            if one.full:
                return self._failures.full(work, accepted)
            if one.new or one.supersedes:
                status = "accepted"
        self._journal.answered(work.endpoint.name, status, work.callback.received_at)
        return self._answer(work, encode_struct_or_str({"status": status, "events": [str(one.id) for one in accepted]}))

    def _answer(self, work: CallbackUnderWay, usual: bytes) -> CallbackAnswer:
        source = work.endpoint.source
        if type(source).acknowledge is Source.acknowledge:
            return CallbackAnswer(200, usual)
        try:
            own = checked_response(source, source.acknowledge(work.callback, work.events))
        except BaseException as error:  # it is stored, whatever the plugin does
            self._journal.broken(source, "acknowledge", error, redacted=work.endpoint.redaction is not None)
            return CallbackAnswer(200, usual)
        return CallbackAnswer(200, usual) if own is None else CallbackAnswer(own.status, own.body, own.media_type)
