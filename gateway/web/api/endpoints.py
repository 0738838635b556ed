"""Every operation of the API: what it is called, who may, what goes in and what comes out."""

from __future__ import annotations

from typing import Any, Final

from gateway.admin import queries, results
from gateway.web.api.endpoint import Call, Endpoint

NOT_FOUND: Final = {404: "not_found"}
NAMED: Final = {404: "not_found", 409: "ambiguous"}


async def _events(call: Call) -> Any:
    return await call.service.events(call.query)


async def _event(call: Call) -> Any:
    return await call.service.event(call.path["ref"], whole=call.whole, actor=call.actor)


async def _deliveries(call: Call) -> Any:
    return await call.service.deliveries(call.query)


async def _delivery(call: Call) -> Any:
    return await call.service.delivery(int(call.path["number"]))


async def _refused(call: Call) -> Any:
    return await call.service.refused(call.query)


async def _refusal(call: Call) -> Any:
    return await call.service.refusal(int(call.path["number"]))


async def _audit(call: Call) -> Any:
    return await call.service.audit(call.query)


async def _store(call: Call) -> Any:
    return await call.service.store()


async def _reload(call: Call) -> Any:
    return await call.service.reload(call.actor)


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/events",
        name="events",
        summary="Events, newest first.",
        role="read",
        run=_events,
        query=queries.EventQuery,
        answer=results.Page[results.EventItem],
    ),
    Endpoint(
        method="GET",
        path="/events/{ref}",
        name="event",
        summary="One event with everything that is kept of it.",
        role="read",
        run=_event,
        answer=results.EventDetail,
        problems=NAMED,
    ),
    Endpoint(
        method="GET",
        path="/deliveries",
        name="deliveries",
        summary="Deliveries, newest first.",
        role="read",
        run=_deliveries,
        query=queries.DeliveryQuery,
        answer=results.Page[results.DeliveryItem],
        problems=NAMED,
    ),
    Endpoint(
        method="GET",
        path="/deliveries/{number}",
        name="delivery",
        summary="One delivery with every attempt, and what comes next.",
        role="read",
        run=_delivery,
        answer=results.DeliveryDetail,
        problems=NOT_FOUND,
    ),
    Endpoint(
        method="GET",
        path="/refused",
        name="refused",
        summary="Refused callbacks, newest first.",
        role="read",
        run=_refused,
        query=queries.RefusedQuery,
        answer=results.Page[results.RefusedItem],
    ),
    Endpoint(
        method="GET",
        path="/refused/{number}",
        name="refusal",
        summary="One refused callback: why, and what came, without credentials.",
        role="read",
        run=_refusal,
        answer=results.RefusedDetail,
        problems=NOT_FOUND,
    ),
    Endpoint(
        method="GET",
        path="/audit",
        name="audit",
        summary="What people did, newest first.",
        role="read",
        run=_audit,
        query=queries.AuditQuery,
        answer=results.Page[results.AuditItem],
    ),
    Endpoint(
        method="GET",
        path="/store",
        name="store",
        summary="The store at a glance. It counts everything.",
        role="read",
        run=_store,
        answer=results.StoreStatus,
    ),
    Endpoint(
        method="POST",
        path="/reload",
        name="reload",
        summary="Read the configuration file again and run what it says: all of it, or nothing.",
        role="operate",
        run=_reload,
        answer=results.ReloadAnswer,
        problems={409: "restart_needed, stopping, sink_not_opened", 422: "configuration_invalid"},
    ),
)
