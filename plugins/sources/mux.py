"""The source `mux`: webhooks of Mux Video about live streams and the assets they become."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import ClassVar, Final

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    Callback,
    Event,
    Fault,
    File,
    Scene,
    Verified,
)
from plugins.sources.common.built_event import build_event, contents, format_of
from plugins.sources.common.fields import PIXELS_MAX, Reading
from plugins.sources.common.timed_header import TimedHeader

# mux.com/docs/core/verify-webhook-signatures, listen-for-webhooks
_PLAYBACK: Final = "https://stream.mux.com"
_LIVE_RECORDING: Final = "video.live_stream.recording"
_LIVE_IDLE: Final = "video.live_stream.idle"
_LIVE_COMPLETED: Final = "video.asset.live_stream_completed"
_READY: Final = "video.asset.ready"
_RENDITIONS: Final = "video.asset.static_renditions.ready"
_RENDITION: Final = "video.asset.static_rendition.ready"  # one of them, which is what newer assets send
_MASTER: Final = "video.asset.master.ready"
_ERRORED: Final = "video.asset.errored"
TYPES: Final = {
    _LIVE_RECORDING: RECORDING_STARTED,
    _LIVE_IDLE: RECORDING_ENDED,
    _LIVE_COMPLETED: FILE_COMPLETED,
    _READY: FILE_COMPLETED,  # while the stream is live: FILE_STARTED
    _RENDITIONS: FILE_COMPLETED,
    _RENDITION: FILE_COMPLETED,
    _MASTER: FILE_COMPLETED,
    _ERRORED: RECORDING_FAILED,
}


class Mux(TimedHeader):
    """Webhooks of Mux. docs/sources.md says what its signature covers and where the traps are."""

    type: ClassVar[str] = "mux"
    max_body: ClassVar[int | None] = 512 * 1024
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # put the signing secret of the webhook here
"""
    header: ClassVar[str] = "mux-signature"
    time_part: ClassVar[str] = "t"
    mark_part: ClassVar[str] = "v1"
    lacks: ClassVar[Sequence[str]] = ("domain", "app")
    scenes: ClassVar[Sequence[str]] = tuple(TYPES)

    def vendor_type(self, callback: Callback) -> str | None:
        return Reading(callback.json()).text("type")

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event; none for uploads and for what is not of video: Mux sends every product's webhooks to one address."""
        document = callback.json()
        reading = Reading(document)
        reading.drop("attempts", "attempt")  # grows with each try
        vendor_type = reading.text("type")
        if vendor_type is not None and (
            not vendor_type.startswith("video.") or vendor_type.startswith("video.upload.")
        ):
            return ()
        name = reading.text("id")
        data = reading.inside("data")
        type = TYPES.get(vendor_type or "", RECORDING_UNKNOWN)
        if vendor_type == _READY and data.flag("is_live"):
            type = FILE_STARTED  # the asset of a stream can be played from its first seconds on
        of_asset = vendor_type is not None and vendor_type.startswith("video.asset.")
        own_id = data.text("id")
        asset = data.text("asset_id") or (own_id if of_asset else data.text("active_asset_id"))
        fault = data.inside("errors") if type == RECORDING_FAILED else None
        files = _files(type, vendor_type, data, asset)
        event = build_event(
            self,
            callback,
            verified,
            reading,
            type=type,
            vendor_type=vendor_type,
            identity=[name or contents(document, ("attempts", "attempt"))],
            stream=data.text("live_stream_id") if of_asset else own_id,
            format=files[0].format if files else None,
            project_id=reading.inside("environment").text("id"),
            job_id=asset,
            time=reading.time("created_at"),
            files=files,
            error=None if fault is None else Fault(code=fault.text("type"), message=fault.joined("messages")),
        )
        return (event,)

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        asset, stream = unique[:32], f"stream-{scene.number}"
        now = scene.now.astimezone(UTC)
        began = str(int((now - timedelta(minutes=2)).timestamp()))
        data: dict[str, object] = {"id": stream, "status": "active", "created_at": began, "active_asset_id": asset}
        if type.startswith("video.asset."):
            data = {
                "id": asset,
                "status": "errored" if type == _ERRORED else "ready",
                "live_stream_id": stream,
                "is_live": False,
                "playback_ids": [{"id": unique[32:], "policy": "public"}],
                "passthrough": "example",
                "created_at": began,
            }
            if type == _ERRORED:
                data["errors"] = {"type": "invalid_input", "messages": ["the stream could not be read"]}
            else:
                data["duration"] = 120.04
        if type == _RENDITIONS:
            file = {"name": "high.mp4", "ext": "mp4", "width": 1280, "height": 720, "filesize": "3957964"}
            data["static_renditions"] = {"status": "ready", "files": [file]}
        if type == _RENDITION:
            data |= {"id": unique[:20], "asset_id": asset, "name": "720p.mp4", "ext": "mp4", "filesize": "3957964"}
            data |= {"width": 1280, "height": 720, "resolution": "720p"}
        if type == _MASTER:
            data["master"] = {"status": "ready", "url": f"https://master.example.com/{asset}/master.mp4"}
        return {
            "type": type,
            "id": unique[:36],
            "created_at": f"{now:%Y-%m-%dT%H:%M:%S}.000000Z",
            "object": {"type": "asset" if type.startswith("video.asset.") else "live", "id": data["id"]},
            "environment": {"name": "Production", "id": "example"},
            "data": data,
            "attempts": [],
        }


def _files(type: str, vendor_type: str | None, data: Reading, asset: str | None) -> tuple[File, ...]:
    if type == FILE_STARTED:
        return (File(format="hls"),)  # because nothing else is known of a file that begins
    if type != FILE_COMPLETED:
        return ()
    playback = next((one.text("id") for one in data.entries("playback_ids")), None)
    seconds = data.seconds("duration")
    started = data.moment("created_at")
    if vendor_type == _MASTER:
        url = data.inside("master").text("url")
        return (File(format=format_of(url), download_url=url, asset_id=asset, duration_seconds=seconds),)
    if vendor_type in {_RENDITIONS, _RENDITION}:
        renditions = [data] if vendor_type == _RENDITION else data.inside("static_renditions").entries("files")
        return tuple(_rendition(one, playback, asset, seconds) for one in renditions)
    play_url = f"{_PLAYBACK}/{playback}.m3u8" if playback else None
    return (File(format="hls", play_url=play_url, asset_id=asset, duration_seconds=seconds, started_at=started),)


def _rendition(file: Reading, playback: str | None, asset: str | None, seconds: float | None) -> File:
    name = file.text("name")
    return File(
        format=(file.text("ext") or "").lower() or format_of(name),
        download_url=f"{_PLAYBACK}/{playback}/{name}" if playback and name else None,
        asset_id=asset,
        size_bytes=file.whole("filesize"),
        duration_seconds=seconds,
        width=file.whole("width", PIXELS_MAX),
        height=file.whole("height", PIXELS_MAX),
    )
