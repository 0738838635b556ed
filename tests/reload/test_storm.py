"""A hundred reloads under load, some of them of files with mistakes: nothing is lost, nothing is left behind."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from gateway.app import Gateway
from gateway.config.load import load
from gateway.errors import GatewayError
from gateway.plugin import Callback
from gateway.store.admin.admin import Actor, StoreAdmin
from gateway.web.ingress import answer_of
from tests.patience import PATIENCE_S
from tests.running import KEY, Player

POSTED_WITH_EACH = 10  # callbacks that come in during each reload: as many as can would measure the machine
SINKS = (
    "  first: {{type: file, path: first-{number}.jsonl, fsync: false, delivery: {{concurrency: {concurrency}}}}}\n"
    "  second: {{type: file, path: second.jsonl, fsync: false}}\n"
)


def text(number: int) -> str:
    """The configuration of the n-th reload: one sink changes each time, one stays; every seventh has a mistake."""
    sinks = SINKS.format(number=number % 3, concurrency=1 + number % 4)
    to = "[first, second]" if number % 7 else "[first, secnd]"
    return (
        f"version: 1\nstore: sqlite:///gateway.db\nsources:\n  live: {{type: huawei-live, keys: ['{KEY}']}}\n"
        f"sinks:\n{sinks}routes:\n  - {{name: all, to: {to}}}\n"
    )


def write(path: Path, number: int) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text(number))
    beside.chmod(0o600)
    beside.replace(path)


def received(folder: Path, name: str) -> Counter[str]:
    return Counter(
        json.loads(line)["id"] for file in folder.glob(f"{name}*.jsonl") for line in file.read_text().splitlines()
    )


def lines(folder: Path, name: str) -> int:
    return sum(file.read_bytes().count(b"\n") for file in folder.glob(f"{name}*.jsonl"))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.wide
async def test_a_reload_storm_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    write(path, 1)
    gateway = Gateway(load(path, environ={}))
    await gateway.open()
    player, accepted, refused = Player(), [], 0
    headers = Headers({"content-type": "application/json"})
    over, due = asyncio.Event(), asyncio.Semaphore(POSTED_WITH_EACH)

    async def post() -> None:
        while not over.is_set():
            await due.acquire()
            door = gateway.sources_by_path["live"]
            callback = Callback("live", "POST", "/hooks/live", headers, player.body(), None, gateway.clock.now())
            accepted.extend(json.loads((await answer_of(gateway, door, callback)).body)["events"])
            await asyncio.sleep(0)

    posting = [asyncio.create_task(post()) for _ in range(4)]
    try:
        await gateway.reload(Actor("me", "here"))
        tasks, files = len(asyncio.all_tasks()), descriptors()
        for number in range(2, 72):
            write(path, number)
            for _ in range(POSTED_WITH_EACH):
                due.release()
            try:
                await gateway.reload(Actor("me", "here"))
            except GatewayError:
                refused += 1
    finally:
        over.set()
        for _ in posting:
            due.release()
        await asyncio.gather(*posting)

    async def everything_came() -> None:
        # counted first, because reading thousands of events again and again takes longer than the storm
        while min(lines(tmp_path, "first"), lines(tmp_path, "second")) < len(accepted):
            await asyncio.sleep(0.05)
        while set(received(tmp_path, "first")) & set(received(tmp_path, "second")) != set(accepted):
            await asyncio.sleep(0.05)

    await asyncio.wait_for(everything_came(), PATIENCE_S)
    assert refused == 10
    assert len(accepted) >= 500
    assert len(accepted) == len(set(accepted))
    for name in ("first", "second"):
        assert max(received(tmp_path, name).values()) == 1, f"{name} got one twice, and nothing crashed"
    while gateway.dispatcher.retiring:
        await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) <= tasks + 4, "lanes of earlier configurations still run"
    assert descriptors() <= files + 4
    await gateway.close(1.0)


@pytest.mark.parametrize("when", ["before it is open", "after it stopped"])
async def test_a_reload_is_refused(tmp_path: Path, when: str) -> None:
    path = tmp_path / "gateway.yaml"
    write(path, 1)
    gateway = Gateway(load(path, environ={}))
    if when == "after it stopped":
        await gateway.open()
        await gateway.close(0.0)
    with pytest.raises(GatewayError, match="starting or stopping"):
        await gateway.reload(Actor("me", "here"))
    if when != "after it stopped":
        await gateway.store.close()


async def test_a_delivery_handed_to_a_sink_that_just_left_goes_back_untried(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    write(path, 1)
    gateway = Gateway(load(path, environ={}))
    await gateway.open()
    gateway.dispatcher.swap({}, (), 0.1)  # what a reload does with sinks that are gone
    headers = Headers({"content-type": "application/json"})
    callback = Callback("live", "POST", "/hooks/live", headers, Player().body(), None, gateway.clock.now())
    await answer_of(gateway, gateway.sources_by_path["live"], callback)
    [lease] = await gateway.store.claim("first", 1, 45_000)
    gateway.dispatcher.hand_over(lease)
    await gateway.store.ping()  # the writer's queue is in order, so the release before it is committed
    with StoreAdmin(f"sqlite:///{tmp_path / 'gateway.db'}") as admin:
        [row] = admin.deliveries(sink="first")
        assert (row.state, row.attempts) == ("waiting", 0)
    await gateway.close(0.1)
    gateway.dispatcher.hand_over(lease)  # a store that is closed is no reason to raise
