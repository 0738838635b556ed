"""One connection to NATS: who waits in it hears at once when it ends, or when the server forbids the subject."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

import nats.errors
from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.js import JetStreamContext
from nats.js.api import PubAck

from plugins.sinks.nats.faults import last_of
from plugins.sinks.nats.options import NatsOptions
from plugins.sinks.streams.broker_connection import BrokerConnection, cut

_CONNECT_SECONDS: Final = 5  # seconds for each step of connecting to one server
_ANSWER_SECONDS: Final = 86_400.0  # seconds; the attempt's own timeout ends it long before
_PING_SECONDS: Final = 20  # seconds between questions whether the server is still there
_PINGS_UNANSWERED_MAX: Final = 2


class _CheckedStream(Client):
    """Says nothing before TLS where TLS is asked for: the library goes by what the server claims, in clear."""

    wants_tls = False
    checked = False

    def _connect_command(self) -> bytes:
        if self.wants_tls and not self._server_info.get("tls_required"):
            raise nats.errors.SecureConnWantedError
        self.checked = True
        command: bytes = super()._connect_command()
        return command


class NatsConnection(BrokerConnection):
    """It is not connected again by itself: the gateway makes another."""

    def __init__(self, options: NatsOptions, tls: ssl.SSLContext | None) -> None:
        self._options = options
        self._tls = tls
        self._client = _CheckedStream()
        self._client.wants_tls = options.secure
        self._stream: JetStreamContext = self._client.jetstream()
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._errors: list[Exception] = []

    @property
    def lives(self) -> bool:
        """False where the connection is known to be gone."""
        return bool(self._client.is_connected)

    async def open(self) -> None:
        """Raises what the server or the network said."""
        options = self._options
        logging_in: dict[str, Any] = {
            "user": options.username,
            "password": options.password.reveal() if options.password else None,
            "token": options.token.reveal() if options.token else None,
        }
        try:
            await self._client.connect(
                [f"{'tls' if place.secure else 'nats'}://{place.shown}" for place in options.endpoints],
                name="recording-gateway",
                allow_reconnect=False,
                max_reconnect_attempts=1,  # each server is tried twice; 0 would be for ever
                reconnect_time_wait=0,
                connect_timeout=_CONNECT_SECONDS,
                ping_interval=_PING_SECONDS,
                max_outstanding_pings=_PINGS_UNANSWERED_MAX,
                error_cb=self._heard,
                closed_cb=self._closed,
                tls=self._tls,
                **{name: value for name, value in logging_in.items() if value is not None},
            )
        except nats.errors.NoServersError as error:
            raise last_of(self._errors, error) from None
        assert self._client.checked  # else the library has changed, and our check with it

    async def publish(self, subject: str, body: bytes, headers: dict[str, Any], stream: str | None) -> PubAck:
        """What the stream answered. Raises what it, the server or the connection said."""
        # not by `publish_async`, which in nats-py 2.16 never ends where the server answers with an error
        request = asyncio.ensure_future(
            self._stream.publish(subject, body, timeout=_ANSWER_SECONDS, stream=stream, headers=headers)
        )
        failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[failure] = subject
        try:
            await asyncio.wait((request, failure), return_when=asyncio.FIRST_COMPLETED)
            if failure.done() and not request.done():
                failure.result()
            return await request
        finally:
            del self._waiting[failure]
            failure.cancel()
            request.cancel()

    async def find_stream(self, subject: str) -> str:
        """The stream that takes this subject. Raises NotFoundError, and what a server that is not asked often says."""
        name: str = await self._stream.find_stream_name_by_subject(subject)
        return name

    async def end_connection(self) -> None:
        """Close it, once what was said is sent."""
        await self._client.close()

    def abort(self) -> None:
        """Close its sockets, end its tasks, and tell who still waits."""
        client = self._client
        wire = client._transport
        if isinstance(wire, TcpTransport):
            for writer in (wire._io_writer, wire._bare_io_writer):  # over TLS, and below it
                cut(writer)
        subscribed = [one._wait_for_msgs_task for one in client._subs.values()]
        for task in (client._reading_task, client._ping_interval_task, client._flusher_task, *subscribed):
            if task is not None:
                task.cancel()
        self._fail(client.last_error or nats.errors.ConnectionClosedError(), [*self._waiting])

    async def _heard(self, error: Exception) -> None:
        """What the server says to nobody in particular: such as that a subject may not be published to."""
        self._errors.append(error)
        del self._errors[:-8]
        if "permissions violation" in str(error).lower():
            self._fail(error, [failure for failure, subject in self._waiting.items() if f'"{subject}"' in str(error)])

    async def _closed(self) -> None:
        self._fail(self._client.last_error or nats.errors.ConnectionClosedError(), [*self._waiting])

    def _fail(self, error: Exception, failures: list[asyncio.Future[None]]) -> None:
        for failure in failures:
            if not failure.done():
                failure.set_exception(error)
                failure.exception()  # looked at, because the answer may come in the same moment
