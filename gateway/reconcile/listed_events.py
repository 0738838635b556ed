"""A page of a vendor's list as rows for the store: checked like a callback's events, routed, and named by where files lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.errors import Malformed, PluginError
from gateway.events.link_life import name_link_ends
from gateway.events.places import places_of
from gateway.intake.pipeline import new_event
from gateway.model import FILE_COMPLETED, Event, order_key
from gateway.plugin import Callback, Source
from gateway.plugin.contract import checked
from gateway.plugin.vendor_api import ListedPage, ListSpan
from gateway.routing import RoutingDecision
from gateway.store.records import NewDelivery, NewEvent

if TYPE_CHECKING:
    from gateway.events.redacted_event import Redaction

Decide = Callable[[Event], RoutingDecision]
KeepsOrder = Callable[[str], bool]


def new_events(
    source: Source,
    page: ListedPage,
    span: ListSpan,
    decide: Decide,
    keeps_order: KeepsOrder,
    redaction: Redaction | None = None,
) -> Sequence[NewEvent]:
    """The rows, each recording once, without what ended after the span: its callback may be on its way. `redaction` takes out of
    them what it names.

    Raises PluginError for a page that is no page.
    """
    if not isinstance(page, ListedPage):
        raise PluginError(
            f"source type {source.type}: list_recordings returned a {type(page).__name__}, not a ListedPage"
        )
    rows: dict[str, NewEvent] = {}
    for event in checked(source, _no_callback(source), list(page.events)):
        if not places_of(event):
            raise PluginError(
                f"source type {source.type}: list_recordings gave a recording that says nowhere where it lies"
            )
        if event.type != FILE_COMPLETED or not event.reconciled or event.verified is None:
            raise PluginError(
                f"source type {source.type}: list_recordings gave an event of the type {event.type}; what it lists are "
                f"{FILE_COMPLETED} with `reconciled=True` and `verified`"
            )
        name_link_ends(event)
        if event.id not in rows and (event.time is None or event.time <= span.until):
            kept = event if redaction is None else redaction.of_callback(event)
            rows[event.id] = _row(kept, decide(kept), keeps_order)
    return list(rows.values())


def _row(event: Event, decision: RoutingDecision, keeps_order: KeepsOrder) -> NewEvent:
    assert event.verified is not None  # asked before
    candidates = [
        NewDelivery(sink=sink, order_key=order_key(event.source, event.subject, ordered=keeps_order(sink)))
        for sink in decision.sinks
    ]
    try:
        return new_event(
            event,
            decision,
            deliveries=candidates,
            raw_type=event.raw_type or None,
            hold_conflicts=False,
            verified=event.verified,
            placed=True,
        )
    except (TypeError, ValueError) as error:
        raise Malformed(f"the recording {event.id} cannot be written as JSON: {type(error).__name__}") from None


def _no_callback(source: Source) -> Callback:
    return Callback.of(source.name, b"", headers=(), path="", received_at=datetime.min.replace(tzinfo=UTC))
