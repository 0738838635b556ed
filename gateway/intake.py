"""The way of a callback from the door to the commit: verify, normalise, route, store, answer."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import structlog

from gateway.cloudevents import render
from gateway.dispatcher import Dispatcher
from gateway.errors import ItemRefused, Malformed, Problem, StoreBusy, StoreError, StoreFull, Untrusted
from gateway.metrics import Metrics
from gateway.model import FAILED, Event, Trust, Verified
from gateway.plugin import Callback, Source
from gateway.refusals import Refusals
from gateway.routing import Decision, Router
from gateway.store.records import Accepted, NewDelivery, NewEvent
from gateway.store.store import Store

log = structlog.get_logger("gateway.intake")
_json: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One configured source at its path."""

    name: str
    path: str
    source: Source
    min_trust: Trust = Trust.NONE
    hold_conflicts: bool = True

    @property
    def media_types(self) -> Sequence[str]:
        return self.source.media_types


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to a callback that was taken."""

    status: int
    body: bytes
    media_type: str = "application/json"


class Intake:
    """Takes callbacks. A 2xx is returned only after the commit; whatever is refused leaves through one `Problem`."""

    def __init__(
        self, *, router: Router, store: Store, dispatcher: Dispatcher, hook: Any, metrics: Metrics, refusals: Refusals
    ) -> None:
        self._router = router
        self._store = store
        self._dispatcher = dispatcher
        self._hook = hook
        self._metrics = metrics
        self._refusals = refusals
        self._broken_watchers: set[str] = set()
        self._warned: set[str] = set()  # sources whose first weakly signed callback was told

    async def take(self, door: Door, callback: Callback) -> Taken:
        """Verify, normalise, route and store one callback. Raises Problem; everything else is a bug of a plugin."""
        verified = self._verify(door, callback)
        events = self._normalise(door, callback, verified)
        if not events:
            self._metrics.callbacks.labels(door.name, "ignored").inc()
            return self._answer(door, callback, (), b'{"status":"accepted","events":[]}')
        decisions = [self._router.decide(event) for event in events]
        accepted = await self._accept(door, callback, verified, events, decisions)
        self._tell(door, events, decisions, accepted)
        new = any(one.new for one in accepted)
        self._metrics.callbacks.labels(door.name, "accepted" if new else "duplicate").inc()
        usual = _json({"status": "accepted" if new else "duplicate", "events": [one.id for one in accepted]}).encode()
        return self._answer(door, callback, events, usual)

    # -- who and what

    def _verify(self, door: Door, callback: Callback) -> Verified:
        try:
            verified = door.source.verify(callback)
            if verified.trust.rank < door.min_trust.rank:
                raise Untrusted(
                    "trust_too_low",
                    f"the signature covers `{verified.trust}` ({verified.scheme}); this source asks for `{door.min_trust}` (min_trust)",
                )
        except Untrusted as error:
            self._refuse(door, callback, Problem(401, error.code, error.detail))
        except Malformed as error:
            self._refuse(door, callback, Problem(400, "malformed_body", error.detail))
        except Exception as error:
            self._break(door, callback, "verify", error)
        key = "" if verified.key is None else str(verified.key)
        self._metrics.verified.labels(door.name, verified.scheme, key, verified.trust.value).inc()
        if verified.validity is not None:
            self._metrics.validity_seconds.labels(door.name).observe(verified.validity)
        if verified.trust.rank < Trust.FIELDS.rank and door.name not in self._warned:
            self._warned.add(door.name)
            log.warning(
                "trust_below_fields",
                source=door.name,
                scheme=verified.scheme,
                trust=verified.trust.value,
                hint=f"the signature did not cover what the callback says; to refuse such callbacks, add `min_trust: fields` under sources.{door.name}",
            )
        return verified

    def _normalise(self, door: Door, callback: Callback, verified: Verified) -> Sequence[Event]:
        try:
            return door.source.normalise(callback, verified)
        except Malformed as error:
            self._refuse(door, callback, Problem(400, "malformed_body", error.detail))
        except Exception as error:
            self._break(door, callback, "normalise", error)

    def _refuse(self, door: Door, callback: Callback, problem: Problem) -> NoReturn:
        self._refusals.keep(door.name, problem, callback)
        raise problem

    def _break(self, door: Door, callback: Callback, step: str, error: Exception) -> NoReturn:
        """A source plugin's own bug: not acknowledged, kept for `refused retry`, and the plugin is named."""
        log.error("source_failed", source=door.name, type=door.source.type, step=step, exc_info=error)
        problem = Problem(
            500,
            "source_failed",
            f"the source plugin {door.source.type} failed in {step}; the callback was kept",
            retry_after=60,
        )
        self._refuse(door, callback, problem)

    # -- into the store

    async def _accept(
        self, door: Door, callback: Callback, verified: Verified, events: Sequence[Event], decisions: Sequence[Decision]
    ) -> Sequence[Accepted]:
        reserved: list[str] = []
        raw_type = callback.headers.get("content-type", "application/octet-stream")
        seal = verified.seal
        try:
            try:
                new = [
                    NewEvent(
                        event=event,
                        body=body,
                        fingerprint=mark,
                        routing=decision.json(),
                        deliveries=self._reserve(event, decision, reserved),
                        raw_type=raw_type[:255],
                        hold_conflicts=door.hold_conflicts,
                        seal=None if seal is None else _sealed(door.name, seal.digest),
                        seal_most=0 if seal is None else seal.most,
                    )
                    for event, decision, (body, mark) in zip(events, decisions, map(render, events), strict=True)
                ]
            except ValueError as error:
                self._break(door, callback, "normalise", error)
            stored = self._store.accept(new)
            stored.add_done_callback(functools.partial(self._carry, events, reserved))
            # because a client that goes away must not undo the hand-over of what is committed
            return await asyncio.shield(stored)
        except Problem:
            self._unreserve(reserved)
            raise
        except StoreBusy as error:
            self._unreserve(reserved)
            raise self._unstored(door, "store_unavailable", "the store is busy", error.retry_after) from error
        except StoreFull as error:
            self._unreserve(reserved)
            raise self._unstored(door, "over_limits", str(error), 30) from error
        except StoreError as error:
            self._unreserve(reserved)
            if isinstance(error, ItemRefused):  # a bug of ours: the door lets nothing in that a database refuses
                log.error("item_refused", source=door.name, error=str(error))
            pause = random.randint(1, 5)  # noqa: S311  jitter, not a secret
            raise self._unstored(door, "store_unavailable", "the store cannot commit now", pause) from error

    def _unstored(self, door: Door, code: str, detail: str, retry_after: int) -> Problem:
        problem = Problem(503, code, detail, retry_after=retry_after)
        self._refusals.count(door.name, problem)
        return problem

    def _reserve(self, event: Event, decision: Decision, reserved: list[str]) -> tuple[NewDelivery, ...]:
        wanted = []
        for sink in decision.sinks:
            key = self._dispatcher.order_key(sink, event.subject)
            lease = self._dispatcher.reserve(sink, key)
            if lease is not None:
                reserved.append(sink)
            wanted.append(NewDelivery(sink=sink, order_key=key, lease=lease))
        return tuple(wanted)

    def _unreserve(self, reserved: list[str]) -> None:
        for sink in reserved:
            self._dispatcher.unreserve(sink)
        reserved.clear()

    def _carry(self, events: Sequence[Event], reserved: list[str], stored: asyncio.Future[Sequence[Accepted]]) -> None:
        """After the commit: every reservation becomes a lease in its lane's hands, or is given back."""
        if not stored.cancelled() and stored.exception() is None:
            for event, one in zip(events, stored.result(), strict=True):
                for lease in one.leases:
                    reserved.remove(lease.sink)
                    self._dispatcher.hand_over(lease)
                for sink in one.waiting:
                    self._dispatcher.wake(sink, urgent=event.type == FAILED)
        self._unreserve(reserved)

    # -- telling

    def _tell(
        self, door: Door, events: Sequence[Event], decisions: Sequence[Decision], accepted: Sequence[Accepted]
    ) -> None:
        for event, decision, one in zip(events, decisions, accepted, strict=True):
            if one.held is not None:
                self._metrics.held.labels(door.name, one.held.value).inc()
                log.warning(
                    "event_held",
                    source=door.name,
                    id=one.id,
                    type=event.type,
                    subject=event.subject,
                    reason=one.held.value,
                )
                continue
            sinks = decision.sinks if one.new else ()
            log.info(
                "event",
                source=door.name,
                id=one.id,
                type=event.type,
                subject=event.subject,
                trust=event.trust.value,
                new=one.new,
                sinks=list(sinks),
            )
            if one.new:
                self._watch(event, sinks)

    def _watch(self, event: Event, sinks: Sequence[str]) -> None:
        for implementation in self._hook.event_stored.get_hookimpls():
            name = implementation.plugin_name
            try:
                values = {"event": event, "sinks": sinks}
                implementation.function(*(values[argument] for argument in implementation.argnames))
            except Exception:
                if name not in self._broken_watchers:
                    self._broken_watchers.add(name)
                    log.exception("watch_hook_failed", plugin=name, hook="event_stored")

    def _answer(self, door: Door, callback: Callback, events: Sequence[Event], usual: bytes) -> Taken:
        if type(door.source).acknowledge is Source.acknowledge:
            return Taken(200, usual)
        try:
            own = door.source.acknowledge(callback, events)
        except Exception:
            log.exception("source_failed", source=door.name, type=door.source.type, step="acknowledge")
            return Taken(200, usual)
        return Taken(200, usual) if own is None else Taken(own.status, own.body, own.media_type)


def _sealed(source: str, digest: bytes) -> bytes:
    """The seal belongs to its source: two sources may share a key."""
    return hashlib.sha256(source.encode() + b"\0" + digest).digest()[:16]
