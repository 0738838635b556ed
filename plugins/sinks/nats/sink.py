"""Publishes into JetStream: delivered when the stream has it, and dropped there where it had it already."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway import DeliveryFailed, Event
from plugins.sinks.nats.options import NatsOptions
from plugins.sinks.streams.cloud_event import StreamMessage, percent_encoded
from plugins.sinks.streams.sink import OneByOneSink
from plugins.sinks.streams.topic import Topic

if TYPE_CHECKING:
    from plugins.sinks.nats.jetstream import NatsConnection

_SUBJECT_BYTES_MAX: Final = 1000  # bytes; a server takes 4096 for a whole line, with two subjects in it
_MESSAGE_ID: Final = "Nats-Msg-Id"


class Nats(OneByOneSink["NatsConnection"]):
    """Publishes each event into JetStream. Delivered when the stream's acknowledgement has come."""

    type = "nats"
    Options = NatsOptions
    options: NatsOptions
    broker = "NATS"
    libraries = ("nats.aio.client", "nats.js")

    def _connection(self) -> NatsConnection:
        from plugins.sinks.nats.jetstream import NatsConnection

        return NatsConnection(self.options, self._tls)

    async def _greet(self, connection: NatsConnection) -> str:
        if not self._subject.is_fixed:
            return f"{await super()._greet(connection)}; which stream takes an event is seen when it comes"
        return f"the stream {await connection.find_stream(self.options.subject)} takes {self.options.subject}"

    async def _publish(self, connection: NatsConnection, message: StreamMessage) -> str:
        headers = dict(self._shown(message))
        try:
            answer = await connection.publish(message.topic, message.body, headers, self.options.stream)
        except Exception as error:
            from plugins.sinks.nats.faults import judge

            raise judge(error, self._where, message.topic, fixed=self._subject.is_fixed) from None
        return f"{answer.stream} {answer.seq}{'; it was there already' if answer.duplicate else ''}"

    def _shown(self, message: StreamMessage) -> Mapping[str, str]:
        headers = {"Content-Type": message.media_type, _MESSAGE_ID: message.id, **message.named("ce-")}
        if message.attributes:
            headers["ce-datacontenttype"] = message.media_type
        return {name: percent_encoded(value) for name, value in headers.items()}

    def _topic(self, event: Event) -> str:
        return self._subject.topic_of(event, bytes_max=_SUBJECT_BYTES_MAX)

    @functools.cached_property
    def _subject(self) -> Topic:
        return Topic(self.options.subject)

    def _judge(self, error: BaseException) -> DeliveryFailed:
        from plugins.sinks.nats.faults import judge

        return judge(error, self._where, self.options.subject)
