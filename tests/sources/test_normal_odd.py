"""Numbers and times in any spelling, what cannot be read, what nobody knows: kept, named, and never a credential."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway import (
    to_json,
)

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
