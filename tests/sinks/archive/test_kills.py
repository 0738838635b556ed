"""A gateway that is killed while it archives, as its user runs it: bytes equal, nothing fetched twice, memory bounded, and the
other sinks as quick as ever."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.patience import until
from tests.running import KEY, Player, Running, receiving
from tests.sinks.archive.media_server import Media, MediaServer
from tests.sinks.archive.media_server_thread import in_thread

GROWTH_BYTES_MAX = 32 * 2**20
ON_THE_WAY_BYTES = 16 * 2**20  # in sockets and in one unwritten piece when a process dies
CONFIG = """
sources:
  live: {{type: huawei-live, keys: ['{key}'], domains: [push.example.com], apps: [live]}}
sinks:
  keep:
    type: archive
    {to}
    key: "{{stream}}.{{format}}"
    allow: 127.0.0.0/8
    delivery: {{timeout: 5m, retry: {{initial: 100ms, max: 500ms}}}}
  app: {{type: forward, url: '{url}'}}
routes:
  - {{name: copy, match: {{type: recording.file.completed}}, to: [keep]}}
  - {{name: hand-on, match: {{type: [recording.started, recording.archived]}}, to: [app]}}
"""


def config(to: str, url: str = "http://127.0.0.1:9/") -> str:
    return CONFIG.format(key=KEY, to=to, url=url)


def begin(running: Running, server: MediaServer, size: int) -> None:
    """The callback of one file."""
    said = {"download_url": f"{server.url}/a.mp4?sig=x", "stream": "main", "record_format": "MP4", "file_size": size}
    assert running.post(Player().body(fields=said))[0] == 200


def told(running: Running) -> dict[str, Any]:
    """The file that `recording.archived` names."""
    until(lambda: running.listing("events", "list", "--type", "recording.archived"), 300)
    [event] = running.listing("events", "list", "--type", "recording.archived")
    shown = json.loads(running.cli("events", "show", event["id"], "--json"))
    [file] = shown["event"]["data"]["files"]
    return dict(file)


def spooled(folder: Path) -> int:
    """Bytes of the one file that is not whole."""
    return sum(entry.stat().st_size for entry in os.scandir(folder)) if folder.exists() else 0


def again(server: MediaServer) -> int:
    """Bytes that were sent more than once: what each request sent, beyond where the next one began."""
    starts = [int((one.headers.get("range") or "bytes=0-")[6:].split("-")[0]) for one in server.asked]
    ends = [start + one.sent for start, one in zip(starts, server.asked, strict=True)]
    return sum(max(0, end - start) for end, start in zip(ends, starts[1:], strict=False))


@pytest.mark.wide
def test_a_killed_gateway_goes_on_where_it_was(tmp_path: Path) -> None:
    media, server = Media(24_000_000), MediaServer()
    server.files["/a.mp4"] = media
    server.stall_after = [6_000_000]
    (tmp_path / "kept").mkdir()
    with in_thread(server), Running(tmp_path, config("to: kept")).start() as running:
        begin(running, server, media.size)
        until(lambda: spooled(tmp_path / "kept/.spool") > 6_000_000 - 2**21)
        assert not (tmp_path / "kept/main.mp4").exists()
        running.kill()
        running.start()
        file = told(running)
        assert running.stop() == 0
    assert (file["sha256"], file["archived"]["url"]) == (media.sha256, f"file://{tmp_path}/kept/main.mp4")
    assert sha256((tmp_path / "kept/main.mp4").read_bytes()).hexdigest() == media.sha256
    assert len(server.asked) == 2
    assert again(server) < 2**22


@pytest.mark.wide
def test_a_gateway_that_stops_in_the_middle_of_an_upload_ends_well(endpoint: str, bucket: Any, tmp_path: Path) -> None:
    """The library's own threads are at work then."""
    media, server = Media(14_000_000), MediaServer()
    server.files["/a.mp4"] = media
    server.stall_after = [media.size, 9_000_000]  # the first answer only says that there is no room
    place = f"to: s3://kept\n    endpoint: {endpoint}\n    path_style: true\n    spool: {{folder: spool, limit: 0}}\n"
    to = place + "    credentials: {access_key: AK-of-the-archive, secret_key: SK-of-the-archive}"
    with in_thread(server), Running(tmp_path, config(to)).start() as running:
        begin(running, server, media.size)
        until(lambda: list(bucket.multipart_uploads.all()))
        assert running.stop() == 0
        assert "Traceback" not in running.log
        assert "panicked" not in running.log
        assert [there.size for there in bucket.objects.all()] == []
        running.start()
        assert told(running)["sha256"] == media.sha256
        assert running.stop() == 0


class Memory:
    """How much a process grew, at most, each time it was begun."""

    def __init__(self) -> None:
        self.growth = 0

    def watch(self, running: Running) -> Iterator[None]:
        assert running.process is not None
        process = psutil.Process(running.process.pid)
        idle = process.memory_info().rss
        while True:
            self.growth = max(self.growth, process.memory_info().rss - idle)
            yield


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_gigabytes_over_five_kills_are_whole_and_fetched_once(tmp_path: Path) -> None:
    media, server, memory = Media(5 * 2**30), MediaServer(), Memory()
    server.files["/a.mp4"] = media
    (tmp_path / "kept").mkdir()
    with in_thread(server), Running(tmp_path, config("to: kept")).start() as running:
        watched = memory.watch(running)
        begin(running, server, media.size)
        for part in range(1, 6):
            while spooled(tmp_path / "kept/.spool") < media.size * part // 6:
                next(watched)
                time.sleep(0.02)
            running.kill()
            running.start()
            watched = memory.watch(running)
        while not (tmp_path / "kept/main.mp4").exists():
            next(watched)
            time.sleep(0.02)
        file = told(running)
    assert file["sha256"] == media.sha256
    assert file["measured"]["size_bytes"] == media.size
    assert memory.growth < GROWTH_BYTES_MAX
    assert again(server) < 5 * ON_THE_WAY_BYTES
    print(f"memory grew by {memory.growth / 2**20:.1f} MiB; sent twice {again(server) / 2**20:.1f} MiB")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_half_a_gigabyte_goes_into_an_object_store_over_five_kills_and_is_downloaded_once(tmp_path: Path) -> None:
    from moto.server import ThreadedMotoServer

    media, server, memory = Media(512 * 2**20), MediaServer(), Memory()
    server.files["/a.mp4"] = media
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    endpoint = "http://{}:{}".format(*store.get_host_and_port())
    import boto3

    s3 = boto3.resource(
        "s3", endpoint_url=endpoint, aws_access_key_id="AK", aws_secret_access_key="SK", region_name="x"
    )
    bucket = s3.create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "x"})
    to = f"to: s3://kept\n    endpoint: {endpoint}\n    path_style: true\n    spool: {{folder: spool}}\n"
    to += "    credentials: {access_key: AK-of-the-archive, secret_key: SK-of-the-archive}"
    try:
        with in_thread(server), Running(tmp_path, config(to)).start() as running:
            watched = memory.watch(running)
            begin(running, server, media.size)
            for part in range(1, 6):  # three while it is downloaded, two while it is uploaded
                while spooled(tmp_path / "spool") < min(media.size, media.size * part // 4):
                    next(watched)
                    time.sleep(0.01)
                if part > 3:
                    until(lambda: [part for upload in bucket.multipart_uploads.all() for part in upload.parts.all()])
                running.kill()
                assert list(bucket.objects.all()) == []
                assert len(list(bucket.multipart_uploads.all())) == (part > 3)
                running.start()
                watched = memory.watch(running)
            while not list(bucket.objects.all()):
                next(watched)
                time.sleep(0.05)
            file = told(running)
        assert file["sha256"] == media.sha256
        [there] = bucket.objects.all()
        assert there.size == media.size
        assert list(bucket.multipart_uploads.all()) == []
        assert sha256(there.get()["Body"].read()).hexdigest() == media.sha256
    finally:
        store.stop()
    assert memory.growth < GROWTH_BYTES_MAX
    assert again(server) < 3 * ON_THE_WAY_BYTES
    assert sum(one.sent for one in server.asked) < media.size + 3 * ON_THE_WAY_BYTES
    print(f"memory grew by {memory.growth / 2**20:.1f} MiB; sent twice {again(server) / 2**20:.1f} MiB")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_other_sinks_are_as_quick_while_a_file_is_archived(tmp_path: Path) -> None:
    media, server = Media(4 * 2**30), MediaServer()
    server.files["/a.mp4"] = media
    (tmp_path / "kept").mkdir()
    with receiving() as receiver, in_thread(server):
        running = Running(tmp_path, config("to: kept\n    bandwidth: 50MiB", receiver.url))
        with running.start():
            player = Player()
            alone = latencies(running, receiver, player)
            begin(running, server, media.size)
            until(lambda: spooled(tmp_path / "kept/.spool") > 2**20)
            beside = latencies(running, receiver, player)
            assert not (tmp_path / "kept/main.mp4").exists()
    print(f"median alone {alone * 1000:.1f} ms, beside {beside * 1000:.1f} ms")
    assert beside < alone + 0.05


def latencies(running: Running, receiver: Any, player: Player, count: int = 60) -> float:
    """The median of seconds from a callback to its delivery elsewhere."""
    seconds = []
    for _ in range(count):
        came, began = len(receiver.requests), time.monotonic()
        assert running.post(player.body("RECORD_START"))[0] == 200
        assert receiver.wait_for(lambda one, came=came: len(one.requests) > came)
        seconds.append(time.monotonic() - began)
    return statistics.median(seconds)
