"""Copy, then tell, then write the row, from YAML alone: over a kill -9 in the middle, a replay, a reload and a second gateway."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.runtime.clock import Clock
from tests.dispatch.conftest import House, event, policy
from tests.dispatch.copy_sink import CopySink
from tests.patience import PATIENCE_S, eventually, until
from tests.running import KEY, Player, Receiver, Running, receiving

PLUGIN = '''
import asyncio, pathlib
from gateway import Archived, Done, FollowUp, Progress, Sink

class Copy(Sink):
    """Ten pieces, of which it makes as many as the file `may` says."""
    type = "copy"
    async def deliver(self, delivery):
        for piece in range(delivery.memo.get("done", 0), 10):
            while piece >= int(pathlib.Path("may").read_text() or 0):
                await asyncio.sleep(0.01)
                await delivery.alive()
            with open("pieces", "a") as pieces:
                pieces.write(f"{piece}\\n")
            await delivery.alive({"done": piece + 1}, Progress(piece + 1, 10, f"piece {piece}"))
        (file,) = delivery.event.files
        copy = file.replace(archived=Archived(url="file:///copies/1"), sha256="ab" * 32)
        return Done("10 pieces", [FollowUp("recording.archived", [copy], {"pieces": 10})])
'''
CONFIG = f"""
plugins: [./copy_sink.py]
sources:
  live: {{type: huawei-live, keys: ['{KEY}'], domains: [push.example.com], apps: [live]}}
sinks:
  keep: {{type: copy, delivery: {{timeout: 2m, retry: {{initial: 50ms, max: 200ms}}}}}}
  chat: {{type: forward, url: '@URL@', allow_private: true}}
  rows: {{type: database, url: 'sqlite:///rows.db', table: recordings}}
routes:
  - {{name: copy, match: {{type: recording.file.completed}}, to: [keep]}}
  - {{name: tell, match: {{type: recording.archived}}, to: [chat, rows]}}
  - {{name: everything, to: [keep, chat]}}
"""


@pytest.fixture
def chain(tmp_path: Path) -> Any:
    (tmp_path / "copy_sink.py").write_text(PLUGIN)
    (tmp_path / "may").write_text("4")
    with receiving() as receiver:
        yield Running(tmp_path, CONFIG.replace("@URL@", receiver.url)), receiver


def pieces(running: Running) -> list[int]:
    path = running.folder / "pieces"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def rows(running: Running) -> list[Any]:
    """None before the sink has made its table, which it does at its first delivery, or when it opens."""
    path = running.folder / "rows.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE_S)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'recordings'").fetchall():
            return []
        return connection.execute("SELECT event_type, archived_url, cause_sink FROM recordings").fetchall()


@pytest.mark.process
@pytest.mark.slow
def test_copy_then_tell_then_write_the_row_over_a_kill_a_reload_and_a_replay(
    chain: tuple[Running, Receiver],
) -> None:
    running, receiver = chain
    with running.start():
        status, answer = running.post(Player().body())
        assert status == 200
        (cause,) = answer["events"]
        until(lambda: pieces(running) == [0, 1, 2, 3])
        (sink,) = [one for one in running.listing("sinks", "list") if one["name"] == "keep"]
        assert [(one["done"], one["total"]) for one in sink["under_way"]] == [(4, 10)]
        running.kill()
        (running.folder / "may").write_text("7")
        running.start()
        until(lambda: pieces(running) == [0, 1, 2, 3, 4, 5, 6])  # on where it was, none twice
        assert running.process is not None
        running.path.write_text(running.path.read_text().replace("timeout: 2m", "timeout: 3m"))
        running.process.send_signal(signal.SIGHUP)  # a reload takes its lane away: it is handed over
        until(lambda: '"reloaded"' in running.log)
        (running.folder / "may").write_text("10")
        until(lambda: receiver.ids)
        until(lambda: rows(running))
        assert pieces(running) == list(range(10))
        shown = json.loads(running.cli("events", "show", cause, "--json"))
        (child,) = shown["children"]
        assert child["type"] == "recording.archived"
        assert rows(running) == [("recording.archived", "file:///copies/1", "keep")]
        # `everything` names no type: it sent the cause to the chat, and nothing of what followed anywhere
        until(lambda: sorted(receiver.ids) == sorted([cause, child["id"]]))
        attempts = running.listing("deliveries", "list", "--sink", "keep")
        assert [one["state"] for one in attempts] == ["delivered"]
        running.cli("events", "replay", cause, "--to", "keep")
        until(lambda: len(pieces(running)) == 20)
        until(lambda: running.metric('recording_gateway_follow_ups_total{result="duplicate",sink="keep"}') == 1)
        assert len(running.listing("events", "list")) == 2
        assert rows(running) == [("recording.archived", "file:///copies/1", "keep")]


@pytest.fixture
async def houses(postgres_url: str) -> AsyncIterator[Callable[..., Any]]:
    made: list[House] = []

    async def make(sink: CopySink) -> House:
        house = House(postgres_url, sink, clock=Clock(), app=policy(timeout="1h"), owner=f"gateway {len(made)}")  # type: ignore[arg-type]
        made.append(house)
        return await house.open()

    yield make
    for house in made:
        await house.close(0.05)


async def test_of_two_gateways_the_other_goes_on_where_the_first_stopped(houses: Callable[..., Any]) -> None:
    first, second = CopySink(), CopySink()
    one = await houses(first)
    await one.put(event(1))
    await first.step(3)
    await houses(second)
    closing = asyncio.create_task(one.close(grace=20.0))
    await asyncio.sleep(0)
    first.may_go.release()
    await closing
    one.dropped = True
    await second.step(6)
    await eventually(lambda: second.offsets[-1] == 10)
    assert [delivery.memo for delivery in second.seen] == [{"offset": 4}]
    assert first.offsets + second.offsets == [1, 2, 3, 5, 6, 7, 8, 9, 10]
