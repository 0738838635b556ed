"""Publishes with `mandatory` and confirms: delivered when every queue that takes the message has it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway import DeliveryFailed, Event
from plugins.sinks.rabbitmq.options import KEY_BYTES_MAX, RabbitMqOptions
from plugins.sinks.streams.cloud_event import StreamMessage
from plugins.sinks.streams.sink import StreamSink
from plugins.sinks.streams.topic import Topic

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange

_HEARTBEAT_SECONDS: Final = 20  # seconds; both ends close after two without a word
_PREFIX: Final = "cloudEvents_"  # AMQP binding 3.1.3.1: `_` rather than `:`, which JMS does not take


class OpenExchange(NamedTuple):
    """A connection, with the one channel on it and what it publishes to."""

    connection: AbstractConnection
    channel: AbstractChannel
    exchange: AbstractExchange


class RabbitMq(StreamSink[OpenExchange]):
    """Publishes each event to an exchange or a queue. Delivered when the broker has confirmed it."""

    type = "rabbitmq"
    Options = RabbitMqOptions
    options: RabbitMqOptions
    broker = "RabbitMQ"
    libraries = ("aio_pika", "aiormq")

    async def _connect(self) -> OpenExchange:
        import aio_pika

        options = self.options
        [place] = options.endpoints
        logging_in = {"login": options.username, "password": options.password.reveal()} if options.password else {}
        connection = await aio_pika.connect(
            host=place.host,
            port=place.port,
            virtualhost=place.path or "/",
            ssl=place.secure,
            ssl_context=self._tls,
            client_properties={"connection_name": "recording-gateway"},
            heartbeat=_HEARTBEAT_SECONDS,
            **logging_in,  # type: ignore[arg-type]  # the library's `**kwargs` are any
        )
        try:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange(options.exchange) if options.exchange else channel.default_exchange
        except BaseException:
            await connection.close()
            raise
        return OpenExchange(connection, channel, exchange)

    async def _end(self, connection: OpenExchange) -> None:
        await connection.connection.close()

    def _lives(self, connection: OpenExchange) -> bool:
        return not (connection.connection.is_closed or connection.channel.is_closed)

    async def _greet(self, connection: OpenExchange) -> str:
        options = self.options
        if options.exchange:
            return f"logged in; the exchange {options.exchange} is there"
        if not Topic(options.routing_key).is_fixed:
            return "logged in; which queue takes an event is seen when it comes"
        queue = await connection.channel.declare_queue(options.routing_key, passive=True)
        return f"logged in; the queue {queue.name} is there"

    async def _publish(self, connection: OpenExchange, message: StreamMessage) -> str:
        from aio_pika import DeliveryMode, Message

        await connection.exchange.publish(
            Message(
                message.body,
                content_type=message.media_type,
                headers=message.named(_PREFIX),  # type: ignore[arg-type]  # a dict of texts is a table
                # one a message, because the library finds by it what is returned
                message_id=_fit(message.id),
                delivery_mode=DeliveryMode.PERSISTENT,
                app_id="recording-gateway",
            ),
            message.topic,
            mandatory=True,
        )
        return f"confirmed, routing key {message.topic}"

    def _shown(self, message: StreamMessage) -> Mapping[str, str]:
        return {"content_type": message.media_type, "message_id": _fit(message.id), **message.named(_PREFIX)}

    def _topic(self, event: Event) -> str:
        return self._routing_key.of(event, bytes_max=KEY_BYTES_MAX)

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
