"""What each vendor's callback becomes: types, fields, units, names, and what is left out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    Event,
    Fault,
    File,
    Scene,
    Storage,
    Trust,
    Verified,
)
from gateway.events.cloudevents import fingerprint
from gateway.testing import NOW, callback
from tests.sources.vendors import NEEDED, make

VERIFIED = Verified(trust=Trust.BODY, scheme="test", key=0)


def read(type: str, said: dict[str, Any] | bytes, **headers: str) -> tuple[Event, ...]:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return tuple(make(type).normalise(callback(body, headers=headers), VERIFIED))


def one(type: str, said: dict[str, Any] | bytes, **headers: str) -> Event:
    (event,) = read(type, said, **headers)
    assert event.provider == type
    return event


def form(**said: str) -> bytes:
    return urlencode(said).encode()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# --- all of them


@pytest.mark.parametrize("type", sorted(set(NEEDED) - {"huawei-live"}))
def test_what_is_played_leaves_no_problem(type: str) -> None:
    source = make(type)
    for scene in source.scenes:
        received = callback(source.play(Scene(type=scene, number=7, now=NOW)))
        for event in source.normalise(received, VERIFIED):
            assert event.problems == (), scene
            if type != "volcengine-live":
                call = f"CA{7:032x}"  # a call's Sid has a form of its own
                assert event.stream in {"stream-7", "7", call if type == "twilio" else ""}, scene


NOT_RECORDINGS: list[tuple[str, Any]] = [
    ("tencent-css", {"event_type": 0}),
    ("tencent-css", {"event_type": 1}),
    ("tencent-css", {"event_type": 200}),
    ("mux", {"type": "system.webhook.test", "id": "1"}),
    ("livekit", {"event": "participant_joined", "id": "EV_1"}),
    ("agora", {"productId": 1, "eventType": 101}),
    ("zoom", {"event": "meeting.started"}),
    ("zoom", {"event": "endpoint.url_validation", "payload": {"plainToken": "x"}}),
    ("twilio", form(StatusCallbackEvent="participant-connected", RoomSid="RM1")),
    ("hmac", {"event": "ping"}),
]


@pytest.mark.parametrize(("type", "said"), NOT_RECORDINGS, ids=str)
def test_what_is_known_to_be_no_recording_makes_no_event(type: str, said: Any) -> None:
    assert read(type, said) == ()


@pytest.mark.parametrize("type", sorted(set(NEEDED) - {"huawei-live", "twilio", "standard-webhooks"}))
@pytest.mark.parametrize(
    "said", [{}, {"type": 5, "event": [], "event_type": {}, "data": 7, "payload": [1], "status": "x"}]
)
def test_a_verified_callback_that_says_nothing_we_know_is_unknown_and_never_refused(type: str, said: Any) -> None:
    event = one(type, said)
    assert event.type == RECORDING_UNKNOWN
    assert event.id != one(type, {**said, "another": 1}).id
    kept = {**event.extra}
    assert all(name in kept for name in event.problems), event.problems


RETRIES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("tencent-css", {"event_type": 100, "file_id": "1", "t": 1, "sign": "a"}, {"t": 2, "sign": "b"}),
    ("tencent-css", {"event_type": 332, "record_event": "record_ended", "t": 1, "sign": "a"}, {"t": 2, "sign": "b"}),
    ("volcengine-live", {"event_type": "record", "t": 1, "sign": "a"}, {"t": 2, "sign": "b"}),
    ("mux", {"type": "video.asset.ready", "id": "1", "attempts": []}, {"attempts": [{"id": "2"}]}),
    ("mux", {"type": "video.asset.ready", "attempts": []}, {"attempts": [{"id": "2"}]}),
    ("agora", {"noticeId": "1", "eventType": 40, "notifyMs": 1}, {"notifyMs": 2}),
    ("agora", {"eventType": 40, "notifyMs": 1}, {"notifyMs": 2}),
    ("livekit", {"event": "egress_ended", "id": "EV_1", "numDropped": 0}, {"numDropped": 3}),
    ("zoom", {"event": "recording.completed", "event_ts": 1, "download_token": "a"}, {"download_token": "b"}),
]


@pytest.mark.parametrize(("type", "said", "again"), RETRIES, ids=str)
def test_another_try_is_the_same_event_with_the_same_content(type: str, said: Any, again: Any) -> None:
    first, second = one(type, said), one(type, {**said, **again})
    assert first.id == second.id
    assert fingerprint(first) == fingerprint(second)


# --- tencent-css


TENCENT: dict[str, Any] = {
    "app": "push.example.com",
    "appid": 12345678,
    "appname": "live",
    "callback_ext": "{}",
    "channel_id": "stream1",
    "duration": 39,
    "end_time": 1545047010,
    "end_time_usec": 149135,
    "event_type": 100,
    "file_format": "HLS",
    "file_id": "5285890784246869930",
    "file_size": 8173,
    "record_file_id": "77",
    "sign": "ca3e25e5dc17a6f9909a9ae7281e300d",
    "start_time": 1545046971,
    "stream_id": "stream1",
    "stream_param": "txSecret=secret",
    "t": 1545030873,
    "task_id": "8",
    "video_url": "https://vod.example.com/1/playlist.m3u8",
}


def test_a_file_of_tencent() -> None:
    event = one("tencent-css", TENCENT)
    assert (event.type, event.vendor_type, event.domain, event.app, event.stream, event.format) == (
        FILE_COMPLETED,
        "100",
        "push.example.com",
        "live",
        "stream1",
        "hls",
    )
    assert (event.project_id, event.job_id, event.task_id) == ("12345678", "77", "8")
    assert event.files == (
        File(
            format="hls",
            download_url="https://vod.example.com/1/playlist.m3u8",
            asset_id="5285890784246869930",
            size_bytes=8173,
            duration_seconds=39.0,
            started_at=at("2018-12-17T11:42:51Z"),
            ended_at=at("2018-12-17T11:43:30Z"),
        ),
    )
    assert event.time == event.files[0].ended_at
    assert event.extra == {"callback_ext": "{}", "channel_id": "stream1", "end_time_usec": 149135}


@pytest.mark.parametrize(
    ("happened", "type"),
    [
        ("record_start_succeeded", RECORDING_STARTED),
        ("record_start_failed", RECORDING_FAILED),
        ("record_error", RECORDING_FAILED),
        ("record_ended", RECORDING_ENDED),
        ("record_paused", RECORDING_UNKNOWN),
        ("record_of_tomorrow", RECORDING_UNKNOWN),
    ],
)
def test_a_status_of_tencent(happened: str, type: str) -> None:
    said = {
        "appid": 1,
        "appname": "live",
        "domain": "push.example.com",
        "event_time": 1700207929,
        "event_type": 332,
        "record_detail": '{"file_format":2}',
        "record_event": happened,
        "seq": "3266441426274648065",
        "session_id": "2918085116267032069",
        "stream_id": "s",
    }
    event = one("tencent-css", said)
    assert (event.type, event.vendor_type, event.domain, event.format) == (type, happened, "push.example.com", "hls")
    assert (event.job_id, event.time) == ("2918085116267032069", at("2023-11-17T07:58:49Z"))
    assert event.error == (Fault(code=happened, message='{"file_format":2}') if type == RECORDING_FAILED else None)
    assert event.id != one("tencent-css", {**said, "event_time": 1700207930}).id


@pytest.mark.parametrize("detail", ["{", "[]", '{"file_format": "2"}', '{"file_format": true}', 5, "[" * 9000])
def test_a_detail_of_tencent_that_cannot_be_read_says_nothing(detail: Any) -> None:
    said = {"event_type": 332, "record_event": "record_ended", "record_detail": detail}
    assert one("tencent-css", said).format in {None, "flv"}


# --- alibaba-live


def test_a_file_of_alibaba_has_no_type() -> None:
    said = {
        "domain": "push.example.com",
        "app": "live",
        "stream": "s",
        "uri": "record/live/s/0_2017.m3u8",
        "duration": 69.403,
        "start_time": 1487755420,
        "stop_time": "1487755490",
        "push_args": {"auth_key": "secret"},
        "more": 1,
    }
    event = one("alibaba-live", said)
    assert (event.type, event.vendor_type, event.format) == (FILE_COMPLETED, None, "hls")
    assert (event.domain, event.app, event.stream, event.extra) == ("push.example.com", "live", "s", {"more": 1})
    (file,) = event.files
    assert (file.duration_seconds, file.storage) == (69.403, Storage(key="record/live/s/0_2017.m3u8"))
    assert (file.started_at, file.ended_at) == (at("2017-02-22T09:23:40Z"), at("2017-02-22T09:24:50Z"))
    assert event.time == file.ended_at
    assert event.id != one("alibaba-live", {**said, "stop_time": 1}).id


def test_statuses_of_alibaba_are_told_apart_by_the_signed_time() -> None:
    said = {"domain": "d", "app": "a", "stream": "s", "event": "record_started"}
    first, second = (one("alibaba-live", said, **{"ali-live-timestamp": text}) for text in ("1", "2"))
    assert (first.type, first.vendor_type) == (RECORDING_STARTED, "record_started")
    assert first.id != second.id
    assert one("alibaba-live", {**said, "event": "record_paused"}).type == RECORDING_UNKNOWN


# --- volcengine-live


def test_nothing_of_volcengine_is_guessed_at() -> None:
    said = {
        "event_type": "push_start",
        "domain": "d",
        "app": "a",
        "stream": "s",
        "time": 1700000000,
        "t": 5,
        "sign": "x",
    }
    event = one("volcengine-live", {**said, "url": "https://x"})
    assert (event.type, event.vendor_type, event.files) == (RECORDING_UNKNOWN, "push_start", ())
    assert (event.domain, event.app, event.stream, event.time) == ("d", "a", "s", at("2023-11-14T22:13:20Z"))
    assert event.extra == {"url": "https://x"}


# --- mux


def mux(type: str, data: dict[str, Any], **more: Any) -> Event:
    said = {"type": type, "id": "3b4f", "created_at": "2024-01-02T03:04:05.5Z", "data": data}
    return one("mux", {**said, "environment": {"id": "env", "name": "Production"}, **more})


ASSET = {
    "id": "asset",
    "live_stream_id": "stream",
    "playback_ids": [{"id": "play", "policy": "public"}],
    "duration": 60.5,
    "created_at": "1704164645",
}


@pytest.mark.parametrize(
    ("type", "data", "ours"),
    [
        ("video.live_stream.recording", {"id": "stream", "active_asset_id": "asset"}, RECORDING_STARTED),
        ("video.live_stream.idle", {"id": "stream"}, RECORDING_ENDED),
        ("video.asset.ready", {**ASSET, "is_live": True}, FILE_STARTED),
        ("video.asset.ready", ASSET, FILE_COMPLETED),
        ("video.asset.live_stream_completed", ASSET, FILE_COMPLETED),
        ("video.asset.errored", {**ASSET, "errors": {"type": "x", "messages": ["a", "b"]}}, RECORDING_FAILED),
        ("video.asset.created", ASSET, RECORDING_UNKNOWN),
        ("video.live_stream.connected", {"id": "stream"}, RECORDING_UNKNOWN),
    ],
    ids=str,
)
def test_the_types_of_mux(type: str, data: dict[str, Any], ours: str) -> None:
    event = mux(type, data)
    assert (event.type, event.vendor_type, event.stream, event.project_id) == (ours, type, "stream", "env")
    assert event.time == at("2024-01-02T03:04:05.5Z")
    assert event.error == (Fault(code="x", message="a b") if ours == RECORDING_FAILED else None)
    if ours == FILE_STARTED:
        assert event.files == (File(format="hls"),)
    if ours == FILE_COMPLETED:
        (file,) = event.files
        assert (file.play_url, file.asset_id) == ("https://stream.mux.com/play.m3u8", "asset")
        assert (file.duration_seconds, file.started_at) == (60.5, at("2024-01-02T03:04:05Z"))
    assert event.job_id == (None if type in {"video.live_stream.idle", "video.live_stream.connected"} else "asset")


def test_renditions_of_mux_are_several_files_and_its_master_one() -> None:
    files = [
        {"name": "high.mp4", "ext": "mp4", "width": 1920, "height": 1080, "filesize": "100"},
        {"name": "audio.m4a", "ext": "m4a", "filesize": 10},
    ]
    event = mux("video.asset.static_renditions.ready", {**ASSET, "static_renditions": {"files": files}})
    assert [(file.format, file.size_bytes, file.width) for file in event.files] == [
        ("mp4", 100, 1920),
        ("m4a", 10, None),
    ]
    assert event.files[0].download_url == "https://stream.mux.com/play/high.mp4"
    event = mux("video.asset.master.ready", {**ASSET, "master": {"url": "https://x.example.com/master.mp4?sig=1"}})
    assert [(file.format, file.download_url) for file in event.files] == [
        ("mp4", "https://x.example.com/master.mp4?sig=1")
    ]


# --- cloudflare-stream


def test_a_video_of_cloudflare() -> None:
    said: dict[str, Any] = {
        "uid": "dd5d",
        "liveInput": "live1",
        "status": {"state": "ready", "pctComplete": "39.0"},
        "created": "2019-01-01T01:00:00.474936Z",
        "modified": "2019-01-01T01:02:21.076571Z",
        "size": 383631,
        "input": {"width": 1920, "height": 1080},
        "duration": 5.5,
        "playback": {"hls": "https://x/video.m3u8", "dash": "https://x/video.mpd"},
    }
    event = one("cloudflare-stream", said)
    assert (event.type, event.stream, event.job_id, event.time) == (
        FILE_COMPLETED,
        "live1",
        "dd5d",
        at(said["modified"]),
    )
    (file,) = event.files
    assert (file.play_url, file.size_bytes, file.duration_seconds, file.width, file.height) == (
        "https://x/video.m3u8",
        383631,
        5.5,
        1920,
        1080,
    )
    assert event.extra == {"playback": {"dash": "https://x/video.mpd"}, "status": {"pctComplete": "39.0"}}
    assert one("cloudflare-stream", {**said, "liveInput": {"uid": "live1"}}).stream == "live1"
    for keys in ("errorReasonCode", "errorReasonText"), ("errReasonCode", "errReasonText"):
        event = one("cloudflare-stream", {**said, "status": {"state": "error", keys[0]: "ERR", keys[1]: "why"}})
        assert (event.type, event.error, event.files) == (RECORDING_FAILED, Fault(code="ERR", message="why"), ())
    assert one("cloudflare-stream", {**said, "status": {"state": "inprogress"}}).type == RECORDING_UNKNOWN


# --- livekit


EGRESS = {
    "egressId": "EG_1",
    "roomId": "RM_1",
    "roomName": "room",
    "status": "EGRESS_COMPLETE",
    "startedAt": "1700000000000000000",
}
MP4 = {
    "filename": "a/b.mp4",
    "startedAt": "1700000000123456789",
    "endedAt": "1700000060123456789",
    "duration": "60000000000",
    "size": "1234",
    "location": "https://bucket.example.com/a/b.mp4",
}


def livekit(event: str = "egress_ended", **egress: Any) -> Event:
    return one("livekit", {"event": event, "id": "EV_1", "createdAt": "1700000061", "egressInfo": {**EGRESS, **egress}})


def test_an_egress_of_livekit_counts_in_nanoseconds_written_as_text() -> None:
    event = livekit(fileResults=[MP4])
    assert (event.type, event.vendor_type) == (FILE_COMPLETED, "egress_ended/EGRESS_COMPLETE")
    assert (event.stream, event.job_id, event.time) == ("room", "EG_1", at("2023-11-14T22:14:21Z"))
    assert event.files == (
        File(
            format="mp4",
            download_url="https://bucket.example.com/a/b.mp4",
            size_bytes=1234,
            duration_seconds=60.0,
            started_at=at("2023-11-14T22:13:20.123456Z"),
            ended_at=at("2023-11-14T22:14:20.123456Z"),
            storage=Storage(location="https://bucket.example.com/a/b.mp4", key="a/b.mp4"),
        ),
    )


def test_the_status_of_an_egress_decides_not_the_name_of_its_webhook() -> None:
    segments = {"playlistName": "a/live.m3u8", "playlistLocation": "s3://b/a/live.m3u8", "segmentCount": "3"}
    assert livekit("egress_started", status="EGRESS_STARTING").type == RECORDING_STARTED
    assert livekit("egress_updated", status="EGRESS_ACTIVE").type == RECORDING_UNKNOWN
    assert livekit().type == RECORDING_ENDED
    for status in ("EGRESS_FAILED", "EGRESS_ABORTED"):
        event = livekit(status=status, error="no signal", errorCode=412)
        assert (event.type, event.error) == (RECORDING_FAILED, Fault(code="412", message="no signal"))
        assert livekit(status=status).error == Fault(code=status)
    event = livekit(status="EGRESS_LIMIT_REACHED", error="Session limit reached", fileResults=[MP4])
    assert (event.type, event.error) == (
        FILE_COMPLETED,
        Fault(code="EGRESS_LIMIT_REACHED", message="Session limit reached"),
    )
    event = livekit(segmentResults=[segments])
    assert event.type == FILE_COMPLETED
    assert [(file.format, file.download_url, file.storage) for file in event.files] == [
        ("hls", None, Storage(location="s3://b/a/live.m3u8", key="a/live.m3u8"))
    ]


def test_an_older_servers_file_is_read_once() -> None:
    assert len(livekit(file=MP4).files) == 1
    assert len(livekit(file=MP4, fileResults=[MP4]).files) == 1
    assert len(livekit(segments={"playlistName": "x.m3u8"}).files) == 1
    assert "file" not in livekit(file=MP4, fileResults=[MP4]).extra.get("egressInfo", {})


# --- agora


def agora(type: int, details: Any, **more: Any) -> Event:
    payload = {"cname": "channel", "uid": "1", "sid": "sid", "sequence": 2, "sendts": 1560408533119, "details": details}
    return one("agora", {"noticeId": "n", "productId": 3, "eventType": type, "notifyMs": 1, "payload": payload, **more})


def test_what_agora_notifies() -> None:
    files = [{"fileName": "a/x.m3u8", "trackType": "audio_and_video", "uid": "0", "sliceStartTime": 1560408533119}]
    event = agora(31, {"msgName": "cloud_recording_uploaded", "status": 0, "fileList": files})
    assert (event.type, event.vendor_type, event.stream, event.job_id) == (FILE_COMPLETED, "31", "channel", "sid")
    assert event.time == at("2019-06-13T06:48:53.119Z")
    assert event.files == (
        File(format="hls", started_at=at("2019-06-13T06:48:53.119Z"), storage=Storage(key="a/x.m3u8")),
    )
    assert event.extra["payload"]["details"]["fileList"] == [{"trackType": "audio_and_video", "uid": "0"}]
    assert agora(40, {}).type == agora(70, {}).type == RECORDING_STARTED
    assert agora(4, {"fileList": "x.m3u8"}).type == agora(32, {}).type == RECORDING_UNKNOWN
    event = agora(1, {"module": 1, "errorCode": 65, "errorMsg": "no"})
    assert (event.type, event.error) == (RECORDING_FAILED, Fault(code="65", message="no"))
    assert (agora(11, {"exitStatus": 0}).type, agora(11, {"exitStatus": 0}).error) == (RECORDING_ENDED, None)
    assert agora(11, {"exitStatus": 1}).error == Fault(code="exitStatus 1")


# --- zoom


MEETING = {
    "uuid": "4444AAA+/==",
    "id": 93398114182,
    "duration": 2,
    "topic": "t",
    "password": "secret",
    "recording_play_passcode": "secret",
}


def zoom(type: str = "recording.completed", files: Any = None, **more: Any) -> Event:
    meeting = {**MEETING, **({} if files is None else {"recording_files": files})}
    payload = {"account_id": "acc", "object": meeting}
    return one("zoom", {"event": type, "event_ts": 1626230691572, "payload": payload, "download_token": "eyJ", **more})


def test_a_recording_of_zoom() -> None:
    file = {
        "id": "f1",
        "file_type": "MP4",
        "file_extension": "MP4",
        "file_size": 7220,
        "recording_start": "2021-07-13T21:44:51Z",
        "recording_end": "2021-07-13T21:46:51Z",
        "download_url": "https://zoom.us/rec/download/x",
        "play_url": "https://zoom.us/rec/play/x",
        "status": "completed",
    }
    event = zoom(files=[file, {"id": "f2", "file_type": "CHAT"}])
    assert (event.type, event.stream, event.project_id, event.job_id) == (
        FILE_COMPLETED,
        "93398114182",
        "acc",
        "4444AAA+/==",
    )
    assert event.time == at("2021-07-14T02:44:51.572Z")
    assert event.files[0] == File(
        format="mp4",
        download_url="https://zoom.us/rec/download/x",
        play_url="https://zoom.us/rec/play/x",
        asset_id="f1",
        size_bytes=7220,
        duration_seconds=120.0,
        started_at=at("2021-07-13T21:44:51Z"),
        ended_at=at("2021-07-13T21:46:51Z"),
    )
    assert event.files[1] == File(format="chat", asset_id="f2", duration_seconds=120.0)  # of two minutes
    assert event.extra == {"payload": {"object": {"topic": "t", "recording_files": [{"status": "completed"}, {}]}}}


def test_the_types_of_zoom() -> None:
    types = {name: zoom(f"recording.{name}").type for name in ("started", "stopped", "paused", "transcript_completed")}
    assert types == {
        "started": RECORDING_STARTED,
        "stopped": RECORDING_ENDED,
        "paused": RECORDING_UNKNOWN,
        "transcript_completed": RECORDING_UNKNOWN,
    }
    assert zoom("recording.started").id != zoom("recording.started", event_ts=1626230691573).id


# --- twilio


def test_a_recording_of_a_call() -> None:
    said = {
        "AccountSid": "AC1",
        "CallSid": "CA1",
        "RecordingSid": "RE1",
        "RecordingStatus": "completed",
        "RecordingUrl": "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1",
        "RecordingDuration": "31",
        "RecordingStartTime": "Fri, 14 Oct 2016 21:56:34 +0000",
        "RecordingChannels": "1",
    }
    event = one("twilio", form(**said))
    assert (event.type, event.vendor_type, event.stream, event.job_id, event.project_id) == (
        FILE_COMPLETED,
        "completed",
        "CA1",
        "RE1",
        "AC1",
    )
    (file,) = event.files
    assert (file.download_url, file.duration_seconds, file.started_at) == (
        said["RecordingUrl"],
        31.0,
        at("2016-10-14T21:56:34Z"),
    )
    assert event.extra == {"RecordingChannels": "1"}
    for status, type in {
        "in-progress": RECORDING_STARTED,
        "absent": RECORDING_FAILED,
        "failed": RECORDING_FAILED,
        "new": RECORDING_UNKNOWN,
    }.items():
        other = one("twilio", form(**{**said, "RecordingStatus": status, "ErrorCode": "16101"}))
        assert other.type == type
        assert other.error == (Fault(code="16101") if type == RECORDING_FAILED else None)
    late = one("twilio", form(**{**said, "RecordingStartTime": "soon"}))
    assert (late.problems, late.extra["RecordingStartTime"]) == (("RecordingStartTime",), "soon")


def test_a_field_that_a_form_has_twice_is_a_problem_and_no_refusal() -> None:
    body = form(RecordingSid="RE1", RecordingStatus="absent") + b"&CallSid=a&CallSid=b&CallSid=c"
    event = one("twilio", body)
    assert (event.stream, event.problems, event.extra) == (None, ("CallSid",), {"CallSid": ["a", "b", "c"]})


def test_recordings_and_compositions_of_a_room() -> None:
    said = {
        "RoomSid": "RM1",
        "RoomName": "room",
        "RecordingSid": "RT1",
        "Timestamp": "2023-11-14T22:13:20.5Z",
        "Container": "mkv",
        "Duration": "60",
        "Size": "100",
    }
    event = one("twilio", form(StatusCallbackEvent="recording-started", **said))
    assert (event.type, event.files, event.stream) == (FILE_STARTED, (File(format="mkv"),), "room")
    event = one("twilio", form(StatusCallbackEvent="recording-completed", **said))
    (file,) = event.files
    assert (event.type, file.duration_seconds, file.size_bytes, file.asset_id) == (FILE_COMPLETED, 60.0, 100, "RT1")
    assert event.time == at("2023-11-14T22:13:20.5Z")
    event = one("twilio", form(StatusCallbackEvent="composition-failed", CompositionSid="CJ1", ErrorMessage="no"))
    assert (event.type, event.job_id, event.error) == (RECORDING_FAILED, "CJ1", Fault(message="no"))
    assert (
        one("twilio", form(StatusCallbackEvent="composition-enqueued", CompositionSid="CJ1")).type == RECORDING_UNKNOWN
    )
