"""What each answer of a broker means: a table for each, with the words as the broker has them."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from gateway import DeliveryFailed, Refused, Retry, Unavailable
from gateway.testing import delivery, event, opened
from tests.sinks.streams.brokers import BROKERS, Broker

AGAIN = ("Retry", True)  # and counts towards the circuit
LATER = ("Retry", False)
SHUT = ("Unavailable", False)
NEVER = ("Refused", False)


def kind_of(failure: DeliveryFailed) -> tuple[str, bool]:
    return type(failure).__name__, getattr(failure, "service", False)


def redis_answers() -> list[tuple[BaseException, tuple[str, bool]]]:
    from redis import exceptions as errors
    from redis._parsers.base import BaseParser

    def answered(text: str) -> BaseException:
        error: BaseException = BaseParser.parse_error(text)
        return error

    return [
        (answered("WRONGTYPE Operation against a key holding the wrong kind of value"), SHUT),
        (answered("NOPERM User default has no permissions to run the 'xadd' command"), SHUT),
        (answered("NOAUTH Authentication required."), SHUT),
        (answered("WRONGPASS invalid username-password pair or user is disabled."), SHUT),
        (answered("MOVED 3999 127.0.0.1:6381"), SHUT),
        (answered("ERR unknown command 'XADD', with args beginning with:"), SHUT),
        (answered("READONLY You can't write against a read only replica."), AGAIN),
        (answered("OOM command not allowed when used memory > 'maxmemory'."), AGAIN),
        (answered("LOADING Redis is loading the dataset in memory"), AGAIN),
        (answered("MISCONF Redis is configured to save RDB snapshots"), AGAIN),
        (answered("NOREPLICAS Not enough good replicas to write."), AGAIN),
        (answered("CLUSTERDOWN The cluster is down"), AGAIN),
        (answered("MASTERDOWN Link with MASTER is down"), AGAIN),
        (answered("BUSY Redis is busy running a script."), AGAIN),
        (answered("ERR max number of clients reached"), AGAIN),
        (answered("ERR something new"), LATER),
        (errors.TimeoutError("Timeout reading from socket"), AGAIN),
        (errors.ConnectionError("Connection closed by server."), AGAIN),
        (errors.DataError("Invalid input of type: 'NoneType'."), NEVER),
    ]


def nats_answers() -> list[tuple[BaseException, tuple[str, bool]]]:
    import nats.errors
    from nats.js import errors

    def answered(code: int, number: int, text: str) -> BaseException:
        try:
            raise errors.APIError.from_error({"code": code, "err_code": number, "description": text})
        except errors.APIError as error:
            return error

    return [
        (errors.NoStreamResponseError(), SHUT),
        (answered(400, 10060, "expected stream does not match"), SHUT),
        (answered(503, 10039, "JetStream not enabled for account"), SHUT),
        (answered(400, 10109, "invalid operation on sealed stream"), SHUT),
        (answered(400, 10054, "message size exceeds maximum allowed"), NEVER),
        (answered(503, 10077, "maximum messages exceeded"), AGAIN),
        (answered(503, 10023, "insufficient resources"), AGAIN),
        (answered(500, 10047, "insufficient storage resources available"), AGAIN),
        (answered(400, 10999, "something new"), LATER),
        (nats.errors.MaxPayloadError(), NEVER),
        (nats.errors.Error("nats: 'Authorization Violation'"), SHUT),
        (nats.errors.Error('nats: permissions violation for publish to "a.b"'), SHUT),
        (nats.errors.Error("nats: 'Maximum Connections Exceeded'"), AGAIN),
        (nats.errors.ConnectionClosedError(), AGAIN),
        (nats.errors.UnexpectedEOF(), AGAIN),
        (nats.errors.TimeoutError(), AGAIN),
        (nats.errors.SecureConnWantedError(), SHUT),
    ]


ANSWERS: dict[str, Callable[[], list[tuple[BaseException, tuple[str, bool]]]]] = {
    "redis": redis_answers,
    "nats": nats_answers,
}


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


async def refusal(broker: Broker, *, events: int = 1, **options: Any) -> Exception:
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
    failure = await refusal(broker, stream="another")
    assert isinstance(failure, Unavailable)


@pytest.mark.parametrize("broker", ["nats"], indirect=True)
async def test_the_same_event_again_is_one_message_in_the_stream(broker: Any) -> None:
    async with opened(broker.sink, broker.options()) as sink:
        first = await sink.deliver(delivery(event()))
        assert await sink.deliver(delivery(event())) == f"{first}; it was there already"
    assert len(await broker.read()) == 1


async def test_a_server_that_speaks_no_tls_hears_nothing_of_a_password() -> None:
    """NATS begins in clear and says itself whether TLS follows, so that anybody on the way could say no."""
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576}\r\n')
        heard.extend(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink_type = BROKERS["nats"].sink
    options = {"url": f"tls://127.0.0.1:{port}", "username": "u", "password": "canary-0123456789"}
    async with server, opened(sink_type, options) as sink:
        with pytest.raises(Unavailable, match="does not speak TLS"):
            await sink.deliver(delivery(event()))
    assert bytes(heard) == b""
