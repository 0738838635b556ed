"""`python -m benchmarks.brokers`: accepting and delivering to each broker of this machine, next to `forward`, in one run.

The same callbacks, in alternating rounds, singly and in batches: events a second until the last one is confirmed, and the
processor time of the gateway's process for each, as parts of what `forward` does singly. A broker that is not there is left
out with a word. Kafka is librdkafka's mock cluster, in the process of the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import socket
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import servers, wire
from benchmarks.arrivals import Entered
from benchmarks.callbacks import CONNECTIONS, callbacks

WAYS = {"singly": "{concurrency: 32}", "in batches": "{concurrency: 2, batch: {max: 500, window: 0s}}"}
NAME = f"gateway-bench-{uuid.uuid4().hex[:8]}"
Target = Callable[[], contextlib.AbstractAsyncContextManager[str]]


@contextlib.asynccontextmanager
async def forward() -> AsyncIterator[str]:
    def came(body: bytes) -> None: ...

    receiver = await asyncio.get_running_loop().create_server(lambda: wire.Receiver(came), "127.0.0.1", 0)
    try:
        yield servers.FORWARD.replace("{sink}", str(receiver.sockets[0].getsockname()[1]))
    finally:
        receiver.close()


@contextlib.asynccontextmanager
async def redis() -> AsyncIterator[str]:
    from redis.asyncio import Redis

    async with Redis() as client:
        yield f"type: redis, url: 'redis://127.0.0.1', stream: {NAME}"
        await client.delete(NAME)


@contextlib.asynccontextmanager
async def nats() -> AsyncIterator[str]:
    import nats as library

    client = await library.connect("nats://127.0.0.1:4222")
    streams = client.jetstream()
    await streams.add_stream(name=NAME, subjects=[f"{NAME}.>"])
    yield f"type: nats, url: 'nats://127.0.0.1', subject: '{NAME}.{{{{type}}}}'"
    await streams.delete_stream(NAME)
    await client.close()


@contextlib.asynccontextmanager
async def rabbitmq() -> AsyncIterator[str]:
    import aio_pika

    async with await aio_pika.connect() as client:
        queue = await (await client.channel()).declare_queue(NAME, durable=True)
        yield f"type: rabbitmq, url: 'amqp://127.0.0.1', routing_key: {NAME}"
        await queue.delete(if_unused=False, if_empty=False)


@contextlib.asynccontextmanager
async def mqtt() -> AsyncIterator[str]:
    yield f"type: mqtt, url: 'mqtt://127.0.0.1', topic: {NAME}"


@contextlib.asynccontextmanager
async def kafka() -> AsyncIterator[str]:
    from confluent_kafka import Producer

    cluster: Any = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    [one] = cluster.list_topics(timeout=5).brokers.values()
    yield f"type: kafka, brokers: '127.0.0.1:{one.port}', topic: {NAME}"


TARGETS: dict[str, tuple[Target, int]] = {
    "forward": (forward, 0),
    "redis": (redis, 6379),
    "nats": (nats, 4222),
    "rabbitmq": (rabbitmq, 5672),
    "mqtt": (mqtt, 1883),
    "kafka": (kafka, 0),
}


def listens(port: int) -> bool:
    """Whether the broker is there; 0 is always."""
    with contextlib.suppress(OSError):
        if port:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


async def one_way(folder: Path, seconds: float, target: Target, delivery: str, first: int) -> dict[str, float]:
    """Callbacks for so long, until all are delivered."""
    requests = list(itertools.islice(callbacks(first), int(4000 * seconds)))
    port, admin = servers.free_ports(2)
    async with target() as app:
        made = servers.gateway(port, admin, folder, sink=0, routed=True, delivery=delivery, app=app)
        with await asyncio.to_thread(Entered, made) as server:
            used, began = server.cpu(), time.perf_counter()
            tally = await wire.call(port, iter(requests), connections=CONNECTIONS, seconds=seconds)
            delivered = 0.0
            while delivered < tally.good and time.perf_counter() - began < 60:
                await asyncio.sleep(0.1)
                delivered = await asyncio.to_thread(server.metric, "recording_gateway_deliveries_total")
            took = time.perf_counter() - began
            return {"CPU µs": (server.cpu() - used) * 1e6 / tally.good, "events/s": tally.good / took}


def measure(rounds: int, seconds: float) -> None:
    """Print medians, and each as a part of `forward` singly."""
    numbers = itertools.count(int(time.time()) * 1000, 1_000_000)
    there = {name: target for name, (target, port) in TARGETS.items() if listens(port)}
    for name in TARGETS.keys() - there.keys():
        print(f"{name}: not on this machine")
    taken: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        for _ in range(rounds):
            for (name, target), (way, delivery) in itertools.product(there.items(), WAYS.items()):
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    given = runner.run(one_way(Path(folder), seconds, target, delivery, next(numbers)))
                taken.setdefault(f"{name} {way}", []).append(given)
    medians = {
        way: {name: statistics.median(one[name] for one in values) for name in values[0]}
        for way, values in taken.items()
    }
    base = medians["forward singly"]
    print(f"{'':24} {'events/s':>9} {'of forward':>11} {'CPU µs':>8} {'of forward':>11}")
    for way, one in medians.items():
        print(
            f"{way:24} {one['events/s']:9.0f} {one['events/s'] / base['events/s']:11.2f} "
            f"{one['CPU µs']:8.0f} {one['CPU µs'] / base['CPU µs']:11.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.brokers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    measure(options.rounds, options.seconds)


if __name__ == "__main__":
    main()
