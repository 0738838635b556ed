"""From the vendor's callback to the copy, the chat, the row and the feed, by YAML alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from gateway.model import FILE_COMPLETED, RECORDING_ARCHIVED, Trust
from gateway.testing import Reply, ScriptedServer, running

MEDIA = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 400
CONFIG = """
sources: {live: {type: huawei-live, keys: [a-key-of-thirty-two-characters-00], domains: [push.example.com], apps: [live]}}
sinks:
  keep: {type: archive, to: FOLDER/kept, allow: [127.0.0.0/8]}
  ops: {type: chat, service: mattermost, url: "CHAT/hooks/a-secret-of-the-chat"}
  rows: {type: database, url: "sqlite:///FOLDER/rows.db"}
  podcast:
    type: feed
    to: FOLDER/feed
    title: The studio
    link: https://media.example.com/
    public: [{below: FOLDER/kept, at: "https://media.example.com/files/"}]
routes:
  - {name: copy, match: {type: recording.file.completed}, to: [keep, podcast]}
  - {name: tell, match: {type: recording.archived}, to: [ops, rows, podcast]}
"""


async def test_a_callback_becomes_a_copy_a_message_a_row_and_an_item_of_a_feed(tmp_path: Path) -> None:
    for name in ("kept", "feed"):
        (tmp_path / name).mkdir()
    async with (
        ScriptedServer(otherwise=Reply(body=MEDIA)) as vendor,
        ScriptedServer(otherwise=Reply(body=b"ok")) as chat,
    ):
        config = (
            CONFIG.replace("QUOTED", quote(str(tmp_path))).replace("FOLDER", str(tmp_path)).replace("CHAT", chat.url)
        )
        async with running(config) as gateway:
            link = vendor.url + "/live/a.mp4?auth_key=1-2-3-4"
            await gateway.send(
                "RECORD_FILE_COMPLETE",
                fields={"download_url": link, "play_url": "", "file_size": str(len(MEDIA)), "record_format": "MP4"},
            )
            completed, archived = sorted(gateway.events(), key=lambda event: event.depth)
    assert [completed.type, archived.type] == [FILE_COMPLETED, RECORDING_ARCHIVED]
    [file] = archived.files
    assert (archived.trust, file.sha256) == (Trust.FIELDS, sha256(MEDIA).hexdigest())
    assert file.archived is not None
    [copy] = list((tmp_path / "kept").rglob("*.mp4"))
    assert copy.read_bytes() == MEDIA
    [message] = chat.received
    assert "Recording archived" in message.body.decode()
    with closing(sqlite3.connect(tmp_path / "rows.db")) as rows:
        row = rows.execute("SELECT event_type, cause_id, cause_sink, archived_url, sha256 FROM recordings").fetchall()
    assert row == [(RECORDING_ARCHIVED, completed.id, "keep", file.archived.url, file.sha256)]
    [item] = json.loads((tmp_path / "feed" / "feed.json").read_bytes())["items"]
    published = "https://media.example.com/files/" + quote(str(copy.relative_to(tmp_path / "kept")))
    assert (item["id"], item["url"]) == (f"live/{completed.id}", published)
    [listed] = ElementTree.parse(tmp_path / "feed" / "feed.xml").getroot().findall("channel/item")
    enclosure = listed.find("enclosure")
    assert enclosure is not None
    assert enclosure.attrib == {"url": published, "length": str(len(MEDIA)), "type": "video/mp4"}
    everywhere = [message.body, *((tmp_path / "feed" / name).read_bytes() for name in ("feed.json", "feed.xml"))]
    assert not [text for text in everywhere if b"auth_key" in text]
