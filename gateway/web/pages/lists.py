"""The pages that are lists: events, recordings, deliveries, refused callbacks, the audit log."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from gateway.admin.queries import AuditQuery, DeliveryQuery, EventQuery, RefusedQuery
from gateway.admin.recording_reads import RecordingQuery
from gateway.model import EVENT_TYPES
from gateway.states import DEAD_REASONS, WAITS_FOR
from gateway.web.api.request_reader import number_of
from gateway.web.pages.parameters import listing
from gateway.web.pages.visit import Visit, to


async def events(visit: Visit) -> Response:
    """Events, newest first."""
    values = {"types": EVENT_TYPES, "sources": list(visit.gateway.settings.sources)}
    return await listing(visit, "events.html", EventQuery, visit.service.events, **values)


async def recordings(visit: Visit) -> Response:
    """Recordings, newest first."""
    return await listing(visit, "recordings.html", RecordingQuery, partial(visit.service.recordings))


async def recording(visit: Visit) -> Response:
    """One recording."""
    detail = await visit.service.recording(number_of(visit.request.path_params["number"]))
    return await visit.page("recording.html", detail=detail)


async def deliveries(visit: Visit) -> Response:
    """Deliveries, newest first."""
    sinks = list(visit.gateway.settings.sinks)
    ask = visit.service.deliveries
    return await listing(
        visit, "deliveries.html", DeliveryQuery, ask, sinks=sinks, waits=WAITS_FOR, reasons=DEAD_REASONS
    )


async def refused(visit: Visit) -> Response:
    """Refused callbacks, newest first."""
    if visit.request.query_params.get("source") == "*":  # what a form sends for any
        return to(visit.with_parameter("source", None))
    sources = list(visit.gateway.settings.sources)
    return await listing(visit, "refused.html", RefusedQuery, visit.service.refused, sources=sources)


async def refusal(visit: Visit) -> Response:
    """One refused callback, without what is secret in it."""
    return await _refusal(visit, whole=False)


async def refusal_revealed(visit: Visit) -> Response:
    """The same with everything, which is written down."""
    return await _refusal(visit, whole=True)


async def _refusal(visit: Visit, *, whole: bool) -> Response:
    id = number_of(visit.request.path_params["number"])
    detail = await visit.service.refusal(id, whole=whole, actor=visit.actor)
    return await visit.page("refusal.html", detail=detail)


async def audit(visit: Visit) -> Response:
    """What people did."""
    return await listing(visit, "audit.html", AuditQuery, partial(visit.service.audit))
