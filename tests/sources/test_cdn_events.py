"""What callbacks of live CDNs become: Tencent, Alibaba and Volcengine."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import (
    FILE_COMPLETED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    Fault,
    File,
    Storage,
)
from tests.sources.normalised import at, one

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
