"""What shares a vendor's address and is no recording is verified first, then answered, and makes no event; and newer types."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway import (
    FILE_COMPLETED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    STREAM_ENDED,
    STREAM_STARTED,
    Event,
    Scene,
    Trust,
    Verified,
)
from gateway.testing import NOW, callback
from tests.sources.vendors import KEY, OLD_KEY, make

AT = int(NOW.timestamp())


def pushed(key: str = KEY, **changes: Any) -> dict[str, Any]:
    """As the vendor's page has it: the timestamp, a number, comes last in what is signed."""
    said = {"domain": "push.example.com", "app": "live", "stream": "s", "user_args": "", "client_ip": "192.0.2.1",
            "node_ip": "192.0.2.2", "publish_timestamp": f"{AT},", "event": "PUBLISH", "auth_timestamp": AT + 600}  # fmt: skip
    text = "".join(str(said[name]) for name in ("event", "domain", "app", "stream", "auth_timestamp"))
    return {**said, "auth_sign": hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest(), **changes}


@pytest.mark.parametrize("sign_type", ["hmac-sha256", "md5", "hmac-sha256-timestamp"])
def test_the_push_of_a_stream_at_huaweis_address_is_verified_by_its_own_formula(live: Any, sign_type: str) -> None:
    source = live.source(sign_type=sign_type, keys=[KEY, OLD_KEY])
    for key, position in ((KEY, 0), (OLD_KEY, 1)):
        received = callback(pushed(key))
        verified = source.verify(received)
        assert (verified.scheme, verified.key, verified.validity) == ("hmac-sha256-push", position, 600)
        assert source.normalise(received, verified) == ()


@pytest.mark.parametrize(("event", "type"), [("PUBLISH", STREAM_STARTED), ("PUBLISH_DONE", STREAM_ENDED)])
def test_a_push_is_an_event_where_it_is_asked_for(live: Any, event: str, type: str) -> None:
    source = live.source(stream_events=True, domains=["push.example.com"], apps=["live"])
    assert event in source.scenes, "gateway send plays it"
    assert event not in live.source().scenes
    fields = {"stream": "s", "user_args": "auth_key=canary"}
    for asked in (event, type):
        received = callback(source.play(Scene(type=asked, number=1, now=NOW, fields=fields)))
        (made,) = source.normalise(received, source.verify(received))
        assert (made.type, made.vendor_type, made.trust, made.subject) == (
            type, event, Trust.FIELDS, "push.example.com/live/s",
        )  # fmt: skip
        (again,) = source.normalise(received, source.verify(received))
        assert again.id == made.id
        assert "canary" not in str(made.extra)


def test_a_push_of_a_type_that_nobody_knows_is_ignored(live: Any) -> None:
    source = live.source(stream_events=True, sign_type="none", keys=[])
    received = callback({"event": "PUBLISH_SOON", "domain": "push.example.com", "app": "live", "stream": "s"})
    assert source.normalise(received, source.verify(received)) == ()


@pytest.mark.parametrize(
    ("names", "trust"),
    [
        ({"domains": ["push.example.com"], "apps": ["live"]}, Trust.FIELDS),
        ({"domains": ["push.example.com"], "apps": ["live", "lives"]}, Trust.FIELDS),
        ({"domains": ["push.*"], "apps": ["live"]}, Trust.TIMESTAMP),
        ({"domains": ["push.example.com"], "apps": []}, Trust.TIMESTAMP),
    ],
)
def test_a_push_is_trusted_for_its_fields_only_with_exact_names(
    live: Any, names: dict[str, list[str]], trust: Trust
) -> None:
    source = live.source(stream_events=True, **names)
    assert source.verify(callback(pushed(stream="x") | _signed_for(stream="x"))).trust is trust


def test_a_push_that_could_be_cut_in_two_ways_is_trusted_for_its_time_only(live: Any) -> None:
    source = live.source(stream_events=True, domains=["push.example.com"], apps=["live", "lives"])
    assert source.verify(callback(_signed_for(stream="s1"))).trust is Trust.TIMESTAMP


def _signed_for(**changes: Any) -> dict[str, Any]:
    said = pushed(**changes)
    text = "".join(str(said[name]) for name in ("event", "domain", "app", "stream", "auth_timestamp"))
    return {**said, "auth_sign": hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()}


@pytest.mark.parametrize("trick", ["tampered", "expired"])
def test_a_played_push_that_is_not_the_vendors_is_refused(
    live: Any, trick: str, refusal: Callable[..., tuple[str, str]]
) -> None:
    source = live.source(stream_events=True)
    tricked: dict[str, Any] = {trick: True}
    scene = Scene(type="PUBLISH", number=1, now=NOW, **tricked)
    received = callback(source.play(scene))
    code = {"tampered": "signature_mismatch", "expired": "signature_expired"}[trick]
    assert refusal(lambda: source.verify(received))[0] == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stream": "other"}, "signature_mismatch"),
        ({"event": "PUBLISH_DONE"}, "signature_mismatch"),
        ({"auth_timestamp": AT + 601}, "signature_mismatch"),
        ({"auth_sign": ""}, "signature_missing"),
        ({"auth_sign": None}, "signature_missing"),
        ({"auth_timestamp": None}, "signature_missing"),
        ({"auth_sign": "0" * 64}, "signature_mismatch"),
        ({"event": None}, "malformed_body"),
        ({"app": 5}, "malformed_body"),
    ],
    ids=str,
)
def test_a_push_that_is_not_the_vendors_is_refused(
    live: Any, changes: dict[str, Any], code: str, refusal: Callable[..., tuple[str, str]]
) -> None:
    assert refusal(lambda: live.verify(live.source(), pushed() | changes))[0] == code


IGNORED: dict[str, tuple[dict[str, Any], Any, str]] = {
    "huawei-live": ({}, pushed(), "PUBLISH"),
    "agora": ({}, {"productId": 1, "eventType": 101, "noticeId": "n"}, "product 1: 101"),
    "tencent-css": ({}, {"event_type": 1}, "1"),
    "twilio": ({}, b"StatusCallbackEvent=room-created&RoomSid=RM1", "room-created"),
    "hmac": ({"event": {"type": "body.kind", "types": {"ping": "ignore"}}}, {"kind": "ping"}, "ping"),
    "standard-webhooks": ({"event": {"types": {"ping": "ignore"}}}, {"type": "ping"}, "ping"),
}


@pytest.mark.parametrize(
    ("form", "named"),
    [
        (b"CallSid=CA1&CallStatus=ringing", "CallStatus=ringing"),
        (b"CallSid=CA1&CallStatus=completed&CallDuration=7&RecordingSid=", "CallStatus=completed"),
        (b"MessageSid=SM1&MessageStatus=delivered&SmsStatus=delivered", "MessageStatus=delivered"),
        (b"CallSid=CA1&CallStatus=completed&RecordingSid=RE1&RecordingUrl=https://a.example/RE1", None),
        (b"CallSid=CA1&CallStatus=in-progress&RecordingSid=RE1&RecordingStatus=in-progress", None),
    ],
    ids=str,
)
def test_how_a_call_or_a_message_of_twilio_goes_on_is_no_recording(form: bytes, named: str | None) -> None:
    source = make("twilio")
    made = source.normalise(callback(form), Verified(trust=Trust.BODY, scheme="test", key=0))
    assert (len(made), source.vendor_type(callback(form))) == (int(named is None), named)


@pytest.mark.parametrize("type", IGNORED)
def test_whatever_makes_no_event_is_named_to_people_by_its_vendors_type(type: str) -> None:
    options, said, named = IGNORED[type]
    source = make(type, **options)
    headers = {"webhook-id": "msg"}
    received = callback(said, headers=headers)
    assert source.normalise(received, Verified(trust=Trust.BODY, scheme="test", key=0)) == ()
    assert source.vendor_type(received) == named


def test_a_push_of_another_domain_or_too_late_is_refused(live: Any, refusal: Callable[..., tuple[str, str]]) -> None:
    assert refusal(lambda: live.verify(live.source(domains=["a.example.com"]), pushed()))[0] == "domain_not_allowed"
    late = callback(pushed(), received_at=NOW.replace(year=2027))
    assert refusal(lambda: live.source().verify(late))[0] == "signature_expired"


def test_a_recording_is_never_verified_as_a_push(live: Any, refusal: Callable[..., tuple[str, str]]) -> None:
    said = pushed() | {"event_type": "RECORD_START", "publish_domain": "push.example.com"}
    assert refusal(lambda: live.verify(live.source(), said))[0] == "signature_mismatch"


def event(type: str, said: dict[str, Any], scene: str = "") -> Event:
    source = make(type)
    received = callback(source.play(Scene(type=scene or source.scenes[0], number=1, now=NOW, fields=said)))
    (made,) = source.normalise(received, source.verify(received))
    return made


@pytest.mark.parametrize(
    ("type", "said"),
    [
        ("mux", {"type": "video.upload.asset_created", "data": {"id": "u", "asset_id": "a"}}),
        ("mux", {"type": "data.something"}),
        ("zoom", {"event": "phone.callee_ringing"}),
        ("zoom", {"event": "session.started"}),
        ("livekit", {"event": "room_started"}),
    ],
    ids=str,
)
def test_what_is_no_recording_makes_no_event_and_only_under_a_signature(
    type: str, said: dict[str, Any], refusal: Callable[..., tuple[str, str]]
) -> None:
    source = make(type)
    played = source.play(Scene(type=source.scenes[0], number=1, now=NOW, fields=said))
    received = callback(played)
    assert source.normalise(received, source.verify(received)) == ()
    assert source.vendor_type(received) == (said.get("type") or said.get("event"))
    assert refusal(lambda: source.verify(callback(played.body)))[0] == "signature_missing"


@pytest.mark.parametrize(
    ("scene", "type", "stream"),
    [
        ("phone.recording_started", RECORDING_STARTED, "stream-1"),
        ("phone.recording_stopped", RECORDING_ENDED, "stream-1"),
        ("phone.recording_completed", FILE_COMPLETED, "stream-1"),
        ("phone.recording_failed", RECORDING_FAILED, "stream-1"),
        ("session.recording_started", RECORDING_STARTED, "stream-1"),
        ("session.recording_completed", FILE_COMPLETED, "stream-1"),
    ],
)
def test_zooms_telephone_and_video_sessions_record_too(scene: str, type: str, stream: str) -> None:
    made = event("zoom", {}, scene)
    assert (made.type, made.vendor_type, made.stream, made.problems) == (type, scene, stream, ())
    assert made.job_id
    if scene == "phone.recording_completed":
        (file,) = made.files
        assert (file.duration_seconds, file.asset_id) == (120.0, made.job_id)
        assert file.download_url is not None
    if scene == "session.recording_completed":
        assert made.files[0].size_bytes == 3_957_964


@pytest.mark.parametrize(
    ("data", "job"),
    [
        ({"id": "r", "asset_id": "a", "name": "720p.mp4", "filesize": "5"}, "a"),
        ({"id": "a"}, "a"),
    ],
)
def test_one_rendition_of_mux_is_a_file_and_the_job_is_always_the_asset(data: dict[str, Any], job: str) -> None:
    made = event("mux", {"data": data}, "video.asset.static_rendition.ready")
    assert (made.type, made.job_id, len(made.files), made.files[0].asset_id) == (FILE_COMPLETED, job, 1, job)
    track = event("mux", {"type": "video.asset.track.ready", "data": {"id": "t", "asset_id": "a"}})
    assert (track.type, track.job_id) == (RECORDING_UNKNOWN, "a")


@pytest.mark.parametrize(
    ("status", "type", "problems"),
    [
        ("EGRESS_COMPLETE", FILE_COMPLETED, ()),
        (3, FILE_COMPLETED, ()),
        (4, RECORDING_FAILED, ()),
        (7, RECORDING_UNKNOWN, ("egressInfo.status",)),
        (True, RECORDING_UNKNOWN, ("egressInfo.status",)),
        (["EGRESS_COMPLETE"], RECORDING_UNKNOWN, ("egressInfo.status",)),
        ("EGRESS_FOLDED", RECORDING_UNKNOWN, ()),
        ("", RECORDING_UNKNOWN, ()),
    ],
    ids=str,
)
def test_a_status_of_livekit_that_cannot_be_read_is_unknown_and_never_a_word_of_ours(
    status: Any, type: str, problems: tuple[str, ...]
) -> None:
    said = {"egressInfo": {"egressId": "E", "roomName": "r", "status": status, "fileResults": [{"filename": "a.mp4"}]}}
    made = event("livekit", said, "egress_ended")
    assert (made.type, made.problems) == (type, problems)
    if problems:
        assert made.vendor_type == "egress_ended"
        assert "EGRESS_STARTING" not in json.dumps(dict(made.extra))


@pytest.mark.parametrize("info", [{"egressInfo": None}, {"egressInfo": []}, {"egressInfo": "EG_1"}], ids=str)
def test_an_egress_of_livekit_that_is_not_there_has_no_status(info: dict[str, Any]) -> None:
    made = event("livekit", info, "egress_ended")
    assert (made.type, made.vendor_type, made.error) == (RECORDING_UNKNOWN, "egress_ended", None)


def test_a_meeting_of_a_thousand_files_has_them_all() -> None:
    files = [{"id": f"f{n}", "file_type": "MP4", "file_size": n, "download_url": f"https://z/{n}"} for n in range(1000)]
    meeting = {"uuid": "u==", "id": 1, "recording_files": files}
    made = event("zoom", {"payload": {"account_id": "a", "object": meeting}}, "recording.completed")
    assert (len(made.files), made.problems, made.trust) == (1000, (), Trust.BODY)


def test_how_far_an_encoding_of_cloudflare_is_are_several_events_and_a_repeat_is_none() -> None:
    said = [{"status": {"state": "inprogress", "pctComplete": pct}} for pct in ("10.0", "20.0", "20.0")]
    ids = [event("cloudflare-stream", one).id for one in said]
    assert ids[0] != ids[1] == ids[2]
