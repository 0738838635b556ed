"""An answer that came whole is read as aiohttp reads it; whatever is not plain is left to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp.connector import Connection
from aiohttp.http_parser import HttpResponseParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.egress.answer_reader import AnswerReader
from gateway.egress.client import Http
from gateway.egress.exchange import Exchanges, Place
from gateway.egress.whole_answer import HEAD_BYTES_MAX, WholeAnswer, whole_answer
from gateway.errors import Retry
from tests.patience import eventually

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
LEFT = [
    b"", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\n\r\n", PLAIN[:-1], PLAIN + b"x", PLAIN + PLAIN, b"\r\n" + PLAIN,
    b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 100 Continue\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 200 \xff\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi", b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\nhi", b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nhi", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n x\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nConnection: close\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive, close\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nProxy-Connection: close\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nUpgrade: x\r\n\r\nhi", b"HTTP/1.1 204 No\r\ncontent-length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: a\0b\r\n\r\nhi", b"HTTP/1.1 200 OK\r\n: a\r\ncontent-length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * HEAD_BYTES_MAX + b"\r\ncontent-length: 2\r\n\r\nhi",
]  # fmt: skip

LINES = st.sampled_from(
    ["HTTP/1.1 200 OK", "HTTP/1.1 204 No Content", "HTTP/1.1 304 x", "HTTP/1.1 500 ", "HTTP/1.1 302 Found  it", "HTTP/1.0 200 OK",
     "HTTP/1.1 599 ~", "HTTP/1.1 404"]
)  # fmt: skip
NAMES = st.sampled_from(
    ["content-length", "Content-Length", "Connection", "Proxy-Connection", "Keep-Alive", "Date", "x_y", "Set-Cookie", "Content-Encoding",
     "Transfer-Encoding", "Trailer", "X-É"]
)  # fmt: skip
VALUES = st.sampled_from(
    ["2", "0", "02", "keep-alive", "close", "gzip", "chunked", "timeout=5", "", " 2", "2 ", "\t2", "a: b", "é"]
)


class Target(asyncio.Protocol):
    """Answers each request (its body is `x`, or there is none) with some pieces, a turn of the loop between them."""

    def __init__(self, pieces: Sequence[bytes], all_of_them: list[Target], *, speaks_first: bool = False) -> None:
        self._pieces = pieces
        self._speaks_first = speaks_first
        self.ended = False
        all_of_them.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._speaks_first:
            self._answer(list(self._pieces))

    def data_received(self, data: bytes) -> None:
        if not self._speaks_first:
            self._answer(list(self._pieces))

    def _answer(self, left: list[bytes]) -> None:
        self.transport.write(left.pop(0))
        if left:
            asyncio.get_running_loop().call_later(0.001, self._answer, left)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True


@asynccontextmanager
async def answering(*pieces: bytes, speaks_first: bool = False) -> AsyncIterator[tuple[str, list[Target]]]:
    """A target's URL, and its connections."""
    connections: list[Target] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Target(pieces, connections, speaks_first=speaks_first), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", connections
    finally:
        server.close()
        for one in connections:
            one.transport.abort()
        await eventually(lambda: all(one.ended for one in connections))


def as_aiohttp_reads(data: bytes) -> tuple[object, ...]:
    loop = asyncio.new_event_loop()
    try:
        handler = AnswerReader(loop)
        parser = HttpResponseParser(handler, loop, 2**16, read_until_eof=True, auto_decompress=False)
        ((message, content),), upgraded, tail = parser.feed_data(data)
        assert (upgraded, tail, content.is_eof()) == (False, b"", True)
        return message.code, message.reason, message.raw_headers, content.read_nowait(), message.should_close
    finally:
        loop.close()


def as_read_here(answer: WholeAnswer) -> tuple[object, ...]:
    head, body = answer
    return head.status, head.reason, head.headers, body, False


@given(
    LINES,
    st.lists(st.tuples(NAMES, st.sampled_from([":", ": ", ":  "]), VALUES), max_size=4),
    st.sampled_from([b"", b"hi"]),
)
def test_what_is_read_here_is_what_aiohttp_reads(line: str, headers: list[tuple[str, str, str]], body: bytes) -> None:
    lines = [line, *("".join(parts) for parts in headers), "", ""]
    data = "\r\n".join(lines).encode() + body
    if (answer := whole_answer(data)) is not None:
        assert as_read_here(answer) == as_aiohttp_reads(data)


@given(st.binary(max_size=30), st.integers(0, len(PLAIN)), st.integers(0, len(PLAIN)))
@settings(suppress_health_check=[HealthCheck.filter_too_much])
def test_so_is_a_plain_answer_with_anything_in_its_place(junk: bytes, start: int, end: int) -> None:
    data = PLAIN[:start] + junk + PLAIN[end:]
    if (answer := whole_answer(data)) is not None:
        assert as_read_here(answer) == as_aiohttp_reads(data)


@pytest.mark.parametrize("data", LEFT)
def test_what_is_not_one_plain_whole_answer_is_left_to_aiohttp(data: bytes) -> None:
    assert whole_answer(data) is None


@pytest.mark.parametrize(
    "head",
    ["HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 0", "HTTP/1.1 204 No Content",
     "HTTP/1.1 503 \r\nDate: Mon, 30 Nov 2026 12:00:00 GMT\r\ncontent-length:0"],
)  # fmt: skip
def test_what_common_servers_answer_is_read_here(head: str) -> None:
    answer = whole_answer(f"{head}\r\n\r\n".encode())
    assert answer is not None
    assert as_read_here(answer) == as_aiohttp_reads(f"{head}\r\n\r\n".encode())


# --- over a connection -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(1, len(PLAIN)))
async def test_an_answer_in_pieces_is_the_same(http: Http, cut: int) -> None:
    async with answering(PLAIN[:cut], PLAIN[cut:]) as (url, connections):
        for _ in range(2):
            answer = await http.post(url, content=b"x")
            assert (answer.status, answer.body, dict(answer.headers)) == (200, b"hi", {"content-length": "2"})
        assert len(connections) == 1, "the connection is kept"


async def test_an_answer_that_is_whole_is_cut_at_the_limit(http: Http) -> None:
    async with answering(PLAIN) as (url, connections):
        answer = await http.request("POST", url, content=b"x", limit=1)
        assert (answer.body, answer.truncated) == (b"h", True)
        assert not (await http.request("POST", url, content=b"x", limit=2)).truncated
        assert len(connections) == 1, "all of it was read"


async def test_an_answer_that_is_whole_can_be_streamed(http: Http) -> None:
    async with answering(PLAIN) as (url, connections):
        for _ in range(2):
            async with http.stream("GET", url) as stream:
                assert [chunk async for chunk in stream.chunks()] == [b"hi"]
        assert len(connections) == 1


@pytest.mark.parametrize("pieces", [[PLAIN], [PLAIN[:20], PLAIN[20:]]])
async def test_bytes_that_nobody_asked_for_are_never_the_next_answer(http: Http, pieces: list[bytes]) -> None:
    async with answering(*pieces, b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n") as (url, connections):
        for number in range(1, 4):
            assert (await http.post(url, content=b"x")).status == 200
            await asyncio.sleep(0.05)  # until they are there
            assert len(connections) == number


@pytest.mark.parametrize("pieces", [[BUSY], [BUSY[:9], BUSY[9:]]])
async def test_a_target_that_answers_before_it_is_asked_is_heard_at_once(
    http: Http, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    """As one does that has too many connections; waited for, it would take the whole time limit of the request."""
    connect = Exchanges._connect

    async def until_it_spoke(self: Exchanges, place: Place, connect_seconds: float | None) -> Connection:
        connection = await connect(self, place, connect_seconds)
        handler = connection.protocol
        assert handler is not None
        await eventually(lambda: handler.should_close)
        return connection

    monkeypatch.setattr(Exchanges, "_connect", until_it_spoke)
    async with answering(*pieces, speaks_first=True) as (url, connections):
        for number in range(1, 3):
            with pytest.raises(Retry, match="503"):
                await http.post(url, content=b"x")
            await eventually(lambda: connections[-1].ended)
            assert len(connections) == number


async def test_a_broken_answer_is_a_failure_that_says_so(http: Http) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n") as (url, _):
        for _ in range(2):
            with pytest.raises(Retry):
                await http.post(url, content=b"x")


async def test_a_connection_that_is_not_used_is_closed_after_a_while(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.egress.transport.KEEP_ALIVE_SECONDS", 0.05)
    async with answering(PLAIN) as (url, connections):
        await http.post(url, content=b"x")
        await eventually(lambda: connections[0].ended)
        await http.post(url, content=b"x")
        assert len(connections) == 2
