"""Reads a refused callback again with today's sources and routes, as of the time it came: what it would be, or why not."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

from gateway.config.loaded import Loaded
from gateway.config.validation import where_raised
from gateway.errors import GatewayError, NotFound, Untrusted
from gateway.events.cloudevents import from_document
from gateway.intake.pipeline import new_event, normalise, verify
from gateway.model import Event, Trust, Verified
from gateway.plugin import Callback
from gateway.plugin.own_code import own_code
from gateway.routing import Router, RoutingDecision
from gateway.store.admin.shown_rows import EventFull
from gateway.store.records import NewDelivery, NewEvent, Refusal


def reverifier_of(loaded: Loaded) -> Callable[[Refusal], Sequence[NewEvent]]:
    """Judges a refused callback: its events, routed by today's routes. Raises GatewayError where it is still refused."""
    router = Router(loaded.settings.all_routes)

    def reverified(refusal: Refusal) -> Sequence[NewEvent]:
        if refusal.source not in loaded.settings.sources:
            raise NotFound(f"its source {refusal.source!r} is not configured any more")
        if refusal.size and not refusal.body:
            raise GatewayError(f"its body of {refusal.size} bytes was not kept: {_why_without(loaded, refusal)}")
        try:
            with own_code():
                return _judged(loaded, router, refusal)
        except GatewayError:
            raise
        except Exception as error:  # a plugin's own code, perhaps the reason why it was refused
            raise Untrusted("source_failed", where_raised(error)) from None

    return reverified


def _why_without(loaded: Loaded, refusal: Refusal) -> str:
    if refusal.source in loaded.redactions:
        return f"of the source {refusal.source} something is redacted (`redact`), and nobody knows where in a body it stands"
    return "it was too long"


def _judged(loaded: Loaded, router: Router, refusal: Refusal) -> Sequence[NewEvent]:
    configured = loaded.settings.sources[refusal.source]
    source = loaded.source(refusal.source)
    callback = callback_of(refusal)
    verified = verify(source, callback, configured.min_trust)
    rules = loaded.redactions.get(refusal.source)
    events = normalise(source, callback, verified, keep_ids=configured.keep_ids, redaction=rules)
    return [
        new_event(
            event,
            decision,
            deliveries=[NewDelivery(sink=sink, order_key=loaded.order_key(sink, event)) for sink in decision.sinks],
            raw_type=callback.headers.get("content-type"),
            hold_conflicts=configured.on_conflict == "hold",
            verified=verified,
            trace=callback.trace,
            placed=source.reconcile is not None,
        )
        for event, decision in _routed(router, events)
    ]


def _routed(router: Router, events: Sequence[Event]) -> Sequence[tuple[Event, RoutingDecision]]:
    return [(event, router.decide(event)) for event in events]


def ids_of(loaded: Loaded) -> Callable[[Refusal], Collection[str]]:
    """Says which events a refused callback would make, whoever signed it: by their ids; none where it cannot be read."""

    def ids(refusal: Refusal) -> Collection[str]:
        if refusal.source not in loaded.settings.sources or not refusal.body:
            return ()
        callback = callback_of(refusal)
        unsigned, keep = Verified(trust=Trust.NONE, scheme="none"), loaded.settings.sources[refusal.source].keep_ids
        try:
            with own_code():
                events = normalise(loaded.source(refusal.source), callback, unsigned, keep_ids=keep)
            return {event.id for event in events}
        except Exception:  # a plugin's own code, over what was refused
            return ()

    return ids


def route_of(loaded: Loaded) -> Callable[[EventFull], tuple[Sequence[str], str]]:
    """Says where today's routes send a stored event, and their verdict."""
    router = Router(loaded.settings.all_routes)

    def route(event: EventFull) -> tuple[Sequence[str], str]:
        decision = router.decide(from_document(json.loads(event.body), event.raw))
        return decision.sinks, decision.json()

    return route


def callback_of(refusal: Refusal) -> Callback:
    """The callback that was refused, as it came."""
    return Callback.of(
        refusal.source,
        refusal.body,
        headers=refusal.headers,
        path=refusal.path,
        method=refusal.method,
        peer=refusal.peer,
        received_at=datetime.fromtimestamp(refusal.received_at / 1000, UTC),
    )
