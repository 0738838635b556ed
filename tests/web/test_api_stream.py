"""The live stream: what happens is told as it happens, from where the reader stood, within bounds."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.stream import RING_ROWS, STREAMS_MAX, STREAMS_PER_SESSION_MAX, LiveHub, Message, NewsFilter
from gateway.errors import Problem
from gateway.store.admin.live import LiveRow
from gateway.web.api import event_stream
from tests.patience import PATIENCE_S, until
from tests.running import Player
from tests.web.admin_api import READ, a_gateway, serve
from tests.web.doors import SHORT, Served
from tests.web.raw_client import Client


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("stream")) as served:
        yield served
        served.ask()
        served.result()


class Reading:
    """One open stream."""

    def __init__(self, served: Served, query: str = "", last: int | None = None) -> None:
        self.client: Client = served.private()
        head = f"GET /api/v1/stream{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {READ}\r\n"
        head += "" if last is None else f"Last-Event-ID: {last}\r\n"
        self.client.send(f"{head}\r\n".encode())
        self.buffer = b""
        self.head = self._upto(b"\r\n\r\n").decode()
        self.status = int(self.head.split()[1])

    def _upto(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            more = self.client.sock.recv(65536)
            assert more, self.buffer
            self.buffer += more
        top, _, self.buffer = self.buffer.partition(mark)
        return top

    def message(self) -> dict[str, Any]:
        """The next one that is no comment."""
        while True:
            lines = self._upto(b"\n\n").decode().splitlines()
            fields = dict(line.split(": ", 1) for line in lines if ": " in line and not line.startswith(":"))
            if "data" in fields:
                return {"id": int(fields["id"]), "event": fields["event"], **json.loads(fields["data"])}

    def close(self) -> None:
        self.client.sock.close()


def test_what_happens_is_told_at_once_and_a_reader_goes_on_where_it_stood(served: Served) -> None:
    reading = Reading(served)
    assert reading.status == 200
    assert "text/event-stream" in reading.head
    assert "content-length" not in reading.head.lower()
    served.post(Player().body(number=1))
    event = reading.message()
    attempt = reading.message()
    assert (event["event"], event["source"], event["sinks"]) == ("event", "live", ["file"])
    assert (attempt["event"], attempt["sink"], attempt["outcome"]) == ("attempt", "file", "delivered")
    assert "auth_sign" not in json.dumps([event, attempt])
    reading.close()
    again = Reading(served, last=event["id"])
    assert again.message()["id"] == attempt["id"]
    again.close()


def test_a_stream_tells_only_what_is_asked_for(served: Served) -> None:
    reading = Reading(served, "?types=attempt&sink=fi*")
    served.post(Player().body(number=2))
    assert reading.message()["event"] == "attempt"
    reading.close()


async def test_the_33rd_stream_and_the_fifth_of_a_session_are_refused() -> None:
    hub = LiveHub()
    places = [hub.place(None) for _ in range(STREAMS_MAX)]
    for place in places:
        place.__enter__()
    with pytest.raises(Problem, match="32 streams"), hub.place(None):
        pass
    for place in places:
        place.__exit__(None, None, None)
    assert hub.streams == 0
    mine = [hub.place("session") for _ in range(STREAMS_PER_SESSION_MAX)]
    for place in mine:
        place.__enter__()
    with pytest.raises(Problem, match="of this session"), hub.place("session"):
        pass
    with hub.place("other"):
        pass


def test_over_http_the_33rd_stream_is_429_and_a_place_that_is_left_is_free_again(served: Served) -> None:
    readings = [Reading(served) for _ in range(STREAMS_MAX)]
    assert {one.status for one in readings} == {200}
    refused = Reading(served)
    assert refused.status == 429
    assert "retry-after: " in refused.head.lower()
    assert b"too_many_streams" in refused._upto(b"}")
    assert served.post(Player().body("RECORD_FAILED", number=900)).status == 200  # and callbacks come in as ever
    assert {one.message()["event"] for one in readings} == {"event"}
    readings[0].client.sock.shutdown(socket.SHUT_WR)
    readings[0].client.rest()
    for _ in range(500):  # it is freed after the last byte, so perhaps not at the first try
        again = Reading(served)
        if again.status == 200:
            break
        again.close()
    assert again.status == 200
    for one in (*readings[1:], again):
        one.client.sock.shutdown(socket.SHUT_WR)
        one.client.rest()
    for one in (*readings, refused, again):
        one.close()


def row(number: int, kind: str = "event") -> LiveRow:
    return LiveRow(number, 0, kind, "live", "", "recording.failed", f'{{"n": {number}}}')


async def test_32_streams_hold_one_ring_and_a_slow_one_is_told_what_it_missed() -> None:
    hub = LiveHub()

    async def earlier(id: int) -> tuple[list[LiveRow], int]:
        return [row(2000), row(2001)], 2000

    news = hub.follow(NewsFilter(), 0, earlier=earlier)
    assert await anext(news) == Message()
    hub.feed([row(n) for n in range(1, 2002)])
    assert len(hub._ring) == RING_ROWS
    missed = await anext(news)
    assert (missed.event, missed.data) == ("missed", {"missed": 1999})
    assert (await anext(news)).id == 2000
    assert (await anext(news)).id == 2001
    hub.close()
    assert [message async for message in news] == []


async def _nothing(id: int) -> tuple[list[LiveRow], int]:
    raise AssertionError("all of it is here")


async def test_news_that_are_there_together_go_out_in_one_piece_and_in_bounded_ones() -> None:
    hub = LiveHub()
    hub.feed([row(n) for n in range(1, 1 + RING_ROWS)])
    news = hub.follow(NewsFilter(), 1, earlier=_nothing)
    pieces: list[bytes] = []
    told = f"id: {RING_ROWS}\n".encode()

    async def send(message: Any) -> None:
        pieces.append(message.get("body", b""))
        if told in pieces[-1]:
            hub.close()

    async with asyncio.timeout(PATIENCE_S):
        await event_stream.EventStream(news, await anext(news))({}, asyncio.Event().wait, send)  # type: ignore[arg-type]
    assert b"".join(pieces).count(b"event: event") == RING_ROWS - 1
    assert len(pieces) < 10
    assert max(map(len, pieces)) < event_stream.TOGETHER_BYTES_MAX + 1024


async def test_a_quiet_stream_shows_signs_of_life_and_one_whose_token_was_removed_ends() -> None:
    hub = LiveHub()
    holds = [True, True, False]

    async def nothing(id: int) -> Any:
        raise AssertionError

    news = hub.follow(NewsFilter(), None, earlier=nothing, may=lambda: holds.pop(0), every=0.001)
    assert [message async for message in news] == [Message(), Message(), Message()]


async def test_a_reader_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "STALL_SECONDS", 0.02)
    closed: list[bool] = []

    async def endless() -> Any:
        try:
            while True:
                yield Message(1, "event", "{}")
        finally:
            closed.append(True)

    async def stuck(message: Any) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    news = endless()
    async with asyncio.timeout(PATIENCE_S):
        await event_stream.EventStream(news, await anext(news))({}, asyncio.Event().wait, stuck)  # type: ignore[arg-type]
    assert closed == [True]


def test_a_reader_that_sends_its_end_has_left_and_its_place_is_free(served: Served) -> None:
    """A browser that leaves a page closes its half and says no more."""
    for _ in range(STREAMS_MAX + 1):
        reading = Reading(served)
        assert reading.status == 200
        reading.client.sock.shutdown(socket.SHUT_WR)
        reading.client.rest()  # ends: the other side has closed
        reading.close()


def test_an_id_that_the_stream_did_not_give_is_refused(served: Served) -> None:
    head = f"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {READ}\r\nLast-Event-ID: x\r\n\r\n"
    with served.private() as client:
        assert client.send(head.encode()).reply().status == 400


def test_a_reader_that_comes_back_after_a_restart_is_told_what_it_missed(tmp_path: Path) -> None:
    with serve(tmp_path) as first:
        reading = Reading(first)
        first.post(Player().body(number=1))
        event, attempt = reading.message(), reading.message()
        reading.close()
        first.ask()
        first.result()
    with serve(tmp_path) as second:
        again = Reading(second, last=event["id"])
        assert again.message()["id"] == attempt["id"]
        again.close()
        second.ask()
        second.result()


async def test_news_that_the_store_has_no_longer_are_passed_over() -> None:
    hub = LiveHub()
    hub.skip_to(10)

    async def nothing(id: int) -> tuple[list[LiveRow], int]:
        assert id == 3
        return [], 0

    following: Any = hub.follow(NewsFilter(), 3, earlier=nothing)
    assert await anext(following) == Message()
    coming = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    hub.feed([row(11)])
    assert (await asyncio.wait_for(coming, PATIENCE_S)).id == 11
    await following.aclose()


def test_a_reader_that_announces_a_body_and_never_sends_it_keeps_no_place(tmp_path: Path) -> None:
    gateway: Any = a_gateway(tmp_path)
    with Served(gateway, private_limits=SHORT) as served:

        def begun() -> bool:
            """Whether the answer began before the body's time was over, which a busy machine may not do."""
            with served.private() as client:
                head = f"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {READ}\r\n"
                answer = client.send(f"{head}Content-Length: 5\r\n\r\n".encode()).rest()
            assert answer.count(b"HTTP/1.1") == 1, "an answer that has begun is not followed by another"
            return answer.startswith(b"HTTP/1.1 200 ")

        until(begun)
        until(lambda: gateway.admin._hub.streams == 0)
        served.ask()
        served.result()
