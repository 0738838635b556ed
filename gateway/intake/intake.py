"""The way of a callback from the listener to the commit: verify, normalise, route, store, answer."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec

from gateway.dispatch.dispatcher import Dispatcher
from gateway.errors import ItemRefused, Malformed, Problem, StoreBusy, StoreError, StoreFull, Untrusted
from gateway.events.cloudevents import render
from gateway.intake.pipeline import new_event, normalise, verify
from gateway.intake.rejections import Refusals
from gateway.intake.reporter import Journal
from gateway.model import RECORDING_FAILED, Event, Trust, Verified, order_key
from gateway.plugin import Callback, Source
from gateway.plugin.contract import checked_response
from gateway.routing import Router, RoutingDecision
from gateway.states import ProblemCode
from gateway.store.outbox.contents import CONTENTS_MAX
from gateway.store.records import Accepted, NewDelivery
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.events.redacted_event import Redaction

LARGE_BODY_BYTES: Final = 16 * 1024  # what is made of a larger one, by a stranger too, may take over 2 ms: off the loop
VERIFIED_CODES: Final = frozenset({"signature_expired", "validity_too_long", "trust_too_low", "domain_not_allowed"})
"""Said only after the signature was found right: such a callback comes from the vendor, and can be had back."""
MISTAKES: Final = (Exception, SystemExit)  # of a plugin, whose exit is not ours
_json: Final = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEndpoint:
    """One configured source at its path."""

    name: str
    path: str
    source: Source
    min_trust: Trust = Trust.NONE
    hold_conflicts: bool = True
    keep_ids: bool = False
    reconciles: bool = False  # its vendor's own list is asked for
    redaction: Redaction | None = None  # what is taken out of its events
    allow_from: Sequence[IPv4Network | IPv6Network] = ()  # the web looks at it, before it reads a body
    max_body: int | None = None  # bytes, and at this too; None: `server.max_body`

    @property
    def media_types(self) -> Sequence[str]:
        return self.source.media_types


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """The answer to a callback that was taken."""

    status: int
    body: bytes
    media_type: str = "application/json"


class Intake:
    """Takes callbacks. A 2xx is returned only after the commit; whatever is refused leaves through one `Problem`."""

    def __init__(
        self, *, router: Router, store: Store, dispatcher: Dispatcher, journal: Journal, refusals: Refusals
    ) -> None:
        self._router = router
        self._store = store
        self._dispatcher = dispatcher
        self._journal = journal
        self._refusals = refusals

    async def handle_callback(self, endpoint: SourceEndpoint, callback: Callback) -> CallbackAnswer:
        """Verify, normalise, route and store one callback. Raises Problem; everything else is a bug of a plugin."""
        await _let_others_come_so_far()
        large = len(callback.body) > LARGE_BODY_BYTES
        verified = await self._verify(endpoint, callback, large)
        callback.known()
        await _let_others_come_so_far()
        events = await self._normalise(endpoint, callback, verified, large)
        if not events:
            self._journal.ignored(endpoint.source, callback)
            self._journal.answered(endpoint.name, "ignored", callback.received_at)
            return self._answer(endpoint, callback, (), b'{"status":"accepted","events":[]}')
        await _let_others_come_so_far()
        decisions = await asyncio.to_thread(self._decide, events) if large else self._decide(events)
        accepted = await self._accept(endpoint, callback, verified, events, decisions)
        if any(one.full for one in accepted):
            self._keep_refusal(endpoint, callback, _full(accepted), verified=True)
        new = any(one.new or one.supersedes for one in accepted)
        status = "accepted" if new else "duplicate"
        self._journal.answered(endpoint.name, status, callback.received_at)
        usual = _json({"status": status, "events": [str(one.id) for one in accepted]})
        return self._answer(endpoint, callback, events, usual)

    # -- who and what

    def _decide(self, events: Sequence[Event]) -> list[RoutingDecision]:
        return [self._router.decide(event) for event in events]

    async def _verify(self, endpoint: SourceEndpoint, callback: Callback, large: bool) -> Verified:
        try:
            if large:
                verified = await asyncio.to_thread(verify, endpoint.source, callback, endpoint.min_trust)
            else:
                verified = verify(endpoint.source, callback, endpoint.min_trust)
        except Untrusted as error:
            fitted = error.code in VERIFIED_CODES
            refused = Problem(401, error.code, error.detail, answer=error.answer)
            self._keep_refusal(endpoint, callback, refused, verified=fitted)
        except Malformed as error:
            self._keep_refusal(endpoint, callback, Problem(400, "malformed_body", error.detail))
        except MISTAKES as error:
            self._break(endpoint, callback, "verify", error)
        self._journal.verified(endpoint.source, verified, callback)
        return verified

    async def _normalise(
        self, endpoint: SourceEndpoint, callback: Callback, verified: Verified, large: bool
    ) -> Sequence[Event]:
        wanted = functools.partial(normalise, keep_ids=endpoint.keep_ids, redaction=endpoint.redaction)
        try:
            if large:  # one would make every other callback wait
                return await asyncio.to_thread(wanted, endpoint.source, callback, verified)
            return wanted(endpoint.source, callback, verified)
        except Malformed as error:
            self._keep_refusal(endpoint, callback, Problem(400, "malformed_body", error.detail), verified=True)
        except MISTAKES as error:
            self._break(endpoint, callback, "normalise", error)

    def _keep_refusal(
        self, endpoint: SourceEndpoint, callback: Callback, problem: Problem, *, verified: bool = False
    ) -> NoReturn:
        self._refusals.keep(endpoint.name, problem, callback, verified=verified, body=endpoint.redaction is None)
        raise problem

    def _break(self, endpoint: SourceEndpoint, callback: Callback, step: str, error: BaseException) -> NoReturn:
        """A source plugin's own bug: not acknowledged, kept for `refused retry`, and the plugin is named."""
        self._journal.broken(endpoint.source, step, error)
        problem = Problem(
            500,
            "source_failed",
            f"the source plugin {endpoint.source.type} failed in {step}; the callback was kept",
            retry_after=60,
        )
        self._keep_refusal(endpoint, callback, problem, verified=step != "verify")

    # -- into the store

    async def _accept(
        self,
        endpoint: SourceEndpoint,
        callback: Callback,
        verified: Verified,
        events: Sequence[Event],
        decisions: Sequence[RoutingDecision],
    ) -> Sequence[Accepted]:
        reserved: list[str] = []
        stored: asyncio.Future[Sequence[Accepted]] | None = None
        raw_type = callback.headers.get("content-type")
        try:
            try:
                large = len(callback.body) > LARGE_BODY_BYTES
                written = await asyncio.to_thread(_rendered, events) if large else _rendered(events)
                new = [
                    new_event(
                        event,
                        decision,
                        deliveries=self._reserve(event, decision, reserved) if decision.sinks else (),
                        raw_type=raw_type,
                        hold_conflicts=endpoint.hold_conflicts,
                        verified=verified,
                        rendered=rendered,
                        trace=callback.trace,
                        placed=endpoint.reconciles,
                    )
                    for event, decision, rendered in zip(events, decisions, written, strict=True)
                ]
            except (AttributeError, RecursionError, TypeError, ValueError) as error:  # an event that no JSON can hold
                self._break(endpoint, callback, "normalise", error)
            stored = self._store.accept(new)
            # A future of its own, because a client that goes away must not undo the hand-over of what is committed.
            answer: asyncio.Future[Sequence[Accepted]] = stored.get_loop().create_future()
            stored.add_done_callback(functools.partial(self._carry, callback, events, decisions, reserved, answer))
            return await answer
        except StoreBusy as error:
            raise self._unstored(endpoint, "store_unavailable", "the store is busy", error.retry_after) from error
        except StoreFull as error:
            raise self._unstored(endpoint, "over_limits", str(error), 30) from error
        except StoreError as error:
            if isinstance(error, ItemRefused):
                self._journal.refused_by_the_database(endpoint.name, error)
            pause = random.randint(1, 5)  # noqa: S311  jitter, not a secret
            raise self._unstored(endpoint, "store_unavailable", "the store cannot commit now", pause) from error
        finally:
            if stored is None:  # else `_carry` gives them back, also where nobody waits for the answer any more
                self._unreserve(reserved)

    def _unstored(self, endpoint: SourceEndpoint, code: ProblemCode, detail: str, retry_after: int) -> Problem:
        problem = Problem(503, code, detail, retry_after=retry_after)
        self._refusals.count(endpoint.name, problem)
        return problem

    def _reserve(self, event: Event, decision: RoutingDecision, reserved: list[str]) -> tuple[NewDelivery, ...]:
        wanted = []
        for sink in decision.sinks:
            key = order_key(event.source, event.subject, ordered=self._dispatcher.keeps_order(sink))
            lease = self._dispatcher.reserve(sink)
            if lease is not None:
                reserved.append(sink)
            wanted.append(NewDelivery(sink=sink, order_key=key, lease=lease))
        return tuple(wanted)

    def _unreserve(self, reserved: list[str]) -> None:
        for sink in reserved:
            self._dispatcher.unreserve(sink)
        reserved.clear()

    def _carry(
        self,
        callback: Callback,
        events: Sequence[Event],
        decisions: Sequence[RoutingDecision],
        reserved: list[str],
        answer: asyncio.Future[Sequence[Accepted]],
        stored: asyncio.Future[Sequence[Accepted]],
    ) -> None:
        """After the commit: every reservation becomes a lease in its lane's hands, or is given back.

        The lines are written here and not where the answer is made: whoever went away meanwhile has been stored all the
        same, and what a commit brought comes one after the other while the processor knows the way.
        """
        try:
            if not stored.cancelled() and stored.exception() is None:
                accepted = stored.result()
                self._journal.stored(events, decisions, accepted, callback)
                for event, kept in zip(events, accepted, strict=True):
                    for lease in kept.leases:
                        reserved.remove(lease.sink)
                        self._dispatcher.hand_over(lease)
                    for sink in kept.waiting:
                        self._dispatcher.wake(sink, urgent=event.type == RECORDING_FAILED)
        finally:
            self._unreserve(reserved)
            if not answer.done():  # else nobody waits for it any more
                _pass_on(stored, answer)

    def _answer(
        self, endpoint: SourceEndpoint, callback: Callback, events: Sequence[Event], usual: bytes
    ) -> CallbackAnswer:
        if type(endpoint.source).acknowledge is Source.acknowledge:
            return CallbackAnswer(200, usual)
        try:
            own = checked_response(endpoint.source, endpoint.source.acknowledge(callback, events))
        except MISTAKES as error:
            self._journal.broken(endpoint.source, "acknowledge", error)
            return CallbackAnswer(200, usual)
        return CallbackAnswer(200, usual) if own is None else CallbackAnswer(own.status, own.body, own.media_type)


async def _let_others_come_so_far() -> None:
    """Between two stages: what many callbacks have before them is done for all of them before the next stage begins.

    Because each stage is so much code that it pushes the others out of the processor's caches: one callback after the
    other through all of them takes a tenth more time (docs/decisions/0012). Alone each costs a turn of the loop.
    """
    await asyncio.sleep(0)


def _pass_on(done: asyncio.Future[Sequence[Accepted]], answer: asyncio.Future[Sequence[Accepted]]) -> None:
    if done.cancelled():
        answer.cancel()
    elif (error := done.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(done.result())


def _full(accepted: Sequence[Accepted]) -> Problem:
    """Nothing is answered 2xx that a person cannot find: this content was not stored under its id, so it is refused."""
    ids = ", ".join(one.id for one in accepted if one.full)
    return Problem(
        503,
        "too_many_contents",
        f"{CONTENTS_MAX} other contents are kept under {ids} already; a person looks at them with `gateway events list --held`",
        retry_after=60,
    )


def _rendered(events: Sequence[Event]) -> list[tuple[str, bytes]]:
    return [render(event) for event in events]
