"""What callbacks of video platforms become: Mux, Cloudflare Stream and LiveKit."""

from __future__ import annotations

from typing import Any

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
    Storage,
)
from tests.sources.normalised import at, one


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
