"""The vendor, played: each type with the fields of its page, signed, and the usual forgeries."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    Scene,
    Trust,
    Untrusted,
)
from gateway.testing import NOW, callback, cases

OF_ALL = {"project_id", "event_type", "publish_domain", "app", "stream", "record_format", "auth_sign", "auth_timestamp"}
FINISHED = {
    *("job_id", "download_url", "asset_id", "play_url", "file_size", "record_duration", "start_time", "end_time"),
    *("width", "height", "obs_location", "obs_bucket", "obs_object"),
}
FIELDS = {
    "RECORD_START": OF_ALL,
    "RECORD_NEW_FILE_START": OF_ALL | {"job_id"},
    "RECORD_FILE_COMPLETE": OF_ALL | FINISHED,
    "RECORD_OVER": OF_ALL,
    "RECORD_FAILED": OF_ALL | {"error_message"},
}


def play(source, type="RECORD_FILE_COMPLETE", number=1, **scene):
    return source.play(Scene(type=type, number=number, now=scene.pop("now", NOW), **scene))


def said(played):
    return json.loads(played.body)


@pytest.mark.parametrize("type", FIELDS)
def test_each_type_carries_the_fields_of_the_vendors_page_and_no_others(live, type) -> None:
    source = live.source()
    assert set(source.scenes) == set(FIELDS)
    assert set(said(play(source, type))) == FIELDS[type]
    event = live.event(source, play(source, type).body)
    assert (event.extra, event.problems) == ({}, ())


def test_our_own_names_of_the_types_can_be_played_too(live) -> None:
    source = live.source()
    for type in (RECORDING_STARTED, FILE_STARTED, FILE_COMPLETED, RECORDING_ENDED, RECORDING_FAILED):
        assert live.event(source, play(source, type).body).type == type


@pytest.mark.parametrize(
    ("scheme", "formula", "trust"),
    [
        (None, "fields", Trust.FIELDS),
        ("HMACSHA256", "fields", Trust.FIELDS),
        ("hmac-sha256-timestamp", "timestamp", Trust.TIMESTAMP),
        ("md5", "md5", Trust.TIMESTAMP),
    ],
    ids=str,
)
def test_it_is_signed_by_the_vendors_formula_with_the_first_key(live, scheme, formula, trust) -> None:
    source = live.source(keys=[live.key, live.other_key], sign_type=["md5", "hmac-sha256"])
    played = play(source, scheme=scheme)
    sent = said(played)
    assert sent["auth_sign"] == live.by_formula(formula, sent, sent["auth_timestamp"], live.key)
    verified = source.verify(callback(played))
    assert (verified.trust, verified.key) == (trust, 0)


def test_without_a_word_it_is_signed_as_the_source_wants_it(live) -> None:
    assert len(said(play(live.source(sign_type="md5")))["auth_sign"]) == 32
    assert "auth_sign" not in said(play(live.source(sign_type="none")))
    assert "auth_sign" not in said(play(live.source(), scheme="none"))


@pytest.mark.parametrize("sign_type", ["hmac-sha256-fields", "hmac-sha256-timestamp", "md5"])
@pytest.mark.parametrize(("trick", "code"), [("tampered", "signature_mismatch"), ("expired", "signature_expired")])
def test_a_forgery_is_refused_for_what_it_is(live, sign_type, trick, code) -> None:
    for options in ({}, {"clock_skew": "1h", "max_validity": "1s"}):
        source = live.source(sign_type=sign_type, **options)
        for type in source.scenes:
            with pytest.raises(Untrusted) as caught:
                source.verify(callback(play(source, type, **{trick: True})))
            assert caught.value.code == code


@given(
    number=st.integers(1, 100_000),
    longest=st.integers(1, 100_000),
    moment=st.floats(0, 86_400, allow_nan=False),
    kind=st.sampled_from(sorted(FIELDS)),
)
def test_whatever_the_number_and_the_moment_it_is_accepted(live, number, longest, moment, kind) -> None:
    source = live.source(max_validity=f"{longest}s")
    now = NOW + timedelta(seconds=moment)
    assert source.verify(callback(play(source, kind, number, now=now), received_at=now)).trust is Trust.FIELDS


def test_every_number_is_another_event_and_every_moment_too(live) -> None:
    source = live.source()
    for type in source.scenes:
        bodies = [play(source, type, number) for number in range(1, 201)]
        bodies += [play(source, type, 1, now=NOW + timedelta(seconds=1))]
        ids = {live.event(source, played.body, received_at=NOW + timedelta(seconds=1)).id for played in bodies}
        assert len(ids) == len(bodies)


def test_the_same_scene_is_the_same_callback(live) -> None:
    assert play(live.source()) == play(live.source())


def test_a_file_that_begins_and_its_completion_share_a_job_id(live) -> None:
    source = live.source()
    assert said(play(source, "RECORD_NEW_FILE_START"))["job_id"] == said(play(source))["job_id"]


def test_fields_replace_those_of_the_sample_before_it_is_signed(live) -> None:
    source = live.source()
    event = live.event(source, play(source, fields={"stream": "vip", "record_format": "MP4", "new": "x"}).body)
    assert (event.stream, event.format, event.extra, event.trust) == ("vip", "mp4", {"new": "x"}, Trust.FIELDS)
    assert event.files[0].download_url.endswith(".mp4")
    assert "vip" in event.files[0].download_url


def test_a_pushed_stream_is_played_without_a_signature_where_the_source_wants_none(live) -> None:
    sent = said(play(live.source(sign_type="none"), "PUBLISH"))
    assert sent["event"] == "PUBLISH"
    assert "auth_sign" not in sent


def test_auth_fields_can_be_replaced_as_well(live) -> None:
    source = live.source()
    sent = said(play(source, fields={"auth_sign": "00" * 32, "auth_timestamp": str(live.now_seconds)}))
    assert (sent["auth_sign"], sent["auth_timestamp"]) == ("00" * 32, str(live.now_seconds))
    number = said(play(source, fields={"auth_timestamp": live.now_seconds}))
    assert number["auth_sign"] == live.by_formula("fields", number, str(live.now_seconds), live.key)


@pytest.mark.parametrize(
    ("options", "domain", "app"),
    [
        ({}, "push.example.com", "live"),
        ({"domains": ["*.example.com"], "apps": ["l*"]}, "push.example.com", "live"),
        ({"domains": ["push.a.example", "b.example"], "apps": ["vip"]}, "push.a.example", "vip"),
        ({"domains": ["*.a.example"], "apps": ["vip-?"]}, "live.a.example", "vip-x"),
    ],
    ids=str,
)
def test_the_names_are_ones_the_source_allows(live, options, domain, app) -> None:
    source = live.source(**options)
    event = live.event(source, play(source).body)
    assert (event.domain, event.app) == (domain, app)


@pytest.mark.parametrize("case", cases("stream"), ids=str)
def test_a_hostile_stream_name_can_be_played(live, case) -> None:
    source = live.source()
    event = live.event(source, play(source, fields={"stream": case.value}).body)
    assert event.stream == case.value


@pytest.mark.parametrize(
    ("options", "scene", "words"),
    [
        ({}, {"type": "RECORD_NOTHING"}, "known: RECORD_START"),
        ({}, {"scheme": "sha1"}, "no sign_type 'sha1'"),
        ({"sign_type": "none"}, {"scheme": "md5"}, "no key to sign with"),
        ({"sign_type": "none"}, {"tampered": True}, "without a signature"),
        ({"sign_type": "none"}, {"expired": True}, "without a signature"),
        ({"sign_type": "none"}, {"type": "PUBLISH", "tampered": True}, "without a signature"),
        ({"sign_type": "none"}, {"type": "PUBLISH_DONE", "expired": True}, "without a signature"),
    ],
    ids=str,
)
def test_what_cannot_be_played_is_told(live, options, scene, words) -> None:
    with pytest.raises(ValueError, match=words):
        play(live.source(**options), **scene)
