"""Feeds in a folder of a test, read back by parsers that are not ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from gateway import FILE_COMPLETED, RECORDING_ARCHIVED, Archived, Cause, Delivery, File, Trust
from gateway.testing import NOW, FrozenClock, delivery, event, opened
from plugins.sinks.feed import Feed

ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
ATOM = "{http://www.w3.org/2005/Atom}"
USUAL: Mapping[str, Any] = {
    "title": "The studio",
    "link": "https://media.example.com/",
    "public": [
        {"below": "/srv/media", "at": "https://media.example.com/files/"},
        {"below": "s3://archive", "at": "https://cdn.example.com/"},
    ],
}


def feeding(folder: Path, **options: Any) -> AbstractAsyncContextManager[Feed]:
    clock = options.pop("clock", FrozenClock())
    return opened(Feed, {"to": str(folder), **USUAL, **options}, name="pod", clock=clock)


def finished(number: int = 1, *, url: str | None = "https://play.example.com/a.mp4", **changes: Any) -> Delivery:
    """A finished file, that many hours after the first."""
    at = NOW.replace(hour=number % 24, day=1 + number // 24)
    file = File(format="mp4", play_url=url, size_bytes=1000 + number, duration_seconds=90.5, ended_at=at)
    usual: dict[str, Any] = {"files": (file,), "trust": Trust.FIELDS, "stream": f"s{number}", "time": at, "extra": {}}
    return delivery(event(FILE_COMPLETED, number=number, **(usual | changes)))


def archived(of: Delivery, url: str = "file:///srv/media/live/a%20b.mp4", **changes: Any) -> Delivery:
    """What follows on it when it was copied."""
    cause = of.event
    files = tuple(file.replace(archived=Archived(url=url, at=NOW)) for file in cause.files)
    usual: dict[str, Any] = {
        "files": files,
        "cause": Cause(cause.ref, "archive"),
        "depth": 1,
        "id": "f" * 8 + cause.id[8:],
    }
    return delivery(cause.replace(type=RECORDING_ARCHIVED, **(usual | changes)))


def rss_items(folder: Path, name: str = "feed.xml") -> list[ElementTree.Element]:
    return ElementTree.parse(folder / name).getroot().findall("channel/item")


def titles(folder: Path) -> list[str]:
    """What is listed, newest first; both files say the same."""
    listed = [str(item["title"]) for item in json_feed(folder)["items"]]
    assert [item.findtext("title") for item in rss_items(folder)] == listed
    return listed


def streams(folder: Path) -> list[str]:
    return [title.partition(" ")[0].partition("/")[2] for title in titles(folder)]


def json_feed(folder: Path, name: str = "feed.json") -> Any:
    return json.loads((folder / name).read_bytes())
