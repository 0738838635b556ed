"""The source `cloudflare-stream`: webhooks of Cloudflare Stream about videos, recordings of live inputs among them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import ClassVar, Final

from gateway import FILE_COMPLETED, RECORDING_FAILED, RECORDING_UNKNOWN, Callback, Event, Fault, File, Scene, Verified
from plugins.sources.common.built_event import build_event, contents, named_by
from plugins.sources.common.fields import PIXELS_MAX, Reading
from plugins.sources.common.timed_header import TimedHeader

# developers.cloudflare.com/stream: using webhooks
TYPES: Final = {"ready": FILE_COMPLETED, "error": RECORDING_FAILED}


class CloudflareStream(TimedHeader):
    """Webhooks of Cloudflare Stream. docs/sources.md says what its signature covers and where the traps are."""

    type: ClassVar[str] = "cloudflare-stream"
    max_body: ClassVar[int | None] = 64 * 1024
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # put the secret that the API answered here
"""
    header: ClassVar[str] = "webhook-signature"
    time_part: ClassVar[str] = "time"
    mark_part: ClassVar[str] = "sig1"
    lacks: ClassVar[Sequence[str]] = ("domain", "app", "project_id")
    scenes: ClassVar[Sequence[str]] = tuple(TYPES)

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event: what happened is the video's state, since the webhook has no type."""
        document = callback.json()
        reading = Reading(document)
        status = reading.inside("status")
        state = status.text("state")
        type = TYPES.get(state or "", RECORDING_UNKNOWN)
        files: tuple[File, ...] = ()
        uid = reading.text("uid")
        if type == FILE_COMPLETED:
            size = reading.inside("input")
            playback = reading.inside("playback")
            files = (
                File(
                    format="hls",
                    play_url=playback.text("hls"),
                    asset_id=uid,
                    size_bytes=reading.whole("size"),
                    duration_seconds=reading.seconds("duration"),
                    width=size.whole("width", PIXELS_MAX),
                    height=size.whole("height", PIXELS_MAX),
                    started_at=reading.time("created"),
                ),
            )
        error = None
        if type == RECORDING_FAILED:
            # the vendor's samples spell these in two ways
            code = status.text("errorReasonCode") or status.text("errReasonCode")
            error = Fault(code=code, message=status.text("errorReasonText") or status.text("errReasonText"))
        inner = document.get("liveInput")
        stream = reading.inside("liveInput").text("uid") if isinstance(inner, dict) else reading.text("liveInput")
        event = build_event(
            self,
            callback,
            verified,
            reading,
            type=type,
            vendor_type=state,
            # of a state that is no end there may be several, such as how far the encoding is
            identity=[
                *named_by(document, "uid", "modified"),
                *([contents(document)] if type == RECORDING_UNKNOWN else []),
            ],
            stream=stream,
            format="hls" if files else None,
            job_id=uid,
            time=reading.time("modified"),
            files=files,
            error=error,
        )
        return (event,)

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        now = scene.now.astimezone(UTC)
        status: dict[str, object] = {
            "state": type,
            "pctComplete": "100.000000",
            "errorReasonCode": "",
            "errorReasonText": "",
        }
        if type == "error":
            status |= {"errorReasonCode": "ERR_NON_VIDEO", "errorReasonText": "The file was not recognized as a video."}
        uid = unique[:32]
        return {
            "uid": uid,
            "liveInput": f"stream-{scene.number}",
            "readyToStream": type == "ready",
            "status": status,
            "meta": {"name": "example"},
            "created": f"{now - timedelta(minutes=2):%Y-%m-%dT%H:%M:%S}.000000Z",
            "modified": f"{now:%Y-%m-%dT%H:%M:%S}.000000Z",
            "size": 3_957_964,
            "duration": 120.5,
            "input": {"width": 1280, "height": 720},
            "playback": {
                "hls": f"https://customer.example.com/{uid}/manifest/video.m3u8",
                "dash": f"https://customer.example.com/{uid}/manifest/video.mpd",
            },
        }
