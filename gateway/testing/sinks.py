"""Promises every sink keeps, as test classes to inherit: `class TestMine(SinkPromises): sink = Mine; …`. Works with plain pytest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.egress.client import Http
from gateway.errors import DeliveryFailed, Refused, Retry, Unavailable
from gateway.fields import MASK, secrets_of
from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.plugin.contract import class_problem
from gateway.runtime import lean_imports
from gateway.runtime.clock import FrozenClock
from gateway.testing.corpus import cases
from gateway.testing.factories import delivery, event, events
from gateway.testing.server import Received, Reply, ScriptedServer
from gateway.text import redaction

S = TypeVar("S", bound=Sink)
_SECONDS: Final = 5.0  # how long close() may take, and how long a test waits for what must not hang
_IMPATIENT: Final = 0.3  # seconds; the timeout of a call to a server that never answers


@asynccontextmanager
async def opened(
    sink: type[S], options: Mapping[str, Any], *, name: str = "mine", logged: list[Any] | None = None, **http: Any
) -> AsyncIterator[S]:
    """A sink as the core makes it from these options, opened; closed afterwards, within 5 seconds.

    `logged` gets what it logs, redacted. `http` are arguments of its client: `transport=` replaces the network
    (`httpx.MockTransport`), `timeout=` is in seconds, `clock=` stands still if it is not given.
    """
    read = sink.Options.model_validate(dict(options))
    for _, secret in secrets_of(read):
        redaction.learn_secret(secret.reveal())
    client = Http(**{"clock": FrozenClock(), "timeout": _SECONDS, **http})
    target = sink(name, read, http=client, log=_log([] if logged is None else logged))
    try:
        await target.open()
        yield target
    finally:
        async with asyncio.timeout(_SECONDS):
            await target.close()
        await client.close()


class SinkPromises:
    """What holds for every sink. Set `sink`, and give `options`; the methods are ordinary synchronous tests."""

    sink: ClassVar[type[Sink]]

    def options(self, url: str) -> Mapping[str, Any]:
        """Options as the configuration file would hold them. `url` is a server's on loopback, for sinks that call one."""
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self, url: str = "http://127.0.0.1:9", **http: Any) -> AsyncIterator[tuple[Sink, list[Any]]]:
        """A sink as the core makes it, opened, and the list of what it logs; closed afterwards, in time."""
        logged: list[Any] = []
        async with opened(self.sink, self.options(url), logged=logged, **http) as sink:
            yield sink, logged

    def test_it_has_a_type_and_options_of_its_own(self) -> None:
        assert isinstance(self.sink.type, str)
        assert self.sink.type
        assert issubclass(self.sink.Options, BaseModel)
        assert class_problem(self.sink, Sink) is None

    def test_every_option_says_what_it_is_for(self) -> None:
        undescribed = [path for path, text in _described(self.sink.Options) if not text]
        assert not undescribed, f"give these options a Field(description=…): {undescribed}"

    def test_an_unknown_option_is_refused(self) -> None:
        options = {**self.options("http://127.0.0.1:9"), "no_such_option": 1}
        refused: Sequence[Any] = ()
        try:
            self.sink.Options.model_validate(options)
        except ValidationError as error:
            refused = [part["loc"] for part in error.errors(include_input=False)]
        assert refused == [("no_such_option",)], "derive Options from gateway.Options, which refuses unknown keys"

    def test_its_options_never_show_a_secret(self) -> None:
        options = self.sink.Options.model_validate(dict(self.options("http://127.0.0.1:9")))
        shown = f"{options!r} {options} {options.model_dump_json()} {self.sink.Options.model_json_schema()}"
        for path, secret in secrets_of(options):
            assert secret.reveal() not in shown, f"{path} is shown"
            assert MASK in shown

    def test_it_can_be_opened_and_closed_without_a_delivery(self) -> None:
        async def body() -> None:
            async with self.opened():
                pass

        asyncio.run(body())

    def test_its_preview_is_a_text_or_none_and_sends_nothing(self) -> None:
        async def body() -> None:
            async with ScriptedServer() as server:
                options = self.sink.Options.model_validate(dict(self.options(server.url)))
                sink = self.sink("mine", options, http=Http(), log=_log([]))
                for one in events():
                    said = await sink.preview(delivery(one))
                    assert said is None or isinstance(said, str)
                    for path, secret in secrets_of(options):
                        assert secret.reveal() not in (said or ""), f"{path} is shown"
                assert server.connections == 0
                await sink.close()

        asyncio.run(body())

    def test_its_advice_is_a_list_of_texts(self) -> None:
        options = self.sink.Options.model_validate(dict(self.options("http://127.0.0.1:9")))
        advice = self.sink("mine", options, http=Http(), log=_log([])).advice()
        assert all(isinstance(line, str) for line in advice)


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

    def identity(self, request: Received) -> Any:
        """What in a request names the event, the same each time it is sent; None: this service has nothing like it."""
        return request.header("webhook-id")

    def test_an_event_of_every_type_is_delivered_with_one_request(self) -> None:
        async def body() -> None:
            async with ScriptedServer(otherwise=self.accepted) as server, self.opened(server.url) as (sink, _):
                for number, one in enumerate(events(), 1):
                    receipt = await sink.deliver(delivery(one))
                    assert receipt is None or isinstance(receipt, str)
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
                async with ScriptedServer(reply) as server, self.opened(server.url, timeout=_IMPATIENT) as (sink, _):
                    async with asyncio.timeout(_SECONDS):
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


def _described(model: type[BaseModel]) -> Sequence[tuple[str, str | None]]:
    """Every option's dotted name and description, those of nested models too."""
    schema = model.model_json_schema()
    models = {"": schema, **{f"{name}.": part for name, part in schema.get("$defs", {}).items()}}
    return [
        (prefix + name, option.get("description"))
        for prefix, part in models.items()
        for name, option in part.get("properties", {}).items()
    ]


def _log(logged: list[Any]) -> Any:
    structlog = lean_imports.import_structlog()

    def keep(_logger: Any, _name: str, event_dict: Mapping[str, Any]) -> Any:
        logged.append(dict(event_dict))
        raise structlog.DropEvent

    return structlog.wrap_logger(None, processors=[redaction.redact_event, keep])
