"""The feed: the newest finished recordings, each once and at its best, in files that parsers read."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import RECORDING_CONFIRMED, RECORDING_STARTED, File, Measured, Refused, Trust, Verified
from gateway.testing import NOW, SinkPromises, delivery, event
from plugins.sinks.feed import Feed
from tests.sinks.feed.feeds import (
    ATOM,
    ITUNES,
    USUAL,
    archived,
    feeding,
    finished,
    json_feed,
    rss_items,
    streams,
    titles,
)


class TestFeedKeepsThePromises(SinkPromises):
    sink = Feed

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def options(self, url: str) -> Mapping[str, Any]:
        return {"to": str(self.folder), **USUAL}


async def test_a_finished_recording_is_an_item_that_podcast_programs_and_readers_understand(tmp_path: Path) -> None:
    options = {"url": "https://media.example.com/feed/", "author": "Studio", "email": "studio@example.com",
               "image": "https://media.example.com/i.png", "category": "Education", "description": "All of it"}  # fmt: skip
    one = finished(2)
    async with feeding(tmp_path, **options) as sink:
        assert await sink.deliver(archived(one)) == "listed"
    [item] = rss_items(tmp_path)
    enclosure = item.find("enclosure")
    assert enclosure is not None
    url = "https://media.example.com/files/live/a%20b.mp4"
    assert enclosure.attrib == {"url": url, "length": "1002", "type": "video/mp4"}
    assert (item.findtext("guid"), item.findtext("link")) == (f"live/{one.event.id}", url)
    assert parsedate_to_datetime(item.findtext("pubDate") or "") == NOW.replace(hour=2)
    assert item.findtext(f"{ITUNES}duration") == "90"
    assert item.findtext("description") == "mp4 · 1m 30s · 1 kB"
    [channel] = [element for element in rss_tree(tmp_path) if element.tag == "channel"]
    assert {name: channel.findtext(name) for name in ("title", "link", "description", "language")} == {
        "title": "The studio", "link": "https://media.example.com/", "description": "All of it", "language": "en",
    }  # fmt: skip
    assert channel.find(f"{ATOM}link").attrib["href"] == "https://media.example.com/feed/feed.xml"
    assert channel.find(f"{ITUNES}category").attrib["text"] == "Education"
    assert channel.findtext(f"{ITUNES}owner/{ITUNES}email") == "studio@example.com"
    made = json_feed(tmp_path)
    assert made["version"] == "https://jsonfeed.org/version/1.1"
    assert made["feed_url"] == "https://media.example.com/feed/feed.json"
    [shown] = made["items"]
    assert shown["attachments"] == [
        {"url": url, "mime_type": "video/mp4", "size_in_bytes": 1002, "duration_in_seconds": 90.5}
    ]
    assert {"id", "title", "content_text", "url", "date_published"} <= shown.keys()


def rss_tree(folder: Path) -> list[Any]:
    from xml.etree import ElementTree

    return list(ElementTree.parse(folder / "feed.xml").getroot())


async def test_the_newest_are_listed_whatever_the_order_they_came_in(tmp_path: Path) -> None:
    async with feeding(tmp_path, items=3) as sink:
        said = [await sink.deliver(finished(number)) for number in (4, 1, 5, 2, 3, 0)]
        assert streams(tmp_path) == ["s5", "s4", "s3"]
    assert said == ["listed"] * 5 + ["older than the newest 3"]


async def test_an_event_that_comes_twice_is_one_item_over_restarts_and_batches(tmp_path: Path) -> None:
    for _ in range(2):
        async with feeding(tmp_path) as sink:
            await sink.deliver(finished(1))
            assert await sink.deliver_batch([finished(1), finished(2), finished(1)]) == ["listed"] * 3
        assert streams(tmp_path) == ["s2", "s1"]


@pytest.mark.parametrize("first", ["plain", "better"])
async def test_what_is_better_is_shown_in_whatever_order_it_came(tmp_path: Path, first: str) -> None:
    one = finished(1)
    copied = archived(one)
    look = Measured(at=NOW, by="look", size_bytes=7)
    seen = copied.event.files[0].replace(archived=None, confirmed=look, measured=look)
    confirmed = delivery(copied.event.replace(type=RECORDING_CONFIRMED, id="e" * 16, files=(seen,)))
    trusted = delivery(
        one.event.replace(trust=Trust.BODY, variant="0a1b2c3d", files=(File(play_url="https://b.example/b"),))
    )
    steps = [one, trusted, confirmed, copied]
    async with feeding(tmp_path) as sink:
        for step in steps if first == "plain" else reversed(steps):
            await sink.deliver(step)
    [item] = json_feed(tmp_path)["items"]
    assert item["id"] == f"live/{one.event.id}"
    assert item["url"] == "https://media.example.com/files/live/a%20b.mp4"
    assert item["date_published"] == "2026-01-01T01:00:00Z"  # what was said first of all, so that it stays in its place


async def test_what_follows_on_a_follow_up_is_the_same_item(tmp_path: Path) -> None:
    one = finished(1)
    confirmed = archived(one, id="c" * 16)
    second = archived(confirmed, id="d" * 16)
    async with feeding(tmp_path) as sink:
        for step in (one, confirmed, second):
            await sink.deliver(step)
    assert len(titles(tmp_path)) == 1


async def test_an_event_without_a_finished_file_is_delivered_and_not_listed(tmp_path: Path) -> None:
    async with feeding(tmp_path) as sink:
        for one in (event(RECORDING_STARTED, trust=Trust.FIELDS), event(files=(), trust=Trust.FIELDS)):
            assert await sink.deliver(delivery(one)) == "nothing to list: no finished file"
    assert titles(tmp_path) == []


async def test_less_trust_is_refused_because_anybody_could_have_put_the_address_there(tmp_path: Path) -> None:
    weak = finished(1, trust=Trust.TIMESTAMP)
    async with feeding(tmp_path) as sink:
        with pytest.raises(Refused, match="min_trust"):
            await sink.deliver(weak)
        with pytest.raises(Refused, match="min_trust"):
            await sink.preview(weak)
        results = await sink.deliver_batch([weak, finished(2)])
        assert [str(result)[:6] for result in results] == ["the ve", "listed"]
    async with feeding(tmp_path, min_trust="timestamp") as sink:
        assert await sink.deliver(weak) == "listed"


async def test_files_are_whole_served_to_others_and_untouched_where_nothing_changed(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        async with feeding(tmp_path) as sink:
            await sink.deliver(finished(1))
            before_it = {name: (tmp_path / name).stat() for name in os.listdir(tmp_path)}
            await sink.deliver(finished(1))
            assert {name: (tmp_path / name).stat().st_ino for name in os.listdir(tmp_path)} == {
                name: status.st_ino for name, status in before_it.items()
            }
    finally:
        os.umask(before)
    assert {name: stat.S_IMODE(status.st_mode) for name, status in before_it.items()} == {
        "feed.xml": 0o644, "feed.json": 0o644, ".feed-state.json": 0o600, ".feed-lock": 0o600,
    }  # fmt: skip


async def test_a_new_title_shows_at_the_start_and_only_the_asked_files_are_written(tmp_path: Path) -> None:
    async with feeding(tmp_path, formats=["rss"]) as sink:
        await sink.deliver(finished(1))
    assert "feed.json" not in os.listdir(tmp_path)
    async with feeding(tmp_path, title="Another", formats=["json"]):
        assert json_feed(tmp_path)["title"] == "Another"
        assert len(json_feed(tmp_path)["items"]) == 1


async def test_feeds_of_several_names_lie_in_one_folder_and_two_sinks_of_one_name_write_one_feed(
    tmp_path: Path,
) -> None:
    async with feeding(tmp_path) as one, feeding(tmp_path) as same, feeding(tmp_path, name="it") as other:
        await one.deliver(finished(1))
        await same.deliver(finished(2))
        await other.deliver(finished(3))
    assert streams(tmp_path) == ["s2", "s1"]
    assert len(json_feed(tmp_path, "it.json")["items"]) == 1


async def test_of_many_versions_of_an_item_the_best_are_kept(tmp_path: Path) -> None:
    one = finished(1)
    async with feeding(tmp_path) as sink:
        await sink.deliver(archived(one))
        for number in range(9):
            variant = one.event.replace(variant=f"0a1b2c3{number}", received_at=NOW + timedelta(hours=number))
            assert await sink.deliver(delivery(variant)) == "listed"
    [item] = json.loads((tmp_path / ".feed-state.json").read_bytes())["items"]
    assert len(item["versions"]) == 8
    assert json_feed(tmp_path)["items"][0]["url"] == "https://media.example.com/files/live/a%20b.mp4"


async def test_an_event_whose_template_fails_is_refused_and_the_others_are_listed(tmp_path: Path) -> None:
    title = "{% if event.data.stream == 's1' %}{{ event.data.files[0].width + 1 }}{% else %}fine{% endif %}"
    async with feeding(tmp_path, item_title=title) as sink:
        refused, listed = await sink.deliver_batch([finished(1), finished(2)])
        assert isinstance(refused, Refused)
        assert "its item cannot be written: line 1" in refused.detail
        assert listed == "listed"
        assert await sink.preview(delivery(event(RECORDING_STARTED, trust=Trust.FIELDS))) == (
            "nothing to list: no finished file"
        )
    assert titles(tmp_path) == ["fine"]


async def test_an_author_without_an_address_is_named_and_owns_nothing(tmp_path: Path) -> None:
    async with feeding(tmp_path, author="Studio"):
        [channel] = [element for element in rss_tree(tmp_path) if element.tag == "channel"]
    assert channel.findtext(f"{ITUNES}author") == "Studio"
    assert channel.find(f"{ITUNES}owner") is None


async def test_parts_of_a_second_are_in_order_too(tmp_path: Path) -> None:
    async with feeding(tmp_path) as sink:
        for number, ms in enumerate((500, 0, 250, 1000, 999)):
            ended = (finished(0).event.files[0].replace(ended_at=NOW + timedelta(milliseconds=ms)),)
            await sink.deliver(finished(number, files=ended))
    assert streams(tmp_path) == ["s3", "s4", "s0", "s2", "s1"]


async def test_recordings_of_one_time_keep_one_order(tmp_path: Path) -> None:
    async with feeding(tmp_path, items=5) as sink:
        same = [finished(number, time=NOW, files=finished(0).event.files) for number in range(9)]
        await sink.deliver_batch(same)
        listed = titles(tmp_path)
        await sink.deliver_batch(list(reversed(same)))
        assert titles(tmp_path) == listed


async def test_what_an_archive_measured_is_the_length_and_a_playlist_is_not_the_recording(tmp_path: Path) -> None:
    look = Measured(at=NOW, by="look", size_bytes=777)
    one = File(format="mp4", play_url="https://a.example/a", size_bytes=5, measured=look)
    odd = one.replace(format="odd")
    served = [odd.replace(measured=look.replace(media_type=kind)) for kind in ("audio/x-odd", "text/html")]
    files = (one, one.replace(format="hls"), odd.replace(measured=None), *served)
    async with feeding(tmp_path) as sink:
        await sink.deliver(finished(1, files=files))
    kept = [(part["mime_type"], part["size_in_bytes"]) for part in json_feed(tmp_path)["items"][0]["attachments"]]
    assert kept == [
        ("video/mp4", 777), ("application/vnd.apple.mpegurl", 5), ("application/octet-stream", 5),
        ("audio/x-odd", 777), ("application/octet-stream", 777),
    ]  # fmt: skip


async def test_of_very_many_files_the_first_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    files = tuple(File(play_url=f"https://a.example/{number}") for number in range(23))
    async with feeding(tmp_path) as sink:
        await sink.deliver(finished(1, files=files, format=None))
    [item] = json_feed(tmp_path)["items"]
    assert len(item["attachments"]) == 20
    assert "3 more" in item["content_text"]


async def test_an_address_that_is_none_is_passed_by_for_the_next(tmp_path: Path) -> None:
    file = File(format="mp4", play_url="https://odd!host/a.mp4", download_url="https://d.example.com/a.mp4")
    async with feeding(tmp_path, addresses=["play", "download"]) as sink:
        await sink.deliver(finished(1, files=(file,)))
    assert json_feed(tmp_path)["items"][0]["url"] == "https://d.example.com/a.mp4"


async def test_an_hour_that_only_the_vendor_knows_is_shown_in_the_zone_that_was_asked_for(tmp_path: Path) -> None:
    async with feeding(tmp_path, timezone="Asia/Shanghai", language="zh-CN") as sink:
        await sink.deliver(finished(1, url=None, time=NOW + timedelta(hours=1)))
    [item] = json_feed(tmp_path)["items"]
    assert item["title"].endswith("· 2026-01-01 09:00:00 +08:00")
    assert item["content_text"].endswith("暂无可打开的地址。")


async def test_a_test_message_is_not_for_everybody(tmp_path: Path) -> None:
    tried = finished(1, source="test", verified=Verified(trust=Trust.FIELDS, scheme="test"))
    async with feeding(tmp_path) as sink:
        assert await sink.deliver(tried) == "a test: the feed was written, and lists no tests"
    assert titles(tmp_path) == []
