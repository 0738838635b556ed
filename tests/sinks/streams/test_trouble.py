"""Brokers that go away, freeze, are not there or say no: what it means, and that nothing is lost by it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway import Refused, Retry, Unavailable
from gateway.testing import delivery, event, opened
from plugins.sinks.streams import connection_keeper
from plugins.sinks.streams.sink import _settled
from tests.cable import Cable
from tests.sinks.streams.brokers import BROKERS, Broker

ATTEMPT_S = 0.3  # in the place of `delivery.timeout`
AT_ONCE_S = 10.0  # a library that tries again by itself, or waits for an answer, takes longer


@pytest.fixture
def cable(broker: Broker) -> Iterator[Cable]:
    with Cable(("127.0.0.1", broker.port), named=broker.named) as cable:
        yield cable


async def ids(broker: Broker) -> list[str]:
    return [got.headers["recording-gateway-id"] for got in await broker.read()]


@pytest.mark.wide
async def test_a_broker_that_was_away_is_connected_to_again_by_the_next_attempt(broker: Broker, cable: Cable) -> None:
    one, two, three = [event(number=number) for number in range(3)]
    async with opened(broker.sink, broker.options(cable.port)) as sink:
        assert await sink.deliver(delivery(one))
        assert await sink.deliver(delivery(one, replay=True))
        connections = cable.connections
        cable.drop()  # its end is known before the next attempt, which so costs none
        await asyncio.sleep(0.1)
        assert await sink.deliver(delivery(two))
        assert cable.connections > connections
        cable.cut()
        await asyncio.sleep(0.1)
        for _ in range(2):
            with pytest.raises(Retry) as failed:
                await sink.deliver(delivery(three))
            assert failed.value.service
            assert "127.0.0.1" in failed.value.detail
        cable.mend()
        assert await sink.deliver(delivery(three))
    assert await ids(broker) == [one.ref, one.ref, two.ref, three.ref]


@pytest.mark.wide
async def test_a_connection_that_ends_under_an_attempt_is_told_at_once(broker: Broker, cable: Cable) -> None:
    async with opened(broker.sink, broker.options(cable.port)) as sink:
        await sink.deliver(delivery(event()))
        cable.freeze()
        attempts = [asyncio.ensure_future(sink.deliver(delivery(event(number=number)))) for number in (1, 2)]
        await asyncio.sleep(0.1)
        cable.cut()
        cable.thaw()
        async with asyncio.timeout(AT_ONCE_S):
            ends = await asyncio.gather(*attempts, return_exceptions=True)
        assert all(isinstance(end, Retry) and end.service for end in ends), ends


async def test_a_frozen_broker_holds_an_attempt_no_longer_than_its_time_and_the_next_one_not_at_all(
    broker: Broker, cable: Cable
) -> None:
    one, two = event(number=1), event(number=2)
    async with opened(broker.sink, broker.options(cable.port)) as sink:
        await sink.deliver(delivery(event()))
        cable.freeze()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(ATTEMPT_S):
                await sink.deliver(delivery(one))
        connections = cable.connections
        cable.thaw()  # for the new connection; the old one is never trusted again
        assert await sink.deliver(delivery(one))
        assert await sink.deliver(delivery(two))
        assert cable.connections > connections
    arrived = await ids(broker)
    assert {one.ref, two.ref} <= set(arrived)
    assert arrived.count(two.ref) == 1


@pytest.mark.wide
async def test_a_frozen_broker_does_not_keep_the_gateway_from_stopping(broker: Broker, cable: Cable) -> None:
    async with opened(broker.sink, broker.options(cable.port)) as sink:
        await sink.deliver(delivery(event()))
        cable.freeze()
        attempt = asyncio.ensure_future(sink.deliver(delivery(event(number=1))))
        await asyncio.sleep(0.05)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt  # and closing, which `opened` bounds


async def test_a_closed_sink_sends_nothing(broker: Broker) -> None:
    async with opened(broker.sink, broker.options()) as sink:
        await sink.deliver(delivery(event()))
        await sink.close()
        with pytest.raises(Retry, match="closed"):
            await sink.deliver(delivery(event(number=1)))
        await sink.open()
        await sink.deliver(delivery(event(number=2)))
    assert len(await ids(broker)) == 2


async def test_many_at_once_share_one_connection(broker: Broker, cable: Cable) -> None:
    async with opened(broker.sink, broker.options(cable.port)) as sink:
        await asyncio.gather(*[sink.deliver(delivery(event(number=number))) for number in range(10)])
        await sink.open()  # that it is open already changes nothing
        await asyncio.gather(*[sink.deliver(delivery(event(number=number))) for number in range(10, 20)])
        assert cable.connections <= broker.connections_max
    assert len(await ids(broker)) == 20


async def test_a_look_at_the_broker_delivers_nothing(broker: Broker) -> None:
    async with opened(broker.sink, broker.options()) as sink:
        said = await sink.connect()
        assert said is not None
        assert str(broker.port) in said
    assert await broker.read() == []


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_a_look_at_the_broker_needs_no_open_sink(broker: Broker) -> None:
    options = broker.sink.Options.model_validate(broker.options())
    sink: Any = broker.sink("mine", options, http=None, log=None)  # type: ignore[arg-type]
    assert "logged in" in await sink.connect()
    await sink.close()


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """The port of one who takes connections and says nothing."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("kind", BROKERS)
async def test_whoever_takes_too_long_to_let_us_in_is_tried_later(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_keeper, "CONNECT_SECONDS", 0.2)
    broker = BROKERS[kind]()
    async with silent() as port, opened(broker.sink, broker.options(port)) as sink:
        with pytest.raises(Retry, match=r"no connection within 0\.2 s") as failed:
            await sink.deliver(delivery(event()))
        assert failed.value.service


async def test_all_who_wait_for_a_connection_hear_that_the_sink_is_closed() -> None:
    async with silent() as port, opened(BROKERS["redis"].sink, BROKERS["redis"]().options(port)) as sink:
        waiting = [asyncio.ensure_future(sink.deliver(delivery(event(number=number)))) for number in range(3)]
        await asyncio.sleep(0.05)
        await sink.close()
        said = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), AT_ONCE_S)
    assert [str(one) for one in said] == ["the sink is closed"] * 3


@pytest.mark.parametrize("kind", BROKERS)
async def test_without_its_library_a_sink_says_how_to_install_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broker: Any = BROKERS[kind]()
    for name in broker.sink.libraries:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unavailable, match=rf"is not installed; .*'\.\[{kind}\]'"):
        async with opened(broker.sink, broker.options()):
            pass


async def test_a_library_that_cancels_who_waits_is_no_cancellation_of_the_attempt() -> None:
    async def cancelled() -> str:
        raise asyncio.CancelledError

    said = await _settled(cancelled(), "here")
    assert isinstance(said, Retry)
    assert str(said) == "here: the connection ended before the broker answered"


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
async def test_a_password_for_kafka_is_said_only_to_who_asks_for_it_and_in_no_text(broker: Any) -> None:
    """The mock cluster knows no users, and hangs up on who has one."""
    options = broker.options(username="me", password="canary-password-0123")
    async with opened(broker.sink, options) as sink, asyncio.timeout(AT_ONCE_S):
        with pytest.raises((Retry, Unavailable)) as failed:
            await sink.deliver(delivery(event()))
    assert "canary" not in failed.value.detail


@pytest.mark.parametrize("kind", BROKERS)
async def test_a_broker_that_is_not_there_is_tried_again_later(kind: str) -> None:
    broker = BROKERS[kind]()
    async with opened(broker.sink, broker.options(9)) as sink:
        with pytest.raises(Retry) as failed:
            await sink.deliver(delivery(event()))
        assert failed.value.service
        with pytest.raises(Unavailable):
            await sink.connect()


@pytest.mark.parametrize("broker", [kind for kind in BROKERS if not BROKERS[kind].lets_everybody_in], indirect=True)
async def test_a_wrong_password_is_a_broken_target_and_in_no_text(broker: Broker) -> None:
    options = broker.options(username="nobody", password="canary-password-0123")
    logged: list[Any] = []
    async with opened(broker.sink, options, logged=logged) as sink:
        with pytest.raises(Unavailable) as failed:
            await sink.deliver(delivery(event()))
    assert "username" in failed.value.detail
    assert "canary-password" not in f"{failed.value!r} {logged}"


@pytest.mark.parametrize("broker", [kind for kind in BROKERS if BROKERS[kind].too_large], indirect=True)
async def test_an_event_that_is_too_large_for_the_broker_is_refused_and_no_other(broker: Broker) -> None:
    large = event(extra={"text": "x" * broker.too_large})
    async with opened(broker.sink, broker.options()) as sink:
        results = await sink.deliver_batch([delivery(large, id=1), delivery(event(number=2), id=2)])
        assert isinstance(results[0], Refused), results
        assert isinstance(results[1], str), results


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 400], ids=["nothing", "http", "zeros"]
)
@pytest.mark.parametrize("kind", BROKERS)
async def test_who_is_no_such_broker_is_told_soon_and_nothing_is_lost(kind: str, answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    broker = BROKERS[kind]()
    options = broker.options(server.sockets[0].getsockname()[1])
    async with server, opened(broker.sink, options) as sink, asyncio.timeout(AT_ONCE_S):
        with pytest.raises((Retry, Unavailable)) as failed:
            await sink.deliver(delivery(event()))
    assert "127.0.0.1" in failed.value.detail
