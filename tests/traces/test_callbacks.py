"""What a callback's span says, what it never says, and what the log says of the trace with and without spans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.errors import Problem
from gateway.testing import RunningGateway, running
from gateway.web.callback_span import REFUSED_SPANS_PER_SECOND, CallbackSpans
from gateway.web.ingress import Ingress
from gateway.web.public import PublicRefusals, public_app
from tests.traces.collector import Collector
from tests.traces.test_one_trace import INBOUND, PARENT, TRACE, _config, _played
from tests.web.test_whole_callbacks import USUAL, answers

HOSTILE = ["", "00-x-y-z", "0" * 5000, f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01, 00-{TRACE}-{PARENT}-01"]


def _recorder() -> dict[str, Any]:
    config = _config("http://127.0.0.1:9")
    return config | {"sinks": {"kept": {"type": "recorder"}}, "routes": [{"name": "all", "to": "kept"}]}


async def test_a_callbacks_span_says_what_it_was_worth_and_what_became_of_it(spans: Collector) -> None:
    async with running(_recorder()) as gateway:
        played = _played(gateway)
        for _ in range(2):
            await gateway.post(played)
        first, repeat = spans.wait("POST", 2)
    assert first["name"] == "POST /hooks/{path}"
    assert first["kind"] == 2  # a server's
    assert first["attributes"] == {
        "http.request.method": "POST",
        "http.route": "/hooks/{path}",
        "url.scheme": "http",
        "recording_gateway.source": "live",
        "http.response.status_code": 200,
    }
    assert [name for name, _ in first["notes"]] == ["verified", "stored"]
    assert first["notes"][0][1] == {
        "recording_gateway.scheme": "standard-webhooks",
        "recording_gateway.trust": "fields",
    }
    assert [note[1]["recording_gateway.result"] for note in (first["notes"][1], repeat["notes"][1])] == [
        "new",
        "duplicate",
    ]
    assert not first["error"]


async def test_a_refused_callback_is_a_span_with_an_error_and_its_code(spans: Collector) -> None:
    async with running(_recorder()) as gateway:
        await gateway.send(tampered=True)
        await gateway.post("x" * 3_000_000)
        bad, large = spans.wait("POST", 2)
    assert [(span["error"], span["message"]) for span in (bad, large)] == [
        (True, "signature_mismatch"),
        (True, "body_too_large"),
    ]
    assert [span["attributes"]["error.type"] for span in (bad, large)] == ["signature_mismatch", "body_too_large"]
    assert [span["attributes"]["http.response.status_code"] for span in (bad, large)] == [401, 413]


async def test_a_request_to_no_source_is_a_span_that_does_not_name_its_path(spans: Collector) -> None:
    async with running(_recorder()) as gateway:
        ingress = Ingress(gateway.gateway, max_body=1000)
        app = public_app(ingress, PublicRefusals(gateway.gateway, ingress))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            answers = [await client.post("/hooks/hush-hush-guess"), await client.get("/hush-hush-elsewhere")]
        [posted], [asked] = spans.wait("POST", 1), spans.wait("GET", 1)
    assert [answer.status_code for answer in answers] == [404, 404]
    for span in (posted, asked):
        assert (span["error"], span["message"]) == (True, "unknown_source")
        assert span["attributes"]["http.response.status_code"] == 404
    assert "hush" not in json.dumps(spans.spans)


@pytest.mark.parametrize(
    ("case", "status", "code"),
    [("a bug of the gateway", 500, "internal_error"), ("refused by the gateway", 503, "store_unavailable")],
)
async def test_a_callback_that_is_answered_without_a_task_is_the_same_span(
    spans: Collector, case: str, status: int, code: str
) -> None:
    async with running(_recorder()) as gateway:
        await answers(USUAL[case], whole=False, traces=gateway.gateway.traces)
        await answers(USUAL[case], whole=True, traces=gateway.gateway.traces)
        by_the_application, whole = spans.wait("POST", 2)
    assert (whole["error"], whole["message"]) == (True, code)
    assert whole["attributes"] == by_the_application["attributes"]
    assert whole["attributes"]["http.response.status_code"] == status
    assert whole["message"] == by_the_application["message"]


async def test_a_flood_of_refused_callbacks_exports_so_many_spans_a_second_and_no_more(spans: Collector) -> None:
    second = 1.0
    async with running(_recorder()) as gateway:
        begun = CallbackSpans(gateway.gateway.traces, lambda: second)
        for second in (1.0, 1.9, 2.0):  # noqa: B007  the clock reads it
            for _ in range(REFUSED_SPANS_PER_SECOND):
                begun.refused_unread("live", Problem(408, "body_timeout", "too slow"))
        await gateway.send()
        spans.wait("deliver kept", 1)
    assert len([span for span in spans.spans if span["error"]]) == 2 * REFUSED_SPANS_PER_SECOND


@pytest.mark.parametrize("on", [True, False])
async def test_a_hostile_header_changes_nothing_else(on: bool, request: pytest.FixtureRequest) -> None:
    if on:
        request.getfixturevalue("spans")
    async with running(_recorder()) as gateway:
        played = _played(gateway)
        plain = await gateway.post(played)
        for text in HOSTILE:
            answer = await gateway.post(played, headers={"traceparent": text, "tracestate": text})
            assert (answer.status, answer.events) == (200, plain.events)
        assert len(gateway.events()) == 1


async def test_without_spans_an_inbound_trace_is_in_the_log_and_goes_on_as_it_came() -> None:
    from gateway.testing import ScriptedServer

    async with ScriptedServer() as server, running(_config(server.url)) as gateway:
        assert not gateway.gateway.traces.on
        with capture_logs() as lines:
            await gateway.post(_played(gateway), headers=INBOUND)
            await gateway.restart()
            await gateway.send(tampered=True)
    told = [line for line in lines if line["event"] in ("event", "attempt")]
    assert {line["event"]: (line["trace_id"], line["span_id"]) for line in told} == {
        "event": (TRACE, PARENT),
        "attempt": (TRACE, PARENT),
    }
    [refused] = [line for line in lines if line["event"] == "callback_refused"]
    assert "trace_id" not in refused
    [onward] = server.received
    assert (onward.header("traceparent"), onward.header("tracestate")) == (
        INBOUND["traceparent"],
        INBOUND["tracestate"],
    )


async def test_a_refusals_line_names_the_trace_it_came_in() -> None:
    async with running(_recorder()) as gateway:
        with capture_logs() as lines:
            await gateway.post(b"{}", headers=INBOUND)
    [refused] = [line for line in lines if line["event"] == "callback_refused"]
    assert (refused["trace_id"], refused["span_id"]) == (TRACE, PARENT)


async def test_what_a_sink_says_during_an_attempt_holds_its_trace(tmp_path: Path) -> None:
    import io

    from gateway.runtime import logs
    from gateway.runtime.traces import Underway, current
    from gateway.text.trace_context import TraceContext

    stream = io.StringIO()
    logs.configure(format="json", stream=stream)
    import structlog

    token = current.set(Underway(TraceContext(TRACE, PARENT, 1)))
    try:
        structlog.get_logger("sink").info("hello")
    finally:
        current.reset(token)
    structlog.get_logger("sink").info("hello")
    inside, outside = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (inside["trace_id"], inside["span_id"]) == (TRACE, PARENT)
    assert "trace_id" not in outside


async def test_exemplars_stand_in_openmetrics_alone_and_only_of_traces_that_are_recorded(spans: Collector) -> None:
    async def texts(gateway: RunningGateway) -> tuple[str, str]:
        return gateway.gateway.metrics.openmetrics().decode(), gateway.gateway.metrics.text().decode()

    async with running(_recorder()) as gateway:
        await gateway.post(_played(gateway), headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        assert "trace_id" not in (await texts(gateway))[0]
        await gateway.send()
        openmetrics, plain = await texts(gateway)
        [attempt] = spans.wait("deliver kept", 1)
    shown = {
        line.partition("_bucket")[0].removeprefix("recording_gateway_"): line.partition('span_id="')[2][:16]
        for line in openmetrics.splitlines()
        if f'trace_id="{attempt["trace"]}"' in line
    }
    assert shown == {
        "attempt_seconds": attempt["id"],
        "end_to_end_seconds": attempt["id"],
        "validity_seconds": attempt["parent"],
    }
    assert "trace_id" not in plain
