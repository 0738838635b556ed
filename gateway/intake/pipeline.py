"""What a callback is worth and what is stored of it: the same for the listener and for `gateway refused retry`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gateway.errors import Malformed, Untrusted
from gateway.events.cloudevents import render
from gateway.events.event_annotations import amend, unredacted_of
from gateway.events.link_life import name_link_ends
from gateway.events.places import places_of
from gateway.intake import before_repair
from gateway.model import Event, EventId, Seal, Trust, Verified, id_of_source
from gateway.plugin import Callback, Source, contract
from gateway.routing import RoutingDecision
from gateway.store.records import NewDelivery, NewEvent
from gateway.text.trace_context import TraceContext

if TYPE_CHECKING:
    from gateway.events.redacted_event import Redaction

SEAL_CONTENTS_MAX: Final = 32  # different contents under one signature, where its source names no other bound

_TIMESTAMP_RANK: Final = Trust.TIMESTAMP.rank
HOPS_MAX: Final = 8  # sources that one after the other put their name behind an id


def verify(source: Source, callback: Callback, min_trust: Trust) -> Verified:
    """What the signature covers. Raises Untrusted, also where it is less than `min_trust`, or Malformed."""
    times = source.key_times
    verified = _verdict(source, callback) if times is None else times.verify(callback, _verdict)
    callback.believe()
    if verified.trust.rank < min_trust.rank:
        raise Untrusted(
            "trust_too_low",
            f"the signature covers `{verified.trust}` ({verified.scheme}); this source asks for `{min_trust}` (min_trust)",
        )
    return verified


def _verdict(source: Source, callback: Callback) -> Verified:
    return contract.checked_verdict(source, before_repair.verify(source, callback))


def normalise(
    source: Source, callback: Callback, verified: Verified, *, keep_ids: bool, redaction: Redaction | None = None
) -> Sequence[Event]:
    """The events of a verified callback, without what `redaction` takes out. Raises Malformed, and PluginError where the plugin
    returned nonsense.

    An id that came from outside gets the source's name, because another source may use the same, and receivers drop
    repeats by it; with `keep_ids` it stays as it came.
    """
    callback.believe()
    events = contract.checked(source, callback, source.normalise(callback, verified))
    for event in events:
        if event.files:
            name_link_ends(event)
    document = callback.decoded
    if document is not None and not document.plain_alone:
        before_repair.name(source, callback, verified, events)
    if not keep_ids:
        for event in events:
            _name_source(event)
    return events if redaction is None else [redaction.of_callback(event) for event in events]


def _name_source(event: Event) -> None:
    if isinstance(event.id, EventId):
        return
    if event.id.count("~") >= HOPS_MAX:
        raise Malformed(f"this event went through {HOPS_MAX} sources already: somewhere gateways forward in a circle")
    superseded = id_of_source(event.supersedes, event.source) if event.supersedes else ""
    cause = None if event.cause is None else event.cause.replace(id=id_of_source(event.cause.id, event.source))
    amend(event, id=id_of_source(event.id, event.source), supersedes=superseded, cause=cause)


def new_event(
    event: Event,
    decision: RoutingDecision,
    *,
    deliveries: Sequence[NewDelivery],
    raw_type: str | None,
    hold_conflicts: bool,
    verified: Verified,
    rendered: tuple[str, bytes] | None = None,
    trace: TraceContext | None = None,
    placed: bool = False,
) -> NewEvent:
    """The row of an event; `rendered` is what `render` gave, `trace` what its attempts continue, `placed` says that its files may
    be known by another id. Raises ValueError for an event that JSON or UTF-8 cannot hold."""
    body, fingerprint = rendered or render(event)
    before = unredacted_of(event)
    places = (places_of(event) if before is None else before.places) if placed else ()
    seal = verified.seal
    most, ranks = _bound(verified)
    kind = (event.raw_type or raw_type or "application/octet-stream")[:255]
    if event.raw_type != kind:
        amend(event, raw_type=kind)  # the sinks get this very event
    return NewEvent(
        event=event,
        body=body,
        fingerprint=fingerprint if before is None else before.fingerprint,
        redacted=before is not None,
        routing=decision.json(),
        deliveries=tuple(deliveries),
        raw_type=kind,
        hold_conflicts=hold_conflicts,
        seal=None if seal is None else _sealed(event, verified.validity, seal),
        seal_most=most,
        seal_ranks=ranks,
        trace=None if trace is None else trace.stored(),
        places=places,
    )


def _bound(verified: Verified) -> tuple[int, bool]:
    """How many contents the seal bears, and whether one more is only ranked last.

    All callbacks of one second share a signature that covers only a time, and forty channels that end at noon are no
    forgery: so they are delivered, but after everything else. A signature that covers more names one thing.
    """
    seal = verified.seal
    if seal is None:
        return 0, False
    if seal.most is not None:
        return seal.most, False
    return SEAL_CONTENTS_MAX, verified.trust.rank <= _TIMESTAMP_RANK


def _sealed(event: Event, validity: float | None, seal: Seal) -> bytes:
    """16 bytes: when the signature expires, then a hash. It belongs to its source, because two sources may share a key.

    The time stands in front so that seals of one hour lie side by side in the index, and a commit touches few pages.
    """
    expires = 0 if validity is None else round(event.received_at.timestamp() + validity)
    hashed = hashlib.sha256(event.source.encode() + b"\0" + seal.digest).digest()[:12]
    return min(max(expires, 0), 2**32 - 1).to_bytes(4) + hashed
