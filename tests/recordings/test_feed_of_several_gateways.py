"""A feed of gateways that are killed, and of two that share a store and a folder: nothing twice, nothing lost, nothing erased."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.patience import until
from tests.running import KEY, Player, Running

CONFIG = f"""
sources:
  live: {{type: huawei-live, keys: ['{KEY}'], sign_type: hmac-sha256-fields, min_trust: fields, domains: [push.example.com], apps: [live]}}
sinks:
  pod:
    type: feed
    to: FEED
    title: The studio
    link: https://media.example.com/
    delivery: {{timeout: 2s, retry: {{initial: 100ms, max: 1s}}}}
routes: [{{match: {{type: recording.file.completed}}, to: [pod]}}]
"""
RECORDINGS = 9


def listed(folder: Path) -> list[str]:
    """The items, newest first; both files are whole and say the same."""
    if not (folder / "feed.json").exists():
        return []
    items = [str(item["id"]) for item in json.loads((folder / "feed.json").read_bytes())["items"]]
    rss = ElementTree.parse(folder / "feed.xml").getroot().findall("channel/item/guid")
    assert len(items) == len(set(items))
    return items if [guid.text for guid in rss] == items else []


def accepted(gateway: Running, player: Player) -> str:
    status, answer = gateway.post(player.body())
    assert status == 200
    return f"live/{answer['events'][0]}"


@pytest.mark.slow  # what a process died with goes alone afterwards, one a poll
def test_a_feed_lists_each_recording_once_over_three_kills(tmp_path: Path) -> None:
    feed = tmp_path / "feed"
    feed.mkdir(mode=0o755)
    player = Player()
    gateway = Running(tmp_path / "one", CONFIG.replace("FEED", str(feed)))
    names: list[str] = []
    for _ in range(3):
        gateway.start()
        names += [accepted(gateway, player) for _ in range(RECORDINGS // 3)]
        gateway.kill()  # in the middle of writing, most likely
    with gateway.start():
        until(lambda: set(listed(feed)) == set(names))
        assert {row["state"] for row in gateway.listing("deliveries", "list", "--limit", "100")} == {"delivered"}


def test_two_gateways_of_one_store_keep_one_feed_and_what_one_erases_leaves_it(
    tmp_path: Path, postgres_url: str
) -> None:
    feed = tmp_path / "feed"
    feed.mkdir(mode=0o755)
    player = Player()
    config = CONFIG.replace("FEED", str(feed))
    with (
        Running(tmp_path / "one", config, store=postgres_url) as one,
        Running(tmp_path / "two", config, store=postgres_url) as two,
    ):
        names = [accepted((one, two)[number % 2], player) for number in range(RECORDINGS)]
        until(lambda: set(listed(feed)) == set(names))
        two.cli("events", "erase", *[name.removeprefix("live/") for name in names[:5]], "--yes")
        until(lambda: set(listed(feed)) == set(names[5:]))
        names.append(accepted(one, player))
        until(lambda: set(listed(feed)) == set(names[5:]))
