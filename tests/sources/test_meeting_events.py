"""What callbacks of calls and meetings become: Agora, Zoom and Twilio."""

from __future__ import annotations

from typing import Any

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
    Storage,
)
from tests.sources.normalised import at, form, one


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
