"""The sample events, and events as people write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gateway.events.cloudevents import from_document, to_document, to_json
from gateway.events.event_reader import FLAT_KEYS
from gateway.events.samples import event_of, largest, sample
from gateway.model import EVENT_TYPES, Archived, Cause, Fault, File, Measured, Storage, Trust


@pytest.mark.parametrize("type", EVENT_TYPES)
@pytest.mark.parametrize("full", [True, False])
def test_a_sample_of_every_type_survives_its_json(type: str, full: bool) -> None:
    event = sample(type, full=full)
    assert from_document(json.loads(to_json(event))) == event
    assert event.type == type


def test_a_full_sample_has_what_its_type_can_carry() -> None:
    assert sample("recording.file.completed").files[0].duration_seconds == 120.0
    assert sample("recording.file.started").files == (File(format="hls"),)
    assert sample("recording.started").files == ()
    assert sample("recording.failed").error is not None
    assert sample("recording.started").error is None
    assert sample("recording.unknown").extra


def test_a_sparse_sample_has_nothing_that_may_be_absent() -> None:
    event = sample("recording.file.completed", full=False)
    assert (event.domain, event.app, event.stream, event.time, event.error) == (None, None, None, None, None)
    assert event.files == (File(),)


def test_the_largest_event_is_about_as_big_as_a_body_may_be() -> None:
    event = largest("recording.file.completed")
    assert len(event.files) == 200
    assert 200 * 1024 < len(to_json(event)) < 400 * 1024


def test_what_the_flat_form_leaves_out_comes_from_the_sample() -> None:
    event = event_of({"type": "recording.failed", "stream": "vip-7"})
    assert (event.stream, event.app, event.trust) == ("vip-7", "live", Trust.FIELDS)
    assert event.error == sample("recording.failed").error


def test_what_a_file_leaves_out_comes_from_the_sample_too() -> None:
    event = event_of({"type": "recording.file.completed", "files": [{"duration_seconds": 90}, {"format": None}]})
    assert [file.duration_seconds for file in event.files] == [90.0, 120.0]
    assert [file.format for file in event.files] == ["hls", None]
    assert event.files[0].storage is not None


def test_every_key_of_the_flat_form_is_read() -> None:
    written = {
        "type": "recording.failed",
        "id": "abc",
        "source": "s",
        "provider": "p",
        "vendor_type": "V",
        "domain": "d",
        "app": "a",
        "stream": 1001,
        "format": "mp4",
        "project_id": "pr",
        "job_id": "j",
        "task_id": "t",
        "trust": "none",
        "time": "2026-01-01T00:00:00Z",
        "received_at": "2026-01-01T00:00:01+00:00",
        "files": [{"size_bytes": "12", "width": 1, "started_at": "2026-01-01T00:00:00Z", "storage": {"bucket": "b"}}],
        "error": {"code": 7, "message": "m"},
        "extra": {"k": [1]},
        "problems": ["file_size"],
        "cause": {"id": "a1", "sink": "archive"},
        "depth": "1",
        "reconciled": "true",
    }
    assert set(written) == set(FLAT_KEYS)
    event = event_of(written)
    assert (event.cause, event.depth, event.reconciled) == (Cause("a1", "archive"), 1, True)
    assert (event.id, event.stream, event.trust, event.problems) == ("abc", "1001", Trust.NONE, ("file_size",))
    assert event.error == Fault(code="7", message="m")
    assert event.files[0] == File(
        size_bytes=12, width=1, started_at=datetime(2026, 1, 1, tzinfo=UTC), storage=Storage(bucket="b")
    )
    assert (event.extra, event.time) == ({"k": [1]}, datetime(2026, 1, 1, tzinfo=UTC))
    assert event.received_at == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_what_a_sink_found_out_of_a_file_is_written_like_the_rest_of_it() -> None:
    look = {"at": "2026-01-01T00:00:00Z", "by": "confirm", "size_bytes": 5, "etag": "e", "media_type": "video/mp4"}
    file = {"sha256": "ab", "expires_at": "2026-01-02T00:00:00Z", "measured": look, "archived": {"url": "s3://b/k"}}
    (read,) = event_of({"type": "recording.archived", "files": [file]}).files
    assert read.measured == Measured(
        at=datetime(2026, 1, 1, tzinfo=UTC), by="confirm", size_bytes=5, etag="e", media_type="video/mp4"
    )
    assert (read.archived, read.sha256, read.expires_at) == (
        Archived(url="s3://b/k"),
        "ab",
        datetime(2026, 1, 2, tzinfo=UTC),
    )
    assert read.size_bytes == 3_957_964  # the sample's, as of any other file


def test_null_makes_a_value_absent() -> None:
    nothing = {"stream": None, "error": None, "files": None, "extra": None, "time": None, "problems": None}
    event = event_of({"type": "recording.failed", **nothing})
    assert (event.stream, event.error, event.files, event.extra, event.time) == (None, None, (), {}, None)
    file = event_of(
        {"type": "recording.file.completed", "files": [{"storage": None, "duration_seconds": None, "size_bytes": None}]}
    ).files[0]
    assert (file.storage, file.duration_seconds, file.size_bytes) == (None, None, None)


def test_an_error_may_be_a_mere_message() -> None:
    assert event_of({"type": "recording.failed", "error": "gone"}).error == Fault(message="gone")


def test_values_of_the_model_are_taken_as_they_are() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    event = sample("recording.file.completed", files=[File(storage=Storage(key="k"))], error=Fault(code="c"), time=at)
    assert (event.files[0].storage, event.error, event.time) == (Storage(key="k"), Fault(code="c"), at)
    assert event_of({"type": "recording.file.completed", "files": [{"storage": Storage(key="k")}]}).files[
        0
    ].storage == Storage(key="k")


def test_the_source_and_provider_that_are_not_said_are_the_callers() -> None:
    event = event_of({"type": "recording.ended"}, source="other", provider="vendor")
    assert (event.source, event.provider) == ("other", "vendor")
    assert event_of({"type": "recording.ended", "source": "own"}, source="other").source == "own"


def test_events_that_differ_have_ids_that_differ() -> None:
    assert event_of({"type": "recording.ended"}).id != event_of({"type": "recording.ended", "stream": "x"}).id


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([], "`event` is a mapping, not a list"),
        (None, "`event` is a mapping, not nothing"),
        ({}, "the event has no `type`"),
        ({"type": "recording.fialed"}, "did you mean 'recording.failed'?"),
        ({"type": 7}, "there is no event type '7'"),
        ({"type": "recording.ended", "strem": "x"}, "unknown key 'strem'; did you mean 'stream'?"),
        ({"type": "recording.ended", "files": [{7: "x"}]}, "unknown key 7"),
        ({"type": "recording.ended", "stream": True}, "`stream` is text, not True"),
        ({"type": "recording.ended", "stream": ["x"]}, "`stream` is text, not a list"),
        ({"type": "recording.ended", "stream": {}}, "`stream` is text, not a mapping"),
        ({"type": "recording.ended", "trust": "all"}, "`trust` is one of none, timestamp, fields, body, not 'all'"),
        ({"type": "recording.ended", "trust": None}, "`trust` cannot be absent"),
        ({"type": "recording.ended", "source": ""}, "`source` cannot be absent"),
        ({"type": "recording.ended", "time": "yesterday"}, "`time` is an RFC 3339 time"),
        ({"type": "recording.ended", "time": "2026-01-01T00:00:00"}, "`time` is an RFC 3339 time"),
        ({"type": "recording.ended", "files": {"format": "hls"}}, "`files` is a list, not a mapping"),
        ({"type": "recording.archived", "files": [{"archived": {}}]}, "`files[0].archived` needs `url`"),
        ({"type": "recording.archived", "files": [{"measured": {"by": "x"}}]}, "`files[0].measured` needs `at`"),
        ({"type": "recording.archived", "cause": {"id": "x"}}, "`cause` needs `id`"),
        ({"type": "recording.archived", "cause": {"sinks": "x"}}, "in `cause`; did you mean 'sink'?"),
        ({"type": "recording.ended", "files": ["x"]}, "`files[0]` is a mapping, not 'x'"),
        ({"type": "recording.ended", "files": [{"duration": 1}]}, "in `files[0]`; did you mean 'duration_seconds'?"),
        ({"type": "recording.ended", "files": [{"duration_seconds": "x"}]}, "`files[0].duration_seconds` is a number"),
        ({"type": "recording.ended", "files": [{"duration_seconds": float("nan")}]}, "is a number"),
        ({"type": "recording.ended", "files": [{"duration_seconds": [1]}]}, "is a number, not a list"),
        ({"type": "recording.ended", "files": [{"size_bytes": 1.5}]}, "`files[0].size_bytes` is a whole number"),
        ({"type": "recording.ended", "files": [{"size_bytes": True}]}, "is a whole number"),
        ({"type": "recording.ended", "files": [{"storage": "x"}]}, "`files[0].storage` is a mapping"),
        ({"type": "recording.ended", "files": [{"storage": {"buckett": "x"}}]}, "did you mean 'bucket'?"),
        ({"type": "recording.ended", "error": {"kode": 1}}, "did you mean 'code'?"),
        ({"type": "recording.ended", "extra": [1]}, "`extra` is a mapping"),
        ({"type": "recording.ended", "problems": "x"}, "`problems` is a list"),
        ({"type": "recording.ended", "extra": {1, 2}}, "not set"),
    ],
)
def test_a_mistake_in_an_event_is_named(written: object, said: str) -> None:
    with pytest.raises(ValueError) as wrong:
        event_of(written)  # type: ignore[arg-type]
    assert said in str(wrong.value)


def test_cloudevents_json_is_read_as_it_is() -> None:
    event = sample("recording.file.completed", stream="x")
    assert event_of(to_document(event)) == event


def test_cloudevents_json_may_say_only_what_it_must() -> None:
    event = event_of({"specversion": "1.0", "id": "1", "source": "/sources/live", "type": "recording.ended"})
    assert (event.source, event.stream, event.trust) == ("live", None, Trust.NONE)


def test_a_bare_number_in_cloudevents_json_is_text_where_text_is_wanted() -> None:
    data = {"stream": 1001, "files": [{"format": "hls"}]}
    assert event_of({"id": "1", "source": "s", "type": "recording.ended", "data": data}).stream == "1001"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": ""}, "`id` is missing"),
        ({"source": None}, "`source` is missing"),
        ({"type": "recording.fialed"}, "did you mean 'recording.failed'?"),
        ({"trust": "x"}, "`trust` is one of"),
        ({"dta": {}}, "unknown key 'dta'; did you mean 'data'?"),
        ({"data": []}, None),
        ({"data": "x"}, "`data` is a mapping"),
        ({"data": {"strem": 1}}, "unknown key 'strem' in `data`; did you mean 'stream'?"),
        ({"data": {"files": [{"size": 1}]}}, "did you mean 'size_bytes'?"),
        ({"data": {"files": "x"}}, "`data.files` is a list"),
        ({"data": {"received_at": "x"}}, "`data.received_at` is an RFC 3339 time"),
        ({"data": {"verified": "x"}}, "verified: str found"),
        ({"time": "x"}, "time: "),
    ],
)
def test_a_mistake_in_cloudevents_json_is_named(change: dict, said: str | None) -> None:
    document = {
        "specversion": "1.0",
        "id": "1",
        "source": "/sources/live",
        "type": "recording.ended",
        "data": {},
        **change,
    }
    if said is None:
        event_of(document)
        return
    with pytest.raises(ValueError) as wrong:
        event_of(document)
    assert said in str(wrong.value)
