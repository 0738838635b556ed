"""How connections end: what lingers so that a refusal can be read, and for how long."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.web.listener_limits import ListenerLimits
from tests.patience import until
from tests.web.doors import SHORT, Answer, Behind, Served, post
from tests.web.raw_client import Client

HEAD = b"POST /hooks/live HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with Served(Behind(), limits=SHORT, private_limits=SHORT) as served:
        yield served


def meets_a_reset(client: Client) -> bool:
    """Whether the other side has closed for good."""
    try:
        client.sock.send(b"x")
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def test_a_refused_caller_that_stays_is_closed_all_the_same(served: Served) -> None:
    with served.public() as client:
        assert client.send(b"junk\r\n\r\n").reply().status == 400
        assert client.closed()
        until(lambda: meets_a_reset(client))


def test_a_refused_caller_that_goes_on_sending_is_closed(served: Served) -> None:
    with served.public() as client:
        client.send(HEAD + b"Content-Length: 900000000\r\n\r\n")
        assert client.reply().status == 413
        client.send(b"x" * 8_000_000)
        until(lambda: meets_a_reset(client))


def test_a_body_that_comes_after_its_answer_leaves_the_connection_usable(served: Served) -> None:
    whole = post(b"x" * 1000, path="/hooks/no")
    with served.public() as client:
        client.send(whole[:-1000])
        assert client.reply().status == 404
        client.send(b"x" * 1000)
        assert client.send(post()).reply().status == 200


def test_the_body_of_a_pipelined_request_has_its_time_from_when_it_could_be_read(served: Served) -> None:
    async def slowly(callback: Any) -> Any:
        await asyncio.sleep(0.5)  # longer than a body may take here
        return Answer(200, callback.body)

    served.behind.answer = slowly
    second = post(b'{"second":2}')
    with served.public() as client:
        client.send(post() + second[:-4])
        assert client.reply().status == 200
        assert client.send(second[-4:]).reply().body == b'{"second":2}'


def test_a_large_answer_is_sent_whole_to_a_caller_that_takes_its_time() -> None:
    async def large(callback: Any) -> Any:
        return Answer(200, b"x" * 8_000_000)

    behind = Behind()
    behind.answer = large
    limits = dataclasses.replace(SHORT, stall_seconds=20)  # longer than a busy machine keeps this caller from reading
    with Served(behind, limits=limits) as served:
        with served.public() as client:
            client.send(post())
            time.sleep(0.5)  # longer than it may be idle, or linger
            assert len(client.reply().body) == 8_000_000
        with served.public() as client:  # also when the connection ends with it
            client.send(post(more="Connection: close\r\n"))
            time.sleep(0.5)
            assert len(client.reply().body) == 8_000_000
            assert client.closed()


def test_a_stop_waits_neither_for_half_a_head_nor_for_a_refused_caller() -> None:
    with Served(Behind()) as served, served.public() as half, served.public() as refused:
        half.send(b"POST /hooks/li")
        assert refused.send(b"junk\r\n\r\n").reply().status == 400
        began = time.monotonic()
        served.ask()
        assert served.result().clean
        assert time.monotonic() - began < ListenerLimits().head_seconds, "it waited for the rest of a head"
        assert half.closed()


def test_a_stop_waits_for_a_body_under_way_and_answers_it() -> None:
    behind = Behind()

    async def closing() -> None:
        await asyncio.sleep(0.3)

    behind.closing = closing
    with Served(behind) as served, served.public() as client:
        client.send(HEAD + b"Content-Length: 2\r\n\r\n{")
        time.sleep(0.1)
        served.ask()
        time.sleep(0.1)
        assert client.send(b"}").reply().status == 200
        assert served.result().clean


def test_a_connection_whose_refusal_could_not_be_told_of_is_closed_all_the_same() -> None:
    class Forgetful(Behind):
        def count_refusal(self, source: str | None, problem: Any) -> None:
            super().count_refusal(source, problem)
            raise MemoryError

    with Served(Forgetful(), limits=SHORT, private_limits=SHORT) as served, served.public() as client:
        client.send(HEAD)  # and not its end
        until(lambda: meets_a_reset(client))
        assert served.behind.refused
