"""Receivers made for others: GitHub's own middleware, and Node.js with its 16 KiB of headers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import pytest

from gateway import FILE_COMPLETED, RECORDING_FAILED, Event, Fault
from gateway.testing import ScriptedServer, delivery, event
from tests.patience import PATIENCE_S
from tests.sinks.test_forward import GITHUB
from tests.sinks.test_forward_dress import forwarding

# What @octokit/webhooks' Node middleware asks of a request before it verifies it (its middleware/node/middleware.ts).
NODE = """
const http = require("http"), crypto = require("crypto");
const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks), headers = request.headers;
    if (process.argv[1] === "github") {
      if (!(headers["content-type"] || "").startsWith("application/json")) return answer(response, 415, "content type");
      const missing = ["x-github-event", "x-hub-signature-256", "x-github-delivery"].filter((name) => !headers[name]);
      if (missing.length) return answer(response, 400, "missing " + missing);
      const made = "sha256=" + crypto.createHmac("sha256", process.argv[2]).update(body).digest("hex");
      if (made !== headers["x-hub-signature-256"]) return answer(response, 400, "signature");
      JSON.parse(body.toString("utf8"));
    }
    answer(response, 200, JSON.stringify(headers));
  });
});
function answer(response, status, text) { response.statusCode = status; response.end(text); }
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no node here to run a receiver with")


@asynccontextmanager
async def node(*arguments: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec("node", "-e", NODE, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await asyncio.wait_for(process.wait(), PATIENCE_S)


LONG = [
    event(FILE_COMPLETED, stream="录制" * 4000, app="应用" * 100),
    event(RECORDING_FAILED, stream="x" * 60_000, error=Fault(code="c" * 9000, message="m" * 9000)),
    event(FILE_COMPLETED, stream=' %"' * 5000, domain="域" * 5000),
    event(FILE_COMPLETED, raw_type="application/json; x=" + "y" * 9000),
]


@needs_node
async def test_a_request_with_githubs_scheme_passes_githubs_own_middleware() -> None:
    async with node("github", GITHUB["secret"]) as url:
        for body in ("event", "binary"):
            async with forwarding(url, body=body, sign=GITHUB) as sink:
                assert await sink.deliver(delivery()) == "HTTP 200"


async def test_the_headers_that_github_sends_are_of_the_event() -> None:
    async with ScriptedServer() as server, forwarding(server.url, sign=GITHUB) as sink:
        one = event()
        await sink.deliver(delivery(one))
        await sink.deliver(delivery(one, attempt=2))
        first, second = server.received
    for got in (first, second):
        assert got.header("content-type") == "application/json"
        assert got.header("x-github-event") == one.type
        assert got.header("x-github-delivery") == one.ref == got.header("webhook-id")
        made = hmac.new(GITHUB["secret"].encode(), got.body, hashlib.sha256).hexdigest()
        assert got.header("x-hub-signature-256") == f"sha256={made}"
    assert json.loads(first.body)["id"] == one.ref


async def test_a_media_type_and_headers_of_ones_own_go_before_githubs() -> None:
    more: dict[str, Any] = {"content_type": "application/cloudevents+json", "headers": {"X-GitHub-Event": "push"}}
    async with ScriptedServer() as server, forwarding(server.url, sign=GITHUB, **more) as sink:
        await sink.deliver(delivery())
        [got] = server.received
    assert got.header("content-type") == "application/cloudevents+json"
    assert got.header("x-github-event") == "push"


async def test_without_githubs_scheme_nothing_of_githubs_is_sent() -> None:
    async with ScriptedServer() as server, forwarding(server.url) as sink:
        await sink.deliver(delivery())
        [got] = server.received
    assert got.header("content-type") == "application/cloudevents+json"
    assert not [name for name, _ in got.headers if name.startswith("x-github")]


@needs_node
@pytest.mark.parametrize("number", range(len(LONG)))
@pytest.mark.parametrize("body", ["binary", "event", "raw"])
async def test_nodes_limit_of_headers_is_never_passed(body: str, number: int) -> None:
    async with node() as url, forwarding(url, body=body, sign=GITHUB) as sink:
        assert await sink.deliver(delivery(LONG[number])) == "HTTP 200"


@pytest.mark.parametrize("number", range(len(LONG)))
async def test_what_is_cut_from_a_header_says_so_and_stands_whole_in_the_body(number: int) -> None:
    one: Event = LONG[number]
    async with ScriptedServer() as server, forwarding(server.url, body="binary") as sink:
        await sink.deliver(delivery(one))
        [got] = server.received
    assert max(len(value) for _, value in got.headers) <= 2048
    assert sum(len(name) + len(value) + 4 for name, value in got.headers) < 8 * 1024
    subject = unquote(got.header("ce-subject") or "", errors="strict")
    assert subject == one.subject or (subject.endswith("…") and (one.subject or "").startswith(subject[:-1]))
    assert json.loads(got.body)["stream"] == one.stream
