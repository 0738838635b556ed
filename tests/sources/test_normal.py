"""What a callback becomes: every field, its unit, its absence, and a name for ever."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

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
    Verified,
    event_id,
    format_time,
    from_document,
    to_document,
    to_json,
)
from gateway.testing import NOW, callback, cases


@pytest.fixture(scope="module")
def open_source(live):
    return live.source(sign_type="none")


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


# --- numbers and times

NUMBERS = [
    ("file_size", "size_bytes", "3957964", 3957964),
    ("file_size", "size_bytes", 0, 0),
    ("file_size", "size_bytes", 2**63 - 1, 2**63 - 1),
    ("file_size", "size_bytes", str(2**63 - 1), 2**63 - 1),
    ("file_size", "size_bytes", 5.0, 5),
    ("record_duration", "duration_seconds", 120, 120.0),
    ("record_duration", "duration_seconds", "120", 120.0),
    ("record_duration", "duration_seconds", "120.5", 120.5),
    ("record_duration", "duration_seconds", 0.25, 0.25),
    ("width", "width", "1280", 1280),
    ("height", "height", "720", 720),
    ("start_time", "started_at", "2020-03-08T14:10:25.5Z", datetime(2020, 3, 8, 14, 10, 25, 500000, tzinfo=UTC)),
    ("start_time", "started_at", "2020-03-08T22:10:25+08:00", datetime(2020, 3, 8, 14, 10, 25, tzinfo=UTC)),
    ("start_time", "started_at", "2020-03-08t22:10:25+0800", datetime(2020, 3, 8, 14, 10, 25, tzinfo=UTC)),
    ("end_time", "ended_at", "2020-03-08T14:10:25.123456789Z", datetime(2020, 3, 8, 14, 10, 25, 123456, tzinfo=UTC)),
]


@pytest.mark.parametrize(("name", "attribute", "value", "expected"), NUMBERS, ids=str)
def test_numbers_may_come_as_text_and_times_in_any_zone(live, open_source, name, attribute, value, expected) -> None:
    event = live.event(open_source, live.finished | {name: value})
    assert getattr(event.files[0], attribute) == expected
    assert type(getattr(event.files[0], attribute)) is type(expected)
    assert event.problems == ()


UNREADABLE = [
    *[
        ("file_size", value)
        for value in (-1, 1.5, True, "12.5", "-1", " 1", "1 ", "1_0", "１２", "²", str(2**63), 1e30, [1], {})
    ],
    *[
        ("record_duration", value)
        for value in (-1, -0.5, True, "2m", "1e3", ".5", "5.", 10**9 + 1, 1e300, "9" * 19, [])
    ],
    *[("width", value) for value in (-1, 2**31, "x", 12.5, {})],
    *[
        ("start_time", value)
        for value in (
            "2020-03-08T14:10:25",
            "2020-03-08",
            "2020-13-08T14:10:25Z",
            "2020-06-31T14:10:25Z",
            "2020-03-08T14:10:60Z",
            "0001-01-01T00:00:00+14:00",
            "0000-01-01T00:00:00Z",
            "20200308T141025Z",
            "2020-03-08T14:10:25Z ",
            "２０２０-03-08T14:10:25Z",
            "2020-03-08T14:10:25+99:00",
            1583676625,
            True,
            [],
        )
    ],
    *[
        (name, value)
        for name in ("record_format", "download_url", "asset_id", "task_id", "project_id")
        for value in (5, ["x"], {"a": 1})
    ],
    ("obs_bucket", False),
]


@pytest.mark.parametrize(("name", "value"), UNREADABLE, ids=str)
def test_what_cannot_be_read_is_kept_as_it_came_and_named(live, open_source, name, value) -> None:
    event = live.event(open_source, live.finished | {name: value})
    assert event.problems == (name,)
    assert event.extra == {name: value}
    assert type(event.extra[name]) is type(value)
    others = live.event(open_source, {key: said for key, said in live.finished.items() if key != name})
    assert event.files == others.files


def test_an_unreadable_job_id_still_tells_two_files_apart(live) -> None:
    source = live.source()
    five, six = (live.event(source, live.signed() | {"job_id": job}) for job in (5, 6))
    assert five.problems == ("job_id",)
    assert five.id != six.id


# --- what has no place


def test_a_field_nobody_knows_is_kept_in_extra(live, open_source) -> None:
    event = live.event(open_source, live.finished | {"new": {"deep": [1, None, "x"]}, "nothing": None, "直播": "é"})
    assert event.extra == {"new": {"deep": [1, None, "x"]}, "nothing": None, "直播": "é"}
    assert event.problems == ()


def test_the_fields_of_a_file_have_no_place_in_an_event_without_one(live, open_source) -> None:
    event = live.event(open_source, live.started | {"file_size": 5, "error_message": "x"})
    assert event.extra == {"file_size": 5, "error_message": "x"}


@pytest.mark.parametrize(
    "name",
    [
        "auth_sign",
        "auth_timestamp",
        "token",
        "download_token",
        "accessToken",
        "Auth-Sign",
        "secret",
        "sign",
        "x_signature",
        "authorization",
    ],
)
def test_credentials_are_in_the_vendors_bytes_alone(live, open_source, name) -> None:
    event = live.event(
        open_source, live.finished | {name: "canary", "new": {name: "canary", "list": [{name: "canary"}]}}
    )
    assert "canary" not in to_json(event)
    assert event.extra == {"new": {"list": [{}]}}
    assert b"canary" in event.raw


def test_a_word_that_only_looks_like_a_credential_is_kept(live, open_source) -> None:
    event = live.event(open_source, live.finished | {"author": "a", "design": "d", "signal": "s", "tokens": 5})
    assert set(event.extra) == {"author", "design", "signal", "tokens"}


# --- names for ever


def test_a_file_is_named_by_its_own_names_and_by_no_auth_field(live) -> None:
    source = live.source()
    event = live.event(source, live.signed(task_id="t"))
    assert event.id == event_id(
        "live",
        "recording.file.completed",
        "push.example.com",
        "live",
        "mystream",
        "hls",
        [live.finished["job_id"], "t", live.finished["asset_id"], "mybucket", "live/record.m3u8"],
    )
    later = live.signed(task_id="t", expires=live.now_seconds + 900)
    assert live.event(source, later, received_at=NOW + timedelta(minutes=1)).id == event.id


def test_a_start_is_named_by_its_expiry_since_nothing_else_tells_two_apart(live) -> None:
    source = live.source()
    expires = str(live.now_seconds + 600)
    event = live.event(source, live.signed(live.started))
    assert event.id == event_id(
        "live", "recording.started", "push.example.com", "live", "mystream", "hls", [expires, None, None]
    )
    whole = live.signed(live.started)
    assert live.event(source, whole | {"auth_timestamp": int(expires)}).id == event.id
    assert live.event(source, live.signed(live.started, expires=live.now_seconds + 601)).id != event.id


def test_without_a_signature_a_start_is_named_by_when_it_came(live, open_source) -> None:
    said = live.started | {"auth_timestamp": "1583676745"}
    first = live.event(open_source, said, received_at=NOW)
    second = live.event(open_source, said, received_at=NOW + timedelta(microseconds=1))
    assert first.id != second.id
    assert first.id == event_id(
        "live", "recording.started", "push.example.com", "live", "mystream", "hls", [format_time(NOW), None, None]
    )


def test_an_unverified_example_of_a_signed_source_is_named_too(live) -> None:
    """Route tests normalise a callback without verification, also one from which the auth fields were taken out."""
    unverified = Verified(trust=Trust.NONE, scheme="none")
    (event,) = live.source().normalise(callback(live.started), unverified)
    assert event.id == live.event(live.source(sign_type="none"), live.started).id
    assert event.trust is Trust.NONE


def test_another_source_gives_another_id(live) -> None:
    from plugins.sources.huawei_live import HuaweiLive

    other = HuaweiLive("other", live.source().options)
    assert live.event(other, live.signed()).id != live.event(live.source(), live.signed()).id


@pytest.mark.parametrize(
    "changes",
    [
        {"publish_domain": "push2.example.com"},
        {"app": "live2"},
        {"stream": "mystream2"},
        {"record_format": "MP4"},
        {"expires": 1},
        {"event_type": "RECORD_OVER"},
    ],
    ids=str,
)
def test_two_domains_apps_streams_formats_mornings_and_types_are_two_events(live, changes) -> None:
    source = live.source(domains=[], apps=[])
    expires = live.now_seconds + 600 + changes.pop("expires", 0)
    other = live.signed(live.started, **changes, expires=expires)
    assert live.event(source, live.signed(live.started)).id != live.event(source, other).id


def test_two_unknown_types_are_two_events(live, open_source) -> None:
    ids = {live.event(open_source, live.finished | {"event_type": kind}).id for kind in ("RECORD_A", "RECORD_B")}
    assert len(ids) == 2


TEXT = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
VALUE = (
    st.none() | st.text(TEXT, max_size=4) | st.integers(-3, 3) | st.booleans() | st.lists(st.integers(0, 2), max_size=2)
)
IDENTITY = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(["RECORD_START", "RECORD_FILE_COMPLETE", "RECORD_NEW", "RECORD_NEW2", "5"]),
        "publish_domain": st.text(TEXT, max_size=3),
        "app": st.text(TEXT, max_size=3),
        "stream": st.text(TEXT, max_size=3),
        "record_format": st.sampled_from(["HLS", "FLV", "a", "b"]),
        "job_id": VALUE,
        "task_id": VALUE,
        "asset_id": VALUE,
        "obs_bucket": VALUE,
        "obs_object": VALUE,
        "error_message": VALUE,
    }
)


def named(said: dict, expires: str) -> str:
    """What must tell two events apart, written apart from the code: JSON text, where 1 and true differ."""
    parts = [said[name] for name in ("event_type", "publish_domain", "app", "stream", "record_format")]
    if said["job_id"] in (None, ""):
        parts += [expires, said["task_id"], said["error_message"]]
    else:
        parts += [said[name] for name in ("job_id", "task_id", "asset_id", "obs_bucket", "obs_object")]
    return json.dumps(parts)


@given(
    one=IDENTITY,
    changes=st.dictionaries(
        st.sampled_from(["app", "stream", "job_id", "task_id", "obs_object", "error_message", "event_type"]),
        VALUE,
        max_size=3,
    ),
    later=st.booleans(),
)
def test_two_events_that_differ_in_identity_never_share_an_id_and_others_always_do(live, one, changes, later) -> None:
    source = live.source(sign_type="md5", domains=[], apps=[])
    other = one | {
        name: value
        for name, value in changes.items()
        if type(value) is type(one[name]) or name not in {"app", "stream", "event_type"}
    }
    times = live.now_seconds + 600, live.now_seconds + 600 + later
    first, second = (
        live.event(source, live.signed(said, formula="md5", expires=expires))
        for said, expires in zip((one, other), times, strict=True)
    )
    assert (first.id == second.id) == (named(one, str(times[0])) == named(other, str(times[1])))


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
