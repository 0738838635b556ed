"""Takes a refused callback again: verified with today's keys as of the time it came, then as the intake does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.cli.callbacks import a_callback
from gateway.errors import GatewayError, NotFound

if TYPE_CHECKING:
    from gateway.config.load import Loaded
    from gateway.store.records import NewEvent, Refusal


def judge(loaded: Loaded, refusal: Refusal) -> Sequence[NewEvent]:
    """The events of a refused callback, routed by today's routes. Raises Untrusted or Malformed where it is still refused."""
    from gateway.intake.pipeline import new_event, normalise, verify
    from gateway.routing import Router
    from gateway.store.records import NewDelivery

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
    verified = verify(source, callback, configured.min_trust)
    router = Router(loaded.settings.routes)
    ordered = {name for name, sink in loaded.settings.sinks.items() if sink.delivery.order == "stream"}
    return [
        new_event(
            event,
            decision,
            deliveries=[
                NewDelivery(sink=sink, order_key=event.subject or None if sink in ordered else None)
                for sink in decision.sinks
            ],
            raw_type=callback.headers.get("content-type"),
            hold_conflicts=configured.on_conflict == "hold",
            verified=verified,
        )
        for event in normalise(source, callback, verified)
        for decision in [router.decide(event)]
    ]
