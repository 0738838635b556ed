"""What every sink for a broker does alike: libraries when they are needed, one connection, one result a message."""

from __future__ import annotations

import asyncio
import importlib
import logging
import ssl
from abc import abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from gateway import (
    Delivery,
    DeliveryFailed,
    DeliveryResult,
    Event,
    Refused,
    Retry,
    Sink,
    Unavailable,
    client_context,
    computed,
    trace_headers,
    visible,
)
from gateway.extras import how_to_install, missing
from plugins.sinks.streams.broker_connection import BrokerConnection
from plugins.sinks.streams.cloud_event import StreamMessage, compose
from plugins.sinks.streams.connection_keeper import ConnectionKeeper, KeptConnection
from plugins.sinks.streams.options import StreamOptions

L = TypeVar("L", bound=BrokerConnection)


class StreamSink(Sink, Generic[L]):
    """Delivered is what the broker has confirmed. `L` is a connection, as the library of the protocol has it."""

    options: StreamOptions
    broker: ClassVar[str]
    """The broker's name, as errors have it."""
    libraries: ClassVar[tuple[str, ...]]
    """The modules of the extra that has the sink's name."""
    _keeper: ConnectionKeeper[L] | None = None
    _tls: ssl.SSLContext | None = None

    # -- what a sink of one protocol writes

    @abstractmethod
    def _connection(self) -> L:
        """A connection that is not open yet."""

    @abstractmethod
    async def _publish_all(self, connection: L, messages: Sequence[StreamMessage]) -> Sequence[str | BaseException]:
        """Send all and wait for the broker's word on each: a receipt, or what went wrong, which goes through `_judge`."""

    @abstractmethod
    def _judge(self, error: BaseException) -> DeliveryFailed:
        """What an exception of the library means."""

    @abstractmethod
    def _topic(self, event: Event) -> str:
        """Where the event's message goes."""

    @abstractmethod
    def _shown(self, message: StreamMessage) -> Mapping[str, str]:
        """What stands beside the body, under the names of the protocol."""

    async def _greet(self, connection: L) -> str:
        """What a look at the broker says, for `gateway check --connect`."""
        return "logged in" if self.options.username or self.options.password else "connected"

    # -- what the core calls

    async def open(self) -> None:
        """Load libraries and certificates, so that the first message need not wait. Connects to nothing."""
        try:
            await asyncio.to_thread(_import, self.libraries)
        except ImportError as error:
            raise Unavailable(f"{error.name or 'a library'} is not installed; {how_to_install(self.type)}") from None
        options = self.options
        if options.secure:
            try:
                self._tls = await asyncio.to_thread(broker_context, options.ca, options.certificate, options.key)
            except (OSError, ValueError) as error:  # ssl.SSLError is one
                why = getattr(error, "strerror", None) or type(error).__name__
                raise Unavailable(f"`ca`, `certificate` or `key` cannot be used: {why}") from None
        if self._keeper is None:
            self._keeper = ConnectionKeeper(self._where, self._connection)

    async def close(self) -> None:
        """End the connection, within four seconds."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.close()

    async def deliver(self, delivery: Delivery) -> str:
        """Raises Retry, Refused and Unavailable."""
        [result] = await self.deliver_batch([delivery])
        if isinstance(result, Exception):
            raise result
        return str(result)

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[DeliveryResult]:
        """One message each, sent together over one connection; one result each."""
        trace = trace_headers()
        events = [delivery.event for delivery in deliveries]
        messages = await computed(lambda: [self._message(delivery, trace) for delivery in deliveries], events)
        if self._keeper is None:
            raise Retry("the sink is closed")
        try:
            async with self._keeper.borrow() as kept:
                return self._judged(kept, await self._publish_all(kept.connection, messages))
        except Exception as error:  # of connecting, or of what was sent as one
            raise self._failure(error) from None

    async def preview(self, delivery: Delivery) -> str:
        """The message as it would go out; the broker is not asked."""
        message = await computed(lambda: self._message(delivery, {}), [delivery.event])
        lines = [f"{self._where}, to {visible(message.topic)}"]
        lines += [f"  {name}: {visible(value)}" for name, value in self._shown(message).items()]
        return "\n".join([*lines, "", visible(message.body.decode())])

    async def connect(self) -> str:
        """Connect and log in; nothing is sent."""
        if self._keeper is None:
            await self.open()
        assert self._keeper is not None
        try:
            async with self._keeper.borrow() as kept:
                return f"{self._where}: {await self._greet(kept.connection)}"
        except Exception as error:
            raise Unavailable(self._failure(error).detail) from None

    def missing(self) -> Sequence[str]:
        """The library that speaks with the broker."""
        # their packages, because asking for a module in one loads it
        return missing(self.type, *dict.fromkeys(name.partition(".")[0] for name in self.libraries))

    def advice(self) -> list[str]:
        """What a careful reviewer would say about these options."""
        if self.options.secure or all(endpoint.is_near for endpoint in self.options.endpoints):
            return []
        what = "the password and the events" if self.options.password else "the events"
        return [f"without TLS anybody on the way may read and change {what}"]

    # -- between

    @property
    def _where(self) -> str:
        return f"{self.broker} {', '.join(endpoint.shown for endpoint in self.options.endpoints)}"

    def _message(self, delivery: Delivery, trace: Mapping[str, str]) -> StreamMessage:
        return compose(delivery, self._topic(delivery.event), self.options.body, trace)

    def _failure(self, error: BaseException) -> DeliveryFailed:
        return error if isinstance(error, DeliveryFailed) else self._judge(error)

    def _judged(self, kept: KeptConnection[L], answers: Sequence[str | BaseException]) -> list[DeliveryResult]:
        results: list[DeliveryResult] = []
        for answer in answers:
            failure = self._failure(answer) if isinstance(answer, BaseException) else None
            if failure is not None and not isinstance(failure, Refused):
                kept.doubtful = True  # whatever it was, a fresh connection has no share in it
            results.append(failure or str(answer))
        return results


class OneByOneSink(StreamSink[L]):
    """For protocols that confirm each message by itself."""

    @abstractmethod
    async def _publish(self, connection: L, message: StreamMessage) -> str:
        """Send one and wait for the broker's word. The receipt; what it raises goes through `_judge`."""

    async def _publish_all(self, connection: L, messages: Sequence[StreamMessage]) -> Sequence[str | BaseException]:
        """All at once: what one stream must have in order, the gateway never gives out together."""
        return await asyncio.gather(
            *[_settled(self._publish(connection, message), self._where) for message in messages]
        )


async def _settled(publishing: Awaitable[str], where: str) -> str | BaseException:
    """What it gives or raises, as a value. A library that cancels who waits in a connection that ends is not heard."""
    try:
        return await publishing
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return Retry(f"{where}: the connection ended before the broker answered", service=True)
    except Exception as error:
        return error


def _import(libraries: Sequence[str]) -> None:
    """In a thread, because it takes a while. What they log of a broker that is away, the outcome of each attempt says too."""
    for name in libraries:
        importlib.import_module(name)
        logging.getLogger(name.partition(".")[0]).setLevel(logging.CRITICAL)


def broker_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Reads the files. Raises OSError (ssl.SSLError is one) and ValueError for files that cannot be used."""
    context = client_context(ca, certificate, key)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
