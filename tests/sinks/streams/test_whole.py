"""A whole gateway with every kind of broker at once: cables that are cut, `kill -9` and a reload, and the account is closed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.cable import Cable
from tests.running import KEY, Player, Running
from tests.sinks.streams.brokers import BROKERS, Broker

DELIVERY = {
    "timeout": "3s",
    "concurrency": 4,
    "order": "stream",
    "batch": {"max": 20, "window": "0s"},
    "retry": {"initial": "100ms", "max": "500ms"},
}


@pytest.fixture
async def all_of_them() -> AsyncIterator[list[tuple[Broker, Cable]]]:
    async with contextlib.AsyncExitStack() as stack:
        places = []
        for kind in BROKERS.values():
            broker = kind()
            await broker.open()
            stack.push_async_callback(broker.close)
            cable = stack.enter_context(Cable(("127.0.0.1", broker.port), named=broker.named))
            places.append((broker, cable))
        yield places


def config(places: list[tuple[Broker, Cable]], **more: str) -> str:
    """JSON, which is YAML."""
    sinks = {
        broker.sink.type: {"type": broker.sink.type, **broker.options(cable.port, **more), "delivery": DELIVERY}
        for broker, cable in places
    }
    source = {"type": "huawei-live", "keys": [KEY]}
    parts = {"sources": {"live": source}, "sinks": sinks, "routes": [{"to": list(sinks)}]}
    return "\n".join(f"{name}: {json.dumps(part)}" for name, part in parts.items()) + "\n"


async def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # another process is waited for
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_what_was_acknowledged_is_in_every_broker(
    all_of_them: list[tuple[Broker, Cable]], tmp_path: Path
) -> None:
    player, sent = Player(), set[str]()

    def post(number: int, running: Running) -> None:
        for count in range(number):
            status, said = running.post(player.body(fields={"stream": f"room-{count % 3}"}))
            assert status == 200
            sent.update(said["events"])

    def delivered(running: Running) -> bool:
        return len(running.listing("deliveries", "list", "--state", "delivered", "--limit", "200")) == 5 * len(sent)

    running = Running(tmp_path, config(all_of_them))
    with running:
        await asyncio.to_thread(post, 10, running)
        await until(lambda: delivered(running))
        for _, cable in all_of_them:
            cable.cut()
        await asyncio.to_thread(post, 10, running)
        for _, cable in all_of_them:
            cable.mend()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(running.kill)
        running.start()
        await asyncio.to_thread(post, 10, running)
        await until(lambda: delivered(running))
        assert await asyncio.to_thread(running.stop) == 0
    assert len(sent) == 30
    for broker, _ in all_of_them:
        arrived = [got.headers["recording-gateway-id"] for got in await broker.read()]
        assert set(arrived) == sent, broker
        assert len(arrived) <= 2 * len(sent)
    assert "Traceback" not in running.log
    assert "never retrieved" not in running.log


@pytest.mark.slow
async def test_a_reload_ends_the_connections_of_what_it_replaces(
    all_of_them: list[tuple[Broker, Cable]], tmp_path: Path
) -> None:
    player = Player()
    with Running(tmp_path, config(all_of_them)) as running:

        def delivered(number: int) -> bool:
            return len(running.listing("deliveries", "list", "--state", "delivered")) == 5 * number

        assert (await asyncio.to_thread(running.post, player.body()))[0] == 200
        await until(lambda: delivered(1))
        before = {broker.sink.type: cable.open for broker, cable in all_of_them}
        assert all(before.values()), before
        text = running.path.read_text()
        running.path.write_text(text.replace(config(all_of_them), config(all_of_them, body="binary")))
        assert running.process is not None
        running.process.send_signal(signal.SIGHUP)
        await until(lambda: all(cable.open == 0 for _, cable in all_of_them))
        assert (await asyncio.to_thread(running.post, player.body()))[0] == 200
        await until(lambda: delivered(2))
        assert await asyncio.to_thread(running.stop) == 0
    await until(lambda: all(cable.open == 0 for _, cable in all_of_them))
    for broker, _ in all_of_them:
        first, second = await broker.read()
        assert first.headers[broker.spec_type] == "application/cloudevents+json"
        assert second.headers[broker.spec_type] == "application/json"
    assert "Traceback" not in running.log
