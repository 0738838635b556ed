"""The API's operations on the gateway as a whole: configuration, route tester, store, audit log, live news."""

from __future__ import annotations

from typing import Final

from gateway.admin import overview_results, queries, requests, results
from gateway.admin.stream import NewsFilter
from gateway.errors import Problem
from gateway.web.api import event_stream
from gateway.web.api.endpoint import Call, acting, reading


async def _stream(call: Call[queries.StreamQuery]) -> object:
    asked = call.asked
    news_filter = NewsFilter(types=asked.types, source=asked.source, sink=asked.sink, type=asked.type)
    since = call.last_event_id
    if since is not None and not (since.isascii() and since.isdigit() and len(since) <= 18):
        raise Problem(400, "unknown_value", "Last-Event-ID is the id of a message of this stream")
    news = call.service.stream(news_filter, None if since is None else int(since), session=call.session, may=call.may)
    return await event_stream.begun(news)


GATEWAY_ENDPOINTS: Final = (
    reading(
        "/config",
        "config",
        "What runs, masked.",
        lambda call: call.service.configuration(whole=call.whole),
        overview_results.Configuration,
    ),
    acting(
        "/reload",
        "reload",
        "Read the configuration file again and run what it says: all of it, or nothing.",
        lambda call: call.service.reload(call.actor),
        overview_results.ReloadAnswer,
        problems={409: "restart_needed, stopping, sink_not_opened", 422: "configuration_invalid"},
    ),
    acting(
        "/route",
        "route",
        "Where an event would go, by the routes that run or by others. Nothing is saved.",
        lambda call: call.service.route(call.asked.event, call.asked.config, call.actor),
        overview_results.RouteAnswer,
        role="read",
        body=requests.RouteCommand,
        problems={422: "configuration_invalid", 429: "too_many_requests"},
    ),
    reading(
        "/store",
        "store",
        "The store at a glance. It counts everything.",
        lambda call: call.service.store(),
        overview_results.StoreStatus,
    ),
    reading(
        "/audit",
        "audit",
        "What people did, newest first.",
        lambda call: call.service.audit(call.asked),
        results.Page[overview_results.AuditItem],
        query=queries.AuditQuery,
    ),
    reading(
        "/stream",
        "stream",
        "News as they come (Server-Sent Events); Last-Event-ID goes on from there.",
        _stream,
        str,
        query=queries.StreamQuery,
        problems={429: "too_many_streams"},
        media_type="text/event-stream",
    ),
)
