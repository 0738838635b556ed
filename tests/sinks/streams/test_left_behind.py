"""Nothing of a connection stays behind, however it ends: no socket, no task of a library, nothing that only the collector finds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway import Retry, Sink
from gateway.testing import delivery, event, opened
from plugins.sinks.streams import connection_keeper
from tests.cable import Cable
from tests.certificates import certificates
from tests.sinks.streams.brokers import BROKERS, Broker

ATTEMPT_SECONDS = 0.2  # in the place of `delivery.timeout`
GONE_SECONDS = 2.0  # within this what ends does end, on a busy machine
ESTABLISHED = 1  # of tcp(7)


# NATS begins in clear, and so cannot stand behind an encrypted end of a cable.
PLACES = [(kind, encrypted) for kind in BROKERS for encrypted in (False, True) if not (encrypted and kind == "nats")]


@pytest.fixture
def cable(
    request: pytest.FixtureRequest, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cable]:
    monkeypatch.setattr(connection_keeper, "END_SECONDS", 0.3)  # what hangs is to be cut off
    context = None
    if request.param:
        certificates(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with Cable(("127.0.0.1", broker.port), tls=context, named=broker.named) as cable:
        yield cable


@pytest.fixture
async def sink(broker: Broker, cable: Cable, tmp_path: Path) -> AsyncIterator[Sink]:
    options = broker.options(cable.port)
    if (tmp_path / "ca.pem").exists():
        options |= {**broker.encrypted(cable.port), "ca": str(tmp_path / "ca.pem")}
    async with opened(broker.sink, options) as sink:
        yield sink


async def cut_off(work: Awaitable[object]) -> None:
    with contextlib.suppress(TimeoutError, Retry):
        async with asyncio.timeout(ATTEMPT_SECONDS):
            await work


async def a_login_is_cut_off(sink: Sink, cable: Cable) -> None:
    cable.freeze()
    await cut_off(sink.deliver(delivery(event())))
    await sink.close()


async def logins_are_cut_off_at_every_step(sink: Sink, cable: Cable) -> None:
    cable.delay_s = 0.03
    for step in range(12):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01 + step * 0.03):
                await sink.deliver(delivery(event()))
    await sink.close()


async def an_attempt_is_cut_off(sink: Sink, cable: Cable) -> None:
    await sink.deliver(delivery(event()))
    cable.freeze()
    await cut_off(sink.deliver(delivery(event(number=1, extra={"large": "x" * 900_000}))))
    await sink.close()


async def it_is_frozen_when_it_is_closed(sink: Sink, cable: Cable) -> None:
    await sink.deliver(delivery(event()))
    cable.freeze()
    await sink.close()


async def its_end_is_cut_off(sink: Sink, cable: Cable) -> None:
    await sink.deliver(delivery(event()))
    cable.freeze()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await sink.close()


async def it_is_closed_while_somebody_connects(sink: Sink, cable: Cable) -> None:
    cable.freeze()
    await _closed_under(sink)


async def it_is_closed_while_somebody_sends(sink: Sink, cable: Cable) -> None:
    await sink.deliver(delivery(event()))
    cable.freeze()
    await _closed_under(sink)


async def _closed_under(sink: Sink) -> None:
    attempt = asyncio.ensure_future(sink.deliver(delivery(event(number=1))))
    await asyncio.sleep(0.1)
    await sink.close()
    async with asyncio.timeout(GONE_SECONDS):
        with pytest.raises(Retry):
            await attempt


def connected_to(port: int) -> list[str]:
    """The sockets of this process that are connected to this port. They are asked one by one, because the list that the system
    has of all connections, with those of whoever used the machine in the last minute, takes longer than all else here."""
    found = []
    for descriptor in map(int, os.listdir("/dev/fd")):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                with socket.socket(fileno=os.dup(descriptor)) as one:
                    if _is_connected(one, port):
                        found.append(str(one))
    return found


def _is_connected(one: socket.socket, port: int) -> bool:
    if one.family not in (socket.AF_INET, socket.AF_INET6) or one.getpeername()[1] != port:
        return False
    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


def test_what_is_connected_is_found_until_it_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as ours, server.accept()[0] as theirs:
            assert len(connected_to(port)) == 1  # and not the other end
            theirs.close()
            ours.recv(1)
            assert connected_to(port) == []  # half of it is gone
            assert len(connected_to(ours.getsockname()[1])) == 0


ENDS: list[Callable[[Sink, Cable], Awaitable[None]]] = [
    a_login_is_cut_off,
    logins_are_cut_off_at_every_step,
    an_attempt_is_cut_off,
    it_is_frozen_when_it_is_closed,
    its_end_is_cut_off,
    it_is_closed_while_somebody_connects,
    it_is_closed_while_somebody_sends,
]


@pytest.mark.wide
@pytest.mark.parametrize(("broker", "cable"), PLACES, indirect=True)
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_nothing_is_left_of_a_connection_when(
    end: Callable[[Sink, Cable], Awaitable[None]], sink: Sink, cable: Cable
) -> None:
    before = asyncio.all_tasks()
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(str(context)))
    await end(sink, cable)

    def left() -> list[object]:
        return [*connected_to(cable.port), *(asyncio.all_tasks() - before)]

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GONE_SECONDS):
            while left():
                await asyncio.sleep(0.01)
    assert left() == []
    gc.collect()
    assert said == []


@pytest.mark.parametrize("kind", BROKERS)
def test_what_becomes_of_a_failed_connection_when_no_loop_runs_is_nothing(kind: str) -> None:
    broker = BROKERS[kind]()

    async def attempt() -> Retry:
        async with opened(broker.sink, broker.options(9)) as sink:
            with pytest.raises(Retry) as failed:
                await sink.deliver(delivery(event()))
            return failed.value

    loop = asyncio.new_event_loop()
    try:
        failures = [loop.run_until_complete(attempt())]  # with its traceback, and all that stands in that
        failures.clear()
        gc.collect()
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
