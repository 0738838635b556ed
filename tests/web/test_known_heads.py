"""A head that came twice is not parsed again, and what is answered is what the parser's way would have answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.fields.network_set import IpNetwork
from gateway.plugin import Callback
from gateway.web.budget import Budget
from gateway.web.http_exchange import HttpExchange
from gateway.web.ingress import Ingress
from gateway.web.known_heads import HEAD_BYTES_MAX, HEADS_MAX
from gateway.web.listener_limits import ListenerLimits
from gateway.web.protocol import GuardedProtocol, guarded
from gateway.web.public import PublicRefusals, public_app
from gateway.web.uvicorn_parts import FlowControl, RequestResponseCycle
from gateway.web.whole_callbacks import WholeCallbacks
from tests.web.doors import CALLBACK, Behind, networks, post
from tests.web.wire import Wire

TITLED = post()
LOWER = b"POST /hooks/live HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
LOOKS_LIKE_IT = b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nX-Content-Length: %d\r\nContent-Length: 11\r\n\r\n"


async def said(callback: Callback) -> Any:
    body = b"%s %d %s" % (callback.path.encode(), len(callback.body), repr(callback.headers.raw).encode())
    return type("Answer", (), {"status": 200, "body": body, "media_type": "text/plain"})


class Door:
    """A listener that is fed by hand."""

    def __init__(self, *, budget: Budget | None = None, trusted: Sequence[IpNetwork] = ()) -> None:
        behind: Any = Behind()
        behind.answer = said
        self.behind = behind
        ingress = Ingress(behind, max_body=1000, trusted_proxies=trusted)
        refusals = PublicRefusals(behind, ingress)
        self.whole: list[HttpExchange] = []
        callbacks = WholeCallbacks(behind, ingress)

        def take(exchange: HttpExchange) -> bool:
            self.whole.append(exchange)
            return callbacks.take_whole(exchange)

        self.protocol = guarded(
            ListenerLimits(), refusals.refused_unread, largest=ingress.largest, peer_of=ingress.peer_of, take_whole=take,
            budget=budget,
        )  # fmt: skip
        config = Config(
            public_app(ingress, refusals), http=self.protocol, ws="none", lifespan="off", log_config=None,
            server_header=False,
        )  # fmt: skip
        config.load()
        self.config = config
        self.state = ServerState()
        self.state.default_headers = [(b"date", b"Mon, 30 Nov 2026 12:00:00 GMT")]

    def connect(self) -> tuple[GuardedProtocol, Wire]:
        connection = self.protocol(config=self.config, server_state=self.state, app_state={})
        wire = Wire()
        connection.connection_made(wire)
        return connection, wire

    async def answers(self, segments: Sequence[bytes]) -> bytes:
        """What is written to a connection of its own that these come in."""
        connection, wire = self.connect()
        for segment in segments:
            if not wire.closing:
                connection.data_received(segment)
            for _ in range(30):
                await asyncio.sleep(0)
        connection.connection_lost(None)
        return wire.written

    @property
    def known(self) -> int:
        """Exchanges whose head was not parsed."""
        return sum(exchange.known is not None for exchange in self.whole)


async def taught(*heads: bytes, budget: Budget | None = None) -> Door:
    """A listener to which these came twice before."""
    door = Door(budget=budget)
    for head in heads:
        await door.answers([head, head])
    assert door.known == 0
    door.whole.clear()
    return door


async def test_a_head_that_came_twice_is_not_parsed_again() -> None:
    door = await taught(TITLED)
    longer = post(CALLBACK + b" " * 50)
    written = await door.answers([TITLED, longer, TITLED])
    assert door.known == 3
    assert written == await Door().answers([TITLED, longer, TITLED])
    assert b"(b'content-length', b'%d')" % (len(CALLBACK) + 50) in written
    assert [len(one.body) for one in door.behind.taken[-3:]] == [len(CALLBACK), len(CALLBACK) + 50, len(CALLBACK)]


ODD = {
    "a body of more than one segment": [TITLED[:-3], TITLED[-3:]],
    "a head of two segments": [TITLED[:30], TITLED[30:]],
    "two requests in one segment": [TITLED + TITLED],
    "one and a half": [TITLED + TITLED[:20], TITLED[20:]],
    "a blank line before": [b"\r\n" + TITLED],
    "a longer body than it says": [TITLED + b"{}"],
    "no digits": [TITLED.replace(b"%d" % len(CALLBACK), b"x")],
    "a sign": [TITLED.replace(b"th: %d" % len(CALLBACK), b"th: +%d" % len(CALLBACK))],
    "a zero before": [TITLED.replace(b"th: %d" % len(CALLBACK), b"th: 0%d" % len(CALLBACK))],
    "a length twice": [TITLED.replace(b"Host: x", b"Host: x\r\nContent-Length: %d" % len(CALLBACK))],
    "another length besides": [TITLED.replace(b"Host: x", b"Host: x\r\nContent-Length: 3")],
    "chunked besides": [TITLED.replace(b"Host: x", b"Host: x\r\nTransfer-Encoding: chunked")],
    "too long": [post(b" " * 1001)],
    "nothing": [post(b"")],
    "another version": [TITLED.replace(b"HTTP/1.1", b"HTTP/1.0")],
    "no more after it": [TITLED.replace(b"Host: x", b"Host: x\r\nConnection: close")],
    "an offer": [TITLED.replace(b"Host: x", b"Host: x\r\nConnection: Upgrade\r\nUpgrade: h2c")],
    "asks whether it may": [TITLED.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue")],
    "a folded line": [TITLED.replace(b"Host: x", b"X-A: b\r\n c\r\nHost: x")],
    "lines that end early": [TITLED.replace(b"\r\n", b"\n")],
    "no JSON": [post(b"{" * len(CALLBACK))],
    "a name that ends alike": [LOOKS_LIKE_IT % 22 + CALLBACK, LOOKS_LIKE_IT % len(CALLBACK) + CALLBACK],
}


@pytest.mark.parametrize("name", ODD)
async def test_what_is_odd_is_answered_as_by_the_parser(name: str) -> None:
    """On a listener that knows the head without it, and that it came to twice itself."""
    segments = ODD[name]
    door = await taught(TITLED, LOWER % len(CALLBACK) + CALLBACK, LOOKS_LIKE_IT % 11 + b'{"a":"bcd"}')
    expected = await Door().answers([*segments, TITLED])
    for _ in range(3):
        assert await door.answers([*segments, TITLED]) == expected


async def test_what_the_source_refuses_is_looked_at_anew_after_a_reload() -> None:
    door = await taught(TITLED)
    assert b" 200 " in await door.answers([TITLED])
    entry = door.behind.sources_by_path["live"]
    door.behind.sources_by_path["live"] = entry.__class__("live", media_types=("text/json",))
    assert b" 415 " in await door.answers([TITLED])
    door.behind.sources_by_path["live"] = entry.__class__("live", allow_from=tuple(networks("10.0.0.0/8")))
    assert b" 403 " in await door.answers([TITLED])
    del door.behind.sources_by_path["live"]
    assert b" 404 " in await door.answers([TITLED])
    door.behind.sources_by_path["live"] = entry
    door.behind.stopping = True
    assert b" 503 " in await door.answers([TITLED])
    door.behind.stopping = False
    assert b" 200 " in await door.answers([TITLED])


async def test_a_body_that_finds_no_room_is_read_as_before() -> None:
    budget = Budget(len(CALLBACK))
    door = await taught(TITLED, budget=budget)
    await door.answers([TITLED])
    assert (door.known, budget.occupied_bytes) == (1, 0)
    connection, _ = door.connect()
    assert budget.reserve(connection, 1)
    await door.answers([TITLED])
    assert door.known == 1


async def test_heads_that_come_once_are_not_kept_and_the_others_are_few() -> None:
    door = Door()
    heads = door.protocol.heads
    for number in range(3 * HEADS_MAX):
        await door.answers([post(more=f"X-Signature: {number}\r\n")])
    assert not heads._heads
    for number in range(2 * HEADS_MAX):
        await door.answers([post(path=f"/hooks/live?{number}")] * 2)
    assert len(heads._heads) == HEADS_MAX
    await door.answers([post(more=f"X-Long: {'x' * HEAD_BYTES_MAX}\r\n")] * 3)
    assert len(heads._heads) == HEADS_MAX
    assert all(len(key) <= HEAD_BYTES_MAX for key in heads._heads)


async def test_an_exchange_begins_as_uvicorns() -> None:
    flow = FlowControl(Wire())
    theirs = RequestResponseCycle(
        scope={"type": "http"}, transport=Wire(), flow=flow, logger=None, access_logger=None, access_log=False,  # type: ignore[typeddict-item, arg-type]
        default_headers=[], message_event=asyncio.Event(), expect_100_continue=True, keep_alive=True,
        on_response=lambda: None,
    )  # fmt: skip
    ours = HttpExchange({"type": "http"}, Wire(), flow, [], lambda: None, keep_alive=True, expects_100=True)
    objects = {"transport", "on_response", "logger", "access_logger", "message_event"}
    for name, value in vars(theirs).items():
        assert hasattr(ours, name)
        if name not in objects:
            assert getattr(ours, name) == value, name
