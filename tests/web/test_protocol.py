"""Slow, oversized, ambiguous and piled-up requests, over real sockets, with deadlines that a test can see pass."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import re
import select
import socket
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.testing.corpus import Case, cases
from gateway.web.listener_limits import ListenerLimits
from tests.patience import PATIENCE_S, until
from tests.web.doors import SHORT, Answer, Behind, Served, post
from tests.web.raw_client import Client

HEAD = b"POST /hooks/live HTTP/1.1\r\nHost: x\r\n"
RAW = {case.id: case for case in cases("raw")}


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with Served(Behind(), limits=SHORT, private_limits=SHORT) as served:
        yield served


def statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


# --- the corpus ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", RAW.values(), ids=str)
def test_hostile_bytes_end_in_a_refusal_or_a_close(served: Served, case: Case) -> None:
    with served.public() as client:
        answer = client.send(case.value).rest()  # returns only when the gateway closed
    found = statuses(answer)
    expected = {"R01": [413], "R04": [415], "R05": [200], "R18": [200], "R19": [200], "R21": [404]}.get(case.id)
    if expected is not None:
        assert found == expected  # behind these listeners every body is taken that is an object
    else:
        assert all(400 <= status < 500 for status in found)
        assert served.behind.taken == []
    assert served.post().status == 200, "others are served"


def test_what_only_the_parser_sees_is_counted(served: Served) -> None:
    with served.public() as client:
        reply = client.send(b"\x16\x03\x01\x02\x00").reply()
        assert (reply.status, reply.json()["code"]) == (400, "malformed_request")
        assert reply.header("content-type") == "application/problem+json"
        assert client.closed()
    assert [(source, problem.code) for source, problem in served.behind.refused] == [(None, "malformed_request")]


# --- time -----------------------------------------------------------------------------------------------------------

SLOW = {
    "nothing at all": [b""],
    "half a request line": [b"POST /ho"],
    "half a head": [HEAD + b"X: "],
    "a dripped head": [HEAD, *([b"X: y\r\n"] * 200)],
    "blank lines": [b"\r\n"] * 200,
    "a request, then blank lines": [post(), *([b"\r\n"] * 200)],
    "a request, then nothing": [post()],
    "no body": [HEAD + b"Content-Length: 10\r\n\r\n"],
    "a dripped body": [HEAD + b"Content-Length: 1000\r\n\r\n", *([b"x"] * 200)],
    "a dripped chunk size": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *([b"0"] * 200)],
    "dripped trailers": [HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", *([b"X: y\r\n"] * 200)],
    "an unread body": [post(path="/hooks/no", body=b"x" * 1000)[:-900], *([b"x"] * 200)],
}


@pytest.mark.parametrize("pieces", SLOW.values(), ids=SLOW)
def test_a_slow_caller_is_closed_on_time_and_hinders_nobody(served: Served, pieces: list[bytes]) -> None:
    with served.public() as client:
        left = deque(pieces)
        while left:
            client.send(left.popleft())
            if select.select([client.sock], [], [], 0.02)[0] and _ended(client):
                break
        else:
            client.rest()
        assert len(left) >= len(pieces) // 2, "it was not closed before half of what it sends a piece at a time"
    assert served.post().status == 200


def _ended(client: Client) -> bool:
    with contextlib.suppress(BlockingIOError):
        client.sock.setblocking(False)
        try:
            return not client._more()
        finally:
            client.sock.setblocking(True)
            client.sock.settimeout(PATIENCE_S)
    return False


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"POST /ho", "head_timeout"),
        (HEAD + b"Content-Length: 10\r\n\r\n{}", "body_timeout"),
    ],
)
def test_a_slow_request_is_told_what_it_waited_for(served: Served, sent: bytes, code: str) -> None:
    with served.public() as client:
        reply = client.send(sent).reply()
        assert (reply.status, reply.json()["code"], reply.header("connection")) == (408, code, "close")
        assert client.closed()
    assert served.behind.codes() == [code]


def test_a_silent_caller_is_closed_without_a_word(served: Served) -> None:
    with served.public() as client:
        assert client.closed()
    assert served.behind.refused == []


def test_a_caller_who_waits_for_us_is_not_slow(served: Served) -> None:
    async def slowly(callback: Any) -> Any:
        await asyncio.sleep(0.7)  # longer than every deadline of this listener
        return Answer()

    served.behind.answer = slowly
    with served.public() as client:
        assert client.send(post()).reply().status == 200
    with served.public() as client:  # also with the next request on its way
        client.send(post() + HEAD)
        assert client.reply().status == 200
        client.send(b"Content-Length: 0\r\n\r\n")
        assert client.reply().status == 200


def test_a_connection_is_kept_between_requests(served: Served) -> None:
    with served.public() as client:
        for _ in range(5):
            assert client.send(post()).reply().status == 200
            time.sleep(0.05)


def test_a_caller_that_half_closes_still_gets_its_answer(served: Served) -> None:
    async def slowly(callback: Any) -> Any:
        await asyncio.sleep(0.1)
        return Answer()

    served.behind.answer = slowly
    with served.public() as client:
        client.send(post())
        client.sock.shutdown(socket.SHUT_WR)
        assert client.reply().status == 200
        assert client.closed()
    with served.public() as client:
        client.send(HEAD)
        client.sock.shutdown(socket.SHUT_WR)
        assert client.closed()


def test_a_caller_that_takes_no_answers_is_given_up(served: Served) -> None:
    async def large(callback: Any) -> Any:
        return Answer(200, b"x" * 8_000_000)

    served.behind.answer = large
    with served.public() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.send(post())
        until(lambda: _open(served) == 0)


def _open(served: Served) -> int:
    """Connections at the public listener, as the kernel sees our side of them."""
    port = served.addresses.public.port
    assert port is not None
    wanted = f":{port:04X}"
    with open(f"/proc/{os.getpid()}/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return sum(row[1].endswith(wanted) and row[3] == "01" for row in rows)


# --- the head -------------------------------------------------------------------------------------------------------


def request(*fields: bytes, line: bytes = b"POST /hooks/live HTTP/1.1") -> bytes:
    return b"\r\n".join((line, *fields, b"Content-Length: 2", b"", b"{}"))


@pytest.mark.parametrize(
    "sent",
    [
        request(),
        request(b"Host: a", b"Host: a"),
        request(b"Host: a", line=b"POST /hooks/live HTTP/2.0"),
        request(b"Host: a", line=b"POST /hooks/live HTTP/1.2"),
        request(b"Host: a", line=b"POST /hooks/live HTTP/0.9"),
        b"GET /hooks/live\r\n\r\n",
        b"POST /hooks/live HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n{}",
        request(b"Host: a", line=b"CONNECT hooks.example:443 HTTP/1.1"),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        request(b"Host: a", b"Transfer-Encoding: chunked"),
        request(b"Host: a", b"Content-Length: 3"),
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n{}",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n{}",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\n{}",
        request(b"Host: a", b"X: b", b" c"),
        b"POST /hooks/live HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}",
        request(b"Host: a", b"X: a\x00b"),
        request(b"Host: a", line=b"POST /hooks/live\xff HTTP/1.1"),
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
        b"POST /hooks/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n",
    ],
)
def test_an_ambiguous_request_is_refused_and_its_connection_closed(served: Served, sent: bytes) -> None:
    with served.public() as client:
        reply = client.send(sent).reply()
        assert (reply.status, reply.json()["code"]) == (400, "malformed_request")
        assert client.closed()
    assert served.behind.taken == []
    assert served.behind.codes() == ["malformed_request"]


IN_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
OFFERS = {
    "curl --http2": (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"),
    "Java's HttpClient": (b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAEAAEAAAAI", b"Upgrade: h2c"),
    "any": (b"Connection: upgrade", b"Upgrade: h2c"),
    "in the middle": (b"Connection: keep-alive , UPGRADE , X-Y", b"Upgrade: TLS/1.2, h2c"),
    "WebSocket": (b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x"),
    "two fields": (b"Connection: Upgrade", b"Connection: HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: "),
}


@pytest.mark.parametrize("split", [1, 7, 10_000])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_an_offered_upgrade_is_ignored_and_the_request_served_with_its_body(
    served: Served, offer: tuple[bytes, ...], split: int
) -> None:
    whole = request(b"Host: a", *offer, b"X-Kept: v")
    chunked = b"\r\n".join((b"POST /hooks/live HTTP/1.1", b"Host: a", *offer, IN_CHUNKS))
    data = whole + chunked + post() + whole
    with served.public() as client:
        for start in range(0, len(data), split):
            client.send(data[start : start + split])
        replies = [client.reply() for _ in range(4)]
    assert [reply.status for reply in replies] == [200] * 4
    bodies = [callback.body for callback in served.behind.taken]
    assert bodies == [b"{}", b"{}", b'{"event":1}', b"{}"]
    first = served.behind.taken[0].headers
    assert first["x-kept"] == "v"
    assert "upgrade" not in first, "what was ignored does not travel"
    assert "http2-settings" not in first


def test_an_offer_with_a_bad_head_or_body_is_refused_like_any_other(served: Served) -> None:
    for fields in ((), (b"Host: a", b"Host: b"), (b"Host: a", b"Content-Length: 3")):
        with served.public() as client:
            sent = request(*fields, b"Connection: upgrade", b"Upgrade: h2c")
            assert client.send(sent).reply().status == 400
    with served.public() as client:
        large = HEAD + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000
        assert client.send(large).reply().status == 413


def test_http_1_0_without_host_is_served_on_the_private_listener_alone(served: Served) -> None:
    with served.private() as client:
        assert client.send(b"GET /healthz HTTP/1.0\r\n\r\n").reply().status == 200
        assert client.closed()
    for bytes_ in (b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"):
        with served.private() as client:
            assert client.send(bytes_).reply().status == 400
    with served.private() as client:
        assert client.send(b"GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n").reply().status == 421
    with served.public() as client:
        assert client.send(request(line=b"POST /hooks/live HTTP/1.0")).reply().status == 400


def test_http_1_0_is_spoken(served: Served) -> None:
    with served.public() as client:
        reply = client.send(request(b"Host: a", line=b"POST /hooks/live HTTP/1.0")).reply()
        assert (reply.status, reply.header("connection")) == (200, "close")
        assert client.closed()


@pytest.mark.parametrize(
    "sent",
    [
        request(b"Host: a", *([b"X: y"] * 64)),
        request(b"Host: a", b"X: " + b"y" * 16_400),
        request(b"Host: a", *([b"X: " + b"y" * 1000] * 17)),
        request(b"Host: a", line=b"POST /" + b"y" * 16_400 + b" HTTP/1.1"),
        b"POST /" + b"y" * 300_000,
        HEAD + b"X: " + b"y" * 300_000,
        HEAD + b"y" * 300_000,
    ],
)
def test_a_head_that_is_too_large_is_refused_before_it_is_complete(served: Served, sent: bytes) -> None:
    with served.public() as client:
        reply = client.send(sent).reply()
        assert (reply.status, reply.json()["code"]) == (431, "head_too_large")
        assert client.closed()
    assert served.behind.codes() == ["head_too_large"]


def test_a_head_just_within_the_limits_is_taken(served: Served) -> None:
    with served.public() as client:
        assert client.send(request(b"Host: a", *([b"X: " + b"y" * 250] * 60))).reply().status == 200


def test_huge_heads_cost_no_memory(served: Served) -> None:
    before = _resident()
    for case in ("R09", "R10", "R11"):
        with served.public() as client:
            client.send(RAW[case].value[:4_000_000]).rest()
    assert _resident() - before < 20_000_000  # the test's own copies are in it


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- the body -------------------------------------------------------------------------------------------------------

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"


@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["one segment", "later"])
@pytest.mark.parametrize("next_request", [b"", post()], ids=["alone", "followed"])
def test_a_trailer_never_passes_for_a_header(served: Served, pause: float, next_request: bytes) -> None:
    trailers = b"0\r\nX-Signature: forged\r\nX-Last: forged\r\n\r\n" + next_request
    with served.public() as client:
        if pause:
            client.send(CHUNKED)
            time.sleep(pause)
            client.send(trailers)
        else:
            client.send(CHUNKED + trailers)
        assert client.reply().status == 200
        if next_request:
            assert client.reply().status == 200
    for callback in served.behind.taken:
        assert "x-signature" not in callback.headers
        assert "x-last" not in callback.headers


def test_chunks_that_are_mostly_framing_are_not_endless(served: Served) -> None:
    with served.public() as client:
        client.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1;" + b"e" * 1_500_000 + b"\r\n{")
        reply = client.reply()
        assert (reply.status, reply.json()["code"]) == (413, "body_too_large")
        assert client.closed()
    assert served.behind.codes() == ["body_too_large"]


def test_a_body_that_breaks_in_the_middle_is_refused_and_not_taken(served: Served) -> None:
    with served.public() as client:
        client.send(CHUNKED)
        time.sleep(0.05)
        client.send(b"junk\r\n")
        assert client.reply().status == 400
        assert client.closed()
    assert served.behind.taken == []


# --- pipelining -------------------------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    bodies = [b'{"n":%d}' % number for number in range(10)]

    async def echo(callback: Any) -> Any:
        await asyncio.sleep(0)
        return Answer(200, callback.body)

    served.behind.answer = echo
    with served.public() as client:
        client.send(b"".join(post(body) for body in bodies))
        assert [client.reply().body for _ in bodies] == bodies


def test_more_pipelined_requests_than_may_wait_are_refused_after_the_answers_that_are_due(served: Served) -> None:
    with served.public() as client:
        found = statuses(client.send(post() * 2000).rest())
    assert found == [200] * 17 + [400]
    assert len(served.behind.taken) == 17


def test_a_bad_request_behind_a_good_one_does_not_spoil_its_answer(served: Served) -> None:
    async def slowly(callback: Any) -> Any:
        await asyncio.sleep(0.1)
        return Answer()

    served.behind.answer = slowly
    for bad in (b"junk\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with served.public() as client:
            assert statuses(client.send(post() + bad).rest()) == [200, 400]
    assert len(served.behind.taken) == 2


def test_junk_after_an_early_answer_only_closes(served: Served) -> None:
    with served.public() as client:
        client.send(b"POST /hooks/no HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.reply().status == 404
        assert client.send(b"junk\r\n").closed()


# --- connections -----------------------------------------------------------------------------------------------------


def test_silent_connections_do_not_keep_a_callback_out() -> None:
    patient = ListenerLimits(wire_bytes=600_000, head_seconds=60, idle_seconds=60)  # so that no deadline closes them
    limits = dataclasses.replace(patient, connections=200)
    with Served(Behind(), limits=limits) as served, contextlib.ExitStack() as stack:
        kept = stack.enter_context(served.public())
        assert kept.send(post()).reply().status == 200
        silent = [stack.enter_context(served.public()) for _ in range(300)]
        assert served.post().status == 200
        assert silent[0].closed(), "the oldest made room"
        assert kept.closed(), "an idle connection is no better than a silent one"
        until(lambda: _open(served) <= 201)


def test_a_request_under_way_is_not_closed_to_make_room() -> None:
    release = asyncio.Event()

    async def held(callback: Any) -> Any:
        await release.wait()
        return Answer()

    behind = Behind()
    behind.answer = held
    limits = dataclasses.replace(SHORT, connections=2)
    with Served(behind, limits=limits) as served, served.public() as first, served.public() as second:
        first.send(post())
        second.send(post())
        while len(behind.taken) < 2:
            time.sleep(0.01)
        with served.public() as third:
            reply = third.send(post()).reply()
            assert (reply.status, reply.json()["code"], reply.header("retry-after")) == (
                503,
                "too_many_connections",
                "1",
            )
            assert third.closed()
        served.loop.call_soon_threadsafe(release.set)
        assert [first.reply().status, second.reply().status] == [200, 200]
    assert behind.codes() == ["too_many_connections"]


# --- the private listener is the same class ----------------------------------------------------------------------------


def test_the_private_listener_has_the_same_deadlines(served: Served) -> None:
    with served.private() as client:
        client.send(b"GET /healthz HTT")
        assert client.reply().status == 408
        assert client.closed()
    assert served.behind.refused == [], "callbacks are counted, not probes"
