"""The public types as a plugin's author sees them: `reveal_type` lines are compared by test_public_types.py."""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Sequence
from datetime import timedelta
from typing import Annotated, reveal_type

from gateway import (
    EVENT_TYPES,
    ONE_OR_MANY,
    RECORDING_ENDED,
    Alarm,
    Attempt,
    BlockingWorker,
    Callback,
    ConfigPath,
    Delivery,
    Duration,
    Event,
    Globs,
    Options,
    Proxy,
    Refused,
    Response,
    Retry,
    Secret,
    SecretUrl,
    Sink,
    Size,
    Source,
    Unavailable,
    Url,
    Verified,
    between,
    event_id,
    failure_of,
    format_time,
    hookimpl,
    inert,
    is_loopback,
    sample,
    secret,
    sender_key,
    sign_webhook,
    to_document,
    to_json,
    verify_webhook,
)
from gateway.testing import HttpSinkPromises, SinkPromises, SourcePromises, delivery, event, opened, running


class PagerOptions(Options):
    url: Url
    hook: SecretUrl | None = None
    token: Annotated[Secret, secret(min_length=8)]
    every: Annotated[Duration, between("1s", "1h")] = timedelta(minutes=1)
    most: Size = 1024
    only: Globs = ("*",)
    tokens: Annotated[tuple[Secret, ...], ONE_OR_MANY] = ()
    through: Proxy | None = None
    folder: ConfigPath


class Pager(Sink):
    type = "pager"
    Options = PagerOptions
    options: PagerOptions

    async def open(self) -> None:
        await self.http.prepare(self.options.url)

    async def deliver(self, delivery: Delivery) -> str:
        reveal_type(self.options.url)  # str
        reveal_type(self.options.token.reveal())  # str
        reveal_type(self.options.every)  # datetime.timedelta
        reveal_type(self.options.most)  # int
        reveal_type(self.options.only)  # tuple[str, ...]
        reveal_type(self.options.folder)  # pathlib.Path
        reveal_type(delivery.event)  # gateway.model.event.Event
        reveal_type(delivery.event.files)  # tuple[gateway.model.recorded_file.File, ...]
        reveal_type(delivery.event.files[0].size_bytes)  # int | None
        reveal_type(delivery.event.trust.rank)  # int
        answer = await self.http.post(self.options.url, json=to_document(delivery.event), timeout=5.0)
        reveal_type(answer)  # gateway.egress.answers.Answer
        reveal_type(answer.status)  # int
        reveal_type(answer.retry_after)  # datetime.timedelta | None
        reveal_type(failure_of(answer, retry=(423,)))  # gateway.errors.DeliveryFailed
        reveal_type(self.options.tokens)  # tuple[gateway.text.secret.Secret, ...]
        reveal_type(self.options.through)  # gateway.text.secret.Secret | None
        reveal_type(await BlockingWorker("pager").run(lambda: 5))  # int
        reveal_type(inert(format_time(delivery.event.received_at)))  # str
        reveal_type(delivery.event.alarm)  # gateway.model.event.Alarm | None
        alarm: Alarm | None = sample(RECORDING_ENDED, stream="x").alarm
        self.log.info("tried", about=alarm and alarm.about, here=is_loopback("::1"))
        file = await self.http.fetch_untrusted("https://example.com/f", max_bytes=10)
        reveal_type(file.body)  # bytes
        self.log.info("sent", status=answer.status)
        if answer.status == 202:
            raise Retry("later", timedelta(seconds=5), {"done": ["a"]})
        if answer.status == 203:
            raise Refused("never")
        if answer.status == 204:
            raise Unavailable("gone", timedelta(hours=1))
        return to_json(delivery.event)[:10]

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[str | None | Exception]:
        return [await self.deliver(one) for one in deliveries]


class Cameras(Source):
    type = "cameras"

    def verify(self, callback: Callback) -> Verified:
        reveal_type(callback.headers.get("x-signature"))  # str | None
        reveal_type(callback.json())  # dict[str, Any]
        reveal_type(verify_webhook(callback.body, callback.headers, "whsec_x"))  # str
        reveal_type(sign_webhook("a", 5, b"", [sender_key("whsec_x")]))  # str
        raise NotImplementedError

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        reveal_type(event_id(self.name, EVENT_TYPES[0], None, None, None, None, [1]))  # gateway.model.event_id.EventId
        return []

    def acknowledge(self, callback: Callback, events: Sequence[Event]) -> Response | None:
        return Response(200, b"ok", "text/plain")


@hookimpl
def register_sinks() -> list[type[Sink]]:
    return [Pager]


@hookimpl
def attempt_finished(delivery: Delivery, attempt: Attempt) -> None:
    reveal_type(attempt.outcome)  # gateway.model.delivery.Outcome


@hookimpl(wrapper=True)
def deliver(
    deliveries: Sequence[Delivery], sink: Sink
) -> Generator[None, Awaitable[Sequence[str | None | Exception]], Awaitable[Sequence[str | None | Exception]]]:
    return (yield)


class TestPager(HttpSinkPromises):
    sink = Pager

    def options(self, url: str) -> dict[str, object]:
        return {"url": url}


class TestCameras(SourcePromises):
    def make_source(self) -> Source:
        return Cameras("live", Options())


async def tests() -> None:
    async with opened(Pager, {"url": "http://127.0.0.1"}) as sink:
        reveal_type(sink)  # authors.Pager
        await sink.deliver(delivery(event()))
    async with running({"sinks": {}}) as gateway:
        reveal_type(await gateway.send())  # gateway.testing.inprocess.Posted
        reveal_type(gateway.delivered("app"))  # list[gateway.model.event.Event]
        await gateway.advance(60)
    reveal_type(SinkPromises.sink)  # type[gateway.plugin.base.Sink]
