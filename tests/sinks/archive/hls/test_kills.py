"""A long HLS recording, a server on a bad day, and a gateway that is killed five times meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import psutil
import pytest

from tests.patience import until
from tests.running import KEY, Player, Running
from tests.sinks.archive.hls.conftest import kept, octets, segments, text
from tests.sinks.archive.media_server import MediaServer
from tests.sinks.archive.media_server_thread import in_thread

SEGMENTS = 2000
KILLS = 5
GROWTH_BYTES_MAX = 32 * 2**20
CONFIG = f"""
sources:
  live: {{type: huawei-live, keys: ['{KEY}'], domains: [push.example.com], apps: [live]}}
sinks:
  keep:
    type: archive
    to: kept
    key: "{{stream}}/recording.{{format}}"
    allow: 127.0.0.0/8
    delivery: {{timeout: 5m, retry: {{initial: 100ms, max: 500ms}}}}
routes:
  - {{name: copy, match: {{type: recording.file.completed}}, to: [keep]}}
"""


class BadDay(MediaServer):
    """Every 97th answer breaks in the middle, every 401st stalls and is closed later, every 211th is a 503."""

    count = 0

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> bool:
        self.count += 1
        if self.count % 97 == 0:
            self.drop_after.append(self.count % 3 * 20_000)
        elif self.count % 401 == 0:
            self.stall_after.append(20_000)
        elif self.count % 211 == 0:
            self.status.append((503, b"busy"))
        elif self.count % 53 == 0:
            path = head.split()[1].partition("?")[0]
            if path in self.files:
                self.files[path].etag = f'"{self.count}"'
        return await super()._answer(head, writer)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_thousand_segments_over_five_kills_are_each_fetched_once_and_whole(tmp_path: Path) -> None:
    server = BadDay()
    server.files["/live/r.m3u8"] = text(segments(server, "/live", SEGMENTS, size=50_000))
    (tmp_path / "kept").mkdir()
    folder = tmp_path / "kept/main/recording.hls"
    killed: list[tuple[int, set[str]]] = []  # what had been asked for then, and what was there
    growth = 0

    def stored() -> set[str]:
        return {name for name in os.listdir(folder) if name.endswith(".ts")} if folder.exists() else set()

    with in_thread(server), Running(tmp_path, CONFIG).start() as running:
        said = {"download_url": f"{server.url}/live/r.m3u8?sig=x", "stream": "main", "record_duration": 4000}
        assert running.process is not None
        idle = psutil.Process(running.process.pid).memory_info().rss
        assert running.post(Player().body(fields=said))[0] == 200
        for wanted in (SEGMENTS * part // (KILLS + 1) for part in range(1, KILLS + 2)):
            process = psutil.Process(running.process.pid)
            while len(stored()) < wanted:
                growth = max(growth, process.memory_info().rss - idle)
                time.sleep(0.05)
            if wanted < SEGMENTS:
                running.kill()
                killed.append((len(server.asked), stored()))
                running.start()
        until(lambda: running.listing("events", "list", "--type", "recording.archived"))
        [event] = running.listing("events", "list", "--type", "recording.archived")
        shown = json.loads(running.cli("events", "show", event["id"], "--json"))
    for asked, there in killed:
        assert {one.target.partition("?")[0].rpartition("/")[2] for one in server.asked[asked:]} & there == set()
    copies = kept(folder)
    assert [n for n in range(SEGMENTS) if copies[f"{n}.ts"] != octets(server.files[f"/live/{n}.ts"])] == []
    assert growth < GROWTH_BYTES_MAX
    [file] = shown["event"]["data"]["files"]
    assert file["archived"]["url"] == f"file://{folder}/index.m3u8"
    assert (file["measured"]["size_bytes"], file["duration_seconds"]) == (sum(map(len, copies.values())), 4000)
