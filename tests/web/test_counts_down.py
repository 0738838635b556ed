"""What a request takes it gives back at every answer: its connection's place, and its turn behind the others."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from gateway.errors import Problem
from tests.patience import until
from tests.web.doors import SHORT, Answer, Behind, Served, post
from tests.web.test_protocol import _open

ROUNDS = 6
WAYS: dict[str, tuple[bytes, int]] = {
    "taken": (post(), 200),
    "no source": (post(path="/hooks/nobody"), 404),
    "no hook": (post(path="/"), 404),
    "another method": (b"GET /hooks/live HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "another type": (post(path="/hooks/typed", more="Content-Type: text/html\r\n"), 415),
    "encoded": (post(more="Content-Encoding: gzip\r\n"), 415),
    "too large": (b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
    "malformed": (post(b"{"), 400),
    "a problem": (post(b'{"answer": "problem"}'), 503),
    "a bug": (post(b'{"answer": "bug"}'), 500),
    "junk": (b"junk\r\n\r\n", 400),
    "no host": (b"POST /hooks/live HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400),
    "bad chunk": (b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "tunnel": (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
}


async def answered(callback: Any) -> Any:
    said = callback.body
    if b"problem" in said:
        raise Problem(503, "store_unavailable", "the store is busy", retry_after=1)
    if b"bug" in said:
        raise RuntimeError("a bug")
    if said == b"{":
        raise Problem(400, "malformed_body", "no object")
    return Answer()


def _behind() -> Behind:
    behind = Behind()
    behind.answer = answered
    return behind


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_gives_its_place_back_whatever_it_was_answered(way: str) -> None:
    request, status = WAYS[way]
    with Served(_behind(), limits=dataclasses.replace(SHORT, connections=3)) as served:
        for _ in range(ROUNDS):
            with served.public() as client:
                assert client.send(request).reply().status == status
            until(lambda: _open(served) == 0)
        assert served.post().status == 200


@pytest.mark.parametrize(
    "left", [b"", b"POST /hooks/live HT", post()[:-3], post()], ids=["silent", "head", "body", "whole"]
)
def test_a_caller_that_leaves_gives_its_place_back(left: bytes) -> None:
    with Served(_behind(), limits=dataclasses.replace(SHORT, connections=3)) as served:
        for _ in range(ROUNDS):
            with served.public() as client:
                client.send(left)
            until(lambda: _open(served) == 0)
        assert served.post().status == 200


KEPT = [
    way
    for way, (_, status) in WAYS.items()
    if way in ("taken", "no source", "no hook", "another method", "another type", "malformed", "a problem")
]


@pytest.mark.parametrize("way", KEPT)
def test_a_kept_connection_gives_each_turn_back_whatever_it_was_answered(way: str) -> None:
    """More requests than may ever wait behind one another, one by one and in one piece."""
    request, status = WAYS[way]
    with Served(_behind(), limits=SHORT) as served, served.public() as client:
        for _ in range(40):
            assert client.send(request).reply().status == status
        client.send(request * 3)
        assert [client.reply().status for _ in range(3)] == [status] * 3
        assert client.send(post()).reply().status == 200


def test_a_caller_that_leaves_while_it_is_worked_on_gives_its_place_back() -> None:
    behind = Behind()
    release = asyncio.Event()

    async def held(callback: Any) -> Any:
        await release.wait()
        return Answer()

    behind.answer = held
    with Served(behind, limits=dataclasses.replace(SHORT, connections=3)) as served:
        for number in range(1, 3):
            with served.public() as client:
                client.send(post())
                until(lambda number=number: len(behind.taken) == number)  # type: ignore[misc]
        served.loop.call_soon_threadsafe(release.set)
        until(lambda: _open(served) == 0)
        assert served.post().status == 200
