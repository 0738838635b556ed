"""What people and plugins hear of other content under a known id."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gateway import Event, hookimpl
from gateway.plugin import Scene
from gateway.testing import NOW, RunningGateway, running

CONFIG = """
sources: {{live: {{type: huawei-live, keys: [a-key-of-thirty-two-characters-00], on_conflict: {how}}}}}
sinks: {{app: {{type: recorder}}}}
routes: [{{to: [app]}}]
"""


class Watcher:
    def __init__(self) -> None:
        self.told: list[tuple[Event, Sequence[str]]] = []

    @hookimpl
    def event_stored(self, event: Event, sinks: Sequence[str]) -> None:
        self.told.append((event, sinks))


async def _twice(gateway: RunningGateway) -> None:
    """One callback, and the same with another size, which the signature does not cover: a start has no file to seal."""
    played = gateway.source().play(Scene(type="RECORD_NEW_FILE_START", number=1, now=NOW))
    assert (await gateway.post(played)).json()["status"] == "accepted"
    other = json.loads(played.body) | {"file_size": 1}
    assert (await gateway.post(other)).json()["status"] == "duplicate"


async def test_what_is_delivered_all_the_same_is_told_with_its_sinks_and_its_variant() -> None:
    watcher = Watcher()
    async with running(CONFIG.format(how="deliver"), plugins=[watcher]) as gateway:
        await _twice(gateway)
        assert len(gateway.delivered("app")) == 2
        (first, _), (second, sinks) = watcher.told
        assert (first.variant, list(sinks)) == ("", ["app"])
        assert second.ref == f"{first.id}~{second.variant}"
        assert second.variant
        assert {one.event.ref for one in gateway.recorder("app").seen} == {first.ref, second.ref}


async def test_what_is_held_is_told_to_no_plugin() -> None:
    watcher = Watcher()
    async with running(CONFIG.format(how="hold"), plugins=[watcher]) as gateway:
        await _twice(gateway)
        assert len(gateway.delivered("app")) == len(watcher.told) == 1
        assert gateway.metric("held_total", source="live", reason="conflict") == 1
