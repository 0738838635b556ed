"""The source `tencent-css`: recording callbacks of Tencent Cloud Streaming Services."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from gateway import (
    FILE_COMPLETED,
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
from plugins.sources.common.built_event import build_event, contents, named_by
from plugins.sources.common.fields import Reading, kind_of
from plugins.sources.common.md5_token import Md5Token

# tencentcloud.com/document/product/267/38080 (how to receive), 38082 (files), 58590 (status)
FILE: Final = "100"
STATUS: Final = "332"
NO_RECORDING: Final = frozenset({"0", "1", "200"})  # a stream ended, a stream began, a screenshot
STATUSES: Final = {
    "record_start_succeeded": RECORDING_STARTED,
    "record_start_failed": RECORDING_FAILED,
    "record_error": RECORDING_FAILED,
    "record_ended": RECORDING_ENDED,
}
_AUTH: Final = ("sign", "t")
_FORMATS: Final = {1: "flv", 2: "hls", 3: "mp4", 4: "aac", 5: "mp3"}  # of record_detail


class TencentCss(Md5Token):
    """Recording callbacks of Tencent CSS. docs/sources.md says what its signature covers and where the traps are."""

    type: ClassVar[str] = "tencent-css"
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # the same key goes into the callback template of the console
"""
    scenes: ClassVar[Sequence[str]] = (FILE, "record_start_succeeded", "record_ended", "record_error")

    def vendor_type(self, callback: Callback) -> str | None:
        return Reading(callback.json()).label("event_type")

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event; none for what is no recording: stream begun, stream ended, screenshot."""
        document = callback.json()
        code = document.get("event_type")
        vendor_type = str(code) if type(code) is int else code if type(code) is str else None
        if vendor_type in NO_RECORDING:
            return ()
        reading = Reading(document)
        reading.drop(*_AUTH, "stream_param")  # the push parameters hold the publisher's own signature
        if vendor_type is not None:
            reading.drop("event_type")
        if vendor_type == FILE:
            return (self._file(callback, verified, reading),)
        return (self._status(callback, verified, reading, vendor_type),)

    def _file(self, callback: Callback, verified: Verified, reading: Reading) -> Event:
        document = callback.json()
        format = reading.text("file_format")
        format = format.lower() if format else None
        file = File(
            format=format,
            download_url=reading.text("video_url"),
            asset_id=reading.label("file_id"),
            size_bytes=reading.whole("file_size"),
            duration_seconds=reading.seconds("duration"),
            started_at=reading.moment("start_time"),
            ended_at=reading.moment("end_time"),
        )
        return build_event(
            self,
            callback,
            verified,
            reading,
            type=FILE_COMPLETED,
            vendor_type=FILE,
            identity=named_by(document, "record_file_id", "file_id", without=_AUTH),
            domain=reading.text("app"),  # on this callback the push domain
            app=reading.text("appname"),
            stream=reading.text("stream_id"),
            format=format,
            project_id=reading.label("appid"),
            job_id=reading.label("record_file_id"),
            task_id=reading.label("task_id"),
            time=file.ended_at,
            files=(file,),
        )

    def _status(self, callback: Callback, verified: Verified, reading: Reading, code: str | None) -> Event:
        document = callback.json()
        happened = reading.text("record_event") if code == STATUS else None
        type = STATUSES.get(happened or "", RECORDING_UNKNOWN)
        vendor_type = happened or code
        detail = document.get("record_detail")
        message = detail if isinstance(detail, str) and detail else None
        domain = reading.text("domain") or reading.text("app")
        return build_event(
            self,
            callback,
            verified,
            reading,
            type=type,
            vendor_type=vendor_type
            if vendor_type is not None
            else f"event_type is {kind_of(document.get('event_type'))}",
            identity=[document.get("session_id"), document.get("event_time")]
            if happened and document.get("session_id") and document.get("event_time")
            else [contents(document, _AUTH)],
            domain=domain,
            app=reading.text("appname"),
            stream=reading.text("stream_id"),
            format=_format_of(detail),
            project_id=reading.label("appid"),
            job_id=reading.label("session_id"),
            task_id=reading.label("task_id"),
            time=reading.moment("event_time"),
            error=Fault(code=happened, message=message) if type == RECORDING_FAILED else None,
        )

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        ended = int(scene.now.timestamp()) - 2
        number = int(unique[:15], 16)
        if type != FILE:
            return {
                "appid": 1250000000,
                "appname": "live",
                "domain": "push.example.com",
                "event_time": ended,
                "event_type": int(STATUS),
                "record_detail": json.dumps({"file_format": 2, "record_bps": 0}),
                "record_event": type,
                "seq": str(number),
                "session_id": str(number + 1),
                "stream_id": f"stream-{scene.number}",
            }
        return {
            "app": "push.example.com",
            "appid": 1250000000,
            "appname": "live",
            "callback_ext": json.dumps({"session_id": str(number)}),
            "channel_id": f"stream-{scene.number}",
            "duration": 120,
            "end_time": ended,
            "end_time_usec": 0,
            "event_type": int(FILE),
            "file_format": "hls",
            "file_id": str(number),
            "file_size": 3_957_964,
            "media_start_time": 0,
            "record_bps": 0,
            "record_file_id": str(number + 1),
            "start_time": ended - 120,
            "start_time_usec": 0,
            "stream_id": f"stream-{scene.number}",
            "stream_param": "txSecret=example&txTime=example",
            "task_id": str(number + 2),
            "video_url": f"https://vod.example.com/{unique[:16]}/playlist.m3u8",
        }


def _format_of(detail: object) -> str | None:
    """The file format in record_detail, which is JSON inside a text."""
    try:
        found = json.loads(detail) if isinstance(detail, str) else None
    except (ValueError, RecursionError):
        return None
    code = found.get("file_format") if isinstance(found, Mapping) else None
    return _FORMATS.get(code) if isinstance(code, int) else None
