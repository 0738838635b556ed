"""One connection to RabbitMQ, with the one channel on it and what it publishes to."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, DeliveryMode
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from yarl import URL

from plugins.sinks.rabbitmq.options import RabbitMqOptions
from plugins.sinks.streams.broker_connection import BrokerConnection, cut

_HEARTBEAT_SECONDS: Final = 20  # seconds; both ends close after two without a word


class _Wire(TransportFactory):
    """Opens the socket, and keeps it: the library has it where nobody else can close it."""

    def __init__(self, *, secure: bool) -> None:
        self._factory: TransportFactory = TLSTransportFactory() if secure else TCPTransportFactory()
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **given: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises what the network raises."""
        reader, self._writer = await self._factory.create(url, **given)
        return reader, self._writer

    def cut(self) -> None:
        cut(self._writer)


class _EndedByUs(aio_pika.Connection):
    """The library's own begins a task for its end wherever the garbage collector finds it, in a loop that runs or not."""

    def __del__(self) -> None:
        pass


class RabbitMqConnection(BrokerConnection):
    """`options` say where; `channel` and `exchange` are there once it is open."""

    channel: AbstractChannel
    exchange: AbstractExchange

    def __init__(self, options: RabbitMqOptions, tls: ssl.SSLContext | None) -> None:
        [place] = options.endpoints
        logging_in = {"login": options.username, "password": options.password.reveal()} if options.password else {}
        self._exchange = options.exchange
        self._wire = _Wire(secure=place.secure)
        url = aio_pika.connection.make_url(
            host=place.host,
            port=place.port,
            virtualhost=place.path or "/",
            ssl=place.secure,
            heartbeat=_HEARTBEAT_SECONDS,
            **logging_in,  # type: ignore[arg-type]  # the library's `**kwargs` are any
        )
        self._connection = _EndedByUs(url, ssl_context=tls, client_properties={"connection_name": "recording-gateway"})
        self._connection.kwargs["transport_factory"] = self._wire

    @property
    def lives(self) -> bool:
        """False where the connection is known to be gone, or its channel is."""
        return not (self._connection.is_closed or self.channel.is_closed)

    async def open(self) -> None:
        """Connect, log in, and open the channel. Raises what the library raises."""
        await self._connection.connect()
        self.channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        named = self._exchange
        self.exchange = await self.channel.get_exchange(named) if named else self.channel.default_exchange

    async def end_connection(self) -> None:
        """Say goodbye, and wait for the broker's."""
        await self._connection.close()

    def abort(self) -> None:
        """Close the socket; the library's tasks end by that."""
        self._wire.cut()

    async def publish(
        self, body: bytes, headers: dict[str, str], *, id: str, media_type: str, routing_key: str
    ) -> None:
        """Wait until every queue that takes it has it. Raises what the broker says, and what ended the connection."""
        message = aio_pika.Message(
            body,
            content_type=media_type,
            headers=headers,  # type: ignore[arg-type]  # a dict of texts is a table
            message_id=id,  # one a message, because the library finds by it what is returned
            delivery_mode=DeliveryMode.PERSISTENT,
            app_id="recording-gateway",
        )
        await self.exchange.publish(message, routing_key, mandatory=True)
