"""Produces with acks=all and idempotence: delivered when every replica in sync has the message, and once by one producer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway import DeliveryFailed, Event, Retry
from plugins.sinks.kafka.options import KafkaOptions
from plugins.sinks.streams.cloud_event import StreamMessage
from plugins.sinks.streams.sink import StreamSink

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

_ANSWER_MS: Final = 5_000  # milliseconds for one answer of a broker, or for a topic to be there
CONFIRM_SECONDS = 10.0  # seconds for all that the producer tries for one message, such as finding a new leader
_END_SECONDS: Final = 1.0  # seconds for each step of an end


class Kafka(StreamSink["AIOKafkaProducer"]):
    """Produces each event into a topic. Delivered when the partition's leader says that all replicas in sync have it."""

    type = "kafka"
    Options = KafkaOptions
    options: KafkaOptions
    broker = "Kafka"
    libraries = ("aiokafka",)

    async def _connect(self) -> AIOKafkaProducer:
        from aiokafka import AIOKafkaProducer
        from aiokafka.errors import KafkaConnectionError  # type: ignore[import-untyped]

        options = self.options
        producer = AIOKafkaProducer(
            bootstrap_servers=[place.shown for place in options.endpoints],
            client_id="recording-gateway",
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=_ANSWER_MS,
            max_request_size=options.max_message,
            compression_type=None if options.compression == "none" else options.compression,
            **self._access(),
        )
        try:
            await producer.start()
        except BaseException as error:
            await producer.stop()
            if isinstance(error, KafkaConnectionError):
                await self._raise_why()
            raise
        return producer

    def _access(self) -> dict[str, object]:
        options = self.options
        protocol = "SSL" if options.tls else "PLAINTEXT"
        if options.password is None:
            return {"security_protocol": protocol, "ssl_context": self._tls}
        return {
            "security_protocol": "SASL_SSL" if options.tls else "SASL_PLAINTEXT",
            "ssl_context": self._tls,
            "sasl_mechanism": (options.sasl or "plain").upper(),
            "sasl_plain_username": options.username,
            "sasl_plain_password": options.password.reveal(),
        }

    async def _raise_why(self) -> None:
        """What the first broker says: the producer only says that it could begin with none."""
        from aiokafka.conn import create_conn  # type: ignore[import-untyped]

        place = self.options.endpoints[0]
        connection = await create_conn(place.host, place.port, request_timeout_ms=_ANSWER_MS, **self._access())
        connection.close()

    async def _end(self, connection: AIOKafkaProducer) -> None:
        """Nobody waits in it any more: what it would still send is left out, so that nothing comes after its successor's."""
        from aiokafka.errors import ProducerClosed

        for close in (connection.client.close, connection._sender.close):  # in this order no request begins anew
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_END_SECONDS):
                    await close()
        connection._message_accumulator.fail_all(ProducerClosed())  # else `stop` waits until it has sent them
        await connection.stop()

    def _lives(self, connection: AIOKafkaProducer) -> bool:
        sender = connection._sender.sender_task
        return sender is not None and not sender.done()  # it connects again by itself

    async def _greet(self, connection: AIOKafkaProducer) -> str:
        partitions = len(await connection.partitions_for(self.options.topic))
        return f"the topic {self.options.topic} is there, with {partitions} partition{'s' if partitions > 1 else ''}"

    async def _publish(self, connection: AIOKafkaProducer, message: StreamMessage) -> str:
        sending = connection.send_and_wait(
            message.topic,
            message.body,
            key=None if message.key is None else message.key.encode(),
            headers=[(name, value.encode()) for name, value in self._headers(message).items()],
        )
        scope = asyncio.timeout(CONFIRM_SECONDS)  # because an idempotent producer tries for ever
        try:
            async with scope:
                answer = await sending
        except TimeoutError:
            if not scope.expired():
                raise
            text = f"{self._where}: no confirmation within {CONFIRM_SECONDS:g} s"
            raise Retry(text, service=True) from None
        return f"partition {answer.partition}, offset {answer.offset}"

    def _headers(self, message: StreamMessage) -> dict[str, str]:
        return {"content-type": message.media_type, **message.named("ce_")}

    def _shown(self, message: StreamMessage) -> Mapping[str, str]:
        return {"key": message.key or "(none)", **self._headers(message)}

    def _topic(self, event: Event) -> str:
        return self.options.topic

    def _judge(self, error: BaseException) -> DeliveryFailed:
        from plugins.sinks.kafka.faults import judge

        return judge(error, self._where, self.options.topic)
