"""An answer that nobody asked for, also one that comes in part, is never the next request's: the connection is not used again."""

from __future__ import annotations

import pytest

from gateway.egress.client import Http
from gateway.errors import Retry
from tests.egress.wire import saying

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
BARE = b"HTTP/1.1 204 No Content\r\n\r\n"
LATE = b"HTTP/1.1 500 Late\r\ncontent-length: 0\r\n\r\n"
HIDING = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(LATE)  # its body is an answer

FIRST = {
    "whole": [WHOLE],
    "whole in pieces": [WHOLE[:20], WHOLE[20:]],
    "chunked": [CHUNKED],
    "chunked in pieces": [CHUNKED[:50], CHUNKED[50:]],
    "without a body": [BARE[:9], BARE[9:]],
    "after an interim answer": [b"HTTP/1.1 103 Early Hints\r\n\r\n", WHOLE],
}
UNASKED = {
    "whole": (LATE, LATE),
    "a piece of its first line": (LATE[:8], LATE[8:]),
    "a byte": (LATE[:1], LATE[1:]),
    "a piece of its head": (LATE[:30], LATE[30:]),
    "a head, and a body that is an answer": (HIDING, LATE),
    "a head without end, and an answer": (b"HTTP/1.1 200 OK\r\nx: ", LATE),
    "an empty line": (b"\r\n", LATE),
    "no HTTP, and an answer": (b"x", LATE),
}


@pytest.mark.parametrize(
    ("unasked", "together"),
    [
        pytest.param(unasked, together, id=f"{name}{' in one piece' if together else ''}")
        for name, unasked in UNASKED.items()
        for together in (False, True)
        # in one piece the first breaks the answer, and the second is a part of nothing
        if not (together and name in ("no HTTP, and an answer", "an empty line"))
    ],
)
@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
async def test_what_comes_behind_an_answer_is_not_the_next_one(
    http: Http, first: list[bytes], unasked: tuple[bytes, bytes], together: bool
) -> None:
    before, after = unasked
    pieces = [*first[:-1], first[-1] + before] if together else [*first, before]
    async with saying(pieces, [after], others=[WHOLE]) as wire:
        for _ in range(2):
            assert (await http.post(wire.url, content=b"x")).status in (200, 204)
            await wire.all_said()
    assert wire.used == [1, 2]


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
async def test_an_answer_with_nothing_behind_it_leaves_the_connection_open(http: Http, first: list[bytes]) -> None:
    async with saying(first) as wire:
        for _ in range(3):
            assert (await http.post(wire.url, content=b"x")).status in (200, 204)
    assert wire.used == [1, 1, 1]


@pytest.mark.parametrize("status", [408, 421, 425, 500])
@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"])
async def test_a_goodbye_on_an_idle_connection_is_no_answer(http: Http, status: int, last: bytes) -> None:
    """As proxies and servers say when nobody asked for a while; some close then, some do not."""
    goodbye = b"HTTP/1.1 %d Bye\r\ncontent-length: 0\r\n%b\r\n" % (status, last)
    for closes in (True, False):
        async with saying([WHOLE, goodbye, *([None] if closes else [])], others=[WHOLE]) as wire:
            for _ in range(2):
                answer = await http.post(wire.url, content=b"x")
                assert (answer.status, answer.resent) == (200, False)
                await wire.all_said()
        assert wire.used == [1, 2]


@pytest.mark.parametrize("status", [408, 421, 425])
async def test_as_the_answer_to_a_request_the_same_is_tried_again_on_another_connection(
    http: Http, status: int
) -> None:
    said = b"HTTP/1.1 %d Bye\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status
    async with saying([WHOLE], [said], [WHOLE]) as wire:
        await http.post(wire.url, content=b"x")
        with pytest.raises(Retry, match=f"HTTP {status}"):
            await http.post(wire.url, content=b"x")
        assert (await http.post(wire.url, content=b"x")).status == 200
    assert wire.used == [1, 1, 2]


async def test_a_stream_that_was_read_to_its_end_is_the_same(http: Http) -> None:
    async with saying([CHUNKED[:50], CHUNKED[50:] + LATE[:9]], [LATE[9:]], others=[WHOLE]) as wire:
        async with http.stream("GET", wire.url) as stream:
            assert b"".join([chunk async for chunk in stream.chunks()]) == b"hi"
        assert (await http.get(wire.url)).body == b"hi"
    assert wire.used == [1, 2]


async def test_switching_protocols_is_no_answer_that_anything_may_follow(http: Http) -> None:
    switch = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
    async with saying([switch, WHOLE], others=[WHOLE]) as wire:
        with pytest.raises(Retry, match="HTTP 101"):
            await http.post(wire.url, content=b"x")
        assert (await http.post(wire.url, content=b"x")).status == 200
    assert wire.used == [1, 2]


async def test_a_trailer_is_no_header_of_its_answer_and_none_of_the_next(http: Http) -> None:
    chunked = b"HTTP/1.1 %s\r\ntransfer-encoding: chunked\r\ntrailer: retry-after\r\n\r\n2\r\nhi\r\n0\r\n"
    trailers = b"retry-after: 99\r\nset-cookie: a=b\r\n\r\n"
    async with saying(
        [chunked % b"503 Busy" + trailers], [chunked % b"503 Busy", trailers], [CHUNKED], [WHOLE]
    ) as wire:
        for _ in range(2):
            with pytest.raises(Retry, match="HTTP 503") as failed:
                await http.post(wire.url, content=b"x")
            assert failed.value.after is None
        for _ in range(2):
            answer = await http.post(wire.url, content=b"x")
            assert (answer.body, answer.headers.get("retry-after")) == (b"hi", None)
        assert not [head for _, head in wire.requests if b"cookie" in head.lower()]
