"""What brokers say no with: by the table, and by the brokers themselves."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway import DeliveryFailed, Refused, Retry, Unavailable, order_key
from gateway.testing import delivery, event, opened
from tests.sinks.streams.answers import AGAIN, ANSWERS, LATER, SHUT
from tests.sinks.streams.brokers import BROKERS, Broker


def kind_of(failure: DeliveryFailed) -> tuple[str, bool]:
    return type(failure).__name__, getattr(failure, "service", False)


@pytest.mark.parametrize("kind", BROKERS)
def test_each_answer_means_what_the_table_says(kind: str) -> None:
    judge: Callable[..., DeliveryFailed] = importlib.import_module(f"plugins.sinks.{kind}.faults").judge
    for error, outcome in ANSWERS[kind]():
        failure = judge(error, "here")
        assert kind_of(failure) == outcome, f"{error!r} is {failure!r}"
        assert failure.detail.startswith("here")


@pytest.mark.parametrize("kind", BROKERS)
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionRefusedError(111, "Connection refused"), AGAIN),
        (TimeoutError(), AGAIN),
        (asyncio.IncompleteReadError(b"", 1), AGAIN),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), SHUT),
        (RuntimeError("canary-0123456789"), AGAIN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_network_did_is_told_without_the_words_of_the_exception(
    kind: str, error: Exception, outcome: tuple[str, bool]
) -> None:
    failure = importlib.import_module(f"plugins.sinks.{kind}.faults").judge(error, "here")
    assert kind_of(failure) == outcome
    assert "canary" not in failure.detail


async def refusal(broker: Broker, **options: Any) -> DeliveryFailed:
    """What delivering to a place that the broker does not like ends in."""
    async with opened(broker.sink, broker.options(**options)) as sink:
        with pytest.raises((Retry, Refused, Unavailable)) as failed:
            await sink.deliver(delivery(event()))
        return failed.value


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_a_key_that_is_no_stream_is_told_before_and_at_a_delivery(broker: Any) -> None:
    await broker.client.set(broker.name, "text")
    assert "is no stream" in str(await refusal(broker))
    async with opened(broker.sink, broker.options()) as sink:
        with pytest.raises(Unavailable, match="is a string, not a stream"):
            await sink.connect()


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
async def test_redis_keeps_as_many_entries_as_it_is_told_and_no_event_twice(broker: Any) -> None:
    options = broker.options(max_length=100, deduplicate="1h")
    async with opened(broker.sink, options) as sink:
        members = [delivery(event(number=number), id=number) for number in range(400)]
        await sink.deliver_batch(members)
        again = await sink.deliver(members[399])
    assert 100 <= await broker.client.xlen(broker.name) < 300
    assert "already" in str(again)
    [key, *_] = await broker.client.keys(f"{{{broker.name}}}:event:*")
    assert 3_590_000 < await broker.client.pttl(key) <= 3_600_000


@pytest.mark.parametrize("broker", ["nats"], indirect=True)
async def test_a_subject_that_no_stream_takes_opens_the_circuit_and_names_it(broker: Any) -> None:
    failure = await refusal(broker, subject=f"{broker.name}-nobody.x")
    assert isinstance(failure, Unavailable)
    assert f"no stream takes the subject '{broker.name}-nobody.x'" in failure.detail
    assert isinstance(await refusal(broker, subject=f"{broker.name}.x", stream="another"), Unavailable)
    for more in ({"subject": f"{broker.name}-nobody.{{type}}"}, {"stream": "another"}):
        failure = await refusal(broker, **more)
        assert kind_of(failure) == LATER, "another event may have a subject that is taken"


@pytest.mark.parametrize("broker", ["nats"], indirect=True)
async def test_a_look_at_nats_names_the_stream_that_takes_the_subject(broker: Any) -> None:
    async with opened(broker.sink, broker.options(subject=f"{broker.name}.x")) as sink:
        assert str(await sink.connect()).endswith(f"the stream {broker.name} takes {broker.name}.x")
    async with opened(broker.sink, broker.options(subject=f"{broker.name}-nobody.x")) as sink:
        with pytest.raises(Unavailable, match="no stream takes the subject"):
            await sink.connect()


@pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)
async def test_a_look_at_rabbitmq_says_what_is_there(broker: Any) -> None:
    for more, words in (
        ({}, f"the queue {broker.name} is there"),
        ({"exchange": "amq.topic"}, "the exchange amq.topic is there"),
        ({"routing_key": f"{broker.name}.{{app}}"}, "which queue takes an event is seen when it comes"),
    ):
        async with opened(broker.sink, broker.options(**more)) as sink:
            assert str(await sink.connect()).endswith(words)


@pytest.mark.parametrize("broker", ["nats"], indirect=True)
async def test_the_same_event_again_is_one_message_in_the_stream(broker: Any) -> None:
    async with opened(broker.sink, broker.options()) as sink:
        first = await sink.deliver(delivery(event()))
        assert await sink.deliver(delivery(event())) == f"{first}; it was there already"
    assert len(await broker.read()) == 1


@pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)
async def test_what_no_queue_takes_waits_or_is_refused_and_in_words(broker: Any) -> None:
    nobody = f"{broker.name}-nobody"
    for more, kind in (
        ({"routing_key": nobody}, Unavailable),
        ({"routing_key": f"{nobody}.{{app}}"}, Refused),
        ({"routing_key": nobody, "unroutable": "refuse"}, Refused),
        ({"exchange": "amq.topic", "routing_key": nobody}, Unavailable),
    ):
        failure = await refusal(broker, **more)
        assert type(failure) is kind, more
        assert f"no queue takes the message (exchange {more.get('exchange', '(default)')!r}" in str(failure)
        assert nobody in str(failure)
    assert isinstance(await refusal(broker, exchange=nobody), Unavailable)
    assert "virtual host" in str(await refusal(broker, url=f"{broker.url()}/no-such-host"))


@pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)
async def test_a_queue_that_is_full_says_later_and_loses_nothing(broker: Any) -> None:
    full = await broker.channel.declare_queue(
        f"{broker.name}-full", exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
    )
    async with opened(broker.sink, broker.options(routing_key=full.name)) as sink:
        results = await sink.deliver_batch([delivery(event(number=number), id=number) for number in range(1, 10)])
    delivered = [result for result in results if isinstance(result, str)]
    rest = [result for result in results if not isinstance(result, str)]
    assert rest
    assert all(isinstance(result, Retry) and result.service for result in rest), results
    assert (await broker.channel.declare_queue(full.name, passive=True)).declaration_result.message_count == len(
        delivered
    )


@pytest.mark.parametrize("broker", ["mqtt"], indirect=True)
async def test_the_receipt_says_where_nobody_subscribes(broker: Any) -> None:
    async with opened(broker.sink, broker.options()) as sink:
        assert await sink.deliver(delivery(event())) == "PUBACK Success"
    async with opened(broker.sink, broker.options(topic=f"{broker.name}-nobody")) as sink:
        assert await sink.deliver(delivery(event())) == "PUBACK No matching subscribers"


@asynccontextmanager
async def scripted_mqtt(puback: int | None, connack: bytes = bytes([0x20, 3, 0, 0, 0])) -> AsyncIterator[int]:
    """The port of a broker that confirms every PUBLISH with this reason code; None: it says goodbye instead."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind = (await reader.readexactly(1))[0] >> 4
                length, shift = 0, 0
                while (part := (await reader.readexactly(1))[0]) & 0x80:
                    length, shift = length | (part & 0x7F) << shift, shift + 7
                packet = await reader.readexactly(length | part << shift)
                if kind == 1:
                    writer.write(connack)
                elif kind == 3 and puback is None:
                    writer.write(bytes([0xE0, 0]))
                elif kind == 3:
                    assert puback is not None
                    end = 2 + int.from_bytes(packet[:2])
                    writer.write(bytes([0x40, 4, *packet[end : end + 2], puback, 0]))
                elif kind == 14:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("puback", "kind", "words"),
    [(0x87, Unavailable, "may not publish there"), (0x97, Retry, "Quota exceeded"), (0x99, Refused, "0x99")],
)
async def test_a_confirmation_that_says_no_is_none(puback: int, kind: type[Exception], words: str) -> None:
    async with (
        scripted_mqtt(puback) as port,
        opened(BROKERS["mqtt"].sink, {"url": f"mqtt://127.0.0.1:{port}"}) as sink,
        opened(BROKERS["mqtt"].sink, {"url": f"mqtt://127.0.0.1:{port}", "topic": "{app}"}) as other,
    ):
        with pytest.raises(kind, match=words):
            await sink.deliver(delivery(event()))
        with pytest.raises(Retry if kind is Unavailable else kind, match=words):
            await other.deliver(delivery(event()))


async def test_what_an_mqtt_broker_says_it_does_not_take_is_not_sent() -> None:
    def taking(octets: int) -> bytes:
        return bytes([0x20, 8, 0, 0, 5, 0x27, *octets.to_bytes(4)])  # MaximumPacketSize

    for octets in (512, 65_536):
        async with (
            scripted_mqtt(0, taking(octets)) as port,
            opened(BROKERS["mqtt"].sink, {"url": f"mqtt://127.0.0.1:{port}"}) as sink,
        ):
            if octets > 512:
                assert await sink.deliver(delivery(event())) == "PUBACK Success"
                continue
            with pytest.raises(Refused, match="512 bytes"):
                await sink.deliver(delivery(event()))


async def test_an_mqtt_broker_that_says_goodbye_to_a_message_has_not_confirmed_it() -> None:
    async with (
        scripted_mqtt(None) as port,
        opened(BROKERS["mqtt"].sink, {"url": f"mqtt://127.0.0.1:{port}"}) as sink,
    ):
        with pytest.raises(Retry) as failed:
            await sink.deliver(delivery(event()))
    assert failed.value.service


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
async def test_the_events_of_a_stream_are_in_one_partition_and_in_order(broker: Any) -> None:
    members = [delivery(event(number=number, stream=f"room-{number % 5}"), id=number) for number in range(1, 31)]
    async with opened(broker.sink, broker.options(compression="gzip")) as sink:
        for member in members:
            await sink.deliver(member)
    arrived = await broker.read()
    places: dict[str, set[int]] = {}
    for got in arrived:
        places.setdefault(str(got.key), set()).add(got.partition)
    assert places.keys() == {f"live push.example.com/live/room-{number}" for number in range(5)}
    assert all(len(partitions) == 1 for partitions in places.values())
    assert len(set.union(*places.values())) > 1
    for key in places:
        sent = [one.event.ref for one in members if order_key("live", one.event.subject, ordered=True) == key]
        assert [got.headers["recording-gateway-id"] for got in arrived if got.key == key] == sent
