"""How large a callback of each source may be: what its vendor sends, or what the file says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway import Played, Scene
from gateway.assembly import make_endpoints
from gateway.testing import NOW, FrozenClock, running

KEY = "a-key-of-thirty-two-characters-00"


def live(**more: Any) -> dict[str, Any]:
    return {"type": "huawei-live", "keys": [KEY], **more}


@pytest.mark.parametrize(
    ("server", "source", "most"),
    [
        ({}, live(), 262_144),
        ({}, live(max_body="1MiB"), 1024 * 1024),
        ({"max_body": "10KiB"}, live(), 10 * 1024),
        ({"max_body": "10KiB"}, live(max_body="20KiB"), 20 * 1024),
        ({"max_body": "1MiB"}, {"type": "tencent-css", "keys": [KEY]}, 64 * 1024),
        ({}, {"type": "zoom", "keys": [KEY]}, 1024 * 1024),
        ({"max_body": "300KiB"}, {"type": "zoom", "keys": [KEY]}, 300 * 1024),
    ],
)
async def test_the_file_holds_over_the_vendor_and_the_source_over_the_server(
    server: dict[str, Any], source: dict[str, Any], most: int
) -> None:
    async with running({"server": server, "sources": {"one": source}}, clock=FrozenClock(NOW)) as gateway:
        (door,) = make_endpoints(gateway.gateway.loaded).values()
        assert door.max_body == most
        assert (await gateway.post(b"x" * (most + 1))).status == 413
        assert (await gateway.post(b"x" * most)).status in (400, 401)


async def test_a_zoom_meeting_of_1000_files_is_taken() -> None:
    async with running({"sources": {"zoom": {"type": "zoom", "keys": [KEY]}}}, clock=FrozenClock(NOW)) as gateway:
        source: Any = gateway.source()
        scene = Scene(type="recording.completed", number=1, now=NOW)
        said = json.loads(source.play(scene).body)
        meeting = said["payload"]["object"]
        (file,) = meeting["recording_files"]
        meeting["recording_files"] = [{**file, "id": f"{file['id']}{n}"} for n in range(1000)]
        body = json.dumps(said).encode()
        at = int(NOW.timestamp())
        played = Played(body=body, headers=source.headers(body, at, KEY.encode()))
        answer = await gateway.post(played)
        assert answer.status == 200, answer.body
        (event,) = gateway.events()
        assert len(event.files) == 1000
