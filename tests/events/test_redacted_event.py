"""What `redact` takes out of an event: what the paths say, whatever says the same, and nothing that an event is known by."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import Archived, Event, Fault, File, Measured, Storage, to_document, to_json
from gateway.events.cloudevents import fingerprint
from gateway.events.event_annotations import unredacted_of
from gateway.events.field_path import parse_path
from gateway.events.places import agree, places_of
from gateway.events.redacted_event import Redaction
from gateway.model import REDACTED
from tests.delivered_events import what_is_wrong
from tests.events.test_cloudevents import ANY_EVENT

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URL = "https://cdn.example.com/live/a.mp4?sig=canary"
FULL = Event(
    id="1",
    type="recording.file.completed",
    source="live",
    provider="huawei-live",
    received_at=NOW,
    domain="push.example.com",
    app="live",
    stream="canary",
    project_id="p-1",
    job_id="j-1",
    files=(
        File(
            download_url=URL,
            play_url="https://cdn.example.com/other",
            size_bytes=12,
            started_at=NOW,
            storage=Storage(location="obs", bucket="b", key="live/a.mp4"),
            measured=Measured(at=NOW, by="confirm", size_bytes=12, etag="e"),
            archived=Archived(url="s3://b/a.mp4", at=NOW),
        ),
        File(format="flv"),
    ),
    error=Fault(code="5", message=f"could not upload {URL} twice"),
    extra={"user": {"phone": "+358401234567", "age": 44}, "odd": [1, "two"], "user id": 7, "copy": URL, "n": None},
    raw=b'{"download_url": "canary"}',
)


def data(*paths: str, of: Event = FULL) -> Any:
    return json.loads(to_json(Redaction(paths).redact(of)))["data"]


@pytest.mark.parametrize(
    ("path", "place", "found"),
    [
        ("$.data.files[*].download_url", ("files", 0, "download_url"), REDACTED),
        ("$.data.files[0].download_url", ("files", 0, "download_url"), REDACTED),
        ("$['data'][\"files\"][*]['download_url']", ("files", 0, "download_url"), REDACTED),
        ("$.data.files[1].format", ("files", 1, "format"), None),
        ("$.data.files[*].size_bytes", ("files", 0, "size_bytes"), None),
        ("$.data.files[*].started_at", ("files", 0, "started_at"), None),
        ("$.data.files[*].storage", ("files", 0, "storage"), dict.fromkeys(("location", "bucket", "key"), REDACTED)),
        ("$.data.files[*].storage.key", ("files", 0, "storage", "bucket"), "b"),
        ("$.data.files[*].measured.etag", ("files", 0, "measured", "etag"), REDACTED),
        ("$.data.files[*].archived", ("files", 0, "archived", "url"), REDACTED),
        ("$.data.files", ("files", 0, "play_url"), REDACTED),
        ("$.data.error.message", ("error",), {"code": "5", "message": REDACTED}),
        ("$.data.error", ("error",), {"code": REDACTED, "message": REDACTED}),
        ("$.data.extra.user", ("extra", "user"), REDACTED),
        ("$.data.extra.user.age", ("extra", "user", "age"), REDACTED),
        ("$.data.extra['user id']", ("extra", "user id"), REDACTED),
        ("$.data.extra.odd[0]", ("extra", "odd"), [REDACTED, "two"]),
        ("$.data.extra.*", ("extra", "n"), None),
        ("$.data.extra", ("extra", "odd"), REDACTED),
        ("$.data.extra..phone", ("extra", "user", "phone"), REDACTED),
        ("$..phone", ("extra", "user", "phone"), REDACTED),
        ("$..url", ("files", 0, "archived", "url"), REDACTED),
        ("$.data.project_id", ("project_id",), REDACTED),
        ("$.data.job_id", ("job_id",), None),
        ("$..sha256", ("files", 0, "size_bytes"), 12),
    ],
)
def test_a_path_takes_out_what_it_names(path: str, place: tuple[Any, ...], found: object) -> None:
    value = data(path)
    for key in place:
        value = value[key]
    assert value == found


def test_what_is_taken_out_whole_is_absent_and_what_the_event_is_known_by_stays() -> None:
    said = data("$.data.files[*].measured", "$.data.files[*].download_url")
    assert "measured" not in said["files"][0]
    assert said["stream"] == "canary"


def test_whatever_says_the_same_goes_too() -> None:
    said = data("$.data.files[*].download_url")
    assert said["extra"]["copy"] == REDACTED
    assert said["error"]["message"] == f"could not upload {REDACTED} twice"
    assert URL not in json.dumps(said)


def test_what_could_not_be_read_goes_too_because_it_may_be_what_is_meant() -> None:
    odd = FULL.replace(problems=("file.links[0].url",), extra={"file": {"links": [{"url": 5}]}, "other": "kept"})
    assert data("$.data.files[*].download_url", of=odd)["extra"] == {"file": REDACTED, "other": "kept"}


def test_an_event_of_a_callback_is_compared_by_what_it_said_and_keeps_no_bytes() -> None:
    redacted = Redaction(["$.data.files[*].download_url", "$.data.files[*].storage"]).of_callback(FULL)
    before = unredacted_of(redacted)
    assert before is not None
    assert (before.fingerprint, before.places) == (fingerprint(FULL), places_of(FULL))
    assert redacted.raw == b""
    assert before.places
    everything = Redaction(["$.data.files"]).redact(FULL)
    assert not places_of(everything)  # a mark is no place
    assert agree(everything, FULL)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data.files", "such as $.data.files"),
        ("$", "begins with $.data"),
        ("$.id", "begins with $.data"),
        ("$.data", "a field below $.data: files"),
        ("$.data.*", "a field below $.data: files"),
        ("$.data.stream", "another field than `stream`: the gateway finds"),
        ("$..stream", "below `extra` it is $.data.extra..stream"),
        ("$.data.files.download_url", "[*] behind `files`"),
        ("$.data.files[*].downlod_url", "did you mean 'download_url'?"),
        ("$.data.files[*].download_url.host", "nothing stands below"),
        ("$.data.files[*].measured.at", "a field that an event has there, not 'at'"),
        ("$.data.files[?@.format == 'mp4']", "character 13 is none of them"),
        ("$.data.extra.user-id", "character 18 is none of them"),
        ("$.data.extra[0:2]", "is none of them"),
        ("$.data.extra.", "is none of them"),
        ("$.data.extra" + ".a" * 200, "at most 256 characters"),
        ("$.data.extra" + ".a" * 20, "at most 16 steps"),
    ],
)
def test_a_path_that_could_never_be_meant_says_what_was_expected(path: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse_path(path)


PATHS = ["$.data.files", "$.data.files[*].download_url", "$.data.files[*].storage.key", "$.data.error", "$.data.extra",
         "$.data.extra.*", "$..format", "$.data.project_id", "$.data.files[*].measured", "$.data.files[*].archived", "$..url"]  # fmt: skip


@given(ANY_EVENT, st.lists(st.sampled_from(PATHS), min_size=1, max_size=4))
def test_a_redacted_event_is_an_event_and_again_the_same(event: Event, paths: list[str]) -> None:
    redaction = Redaction(paths)
    redacted = redaction.redact(event)
    document = json.loads(to_json(redacted))
    assert not what_is_wrong(document) or what_is_wrong(json.loads(to_json(event)))
    assert redaction.redact(redacted) == redacted
    assert {**document, "data": 0} == {**json.loads(to_json(event)), "data": 0}
    assert to_document(redacted)["data"]["stream"] == event.stream
