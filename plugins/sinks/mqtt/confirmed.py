"""One connection to an MQTT broker: who waits for a confirmation gets its reason code, or hears at once that it ended."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final, Self

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from plugins.sinks.mqtt.faults import NotTaken, TooLarge

_FRAME_BYTES: Final = 64  # bytes of a PUBLISH beside its topic, payload and properties, and more


class ClosedOnFailure(ssl.SSLSocket):
    """Does not stay open when the handshake fails: paho forgets such a socket, and nobody would close it."""

    def do_handshake(self, block: bool = False) -> None:
        """Raises what the handshake raises."""
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except BaseException:
            self.close()
            raise


class Confirmed(aiomqtt.Client):
    """The library waits for PUBACK and leaves out what it says; a connection that ends it notices by its timeout alone."""

    def __init__(self, tls: ssl.SSLContext | None, **given: Any) -> None:
        if tls is not None:
            tls.sslsocket_class = ClosedOnFailure
        super().__init__(**given, tls_context=tls)
        self._answers: dict[int, asyncio.Future[ReasonCode]] = {}
        self._bytes_max = 0  # of one packet; 0: the broker has no bound

    @property
    def is_connected(self) -> bool:
        """Whether the connection is not known to have ended."""
        return self._connected.done() and not self._disconnected.done()

    async def connect(self) -> None:
        """Connect and log in. Cut off, it lets go as soon as it can: the thread that connects cannot be stopped."""
        entering = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            entering.add_done_callback(self._abandon)
            raise
        except BaseException:
            self._client._sock_close()
            raise

    def _abandon(self, entering: asyncio.Future[Self]) -> None:
        if not entering.cancelled():
            entering.exception()  # looked at, because nobody else will
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

    async def end(self) -> None:
        """Say goodbye where somebody listens, and let go of the socket in any case."""
        try:
            if self.is_connected:
                await self.__aexit__(None, None, None)
        finally:
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
