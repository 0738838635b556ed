"""One configuration with every sink at once, each before its real counterpart, `kill -9` in the middle: the account is closed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.plugin.registry import Registry
from tests import threads
from tests.patience import PATIENCE_S
from tests.running import KEY, Player, Running
from tests.sinks.archive.media_server_thread import in_thread
from tests.sinks.database.conftest import Place
from tests.sinks.together.targets import Target, media, room, rooms, targets

EVENTS = 20
KILLED_AFTER = 10  # acknowledged callbacks
CONCURRENCY = 1  # what a kill loses in flight is sent alone, one after the other
TOKEN = "p" * 40
DELIVERY = {"concurrency": CONCURRENCY, "rate": "1000/s", "timeout": "10s", "retry": {"initial": "100ms", "max": "1s"}}


@pytest.fixture
async def all_targets(
    tmp_path: Path, postgres_url: str, mysql: Place, endpoint: str, bucket: Any
) -> AsyncIterator[tuple[dict[str, Target], list[Running]]]:
    """The targets, and a list for the gateway, whose output one of them reads."""
    databases = [Place("sqlite", f"sqlite:///{tmp_path}/events.db"), Place("postgresql", postgres_url), mysql]
    running: list[Running] = []
    async with targets(tmp_path, databases, endpoint, bucket, lambda: running[0].log) as made:
        yield made, running


def config(sinks: Mapping[str, Mapping[str, Any]]) -> str:
    """JSON, which is YAML. What follows on a copy and on a look goes to a file of its own."""
    source = {"type": "huawei-live", "keys": [KEY], "domains": ["push.example.com"], "apps": ["live"]}
    finished = {"match": {"type": "recording.file.completed"}, "to": [name for name in sinks if name != "after"]}
    follows = {"match": {"type": ["recording.archived", "recording.confirmed"]}, "to": ["after", "feed"]}
    parts = {
        "sources": {"live": source},
        "sinks": {name: {**one, "delivery": DELIVERY} for name, one in sinks.items()},
        "routes": [finished, follows],
    }
    return "\n".join(f"{name}: {json.dumps(part)}" for name, part in parts.items()) + "\n"


class Consumer:
    """Fetches from the pull sink, through kills too, until it is told to end."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.taken: list[bytes] = []
        self._ended = threading.Event()
        self._thread = threads.start(self._run)

    def _call(self, verb: str, body: Any) -> Any:
        url = f"http://127.0.0.1:{self._port}/api/v1/pull/pull/{verb}"
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                items = self._call("lease", {"max": CONCURRENCY, "wait": 1})["items"]
                self.taken += [json.dumps(item["event"]).encode() for item in items]
                if items:
                    self._call("ack", {"receipts": [item["receipt"] for item in items]})
            except (OSError, ValueError):  # the gateway is dead, or its answer was cut off
                time.sleep(0.1)

    def end(self) -> None:
        self._ended.set()
        threads.end(self._thread)


def post_all(running: Running, files: str, sent: list[str]) -> None:
    """What is not acknowledged is sent again, as the vendor does."""
    player = Player()
    for number in range(EVENTS):
        fields = {"stream": room(number), "record_format": "mp4", "file_size": 4096 + number}
        fields |= {"download_url": f"{files}/{room(number)}.mp4", "play_url": f"{files}/{room(number)}.mp4"}
        body = player.body(fields=fields, scheme="hmac-sha256-fields")
        for _ in range(200):
            with contextlib.suppress(OSError, ValueError):
                status, said = running.post(body)
                assert status in (200, 503), said
                if status == 200:
                    sent.append(room(number))
                    break
            time.sleep(0.1)


def states(folder: Path) -> Counter[str]:
    """How many deliveries are in each state."""
    with contextlib.closing(sqlite3.connect(folder / "gateway.db", timeout=PATIENCE_S)) as store:
        return Counter(dict(store.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall()))


async def until(condition: Callable[[], object], seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_was_acknowledged_is_in_every_place(
    all_targets: tuple[dict[str, Target], list[Running]], tmp_path: Path
) -> None:
    made, processes = all_targets
    after = tmp_path / "after.jsonl"
    sinks = {name: target.options for name, target in made.items()}
    sinks |= {"pull": {"type": "pull"}, "confirm": {"type": "confirm", "allow": "127.0.0.0/8"}}
    assert {one["type"] for one in sinks.values()} == set(Registry().sink_types()), "every type that there is"
    sinks["after"] = {"type": "file", "path": str(after)}
    running = Running(tmp_path / "gateway", config(sinks))
    text = running.path.read_text()
    tokens = f"tokens: [{{name: worker, token: {TOKEN}, role: pull, sinks: [pull]}}]"
    running.path.write_text(text.replace(f"port: {running.admin}", f"port: {running.admin}, {tokens}"))
    processes.append(running)
    sent: list[str] = []
    server = media(EVENTS)
    with in_thread(server), running:
        consumer = Consumer(running.admin)
        try:
            posting = asyncio.create_task(asyncio.to_thread(post_all, running, server.url, sent))
            await until(lambda: len(sent) >= KILLED_AFTER)
            await asyncio.to_thread(running.kill)
            await asyncio.to_thread(running.start)
            await posting
            follow_ups = 3 * EVENTS  # of two archives and one look
            wanted = (len(sinks) - 1) * EVENTS + 2 * follow_ups
            await until(lambda: states(running.folder)["delivered"] >= wanted or states(running.folder)["dead"])
            assert states(running.folder) == {"delivered": wanted}
        finally:
            consumer.end()
        assert await asyncio.to_thread(running.stop) == 0
    assert sent == [room(number) for number in range(EVENTS)]
    account = {name: list(await target.arrived()) for name, target in made.items()}
    account["pull"] = rooms(consumer.taken)
    twice = sum(len(arrived) - len(sent) for arrived in account.values())
    print(f"{len(sent)} acknowledged, {len(account)} places, {twice} delivered again")
    followed = rooms(after.read_bytes().splitlines())
    for name, arrived in account.items():
        assert set(arrived) == set(sent), name
        again = len(arrived) - len(sent)
        assert again <= (0 if name in made and made[name].once else 2 * CONCURRENCY), (name, again)
    assert set(followed) == set(sent)
    assert 3 * EVENTS <= len(followed) <= 3 * EVENTS + 2 * CONCURRENCY
    assert "Traceback" not in running.log
    assert "every promise of the outbox holds" in running.cli("store", "verify")
