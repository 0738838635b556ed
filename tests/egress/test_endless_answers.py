"""What costs much and never ends is given up after a few pieces of it; what breaks in the middle is said at once, not at the deadline."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.egress import answer_reader
from gateway.egress.client import Http
from gateway.errors import Retry
from tests.egress.wire import Wire, saying
from tests.patience import PATIENCE_S

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
PIECE_BYTES = 2**18  # what one read of a socket gives at most
ENDLESS = "it sends heads, trailers or sizes of chunks without end"
NOT_HTTP = "what it answered is not HTTP"

FLOODS = {
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", ENDLESS),
    "large interim answers": (b"", b"HTTP/1.1 103 Early Hints\r\nlink: " + b"a" * 4000 + b"\r\n\r\n", ENDLESS),
    "empty lines": (b"", b"\r\n", ENDLESS),
    "header fields": (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", NOT_HTTP),
    "a header field": (b"HTTP/1.1 200 OK\r\nx: ", b"y", NOT_HTTP),
    "a reason": (b"HTTP/1.1 200 ", b"y", NOT_HTTP),
    "trailers": (CHUNKED + b"0\r\n", b"x: y\r\n", NOT_HTTP),
    "a trailer": (CHUNKED + b"0\r\nx: ", b"y", NOT_HTTP),
    "the extension of a chunk": (CHUNKED + b"1;a=", b"y", ENDLESS),
    "the size of a chunk": (CHUNKED, b"0", ENDLESS),
    "tiny chunks": (CHUNKED, b"1\r\ny\r\n", ENDLESS),
}


def filled(piece: bytes) -> bytes:
    return piece * (PIECE_BYTES // len(piece))


@pytest.mark.parametrize("apart", [False, True], ids=["at once", "behind its beginning"])
@pytest.mark.parametrize(("begin", "piece", "said"), FLOODS.values(), ids=FLOODS)
async def test_a_flood_is_given_up_and_the_loop_goes_on_meanwhile(
    http: Http, begin: bytes, piece: bytes, said: str, apart: bool
) -> None:
    late = 0.0

    async def look() -> None:
        nonlocal late
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            late = max(late, time.thread_time() - before)

    flood = [begin, filled(piece)] if apart else [begin + filled(piece)]
    async with saying([*flood, *[filled(piece)] * 20]) as wire:
        await http.prepare(wire.url)
        watch = asyncio.create_task(look())
        with pytest.raises(Retry, match=said) as failed:
            await http.post(wire.url, content=b"x", timeout=PATIENCE_S)
        watch.cancel()
    assert failed.value.service
    assert late < 0.25, "seconds of this thread's processor time in one turn of the loop"


async def test_as_many_interim_answers_as_there_may_be_are_waited_through_one_by_one(http: Http) -> None:
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    ended = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    most = [interim] * answer_reader.INTERIM_ANSWERS_MAX
    async with saying([*most, ended], [*most, interim, ended]) as wire:
        assert (await http.post(wire.url, content=b"x")).status == 200
        with pytest.raises(Retry, match=ENDLESS):
            await http.post(wire.url, content=b"x")


async def test_a_large_body_in_small_chunks_is_read_to_its_end(http: Http) -> None:
    """Its framing is more than an answer may have without a body."""
    chunk = b"10\r\n" + b"y" * 16 + b"\r\n"
    pieces = [chunk * 4000] * 8
    async with saying([CHUNKED, *pieces, b"0\r\n\r\n"]) as wire:
        answer = await http.get(wire.url, limit=10**6)
        assert answer.body == b"y" * 16 * 4000 * 8
        async with http.stream("GET", wire.url) as stream:
            size = 0
            async for piece in stream.chunks():
                size += len(piece)
                await asyncio.sleep(0.001)  # slower than it comes, so that reading is paused
            assert size == len(answer.body)
    assert wire.used == [1, 1]


BROKEN = {
    "the size of a chunk": [CHUNKED + b"2\r\nhi\r\n", b"zz\r\n"],
    "a trailer": [CHUNKED + b"2\r\nhi\r\n0\r\n", b"a\0: b\r\n\r\n"],
    "a trailer without end": [CHUNKED + b"0\r\nx: ", b"y" * 50_000],
    "behind a chunk": [CHUNKED + b"2\r\nhi", b"there is more"],
}


@pytest.mark.parametrize("pieces", BROKEN.values(), ids=BROKEN)
async def test_what_breaks_in_the_middle_of_a_body_is_said_at_once(http: Http, pieces: list[bytes]) -> None:
    async with saying(pieces) as wire:
        for act in (lambda: http.post(wire.url, content=b"x", timeout=10 * PATIENCE_S), lambda: streamed(http, wire)):
            async with asyncio.timeout(PATIENCE_S):
                with pytest.raises(Retry, match=NOT_HTTP):
                    await act()
    assert wire.connections == 2


CUT = {
    "in its first line": b"HTTP/1.1 20",
    "in its head": b"HTTP/1.1 200 OK\r\ncontent-len",
    "behind an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n",
    "in its body": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi",
    "in the size of a chunk": CHUNKED + b"1",
    "in a chunk": CHUNKED + b"5\r\nhi",
    "before the last chunk": CHUNKED + b"2\r\nhi\r\n",
    "in its trailers": CHUNKED + b"2\r\nhi\r\n0\r\nx: y\r\n",
}


@pytest.mark.parametrize("said", CUT.values(), ids=CUT)
async def test_an_answer_that_is_cut_is_no_answer_and_is_not_asked_for_twice(http: Http, said: bytes) -> None:
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    async with saying([whole], [said, None], [whole]) as wire:
        await http.post(wire.url, content=b"x")
        with pytest.raises(Retry):
            await http.post(wire.url, content=b"x")
        assert wire.used == [1, 1]
        assert (await http.post(wire.url, content=b"x")).status == 200
    assert wire.used == [1, 1, 2]


async def streamed(http: Http, wire: Wire) -> None:
    async with http.stream("GET", wire.url, silence=10 * PATIENCE_S) as stream:
        async for _ in stream.chunks():
            pass
