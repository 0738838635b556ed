"""Sinks and sources: how each does, what is behind it, and what can be done with it."""

from __future__ import annotations

from starlette.responses import Response

from gateway.admin.queries import DeliveryQuery, RefusedQuery
from gateway.model import EVENT_TYPES, FILE_COMPLETED
from gateway.web.pages.plots import spark
from gateway.web.pages.visit import Visit

ROWS_SHOWN_MAX: int = 10  # deliveries and refusals on the page of one


async def sinks(visit: Visit) -> Response:
    """Every sink."""
    page = await visit.service.sinks()
    return await visit.page("sinks.html", items=page.items)


async def sink(visit: Visit) -> Response:
    """One sink, its last deliveries, and what it would send for a stored event or a sample."""
    name = visit.request.path_params["name"]
    item = await visit.service.sink(name)
    series = await visit.service.sink_series(name)
    last = await visit.service.deliveries(DeliveryQuery(sink=(name,), limit=ROWS_SHOWN_MAX))
    query = visit.request.query_params
    preview = None
    if item.type is not None and (query.get("event") or query.get("type")):
        event, type = (query.get("event") or "")[:512], (query.get("type") or "")[:256]
        owner = (query.get("owner") or "")[:256] or None
        preview = await visit.service.preview(
            name, event or None, None if event else type or FILE_COMPLETED, visit.actor, owner
        )
    spark_of_it = spark(series, visit.words, visit.formats)
    return await visit.page(
        "sink.html",
        sink=item,
        last=last.items,
        cut=last.next is not None,
        preview=preview,
        types=EVENT_TYPES,
        spark=spark_of_it,
    )


async def sources(visit: Visit) -> Response:
    """Every source."""
    page = await visit.service.sources(whole=visit.operates)
    return await visit.page("sources.html", items=page.items)


async def source(visit: Visit) -> Response:
    """One source: by which keys and with what trust its callbacks were verified, and what it refused."""
    name = visit.request.path_params["name"]
    item = await visit.service.source(name, whole=visit.operates)
    last = await visit.service.refused(RefusedQuery(source=name, limit=ROWS_SHOWN_MAX))
    return await visit.page("source.html", source=item, last=last.items)
