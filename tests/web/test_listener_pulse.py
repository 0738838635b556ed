"""A caller that could not be taken, because there was no memory for it, keeps no later one out."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.web import listener
from gateway.web.listener import HttpServer
from gateway.web.listener_limits import ListenerLimits
from gateway.web.listener_pulse import ListenerPulse
from gateway.web.protocol import guarded
from gateway.web.sockets import Bound, bind
from tests.patience import PATIENCE_S

uvloop = pytest.importorskip("uvloop")
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop,
}  # fmt: skip
ANSWER = b"HTTP/1.1 404"


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def asked(bound: Bound) -> bytes:
    """What a caller is told: nothing, if its connection is broken off or nobody takes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bound.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    try:
        async with asyncio.timeout(PATIENCE_S):
            return (await reader.read(len(ANSWER)))[: len(ANSWER)]
    except OSError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def served(
    monkeypatch: pytest.MonkeyPatch, loop: str, error: BaseException, play: Callable[[Bound], Awaitable[None]]
) -> list[Any]:
    """A listener whose second connection cannot be made; what the loop complained of."""
    odd: list[Any] = []
    monkeypatch.setattr(listener, "LOOK_TICKS", 1)
    protocol = guarded(ListenerLimits(), lambda problem, peer, path: None)
    connect, made = protocol.__init__, 0

    def second_fails(self: Any, *args: Any, **given: Any) -> None:
        nonlocal made
        made += 1
        if made == 2:
            raise error
        connect(self, *args, **given)

    monkeypatch.setattr(protocol, "__init__", second_fails)

    async def run() -> int | None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: odd.append(context))
        bound = bind("server", "127.0.0.1", 0)
        port = bound.port
        server = HttpServer("server", app, protocol, bound)
        await server.start()
        try:
            await play(bound)
        finally:
            assert await server.stop(PATIENCE_S)
            bound.close()
        return port

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        port = runner.run(run())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    return odd


@pytest.mark.parametrize("loop", LOOPS)
def test_a_caller_without_memory_for_it_is_turned_away_and_the_next_is_served(
    monkeypatch: pytest.MonkeyPatch, loop: str
) -> None:
    async def play(bound: Bound) -> None:
        assert [await asked(bound) for _ in range(3)] == [ANSWER, b"", ANSWER]

    assert served(monkeypatch, loop, MemoryError(), play) == []


def test_a_socket_that_the_loop_looks_at_no_more_is_listened_on_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the memory ends inside the loop: here by what a factory never raises."""

    async def play(bound: Bound) -> None:
        before = bound.sockets[0].fileno()
        assert await asked(bound) == ANSWER
        _, second, third = await asyncio.gather(*(asked(bound) for _ in range(3)))
        assert {second, third} <= {ANSWER, b""}
        assert await asked(bound) == ANSWER
        assert bound.sockets[0].fileno() != before

    with capture_logs() as lines:
        served(monkeypatch, "uvloop", RuntimeError("inside the loop"), play)
    assert [line["listener"] for line in lines if line["event"] == "listening_again"] == ["server"]


def test_callers_that_are_taken_are_no_sign_of_trouble() -> None:
    pulse = ListenerPulse("server")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert pulse.stuck([listening]) == []
        with socket.create_connection(listening.getsockname()):
            assert pulse.stuck([listening]) == []  # it has only just come
            pulse.taken += 1  # and was taken, and another waits
            assert pulse.stuck([listening]) == []
            assert pulse.stuck([listening]) == [0]


def test_a_socket_that_is_being_closed_is_not_stuck() -> None:
    pulse = ListenerPulse("server")
    listening = socket.create_server(("127.0.0.1", 0))
    with socket.create_connection(listening.getsockname()):
        assert pulse.stuck([listening]) == []
        listening.close()
        assert pulse.stuck([listening]) == []


async def test_where_it_cannot_be_listened_on_again_nothing_is_left_open_and_the_old_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = await loop.create_server(asyncio.Protocol, sock=listening.dup())
        before = set(os.listdir("/proc/self/fd"))
        monkeypatch.setattr(loop, "create_server", no_memory)
        with pytest.raises(MemoryError):
            await ListenerPulse("server").listen_again(listening, server, asyncio.Protocol, 10)
        assert set(os.listdir("/proc/self/fd")) == before
        assert server.is_serving()
        server.close()
