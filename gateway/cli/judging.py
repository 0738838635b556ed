"""Takes a refused callback again: verified with today's keys as of the time it came, then as the intake does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.cli.reading import a_callback
from gateway.errors import GatewayError, NotFound, Untrusted

if TYPE_CHECKING:
    from gateway.config.load import Loaded
    from gateway.model import Event, Verified
    from gateway.routing import Decision
    from gateway.store.records import NewEvent, Refusal


def judge(loaded: Loaded, refusal: Refusal) -> Sequence[NewEvent]:
    """The events of a refused callback, routed by today's routes. Raises Untrusted or Malformed where it is still refused."""
    from gateway.routing import Router

    configured = loaded.settings.sources.get(refusal.source)
    if configured is None:
        raise NotFound(f"its source {refusal.source!r} is not configured any more")
    if refusal.size and not refusal.body:
        raise GatewayError(f"its body of {refusal.size} bytes was too long to be kept")
    source = loaded.registry.source(configured.type)(refusal.source, configured.options)
    callback = a_callback(
        refusal.source,
        refusal.body,
        headers=refusal.headers,
        received_at=datetime.fromtimestamp(refusal.received_at / 1000, UTC),
        path=refusal.path,
        method=refusal.method,
        peer=refusal.peer,
    )
    verified = source.verify(callback)
    if verified.trust.rank < configured.min_trust.rank:
        raise Untrusted(
            "trust_too_low", f"the signature covers `{verified.trust}`; min_trust asks for `{configured.min_trust}`"
        )
    router = Router(loaded.settings.routes)
    return [
        _new(event, router.decide(event), refusal, verified, hold=configured.on_conflict == "hold")
        for event in source.normalise(callback, verified)
    ]


def _new(event: Event, decision: Decision, refusal: Refusal, verified: Verified, *, hold: bool) -> NewEvent:
    from gateway.cloudevents import fingerprint, to_json
    from gateway.intake import _sealed as sealed
    from gateway.store.records import NewDelivery, NewEvent

    types = [value for name, value in refusal.headers if name.lower() == "content-type"]
    seal = verified.seal
    return NewEvent(
        event=event,
        body=to_json(event),
        fingerprint=fingerprint(event),
        routing=decision.json(),
        deliveries=tuple(NewDelivery(sink=sink) for sink in decision.sinks),
        raw_type=(types[0] if types else "application/octet-stream")[:255],
        hold_conflicts=hold,
        seal=None if seal is None else sealed(refusal.source, seal.digest),
        seal_most=0 if seal is None else seal.most,
    )
