"""One connection to an MQTT broker: who waits for a confirmation gets its reason code, or hears at once that it ended."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from plugins.sinks.mqtt.faults import NotTaken, TooLarge
from plugins.sinks.streams.broker_connection import BrokerConnection

_FRAME_BYTES: Final = 64  # bytes of a PUBLISH beside its topic, payload and properties, and more


class ClosedOnFailure(ssl.SSLSocket):
    """Does not stay open when the handshake fails: paho forgets such a socket, and nobody would close it."""

    def do_handshake(self, block: bool = False) -> None:
        """Raises what the handshake raises."""
        try:
            super().do_handshake(block)
        except BaseException:  # none that only wants to wait: paho's handshake has a time-out and no other thread
            self.close()
            raise


class Confirmed(aiomqtt.Client, BrokerConnection):
    """The library waits for PUBACK and leaves out what it says; a connection that ends it notices by its timeout alone."""

    def __init__(self, tls: ssl.SSLContext | None, **given: Any) -> None:
        if tls is not None:
            tls.sslsocket_class = ClosedOnFailure
        super().__init__(**given, tls_context=tls)
        self._answers: dict[int, asyncio.Future[ReasonCode]] = {}
        self._entering: asyncio.Task[None] | None = None
        self._aborted = False
        self._bytes_max = 0  # of one packet; 0: the broker has no bound

    @property
    def lives(self) -> bool:
        """Whether the connection is not known to have ended."""
        return self._connected.done() and not self._disconnected.done()

    async def open(self) -> None:
        """Connect and log in. Cut off, it lets go as soon as it can: the thread that connects cannot be stopped."""
        self._entering = entering = asyncio.get_running_loop().create_task(self._enter())
        entering.add_done_callback(self._entered)
        await asyncio.shield(entering)

    async def _enter(self) -> None:
        await self.__aenter__()

    def _entered(self, entering: asyncio.Task[None]) -> None:
        failed = entering.cancelled() or entering.exception() is not None
        if failed or self._aborted:
            self._client._sock_close()

    async def publish_confirmed(self, topic: str, body: bytes, *, retain: bool, properties: Properties) -> str:
        """The name of the reason code that the broker confirms with. Raises NotTaken, TooLarge, and what ended the connection."""
        if self._bytes_max:
            size = len(topic.encode()) + len(body) + _FRAME_BYTES
            size += len(properties.pack())  # type: ignore[no-untyped-call]
            if size > self._bytes_max:
                raise TooLarge(f"the event is larger than the broker takes ({self._bytes_max} bytes in a packet)")
        sent = self._client.publish(topic, body, 1, retain, properties)
        if sent.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(sent.rc)
        answer = self._answers.setdefault(sent.mid, asyncio.get_running_loop().create_future())
        try:
            await asyncio.wait((answer, self._disconnected), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                self._disconnected.result()
                raise ConnectionResetError
            code = answer.result()
        finally:
            self._answers.pop(sent.mid, None)
        if code.is_failure:
            raise NotTaken(code.value, str(code))
        return str(code)

    async def end_connection(self) -> None:
        """Say goodbye where somebody listens."""
        if self.lives:
            await self.__aexit__(None, None, None)

    def abort(self) -> None:
        """Let go of the socket, and of who waits until it is open or for an answer."""
        self._aborted = True
        for state in (self._connected, self._disconnected):
            if not state.done():
                state.set_exception(aiomqtt.MqttError("the connection was ended"))
                state.exception()  # looked at, because nobody may be waiting for it
        if self._entering is None or self._entering.done():  # else the thread may be at it
            self._client._sock_close()

    def _on_connect(
        self, client: Any, userdata: object, flags: Any, reason_code: ReasonCode, properties: Any = None
    ) -> None:
        self._bytes_max = getattr(properties, "MaximumPacketSize", 0)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, *given: Any) -> None:
        if not self._connected.done():  # the library would wait for its timeout
            self._connected.set_exception(aiomqtt.MqttError("closed the connection before it let anybody in"))
        super()._on_disconnect(*given)
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # looked at, because nobody may be waiting for it

    def _on_publish(
        self, client: object, userdata: object, mid: int, reason_code: ReasonCode, properties: object
    ) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reason_code)
