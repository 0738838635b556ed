"""Every operation of the API: what it is called, who may, what goes in and what comes out."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from gateway.admin import queries, requests, results
from gateway.admin.acts import alone
from gateway.admin.bulk import BulkCommand
from gateway.admin.stream import NewsFilter
from gateway.errors import Problem
from gateway.web.api import event_stream
from gateway.web.api.endpoint import Call, Endpoint
from gateway.web.tokens import Role

NOT_FOUND: Final = {404: "not_found"}
NAMED: Final = {404: "not_found", 409: "ambiguous"}
CHANGED: Final = {404: "not_found", 409: "ambiguous, not_possible, not_done"}
OCTETS: Final = "application/octet-stream"


def _get(path: str, name: str, summary: str, run: Any, answer: Any, **more: Any) -> Endpoint:
    return Endpoint(method="GET", path=path, name=name, summary=summary, role="read", run=run, answer=answer, **more)


def _post(path: str, name: str, summary: str, run: Any, answer: Any, role: Role = "operate", **more: Any) -> Endpoint:
    return Endpoint(method="POST", path=path, name=name, summary=summary, role=role, run=run, answer=answer, **more)


async def _overview(call: Call) -> Any:
    return await call.service.overview(call.query.window, whole=call.whole)


async def _events(call: Call) -> Any:
    return await call.service.events(call.query)


async def _event(call: Call) -> Any:
    return await call.service.event(call.path["ref"], whole=call.whole, actor=call.actor)


async def _names(call: Call) -> Any:
    return await call.service.names(call.body)


async def _raw(call: Call) -> Any:
    raw = await call.service.raw(call.path["ref"], call.actor)
    name = "".join(letter for letter in raw.name if letter.isascii() and (letter.isalnum() or letter in "~._-"))[:100]
    headers = {"content-disposition": f'attachment; filename="{name}.bin"', "content-security-policy": "sandbox"}
    return Response(raw.content, 200, headers, media_type=OCTETS)


async def _replay(call: Call) -> Any:
    return alone(await call.service.replay([call.path["ref"]], call.body, call.actor))


async def _release(call: Call) -> Any:
    return alone(await call.service.release([call.path["ref"]], call.actor))


async def _erase(call: Call) -> Any:
    return alone(await call.service.erase([call.path["ref"]], call.actor))


async def _replay_few(call: Call) -> Any:
    asked = requests.ReplayCommand(to=call.body.to, reroute=call.body.reroute)
    return await call.service.replay(call.body.refs, asked, call.actor)


async def _release_few(call: Call) -> Any:
    return await call.service.release(call.body.refs, call.actor)


async def _erase_few(call: Call) -> Any:
    return await call.service.erase(call.body.refs, call.actor)


async def _deliveries(call: Call) -> Any:
    return await call.service.deliveries(call.query)


async def _delivery(call: Call) -> Any:
    return await call.service.delivery(int(call.path["number"]))


async def _retry(call: Call) -> Any:
    return alone(await call.service.retry([int(call.path["number"])], call.actor))


async def _cancel(call: Call) -> Any:
    return alone(await call.service.cancel([int(call.path["number"])], call.actor))


async def _retry_few(call: Call) -> Any:
    return await call.service.retry(call.body.ids, call.actor)


async def _cancel_few(call: Call) -> Any:
    return await call.service.cancel(call.body.ids, call.actor)


async def _bulk(call: Call) -> Any:
    return await call.service.bulk(call.body, call.actor, call.token)


async def _jobs(call: Call) -> Any:
    return await call.service.jobs(call.query)


async def _job(call: Call) -> Any:
    return await call.service.job(int(call.path["number"]))


async def _cancel_job(call: Call) -> Any:
    return await call.service.cancel_job(int(call.path["number"]), call.actor)


async def _sinks(call: Call) -> Any:
    return await call.service.sinks(exact=call.query.exact)


async def _sink(call: Call) -> Any:
    return await call.service.sink(call.path["name"])


async def _pause(call: Call) -> Any:
    return await call.service.pause(call.path["name"], call.actor)


async def _resume(call: Call) -> Any:
    return await call.service.resume(call.path["name"], call.actor)


async def _test(call: Call) -> Any:
    return await call.service.test(call.path["name"], call.body.type, call.actor)


async def _preview(call: Call) -> Any:
    return await call.service.preview(call.path["name"], call.query.event, call.query.type, call.actor)


async def _preview_of(call: Call) -> Any:
    return await call.service.preview(call.path["name"], call.body.event, None, call.actor)


async def _sources(call: Call) -> Any:
    return await call.service.sources(whole=call.whole)


async def _source(call: Call) -> Any:
    return await call.service.source(call.path["name"], whole=call.whole)


async def _refused(call: Call) -> Any:
    return await call.service.refused(call.query)


async def _refusal(call: Call) -> Any:
    return await call.service.refusal(int(call.path["number"]))


async def _retry_refused(call: Call) -> Any:
    return alone(await call.service.retry_refused([int(call.path["number"])], call.actor))


async def _retry_few_refused(call: Call) -> Any:
    return await call.service.retry_refused(call.body.ids, call.actor)


async def _config(call: Call) -> Any:
    return await call.service.configuration(whole=call.whole)


async def _reload(call: Call) -> Any:
    return await call.service.reload(call.actor)


async def _route(call: Call) -> Any:
    return await call.service.route(call.body.event, call.body.config, call.actor)


async def _store(call: Call) -> Any:
    return await call.service.store()


async def _audit(call: Call) -> Any:
    return await call.service.audit(call.query)


async def _stream(call: Call) -> Any:
    asked = call.query
    wanted = NewsFilter(types=asked.types, source=asked.source, sink=asked.sink, type=asked.type)
    since = call.last_event_id
    if since is not None and not (since.isascii() and since.isdigit() and len(since) <= 18):
        raise Problem(400, "unknown_value", "Last-Event-ID is the id of a message of this stream")
    news = call.service.stream(wanted, None if since is None else int(since), session=call.session, may=call.may)
    return await event_stream.begun(news)


_PAGE: Final = results.Page
ENDPOINTS: Final = (
    _get(
        "/overview",
        "overview",
        "What there is now, what happened, and what needs a person.",
        _overview,
        results.Overview,
        query=queries.OverviewQuery,
    ),
    _get("/events", "events", "Events, newest first.", _events, _PAGE[results.EventItem], query=queries.EventQuery),
    _post(
        "/events/replay",
        "replay_events",
        "Another round of each of a few events.",
        _replay_few,
        results.ManyDone,
        body=requests.FewReplays,
    ),
    _post(
        "/events/release",
        "release_events",
        "End the hold of each of a few events.",
        _release_few,
        results.ManyDone,
        body=requests.FewEvents,
    ),
    _post(
        "/events/erase",
        "erase_events",
        "Delete each of a few events for ever.",
        _erase_few,
        results.ManyDone,
        body=requests.FewEvents,
    ),
    _get(
        "/events/{ref}",
        "event",
        "One event with everything that is kept of it.",
        _event,
        results.EventDetail,
        problems=NAMED,
    ),
    Endpoint(
        method="GET",
        path="/events/{ref}/raw",
        name="raw",
        summary="The vendor's bytes as they came.",
        role="operate",
        run=_raw,
        answer=bytes,
        problems=NAMED,
        media_type=OCTETS,
    ),
    _post(
        "/events/{ref}/replay",
        "replay",
        "Deliver an event once more.",
        _replay,
        results.Done,
        body=requests.ReplayCommand,
        problems=CHANGED,
    ),
    _post(
        "/events/{ref}/release", "release", "Deliver a held event after all.", _release, results.Done, problems=CHANGED
    ),
    _post(
        "/events/{ref}/erase",
        "erase",
        "Delete an event with everything that was kept of it.",
        _erase,
        results.Done,
        problems=CHANGED,
    ),
    _post(
        "/names", "names", "The shortest names of events.", _names, results.Names, role="read", body=requests.EventNames
    ),
    _get(
        "/deliveries",
        "deliveries",
        "Deliveries, newest first.",
        _deliveries,
        _PAGE[results.DeliveryItem],
        query=queries.DeliveryQuery,
        problems=NAMED,
    ),
    _post(
        "/deliveries/retry",
        "retry_deliveries",
        "Try each of a few deliveries again.",
        _retry_few,
        results.ManyDone,
        body=requests.FewDeliveries,
    ),
    _post(
        "/deliveries/cancel",
        "cancel_deliveries",
        "Give each of a few deliveries up.",
        _cancel_few,
        results.ManyDone,
        body=requests.FewDeliveries,
    ),
    _get(
        "/deliveries/{number}",
        "delivery",
        "One delivery with every attempt, and what comes next.",
        _delivery,
        results.DeliveryDetail,
        problems=NOT_FOUND,
    ),
    _post(
        "/deliveries/{number}/retry",
        "retry",
        "Try a delivery again: now, or in a new round.",
        _retry,
        results.Done,
        problems=CHANGED,
    ),
    _post("/deliveries/{number}/cancel", "cancel", "Give a delivery up.", _cancel, results.Done, problems=CHANGED),
    _post(
        "/bulk",
        "bulk",
        "Do one act to all that a filter chooses: first a preview, then a job.",
        _bulk,
        results.BulkPreview | results.JobStarted,
        body=BulkCommand,
        problems=NAMED,
    ),
    _get("/jobs", "jobs", "Bulk acts, newest first.", _jobs, _PAGE[results.JobItem], query=queries.PageQuery),
    _get("/jobs/{number}", "job", "One bulk act: how far it is.", _job, results.JobItem, problems=NOT_FOUND),
    _post(
        "/jobs/{number}/cancel",
        "cancel_job",
        "End a bulk act; what was done stays done.",
        _cancel_job,
        results.JobItem,
        problems=CHANGED,
    ),
    _get("/sinks", "sinks", "Every sink.", _sinks, _PAGE[results.SinkItem], query=queries.SinkQuery),
    _get("/sinks/{name}", "sink", "One sink.", _sink, results.SinkItem, problems=NOT_FOUND),
    _post("/sinks/{name}/pause", "pause", "Hold everything for a sink.", _pause, results.Done, problems=NOT_FOUND),
    _post("/sinks/{name}/resume", "resume", "Let a sink go on.", _resume, results.Done, problems=NOT_FOUND),
    _post(
        "/sinks/{name}/test",
        "test",
        "Send one test message through a sink.",
        _test,
        results.TestAnswer,
        body=requests.TestCommand,
        problems={404: "not_found", 409: "not_tested", 429: "too_many_requests", 504: "took_too_long"},
    ),
    _get(
        "/sinks/{name}/preview",
        "preview",
        "What a sink would send for a stored event, or for a sample.",
        _preview,
        results.PreviewAnswer,
        query=queries.PreviewQuery,
        problems={404: "not_found", 409: "ambiguous, nothing_sent", 429: "too_many_requests", 504: "took_too_long"},
    ),
    _post(
        "/sinks/{name}/preview",
        "preview_of",
        "What a sink would send for an event that is described.",
        _preview_of,
        results.PreviewAnswer,
        role="read",
        body=requests.PreviewCommand,
        problems={404: "not_found", 409: "nothing_sent", 429: "too_many_requests", 504: "took_too_long"},
    ),
    _get("/sources", "sources", "Every source.", _sources, _PAGE[results.SourceItem]),
    _get("/sources/{name}", "source", "One source.", _source, results.SourceItem, problems=NOT_FOUND),
    _get(
        "/refused",
        "refused",
        "Refused callbacks, newest first.",
        _refused,
        _PAGE[results.RefusedItem],
        query=queries.RefusedQuery,
    ),
    _post(
        "/refused/retry",
        "retry_refused_few",
        "Verify each of a few refused callbacks again.",
        _retry_few_refused,
        results.ManyDone,
        body=requests.FewRefused,
    ),
    _get(
        "/refused/{number}",
        "refusal",
        "One refused callback: why, and what came, without credentials.",
        _refusal,
        results.RefusedDetail,
        problems=NOT_FOUND,
    ),
    _post(
        "/refused/{number}/retry",
        "retry_refused",
        "Verify a refused callback again, and take it if it passes.",
        _retry_refused,
        results.Done,
        problems=CHANGED,
    ),
    _get("/config", "config", "What runs, masked.", _config, results.Configuration),
    _post(
        "/reload",
        "reload",
        "Read the configuration file again and run what it says: all of it, or nothing.",
        _reload,
        results.ReloadAnswer,
        problems={409: "restart_needed, stopping, sink_not_opened", 422: "configuration_invalid"},
    ),
    _post(
        "/route",
        "route",
        "Where an event would go, by the routes that run or by others. Nothing is saved.",
        _route,
        results.RouteAnswer,
        role="read",
        body=requests.RouteCommand,
        problems={422: "configuration_invalid", 429: "too_many_requests"},
    ),
    _get("/store", "store", "The store at a glance. It counts everything.", _store, results.StoreStatus),
    _get(
        "/audit", "audit", "What people did, newest first.", _audit, _PAGE[results.AuditItem], query=queries.AuditQuery
    ),
    _get(
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
