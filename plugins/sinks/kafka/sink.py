"""Produces with acks=all and idempotence: delivered when every replica in sync has the message, and once by one producer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway import DeliveryFailed, Event, Retry
from plugins.sinks.kafka.options import KafkaOptions
from plugins.sinks.streams.cloud_event import StreamMessage
from plugins.sinks.streams.sink import OneByOneSink

if TYPE_CHECKING:
    from plugins.sinks.kafka.producer import KafkaConnection

CONFIRM_SECONDS = 10.0  # seconds for all that the producer tries for one message, such as finding a new leader


class Kafka(OneByOneSink["KafkaConnection"]):
    """Produces each event into a topic. Delivered when the partition's leader says that all replicas in sync have it."""

    type = "kafka"
    Options = KafkaOptions
    options: KafkaOptions
    broker = "Kafka"
    libraries = ("aiokafka",)

    def _connection(self) -> KafkaConnection:
        from plugins.sinks.kafka.producer import KafkaConnection

        return KafkaConnection(self.options, self._tls)

    async def _greet(self, connection: KafkaConnection) -> str:
        partitions = len(await connection.producer.partitions_for(self.options.topic))
        return f"the topic {self.options.topic} is there, with {partitions} partition{'s' if partitions > 1 else ''}"

    async def _publish(self, connection: KafkaConnection, message: StreamMessage) -> str:
        sending = connection.producer.send_and_wait(
            message.topic,
            message.body,
            key=None if message.key is None else message.key.encode(),
            headers=[(name, value.encode()) for name, value in self._headers(message).items()],
        )
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):  # because an idempotent producer tries for ever
                answer = await sending
        except TimeoutError:
            raise Retry(f"{self._where}: no confirmation in time", service=True) from None
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
