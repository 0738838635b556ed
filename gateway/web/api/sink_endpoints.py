"""The API's operations on sinks, sources, and the callbacks that were refused."""

from __future__ import annotations

from typing import Final

from gateway.admin import act_results, queries, requests, results, sink_results
from gateway.web.api.endpoint import CHANGED, NOT_FOUND, acting, reading, the_one

SINK_ENDPOINTS: Final = (
    reading(
        "/sinks",
        "sinks",
        "Every sink.",
        lambda call: call.service.sinks(exact=call.asked.exact),
        results.Page[sink_results.SinkItem],
        query=queries.SinkQuery,
    ),
    reading(
        "/sinks/{name}",
        "sink",
        "One sink.",
        lambda call: call.service.sink(call.path["name"]),
        sink_results.SinkItem,
        problems=NOT_FOUND,
    ),
    acting(
        "/sinks/{name}/pause",
        "pause",
        "Hold everything for a sink.",
        lambda call: call.service.pause(call.path["name"], call.actor),
        act_results.OneDone,
        problems=NOT_FOUND,
    ),
    acting(
        "/sinks/{name}/resume",
        "resume",
        "Let a sink go on.",
        lambda call: call.service.resume(call.path["name"], call.actor),
        act_results.OneDone,
        problems=NOT_FOUND,
    ),
    acting(
        "/sinks/{name}/test",
        "test",
        "Send one test message through a sink.",
        lambda call: call.service.test(call.path["name"], call.asked.type, call.actor, call.asked.owner),
        sink_results.TestAnswer,
        body=requests.TestCommand,
        problems={404: "not_found", 409: "not_tested", 429: "too_many_requests", 504: "took_too_long"},
    ),
    reading(
        "/sinks/{name}/preview",
        "preview",
        "What a sink would send for a stored event, or for a sample.",
        lambda call: call.service.preview(
            call.path["name"], call.asked.event, call.asked.type, call.actor, call.asked.owner
        ),
        sink_results.PreviewAnswer,
        query=queries.PreviewQuery,
        problems={404: "not_found", 409: "ambiguous, nothing_sent", 429: "too_many_requests", 504: "took_too_long"},
    ),
    acting(
        "/sinks/{name}/preview",
        "preview_of",
        "What a sink would send for an event that is described.",
        lambda call: call.service.preview(call.path["name"], call.asked.event, None, call.actor, call.asked.owner),
        sink_results.PreviewAnswer,
        role="read",
        body=requests.PreviewCommand,
        problems={404: "not_found", 409: "nothing_sent", 429: "too_many_requests", 504: "took_too_long"},
    ),
    reading(
        "/sources",
        "sources",
        "Every source.",
        lambda call: call.service.sources(whole=call.whole),
        results.Page[sink_results.SourceItem],
    ),
    reading(
        "/sources/{name}",
        "source",
        "One source.",
        lambda call: call.service.source(call.path["name"], whole=call.whole),
        sink_results.SourceItem,
        problems=NOT_FOUND,
    ),
    acting(
        "/sources/{name}/reconcile",
        "reconcile",
        "Ask a source's vendor for its list of recordings now; it goes on by itself.",
        lambda call: call.service.reconcile(call.path["name"], call.asked.since, call.actor),
        act_results.OneDone,
        body=requests.ReconcileCommand,
        problems={404: "not_found", 409: "not_possible"},
    ),
    reading(
        "/refused",
        "refused",
        "Refused callbacks, newest first.",
        lambda call: call.service.refused(call.asked),
        results.Page[sink_results.RefusedItem],
        query=queries.RefusedQuery,
    ),
    acting(
        "/refused/retry",
        "retry_refused_few",
        "Verify each of a few refused callbacks again.",
        lambda call: call.service.retry_refused(call.asked.ids, call.actor),
        act_results.ManyDone,
        body=requests.FewRefused,
    ),
    reading(
        "/refused/{number}",
        "refusal",
        "One refused callback: why, and what came.",
        lambda call: call.service.refusal(
            int(call.path["number"]), whole=call.whole and not call.asked.masked, actor=call.actor
        ),
        sink_results.RefusedDetail,
        query=queries.Masking,
        problems=NOT_FOUND,
    ),
    acting(
        "/refused/{number}/retry",
        "retry_refused",
        "Verify a refused callback again, and take it if it passes.",
        lambda call: the_one(call.service.retry_refused([int(call.path["number"])], call.actor)),
        act_results.OneDone,
        problems=CHANGED,
    ),
)
