"""Promises that every sink keeps which makes one HTTP request an event: `class TestMine(HttpSinkPromises): …`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar, Final

from gateway.errors import DeliveryFailed, Refused, Retry, Unavailable
from gateway.fields import secrets_of
from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.testing.corpus import cases
from gateway.testing.factories import delivery, event, events
from gateway.testing.server import Received, Reply, ScriptedServer
from gateway.testing.sinks import HANG_SECONDS, SinkPromises
from gateway.testing.what_follows import follow_ups

_SHORT_TIMEOUT_SECONDS: Final = 0.3  # seconds; the timeout of a call to a server that never answers


class HttpSinkPromises(SinkPromises):
    """What holds for a sink that makes one HTTP request for each event to the `url` of its options.

    Override `accepted` where the service says yes in words of its own, `statuses` where it means something else by a
    status, `identity` to name what a receiver tells repeats by.
    """

    accepted: ClassVar[Reply] = Reply()
    statuses: ClassVar[Mapping[int, type[DeliveryFailed]]] = {
        **dict.fromkeys((404, 408, 425, 429, 500, 502, 503, 504, 524), Retry),
        **dict.fromkeys((400, 405, 413, 415, 422, 501, 505), Refused),
        **dict.fromkeys((301, 302, 307, 401, 403, 410), Unavailable),
    }

    def identity(self, request: Received) -> object:
        """What in a request names the event, the same each time it is sent; None: this service has nothing like it."""
        return request.header("webhook-id")

    def test_an_event_of_every_type_is_delivered_with_one_request(self) -> None:
        async def body() -> None:
            async with ScriptedServer(otherwise=self.accepted) as server, self.opened(server.url) as (sink, _):
                for number, one in enumerate(events(), 1):
                    carried = delivery(one)
                    follow_ups(carried, await sink.deliver(carried))
                    assert len(server.received) == number

        asyncio.run(body())

    def test_each_status_means_what_it_should(self) -> None:
        async def body() -> None:
            for status, expected in self.statuses.items():
                async with ScriptedServer(Reply(status=status)) as server, self.opened(server.url) as (sink, _):
                    failure = await _fail(sink, delivery())
                    assert type(failure) is expected, f"{status}: {failure!r}"
                    assert len(server.received) == 1, f"{status}: the core tries again, not the sink"

        asyncio.run(body())

    def test_a_retry_after_is_passed_on(self) -> None:
        async def body() -> None:
            reply = Reply(status=429, headers=[("Retry-After", "77")])
            async with ScriptedServer(reply) as server, self.opened(server.url) as (sink, _):
                failure = await _fail(sink, delivery())
                assert isinstance(failure, Retry)
                assert failure.after is not None
                assert failure.after >= timedelta(seconds=77)

        asyncio.run(body())

    def test_a_redirect_is_not_followed(self) -> None:
        async def body() -> None:
            async with ScriptedServer() as other:
                reply = Reply(status=307, headers=[("Location", other.url)])
                async with ScriptedServer(reply) as server, self.opened(server.url) as (sink, _):
                    await _fail(sink, delivery())
                assert other.connections == 0

        asyncio.run(body())

    def test_what_the_network_does_is_a_retry_of_the_service(self) -> None:
        async def body() -> None:
            broken = [case.value for case in cases("ans") if case.id in {"N01", "N04", "N05"}]
            for raw in (b"", *broken):
                async with ScriptedServer(otherwise=Reply(raw=raw)) as server, self.opened(server.url) as (sink, _):
                    _is_service_failure(await _fail(sink, delivery()), raw[:40])
            async with ScriptedServer() as gone:
                url = gone.url
            async with self.opened(url) as (sink, _):
                _is_service_failure(await _fail(sink, delivery()), "nobody listens")

        asyncio.run(body())

    def test_a_server_that_never_ends_its_answer_is_left(self) -> None:
        async def body() -> None:
            for reply in (Reply(hang=True), Reply(drip=True)):
                async with (
                    ScriptedServer(reply) as server,
                    self.opened(server.url, timeout=_SHORT_TIMEOUT_SECONDS) as (sink, _),
                ):
                    async with asyncio.timeout(HANG_SECONDS):
                        _is_service_failure(await _fail(sink, delivery()), reply)

        asyncio.run(body())

    def test_no_secret_is_in_an_error_a_receipt_or_a_log(self) -> None:
        async def body() -> None:
            options = self.sink.Options.model_validate(dict(self.options("http://127.0.0.1:9")))
            secrets = [secret.reveal() for _, secret in secrets_of(options)]
            echo = " ".join(secrets).encode()
            replies = [Reply(status=status, body=echo) for status in (200, 400, 401, 404, 429, 500)]
            replies += [Reply(raw=b"junk " + echo), replace(self.accepted, headers=[("X-Echo", "x")])]
            for reply in replies:
                async with ScriptedServer(reply) as server, self.opened(server.url) as (sink, logged):
                    try:
                        said = str(await sink.deliver(delivery()))
                    except Exception as error:
                        said = f"{error} {error!r} {getattr(error, 'detail', '')}"
                for secret in secrets:
                    assert secret not in said, f"{reply.status}: a secret is in the outcome"
                    assert secret not in json.dumps(logged, default=repr), f"{reply.status}: a secret is in the log"

        asyncio.run(body())

    def test_a_second_try_names_the_event_as_the_first_did(self) -> None:
        async def body() -> None:
            async with (
                ScriptedServer(Reply(status=503), self.accepted, self.accepted) as server,
                self.opened(server.url) as (sink, _),
            ):
                one = delivery()
                await _fail(sink, one)
                await sink.deliver(one.replace(attempt=2))
                await sink.deliver(delivery(event(number=2)))
                first, second, other = map(self.identity, server.received)
                assert first == second
                assert first is None or first != other

        asyncio.run(body())

    def test_hostile_text_is_inert(self) -> None:
        """It is delivered (or, where the service cannot carry it, refused) and changes no target and no header's name."""

        async def body() -> None:
            async with ScriptedServer(otherwise=self.accepted) as server, self.opened(server.url) as (sink, _):
                await sink.deliver(delivery(event(stream="harmless", id="0123456789abcdef")))
                [harmless] = server.received
                for case in cases("stream"):
                    server.received.clear()
                    try:
                        await sink.deliver(delivery(event(stream=case.value, id="0123456789abcdef")))
                    except Refused:
                        continue
                    [got] = server.received
                    assert (got.method, got.target) == (harmless.method, harmless.target), case.id
                    assert [name for name, _ in got.headers] == [name for name, _ in harmless.headers], case.id
                    assert all(value.isascii() and value.isprintable() for _, value in got.headers), case.id

        asyncio.run(body())

    def test_many_deliveries_at_once_do_not_mix(self) -> None:
        async def body() -> None:
            async with ScriptedServer(otherwise=self.accepted) as server, self.opened(server.url) as (sink, _):
                many = [delivery(event(number=number)) for number in range(20)]
                await asyncio.gather(*map(sink.deliver, many))
                named = [self.identity(request) for request in server.received]
                assert len(named) == 20
                assert named == [None] * 20 or len(set(named)) == 20

        asyncio.run(body())


def _is_service_failure(failure: Exception, what: object) -> None:
    assert isinstance(failure, Retry), f"{what!r}: {failure!r}"
    assert failure.service, f"{what!r}: raise Retry(…, service=True), so that the circuit can open"


async def _fail(sink: Sink, one: Delivery) -> Exception:
    try:
        receipt = await sink.deliver(one)
    except Exception as error:
        return error
    raise AssertionError(f"this must not be delivered, but the receipt is {receipt!r}")
