"""Real brokers, each with a place of its own in it that is removed afterwards, and a second way in to read what arrived."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote

import pytest

from gateway import Sink
from plugins.sinks.kafka import Kafka as KafkaSink
from plugins.sinks.mqtt import Mqtt as MqttSink
from plugins.sinks.nats import Nats as NatsSink
from plugins.sinks.rabbitmq import RabbitMq as RabbitMqSink
from plugins.sinks.redis import Redis as RedisSink
from plugins.sinks.streams.broker_url import URLS


class Got(NamedTuple):
    """One message as a consumer reads it. `headers` are what stands beside the body, under the names of the protocol."""

    body: bytes
    headers: Mapping[str, str]
    topic: str
    key: str | None = None
    partition: int = 0


class Broker:
    """One kind, at its port on this machine."""

    sink: ClassVar[type[Sink]]
    port: ClassVar[int]
    scheme: ClassVar[str]
    prefix: ClassVar[str]  # of CloudEvents' attributes
    spec_type: ClassVar[str] = "content-type"  # where the media type stands
    knows_repeats: ClassVar[bool] = False
    connections_max: ClassVar[int] = 1
    lets_everybody_in: ClassVar[bool] = False
    too_large: ClassVar[int] = 0  # bytes that this broker does not take in one message; 0: there is no such bound here

    def __init__(self) -> None:
        self.name = f"gateway-{uuid.uuid4().hex[:12]}"

    def decoded(self, value: str) -> str:
        """A header's value, where the protocol encodes it."""
        return value

    def url(self, port: int | None = None) -> str:
        return f"{self.scheme}://127.0.0.1:{port or self.port}"

    def options(self, port: int | None = None, **more: Any) -> dict[str, Any]:
        """The sink's, through `port` where that leads to the broker."""
        return {"url": self.url(port), **more}

    def far(self, *, secure: bool) -> dict[str, Any]:
        """Options of a broker somewhere else."""
        url = URLS[self.sink.type]
        return {"url": f"{url.tls if secure else url.plain}://broker.example.com"}

    def encrypted(self, port: int) -> dict[str, Any]:
        """Options of an encrypted end at this port."""
        return {"url": f"{URLS[self.sink.type].tls}://127.0.0.1:{port}"}

    @property
    def named(self) -> tuple[str, int] | None:
        """The address that the broker tells its callers to come to, where it tells them one."""
        return None

    async def open(self) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def read(self) -> list[Got]:
        """All that arrived, in order."""
        raise NotImplementedError

    def skip(self, error: BaseException) -> None:
        pytest.skip(f"no {type(self).__name__} at 127.0.0.1:{self.port} ({type(error).__name__})")


class Redis(Broker):
    sink = RedisSink
    port, scheme, prefix, knows_repeats = 6379, "redis", "ce-", True
    connections_max = 20  # one command at a time each

    def options(self, port: int | None = None, **more: Any) -> dict[str, Any]:
        return super().options(port, **{"stream": self.name, **more})

    async def open(self) -> None:
        import redis.asyncio
        import redis.exceptions

        self.client = redis.asyncio.Redis(port=self.port)
        try:
            await self.client.ping()
        except redis.exceptions.ConnectionError as error:
            self.skip(error)

    async def close(self) -> None:
        await self.client.delete(self.name, *await self.client.keys(f"{{{self.name}}}*"))
        await self.client.aclose()

    async def read(self) -> list[Got]:
        found: Any = await self.client.xrange(self.name)
        entries = [{name.decode(): value for name, value in fields.items()} for _, fields in found]
        return [
            Got(fields.pop("body"), {name: value.decode() for name, value in fields.items()}, self.name)
            for fields in entries
        ]


class Nats(Broker):
    sink = NatsSink
    port, scheme, prefix, spec_type, knows_repeats = 4222, "nats", "ce-", "Content-Type", True
    lets_everybody_in, too_large = True, 1_000_000

    def decoded(self, value: str) -> str:
        return unquote(value)

    def options(self, port: int | None = None, **more: Any) -> dict[str, Any]:
        return super().options(port, **{"subject": f"{self.name}.{{type}}", **more})

    async def open(self) -> None:
        import nats

        async def ignore(error: Exception) -> None: ...

        try:
            self.client = await nats.connect(
                f"nats://127.0.0.1:{self.port}", max_reconnect_attempts=1, reconnect_time_wait=0, error_cb=ignore
            )
        except nats.errors.NoServersError as error:
            self.skip(error)
        self.streams = self.client.jetstream()
        await self.streams.add_stream(name=self.name, subjects=[f"{self.name}.>"], max_msg_size=1_000_000)

    async def close(self) -> None:
        await self.streams.delete_stream(self.name)
        await self.client.close()

    async def read(self) -> list[Got]:
        state = (await self.streams.stream_info(self.name)).state
        messages = [await self.streams.get_msg(self.name, seq) for seq in range(1, state.messages + 1)]
        return [Got(one.data or b"", one.headers or {}, one.subject or "") for one in messages]


class RabbitMq(Broker):
    sink = RabbitMqSink
    port, scheme, prefix = 5672, "amqp", "cloudEvents_"

    def options(self, port: int | None = None, **more: Any) -> dict[str, Any]:
        return super().options(port, **{"routing_key": self.name, **more})

    async def open(self) -> None:
        import aio_pika

        try:
            self.client = await aio_pika.connect(port=self.port)
        except ConnectionError as error:
            self.skip(error)
        self.channel = await self.client.channel()
        self.queue = await self.channel.declare_queue(self.name)

    async def close(self) -> None:
        await self.queue.delete(if_unused=False, if_empty=False)
        await self.client.close()

    async def read(self) -> list[Got]:
        arrived = []
        while (one := await self.queue.get(fail=False, no_ack=True)) is not None:
            headers = {name: str(value) for name, value in one.headers.items()}
            assert one.delivery_mode == 2, "kept on disk"
            arrived.append(Got(one.body, {"content-type": one.content_type or "", **headers}, one.routing_key or ""))
        return arrived


class Mqtt(Broker):
    sink = MqttSink
    port, scheme, prefix, lets_everybody_in = 1883, "mqtt", "", True

    def options(self, port: int | None = None, **more: Any) -> dict[str, Any]:
        return super().options(port, **{"topic": f"{self.name}/{{type}}", **more})

    async def open(self) -> None:
        import aiomqtt

        self.client = aiomqtt.Client("127.0.0.1", self.port, protocol=aiomqtt.ProtocolVersion.V5)
        try:
            await self.client.__aenter__()
        except aiomqtt.MqttError as error:
            self.skip(error)
        await self.client.subscribe(f"{self.name}/#", qos=1)

    async def close(self) -> None:
        await self.client.__aexit__(None, None, None)

    async def read(self) -> list[Got]:
        end = f"{self.name}/end"
        await self.client.publish(end, qos=1)
        arrived = []
        async for one in self.client.messages:
            if str(one.topic) == end:
                break
            told = one.properties
            headers = {"content-type": told.ContentType, **dict(told.UserProperty)}  # type: ignore[union-attr]
            arrived.append(Got(bytes(one.payload), headers, str(one.topic)))
        return arrived


class Kafka(Broker):
    """The mock cluster of librdkafka: a broker in this process, as far as the protocol goes."""

    sink = KafkaSink
    port, prefix, lets_everybody_in, too_large, connections_max = 0, "ce_", True, 2**20, 3
    _cluster: ClassVar[Any] = None

    def options(self, port: int | None = None, **more: Any) -> dict[str, Any]:
        return {"brokers": f"127.0.0.1:{port or self.port or 9092}", "topic": self.name, **more}

    def far(self, *, secure: bool) -> dict[str, Any]:
        return {"brokers": "broker.example.com", "tls": secure}

    def encrypted(self, port: int) -> dict[str, Any]:
        return {"brokers": f"127.0.0.1:{port}", "tls": True}

    @property
    def named(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    async def open(self) -> None:
        from confluent_kafka import Consumer, Producer

        if Kafka._cluster is None:  # for all tests of this process
            Kafka._cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
            [one] = Kafka._cluster.list_topics(timeout=5).brokers.values()
            Kafka.port = one.port
        self.consumer = Consumer(
            {
                "bootstrap.servers": f"127.0.0.1:{self.port}",
                "group.id": self.name,
                "enable.partition.eof": True,
                "log_level": 0,
            }
        )

    async def close(self) -> None:
        self.consumer.close()

    async def read(self) -> list[Got]:
        from confluent_kafka import TopicPartition

        partitions = self.consumer.list_topics(self.name, timeout=5).topics[self.name].partitions
        self.consumer.assign([TopicPartition(self.name, number, 0) for number in partitions])
        arrived, ends = [], 0
        while ends < len(partitions):
            one: Any = self.consumer.poll(0.1)
            if one is None:
                continue
            if one.error() is not None:
                ends += 1
                continue
            headers = {name: value.decode() for name, value in one.headers() or ()}
            key = None if one.key() is None else one.key().decode()
            arrived.append((one.timestamp(), Got(one.value(), headers, one.topic(), key, one.partition())))
        return [got for _, got in sorted(arrived, key=lambda pair: pair[0])]


BROKERS: dict[str, type[Broker]] = {
    "redis": Redis,
    "nats": Nats,
    "rabbitmq": RabbitMq,
    "mqtt": Mqtt,
    "kafka": Kafka,
}
