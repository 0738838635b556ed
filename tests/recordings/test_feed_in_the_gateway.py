"""A feed in the gateway: what a person erased leaves it, whoever erased it and whenever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.store.admin.admin import StoreAdmin
from gateway.testing import running

CONFIG = """
sources: {live: {type: huawei-live, keys: [a-key-of-thirty-two-characters-00], domains: [push.example.com], apps: [live]}}
sinks:
  pod: {type: feed, to: FEED, title: The studio, link: "https://media.example.com/"}
  app: {type: recorder}
routes: [{match: {type: recording.file.completed}, to: [pod, app]}]
"""


async def test_what_was_erased_leaves_within_a_second_and_at_the_next_start_and_stays_out(tmp_path: Path) -> None:
    async with running(CONFIG.replace("FEED", str(tmp_path))) as gateway:
        for number in range(3):
            await gateway.send("RECORD_FILE_COMPLETE", fields={"stream": f"s{number}"})
        events = gateway.delivered("app")
        refs = [str(event.ref) for event in events]
        assert len(listed(tmp_path)) == 3
        await gateway.erase(events[0])
        assert listed(tmp_path) == set(refs[1:])
        with pytest.raises(LookupError, match="there is no event"):
            await gateway.erase(events[0].replace(id="0" * 32))
        await gateway.close()
        with StoreAdmin(f"sqlite:///{gateway.folder}/gateway.db", clock=gateway.clock) as admin:
            admin.erase(refs[1])
        assert listed(tmp_path) == set(refs[1:])
        await gateway.open()
        await gateway.advance(2)
        assert listed(tmp_path) == {refs[2]}
        await gateway.restart()
        await gateway.advance(2)
        assert listed(tmp_path) == {refs[2]}
        public = "".join((tmp_path / name).read_text() for name in ("feed.xml", "feed.json"))
        assert [ref for ref in refs if ref in public] == refs[2:]


def listed(folder: Path) -> set[str]:
    return {str(item["id"]).removeprefix("live/") for item in json.loads((folder / "feed.json").read_bytes())["items"]}
