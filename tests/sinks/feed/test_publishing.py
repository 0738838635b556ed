"""What a feed may say to everybody: no signed link, no address of ours, nothing that marks up, whatever a template does."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway import Archived, File, Storage
from gateway.testing import NOW, cases
from plugins.sinks.feed import FeedOptions
from plugins.sinks.feed.entry import Attachment, Entry
from plugins.sinks.feed.json_feed import json_feed
from plugins.sinks.feed.publishable import published_at
from plugins.sinks.feed.rss import rss
from plugins.sinks.feed.state import FeedItem, Version
from plugins.sinks.storage.local_folder import Folder
from tests.sinks.feed.feeds import USUAL, archived, feeding, finished
from tests.sinks.feed.feeds import json_feed as read_json

SECRET = "c4n4ry"
LINKS = (
    f"https://d.example.com/a.mp4?AccessKeyId=AK&Expires=1893456000&Signature={SECRET}",
    f"https://d.example.com/a.mp4?x={SECRET}&token={SECRET}",
    f"https://user:{SECRET}@d.example.com/a.mp4",
    f"https://d.example.com/eyJhbGciOi.eyJhbGci.{SECRET}/a.m3u8",
)
TEMPLATES = (
    "{{ event.data.files[0].download_url }} {{ event.data.files[0].play_url | upper }}",
    "{{ event.data.files[0].play_url | url }} {{ event.data.extra.link }} {{ event.data.extra.deep.links | join(' ') }}",
    "{% for file in event.data.files %}{{ file.download_url | lower }} {{ file.play_url | cut(60) }}{% endfor %}",
)


@pytest.mark.parametrize("url", LINKS)
async def test_a_signed_link_is_left_out_in_words_whatever_a_template_shows(url: str, tmp_path: Path) -> None:
    file = File(format="mp4", download_url=url, play_url=url, archived=Archived(url=url, at=NOW), ended_at=NOW)
    one = finished(1, files=(file,), extra={"link": url, "deep": {"links": [f"see {url}"]}})
    for template in (None, *TEMPLATES):
        folder = tmp_path / str(TEMPLATES.index(template) if template else "none")
        folder.mkdir()
        async with feeding(
            folder, item_title=template, item_text=template, addresses=["archived", "play", "download"]
        ) as sink:
            assert await sink.deliver(one) == "listed"
            assert SECRET not in (await sink.preview(one)).lower()
        for name in os.listdir(folder):  # its state too, which somebody may serve
            assert SECRET not in (folder / name).read_text().lower()
        [item] = read_json(folder)["items"]
        assert "signed and is left out" in item["content_text"]
        assert "url" not in item


async def test_an_address_of_ours_is_published_only_where_it_is_served(tmp_path: Path) -> None:
    secret = Storage(location="https://internal.example", bucket="b", key="k")
    inner = [("file:///srv/secret/a.mp4", None), ("s3://archive/x/a.mp4", "https://cdn.example.com/x/a.mp4"),
             ("file:///srv/media/../secret/a.mp4", None), ("https://media.example.com/b.mp4", "https://media.example.com/b.mp4"),
             ("file:///srv/media/%2e%2e/secret/a.mp4", None), ("file:///srv/media/x/..%2f..%2fsecret/a.mp4", None),
             ("javascript:alert(1)", None), ("s3://other/a.mp4", None)]  # fmt: skip
    for number, (url, published) in enumerate(inner):
        async with feeding(tmp_path) as sink:
            one = finished(number, url=None)
            await sink.deliver(
                archived(one, url, files=(one.event.files[0].replace(archived=Archived(url=url), storage=secret),))
            )
        [item] = [item for item in read_json(tmp_path)["items"] if item["id"].endswith(one.event.id)]
        assert item.get("url") == published
        assert all(word not in json.dumps(item) for word in ("srv", "s3://", "internal"))


def test_the_longest_beginning_decides() -> None:
    public = {"s3://a/": "https://one.example/", "s3://a/b/": "https://two.example/"}
    assert published_at("s3://a/b/c.mp4", public) == "https://two.example/c.mp4"
    assert published_at("s3://a/c.mp4", public) == "https://one.example/c.mp4"
    assert published_at("s3://ab/c.mp4", public) is None


@pytest.mark.parametrize("case", cases("stream"), ids=str)
async def test_no_name_of_a_stream_marks_anything_up(case: Any, tmp_path: Path) -> None:
    async with feeding(tmp_path, item_text="{{ event.data.stream }} {{ event.subject }}") as sink:
        await sink.deliver(finished(1, stream=case.value))
    root = ElementTree.parse(tmp_path / "feed.xml").getroot()
    [item] = root.findall("channel/item")
    assert "<" not in (item.findtext("title") or "")
    assert set((item.findtext("description") or "").split("<")[1:]) <= {"br>"}
    for name in ("feed.xml", "feed.json"):
        text = (tmp_path / name).read_text()
        assert not [letter for letter in text if ord(letter) < 32 and letter != "\n"]
        assert "\u202e" not in text


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=60))
def test_whatever_an_item_says_is_xml_and_json(title: str, text: str) -> None:
    options = FeedOptions.model_validate({"to": "/x", **USUAL})
    entry = Entry(
        title=title, text=text, at="2026-01-01T00:00:00Z", attachments=(Attachment("https://a.example/a", "video/mp4"),)
    )
    item = FeedItem("live", "0" * 16, {"0" * 16: Version((False, False, 2, 0), entry)})
    made = ElementTree.fromstring(rss(options, [item, item]))
    assert len(made.findall("channel/item")) == 2
    assert len(json.loads(json_feed(options, [item]))["items"]) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"item_title": "{{ event.delete() }}"}, "a template that works"),
        ({"item_text": "{% for a in x %}"}, "a template that works"),
        ({"formats": []}, "at least 1"),
        ({"name": "../a"}, "without a folder"),
        ({"name": ".hidden"}, "without a folder"),
        ({"url": "https://media.example.com/feed"}, "ends in a slash"),
        ({"public": [{"below": " ", "at": "https://m.example.com/"}]}, "a folder, or an address"),
        ({"public": [{"below": "s3://a", "at": "ftp://m.example.com/"}]}, "http"),
        ({"public": [{"below": "s3://a", "at": "https://m.example.com/x"}]}, "ends in a slash"),
        ({"image": "https://m.example.com/i.svg"}, ".jpg or .png"),
        ({"email": "a@b.example"}, "`author` beside `email`"),
        ({"title": "a\x1b"}, "without control characters"),
        ({"addresses": []}, "at least 1"),
        ({"items": 0}, "greater than or equal to 1"),
    ],
)
def test_a_mistake_in_the_options_is_said_in_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        FeedOptions.model_validate({"to": "/x", **USUAL, **options})


def test_a_folder_is_beside_the_configuration_and_spelt_as_an_archive_spells_it(tmp_path: Path) -> None:
    options = {"to": "feed", **USUAL, "public": [{"below": "my kept/", "at": "https://m.example.com/"}]}
    read = FeedOptions.model_validate(options, context={"base": tmp_path})
    assert read.public[0].below == f"file://{tmp_path}/my%20kept/"
    assert Folder(tmp_path / "my kept").url("a b.mp4").startswith(read.public[0].below)
