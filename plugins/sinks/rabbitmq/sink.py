"""Publishes with `mandatory` and confirms: delivered when every queue that takes the message has it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway import DeliveryFailed, Event
from plugins.sinks.rabbitmq.options import KEY_BYTES_MAX, RabbitMqOptions
from plugins.sinks.streams.cloud_event import StreamMessage
from plugins.sinks.streams.sink import OneByOneSink
from plugins.sinks.streams.topic import Topic

if TYPE_CHECKING:
    from plugins.sinks.rabbitmq.amqp import RabbitMqConnection

_PREFIX: Final = "cloudEvents_"  # AMQP binding 3.1.3.1: `_` rather than `:`, which JMS does not take


class RabbitMq(OneByOneSink["RabbitMqConnection"]):
    """Publishes each event to an exchange or a queue. Delivered when the broker has confirmed it."""

    type = "rabbitmq"
    Options = RabbitMqOptions
    options: RabbitMqOptions
    broker = "RabbitMQ"
    libraries = ("aio_pika", "aiormq")

    def _connection(self) -> RabbitMqConnection:
        from plugins.sinks.rabbitmq.amqp import RabbitMqConnection

        return RabbitMqConnection(self.options, self._tls)

    async def _greet(self, connection: RabbitMqConnection) -> str:
        options = self.options
        if options.exchange:
            return f"logged in; the exchange {options.exchange} is there"
        if not Topic(options.routing_key).is_fixed:
            return "logged in; which queue takes an event is seen when it comes"
        queue = await connection.channel.declare_queue(options.routing_key, passive=True)
        return f"logged in; the queue {queue.name} is there"

    async def _publish(self, connection: RabbitMqConnection, message: StreamMessage) -> str:
        await connection.publish(
            message.body,
            message.named(_PREFIX),
            id=_fit(message.id),
            media_type=message.media_type,
            routing_key=message.topic,
        )
        return f"confirmed, routing key {message.topic}"

    def _shown(self, message: StreamMessage) -> Mapping[str, str]:
        return {"content_type": message.media_type, "message_id": _fit(message.id), **message.named(_PREFIX)}

    def _topic(self, event: Event) -> str:
        return self._routing_key.topic_of(event, bytes_max=KEY_BYTES_MAX)

    @functools.cached_property
    def _routing_key(self) -> Topic:
        return Topic(self.options.routing_key)

    @functools.cached_property
    def _waits(self) -> bool:
        return self.options.waits_for_a_queue

    def _judge(self, error: BaseException) -> DeliveryFailed:
        from plugins.sinks.rabbitmq.faults import judge

        return judge(error, self._where, waits=self._waits)


def _fit(id: str) -> str:
    """AMQP has 255 bytes for it."""
    raw = id.encode()
    return id if len(raw) <= KEY_BYTES_MAX else hashlib.sha256(raw).hexdigest()
