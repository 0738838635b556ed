"""A callback that comes whole is answered without a task, in the same bytes as the application would answer it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.errors import Problem
from gateway.plugin import Callback
from gateway.runtime.traces import OFF, Traces
from gateway.web.http_exchange import HttpExchange
from gateway.web.ingress import Ingress
from gateway.web.listener_limits import ListenerLimits
from gateway.web.protocol import guarded
from gateway.web.public import PublicRefusals, public_app
from gateway.web.whole_callbacks import WholeCallbacks
from tests.web.doors import CALLBACK, Behind, networks, post
from tests.web.wire import Wire

LATIN = b'{"event":"\xe9"}'


async def said(callback: Callback) -> Any:
    word = callback.json().get("answer")
    if word == "problem":
        raise Problem(503, "store_unavailable", "the store is busy", retry_after=3)
    if word == "bug":
        raise RuntimeError("a bug")
    if word == "nothing":
        return type("Answer", (), {"status": 204, "body": b"", "media_type": "text/plain"})
    return type("Answer", (), {"status": 202, "body": b"{}", "media_type": word or "text/plain"})


class Around:
    """A middleware as a Starlette user writes one."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self.app, self.seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["path"])
        await self.app(scope, receive, send)


async def answers(
    data: bytes, *, whole: bool, traces: Traces = OFF, around: list[str] | None = None
) -> tuple[bytes, list[bool], list[str], int]:
    """What is written, whether each request was taken without the application, the codes counted, and callbacks taken."""
    behind: Any = Behind()
    behind.answer = said
    behind.traces = traces
    behind.sources_by_path["near"] = behind.sources_by_path["typed"].__class__(
        "near", allow_from=tuple(networks("10.0.0.0/8"))
    )
    ingress = Ingress(behind, max_body=1000)
    refusals = PublicRefusals(behind, ingress)
    taken: list[bool] = []
    callbacks = WholeCallbacks(behind, ingress)

    def take(exchange: HttpExchange) -> bool:
        taken.append(whole and callbacks.take_whole(exchange))
        return taken[-1]

    protocol = guarded(ListenerLimits(), refusals.refused_unread, largest=ingress.largest, take_whole=take)
    app = public_app(ingress, refusals)
    if around is not None:
        app.add_middleware(Around, seen=around)
    config = Config(app, http=protocol, ws="none", lifespan="off", log_config=None, server_header=False)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Mon, 30 Nov 2026 12:00:00 GMT")]
    connection = protocol(config=config, server_state=state, app_state={})
    wire = Wire()
    connection.connection_made(wire)
    connection.data_received(data)
    for _ in range(30):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    if whole and data == USUAL["usual"]:
        assert wire.writes == 1
    return wire.written, taken, behind.codes(), len(behind.taken)


USUAL = {
    "usual": post(),
    "query and escape": post(path="/hooks/%6cive?x=1"),
    "the type it wants": post(path="/hooks/typed", more="Content-Type: text/json\r\n"),
    "an odd media type": post(b'{"answer":"a b"}'),
    "refused by the gateway": post(b'{"answer":"problem"}'),
    "a bug of the gateway": post(b'{"answer":"bug"}'),
    "no JSON": post(b"{"),
    "an answer without content, and another": post(b'{"answer":"nothing"}') + post(),
    "two at once": post() + post(b'{"answer":"text/html"}'),
    "the connection ends": post(more="Connection: close\r\n"),
    "HTTP/1.0": post().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "chunked": b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n"
    + CALLBACK
    + b"\r\n0\r\n\r\n",
}
FAILING = {"a bug of the gateway", "no JSON"}  # here, where nothing makes a refusal of it: the application answers 500
UNUSUAL = {
    "no source": post(path="/hooks/none"),
    "another path": post(path="/"),
    "an encoded slash": post(path="/hooks/live%2f"),
    "no POST": post().replace(b"POST", b"PUT"),
    "another type": post(path="/hooks/typed", more="Content-Type: text/plain\r\n"),
    "encoded": post(more="Content-Encoding: gzip\r\n"),
    "another charset": post(more="Content-Type: text/plain; charset=latin-1\r\n"),
    "another charset, and it shows": post(LATIN, more="Content-Type: text/plain; charset=latin-1\r\n"),
    "too long": post(b" " * 1001),
    "too long, in chunks": b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3ea\r\n"
    + b" " * 1002 + b"\r\n0\r\n\r\n",
    "from elsewhere": post(path="/hooks/near"),
    "asks whether it may": post(more="Expect: 100-continue\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*USUAL, *UNUSUAL])
async def test_both_ways_answer_in_the_same_bytes(name: str) -> None:
    data = (USUAL | UNUSUAL)[name]
    around: list[str] = []
    written, taken, *counted = await answers(data, whole=True, around=around)
    usual, _, *expected = await answers(data, whole=False)
    assert bool(around) == (name in UNUSUAL or name in FAILING), "docs/architecture.md says what a middleware sees"
    assert written == usual != b""
    assert counted == expected
    assert taken == [name in USUAL] * len(taken)
    assert taken


async def test_an_answer_without_content_has_no_length_either() -> None:
    written, *_ = await answers(post(b'{"answer":"nothing"}') + post(), whole=True)
    first, rest = written.split(b"\r\n\r\n", 1)
    assert first == b"HTTP/1.1 204 No Content\r\ndate: Mon, 30 Nov 2026 12:00:00 GMT"
    assert rest.startswith(b"HTTP/1.1 202 ")


async def test_a_body_that_comes_later_is_the_applications() -> None:
    _, taken, _, callbacks = await answers(post()[:-1], whole=True)
    assert (taken, callbacks) == ([], 0)
