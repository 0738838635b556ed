"""The private listener: health that only lives, readiness that names parts, metrics that always answer, and the Host check."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gateway.errors import Problem
from gateway.testing.corpus import Case, cases
from gateway.web import private
from tests.web.doors import Served
from tests.web.raw_client import Reply


def test_health_is_that_the_process_lives(served: Served) -> None:
    async def never() -> Any:
        raise AssertionError("health asked the store")

    served.behind.ready = never
    served.behind.stopping = True
    reply = served.get("/healthz")
    assert (reply.status, reply.json()) == (200, {"status": "ok"})


def test_readiness_names_its_parts(served: Served) -> None:
    assert served.get("/readyz").json() == {"status": "ready", "store": "ok"}

    async def unavailable() -> Any:
        return False, {"gateway": "ok", "store": "unavailable"}

    served.behind.ready = unavailable
    reply = served.get("/readyz")
    assert reply.status == 503
    assert reply.json() == {"status": "not ready", "gateway": "ok", "store": "unavailable"}


def test_readiness_that_breaks_or_hangs_is_not_ready(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> Any:
        raise RuntimeError("postgresql://user:secret@db/x")

    async def hanging() -> Any:
        await asyncio.Event().wait()

    served.behind.ready = broken
    reply = served.get("/readyz")
    assert (reply.status, reply.json()) == (503, {"status": "not ready", "store": "unknown"})
    monkeypatch.setattr(private, "READINESS_SECONDS", 0.05)
    served.behind.ready = hanging
    reply = served.get("/readyz")
    assert (reply.status, reply.json()) == (503, {"status": "not ready", "store": "no answer"})


def test_metrics_are_in_the_exposition_format(served: Served) -> None:
    served.behind.metrics.refused.labels("live", "body_too_large").inc()
    reply = served.get("/metrics")
    assert reply.status == 200
    assert (reply.header("content-type") or "").startswith("text/plain; version=")
    families = {family.name for family in text_string_to_metric_families(reply.body.decode())}
    assert "recording_gateway_refused" in families
    assert b'recording_gateway_refused_total{code="body_too_large",source="live"} 1.0' in reply.body


PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
TEXT, OPEN = "text/plain", "application/openmetrics-text"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html, */*;q=0.1", TEXT),
        (PROMETHEUS, OPEN),
        ("application/openmetrics-text", OPEN),
        ("Application/OpenMetrics-Text; Version=1.0.0; Charset=utf-8", OPEN),
        ("application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPEN),
        ("text/plain;version=0.0.4,application/openmetrics-text;q=0.5", TEXT),
        ("application/openmetrics-text;q=0.5,text/plain", TEXT),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.3", TEXT),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.2", OPEN),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=0, */*", TEXT),
        ("application/openmetrics-text;q=nonsense", TEXT),
        ("application/openmetrics-text;version=9.0.0", TEXT),
        ("text/plain;q=0, */*", OPEN),
        ("application/*", OPEN),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.9", TEXT),
    ],
)
def test_metrics_are_written_as_accept_asks_for(served: Served, accept: str | None, kind: str) -> None:
    served.behind.metrics.refused.labels("live", "body_too_large").inc()
    with served.private() as client:
        more = "" if accept is None else f"Accept: {accept}\r\n"
        reply = client.send(f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()).reply()
    assert reply.status == 200
    assert (reply.header("content-type") or "").split(";")[0] == kind
    assert reply.body.endswith(b"# EOF\n") is (kind == OPEN)
    read = openmetrics_families if kind == OPEN else text_string_to_metric_families
    assert "recording_gateway_refused" in {family.name for family in read(reply.body.decode())}


@pytest.mark.parametrize("path", ["/%6dettics", "/api%2fv1%2freload", "/healthz%00", "/%2e/healthz", "/healthz%2F"])
def test_an_escape_that_hides_more_than_a_letter_is_nothing_here(served: Served, path: str) -> None:
    assert served.get(path).status == 404


def test_metrics_that_cannot_be_written_are_an_answer(served: Served) -> None:
    class Broken:
        def text(self) -> bytes:
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    served.behind.metrics = Broken()
    reply = served.get("/metrics")
    assert (reply.status, reply.json()["code"]) == (500, "internal_error")
    assert served.get("/healthz").status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/hooks/live"])
def test_every_answer_has_the_security_headers(served: Served, path: str) -> None:
    reply = served.get(path)
    assert reply.header("x-content-type-options") == "nosniff"
    assert reply.header("cache-control") == "no-store"
    assert reply.header("server") is None


@pytest.mark.parametrize("path", ["/", "/hooks/live", "/healthz/", "/api/v1/events", "/docs", "/openapi.json"])
def test_there_is_nothing_else(served: Served, path: str) -> None:
    reply = served.get(path)
    assert (reply.status, reply.json()["code"]) == (404, "not_found")
    assert served.behind.taken == []


def test_head_is_get_without_the_body(served: Served) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        reply = served.get(path, method="HEAD")
        assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(served: Served, method: str) -> None:
    reply = served.get("/healthz", method=method)
    assert (reply.status, reply.json()["code"], reply.header("allow")) == (405, "method_not_allowed", "GET, HEAD")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:9090",
        "localhost:",
        "127.0.0.1",
        "10.0.3.7:9090",
        "[::1]",
        "[::1]:9090",
        "ops.internal:1",
    ],
)
def test_an_address_and_our_own_names_pass(served: Served, host: str) -> None:
    assert served.get("/metrics", host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:9090",
        "localhost.",
        "localhost.evil.example",
        "localhost:1@evil",
        "evil@localhost",
        "localhost:x",
        "localhost:123456",
        "localhost:９",
        "0x7f.1",
        "2130706433",
        "127.1",
        "127.0.0.1.",
        "::1",
        "[::1",
        "[::1]x",
        "[127.0.0.1]",
        "[::1%25lo]",
        "[localhost]",
        "é",
    ],
)
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/"])
def test_another_name_is_sent_away(served: Served, host: str, path: str) -> None:
    reply = served.get(path, host=host.encode().decode("latin-1"))
    assert (reply.status, reply.json()["code"]) == (421, "misdirected_request")


def test_an_empty_host_is_none(served: Served) -> None:
    assert served.get("/healthz", host="").status == 400


@pytest.mark.parametrize("case", [case for case in cases("adm") if case.id in ("A01", "A03")], ids=str)
def test_hostile_bytes_at_the_private_door(served: Served, case: Case) -> None:
    with served.private() as client:
        assert client.send(case.value).reply().status == int(case.expected.split()[0].strip(","))


async def test_more_routes_can_be_mounted_behind_the_same_guard() -> None:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app = private.private_app(None, more=[Route("/api/v1/hello", hello)])  # type: ignore[arg-type]
    assert (await _ask(app, "/api/v1/hello", b"localhost")).body == b"hello"
    assert (await _ask(app, "/api/v1/hello", b"evil")).status == 421


async def test_what_a_further_route_refuses_and_what_is_nowhere_have_the_form_of_all_refusals() -> None:
    async def busy(request: Request) -> PlainTextResponse:
        raise Problem(503, "stopping", "not now", retry_after=5)

    app = private.private_app(None, more=[Route("/api/v1/busy", busy)])  # type: ignore[arg-type]
    for path, status, code in (("/api/v1/busy", 503, "stopping"), ("/nowhere", 404, "not_found")):
        reply = await _ask(app, path, b"localhost")
        assert (reply.status, reply.json()["code"]) == (status, code)


@pytest.mark.parametrize("hosts", [(b"localhost", b"evil"), (b"evil", b"localhost"), (b"localhost",) * 2, ()])
async def test_the_guard_itself_wants_one_host_whatever_listener_stands_before_it(hosts: tuple[bytes, ...]) -> None:
    app = private.private_app(None)  # type: ignore[arg-type]
    assert (await _ask(app, "/healthz", *hosts)).status == 400


async def _ask(app: Any, path: str, *hosts: bytes) -> Reply:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", host) for host in hosts],
    }
    await app(scope, receive, send)
    return Reply(sent[0]["status"], [], sent[1]["body"])
