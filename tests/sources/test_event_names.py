"""The name of an event: the same for ever, and another wherever anything that tells two apart is another."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import (
    Trust,
    Verified,
    event_id,
    format_time,
)
from gateway.testing import NOW, callback
from tests.sources.any_text import TEXT

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
