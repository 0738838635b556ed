"""What a callback becomes: every field, its unit, its absence, and a name for ever."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    Fault,
    File,
    Storage,
    Trust,
    from_document,
    to_document,
    to_json,
)
from gateway.testing import NOW, cases
from tests.sources.any_text import TEXT


def test_every_field_of_a_finished_file_has_its_place(live) -> None:
    said = live.signed()
    event = live.event(live.source(), said)
    assert replace(event, raw=b"") == replace(
        event,
        raw=b"",
        type=FILE_COMPLETED,
        source="live",
        provider="huawei-live",
        vendor_type="RECORD_FILE_COMPLETE",
        domain="push.example.com",
        app="live",
        stream="mystream",
        format="hls",
        project_id="70b76000000034253880af501cd00000",
        job_id="dc0a1773-0cef-4000-8000-9a38fdb095d2",
        task_id=None,
        time=datetime(2020, 3, 8, 14, 12, 25, tzinfo=UTC),
        received_at=NOW,
        trust=Trust.FIELDS,
        files=(
            File(
                format="hls",
                download_url="https://obs.example.com/live/record.m3u8",
                play_url="https://vod.example.com/asset/record.m3u8",
                asset_id="1a0d8e9bfae000000be5021e62aa1e96",
                size_bytes=3957964,
                duration_seconds=120.0,
                width=1280,
                height=720,
                started_at=datetime(2020, 3, 8, 14, 10, 25, tzinfo=UTC),
                ended_at=datetime(2020, 3, 8, 14, 12, 25, tzinfo=UTC),
                storage=Storage(location="https://obs.example.com", bucket="mybucket", key="live/record.m3u8"),
            ),
        ),
        error=None,
        extra={},
        problems=(),
    )
    assert (event.verified.scheme, event.verified.key) == ("hmac-sha256-fields", 0)
    assert json.loads(event.raw) == said


@pytest.mark.parametrize(
    ("vendor_type", "type"),
    [
        ("RECORD_START", RECORDING_STARTED),
        ("RECORD_NEW_FILE_START", FILE_STARTED),
        ("RECORD_FILE_COMPLETE", FILE_COMPLETED),
        ("RECORD_OVER", RECORDING_ENDED),
        ("RECORD_FAILED", RECORDING_FAILED),
        ("RECORD_TRANSCRIBED", RECORDING_UNKNOWN),
    ],
)
def test_every_type_has_a_type_of_ours_and_keeps_its_own_name(live, vendor_type, type) -> None:
    event = live.event(live.source(), live.signed(live.started, event_type=vendor_type))
    assert (event.type, event.vendor_type) == (type, vendor_type)
    assert (event.domain, event.app, event.stream, event.format) == ("push.example.com", "live", "mystream", "hls")
    if type != FILE_COMPLETED:
        assert event.time is None


def test_a_file_that_begins_has_its_format_and_nothing_else(live, open_source) -> None:
    said = live.started | {"event_type": "RECORD_NEW_FILE_START", "job_id": "j", "start_time": "2020-03-08T14:10:25Z"}
    event = live.event(open_source, said)
    assert event.files == (File(format="hls"),)
    assert event.job_id == "j"
    assert event.extra == {"start_time": "2020-03-08T14:10:25Z"}
    assert event.problems == ()


def test_the_start_of_a_file_and_its_completion_share_the_job_id_and_not_the_id(live, open_source) -> None:
    start = live.event(open_source, live.started | {"event_type": "RECORD_NEW_FILE_START", "job_id": "j"})
    complete = live.event(open_source, live.finished | {"job_id": "j"})
    assert start.job_id == complete.job_id
    assert start.id != complete.id


@pytest.mark.parametrize(("said", "message"), [({"error_message": "pull failed"}, "pull failed"), ({}, None)], ids=str)
def test_a_failure_says_why_in_the_vendors_words(live, open_source, said, message) -> None:
    event = live.event(open_source, live.started | {"event_type": "RECORD_FAILED"} | said)
    assert event.error == Fault(code=None, message=message)
    assert event.files == ()
    assert event.extra == {}


def test_an_unknown_type_keeps_a_file_and_an_error_where_it_has_them(live, open_source) -> None:
    event = live.event(open_source, live.finished | {"event_type": "RECORD_NEW", "error_message": "late"})
    assert event.files[0].size_bytes == 3957964
    assert event.error == Fault(message="late")
    bare = live.event(open_source, live.started | {"event_type": "RECORD_NEW"})
    assert (bare.files, bare.error) == ((), None)


def test_the_sparse_callback_of_the_current_page_is_read_too(live) -> None:
    """An integer expiry, a task_id, no play_url."""
    said = live.signed(task_id="t-1", play_url="")
    del said["play_url"]
    event = live.event(live.source(), said | {"auth_timestamp": int(said["auth_timestamp"])})
    assert event.trust is Trust.FIELDS
    assert event.task_id == "t-1"
    assert event.files[0].play_url is None


@pytest.mark.parametrize("format", ["HLS", "FLV", "MP4", "hls", "Mp4"])
def test_formats_are_lower_case(live, open_source, format) -> None:
    event = live.event(open_source, live.finished | {"record_format": format})
    assert event.format == event.files[0].format == format.lower()


@pytest.mark.parametrize("empty", [None, ""], ids=repr)
def test_null_and_empty_fields_are_absent(live, open_source, empty) -> None:
    names = set(live.finished) - {"event_type", "publish_domain", "app", "stream"}
    event = live.event(open_source, live.finished | dict.fromkeys(names, empty))
    assert event.files == (File(),)
    assert (event.format, event.project_id, event.job_id, event.time) == (None, None, None, None)
    assert (event.extra, event.problems) == ({}, ())


def test_an_empty_name_is_a_name(live) -> None:
    event = live.event(live.source(apps=[]), live.signed(live.started, app="", stream=""))
    assert (event.app, event.stream, event.subject) == ("", "", "push.example.com")


# --- hostile, but signed


@pytest.mark.parametrize("case", cases("stream"), ids=str)
def test_a_hostile_stream_name_is_data(live, case) -> None:
    event = live.event(live.source(), live.signed(stream=case.value))
    assert event.stream == case.value
    assert event.trust is (Trust.TIMESTAMP if "://" in case.value else Trust.FIELDS)
    assert to_document(from_document(json.loads(to_json(event)))) == to_document(event)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(TEXT, max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    changes=st.dictionaries(
        st.sampled_from(
            [
                "record_format",
                "job_id",
                "file_size",
                "record_duration",
                "start_time",
                "end_time",
                "width",
                "obs_location",
                "error_message",
                "x",
                "auth_sign",
            ]
        ),
        ANY,
    ),
    kind=st.sampled_from(["RECORD_FILE_COMPLETE", "RECORD_FAILED", "RECORD_NEW"]),
)
def test_whatever_the_other_fields_are_the_event_is_accepted_and_survives_the_store(live, changes, kind) -> None:
    event = live.event(live.source(sign_type="none"), live.finished | {"event_type": kind} | changes)
    assert to_json(from_document(json.loads(to_json(event)))) == to_json(event)
    to_json(event).encode()
    for name in event.problems:
        assert event.extra[name] == changes[name]
