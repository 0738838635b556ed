"""What a callback is worth and what is stored of it: the same for the door and for `gateway refused retry`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gateway.errors import Untrusted
from gateway.events.cloudevents import render
from gateway.intake import before_repair
from gateway.model import Event, Seal, Trust, Verified
from gateway.plugin import Callback, Source, contract
from gateway.routing import Decision
from gateway.store.records import NewDelivery, NewEvent


def verify(source: Source, callback: Callback, min_trust: Trust) -> Verified:
    """What the signature covers. Raises Untrusted, also where it is less than `min_trust`, or Malformed."""
    verified = contract.checked_verdict(source, before_repair.verify(source, callback))
    callback.believe()
    if verified.trust.rank < min_trust.rank:
        raise Untrusted(
            "trust_too_low",
            f"the signature covers `{verified.trust}` ({verified.scheme}); this source asks for `{min_trust}` (min_trust)",
        )
    return verified


def normalise(source: Source, callback: Callback, verified: Verified) -> Sequence[Event]:
    """The events of a verified callback. Raises Malformed, and PluginError where the plugin returned nonsense."""
    callback.believe()
    events = contract.checked(source, callback, source.normalise(callback, verified))
    document = callback.decoded
    if document is not None and not document.plain_alone:
        before_repair.name(source, callback, verified, events)
    return events


def new_event(
    event: Event,
    decision: Decision,
    *,
    deliveries: Sequence[NewDelivery],
    raw_type: str | None,
    hold_conflicts: bool,
    verified: Verified,
) -> NewEvent:
    """The row of an event. Raises ValueError for an event that JSON or UTF-8 cannot hold."""
    body, fingerprint = render(event)
    seal = verified.seal
    kind = (event.raw_type or raw_type or "application/octet-stream")[:255]
    object.__setattr__(event, "raw_type", kind)  # the sinks get this very event; a copy would cost as much as `render`
    return NewEvent(
        event=event,
        body=body,
        fingerprint=fingerprint,
        routing=decision.json(),
        deliveries=tuple(deliveries),
        raw_type=kind,
        hold_conflicts=hold_conflicts,
        seal=None if seal is None else _sealed(event, verified.validity, seal),
        seal_most=0 if seal is None else seal.most,
    )


def _sealed(event: Event, validity: float | None, seal: Seal) -> bytes:
    """16 bytes: when the signature expires, then a hash. It belongs to its source, because two sources may share a key.

    The time stands in front so that seals of one hour lie side by side in the index, and a commit touches few pages.
    """
    expires = 0 if validity is None else round(event.received_at.timestamp() + validity)
    hashed = hashlib.sha256(event.source.encode() + b"\0" + seal.digest).digest()[:12]
    return min(max(expires, 0), 2**32 - 1).to_bytes(4) + hashed
