"""The source `zoom`: webhooks of Zoom about cloud recordings."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
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
    Response,
    Scene,
    Verified,
)
from plugins.sources.common.built_event import build_event, contents, format_of
from plugins.sources.common.fields import Reading
from plugins.sources.common.keyed import (
    Keyed,
    TimedOptions,
    check_sent,
    from_hex,
    header,
    mismatch,
    position,
    seconds_of,
)

# developers.zoom.us: using webhooks; github.com/zoom/webhook-sample
SIGNATURE: Final = "x-zm-signature"
TIMESTAMP: Final = "x-zm-request-timestamp"
VALIDATION: Final = "endpoint.url_validation"
TYPES: Final = {
    "recording.started": RECORDING_STARTED,
    "recording.stopped": RECORDING_ENDED,
    "recording.completed": FILE_COMPLETED,
    "phone.recording_started": RECORDING_STARTED,
    "phone.recording_stopped": RECORDING_ENDED,
    "phone.recording_completed": FILE_COMPLETED,
    "phone.recording_failed": RECORDING_FAILED,
    "session.recording_started": RECORDING_STARTED,
    "session.recording_stopped": RECORDING_ENDED,
    "session.recording_completed": FILE_COMPLETED,
}
_ABOUT_RECORDINGS: Final = ("recording.", "phone.recording_", "session.recording_")
_VERSION: Final = "v0="
# no colon: with one, our answer could be the signature of a callback that somebody else made up
_PLAIN_TOKEN: Final = re.compile(r"[A-Za-z0-9_+/=.-]{1,256}")
_CHANGES: Final = ("download_token",)  # a secret, and another one on each try


def mark(key: bytes, at: str, body: bytes) -> bytes:
    """HMAC-SHA256 over `v0`, time and body with colons between them: 32 bytes."""
    return hmac.digest(key, b"v0:" + at.encode() + b":" + body, "sha256")


class Zoom(Keyed):
    """Webhooks of Zoom. docs/sources.md says what its signature covers and where the traps are."""

    type: ClassVar[str] = "zoom"
    max_body: ClassVar[int | None] = 1024 * 1024  # a meeting of 1,000 files
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # put the secret token of your app here
"""
    Options = TimedOptions
    scheme: ClassVar[str] = "hmac-sha256"
    ages: ClassVar[bool] = True
    lacks: ClassVar[Sequence[str]] = ("domain", "app")
    scenes: ClassVar[Sequence[str]] = (*TYPES, "recording.paused", VALIDATION)

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted, also for an unsigned validation: nobody gets an HMAC of ours for text of his own."""
        at = header(callback, TIMESTAMP)
        sent = seconds_of(at, TIMESTAMP)
        key = self._key(callback, at)
        if key is None:
            raise mismatch(SIGNATURE, self._keys, "v0= and the HMAC-SHA256 of time and body")
        return self.verified(key, validity=check_sent(sent, callback.received_at, self.options.tolerance))

    def _key(self, callback: Callback, at: str) -> int | None:
        text = header(callback, SIGNATURE)
        presented = from_hex(text.removeprefix(_VERSION), 32) if text.startswith(_VERSION) else None
        return position(presented, [mark(key, at, callback.body) for key in self._keys])

    def acknowledge(self, callback: Callback, events: Sequence[Event]) -> Response | None:
        """The answer to a validation: the token, and its HMAC with the key that signed the question."""
        said = callback.json()
        if said.get("event") != VALIDATION:
            return None
        payload = said.get("payload")
        plain = payload.get("plainToken") if isinstance(payload, Mapping) else None
        key = self._key(callback, header(callback, TIMESTAMP))
        if not isinstance(plain, str) or not _PLAIN_TOKEN.fullmatch(plain) or key is None:
            return None
        encrypted = hmac.digest(self._keys[key], plain.encode(), "sha256").hex()
        return Response(body=json.dumps({"plainToken": plain, "encryptedToken": encrypted}).encode())

    def vendor_type(self, callback: Callback) -> str | None:
        return Reading(callback.json()).text("event")

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event; none for a validation, and for meetings and whatever else is no recording."""
        document = callback.json()
        reading = Reading(document)
        reading.drop(*_CHANGES)
        vendor_type = reading.text("event")
        if vendor_type is not None and not vendor_type.startswith(_ABOUT_RECORDINGS):
            return ()
        type = TYPES.get(vendor_type or "", RECORDING_UNKNOWN)
        payload = reading.inside("payload")
        meeting = payload.inside("object")
        uuid, call = _names(meeting, vendor_type or "")
        files = _files(meeting) if type == FILE_COMPLETED else ()
        event = build_event(
            self,
            callback,
            verified,
            reading,
            type=type,
            vendor_type=vendor_type,
            identity=[uuid, document["event_ts"]]
            if uuid and document.get("event_ts")
            else [contents(document, _CHANGES)],
            stream=meeting.text("session_name") or call or meeting.label("id"),
            format=files[0].format if files else None,
            project_id=payload.text("account_id"),
            job_id=uuid,
            time=reading.moment("event_ts", over=1000),
            files=files,
            error=Fault() if type == RECORDING_FAILED else None,
        )
        return (event,)

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        now = scene.now.astimezone(UTC)
        sent = int(now.timestamp() * 1000)
        if type == VALIDATION:
            return {"event": type, "event_ts": sent, "payload": {"plainToken": unique[:22]}}
        began, ended = (f"{now - timedelta(minutes=ago):%Y-%m-%dT%H:%M:%SZ}" for ago in (3, 1))
        if type.startswith("phone."):
            call: dict[str, object] = {
                "id": unique[:32],
                "call_id": f"stream-{scene.number}",
                "date_time": began,
                "direction": "outbound",
            }
            if type == "phone.recording_completed":
                url = f"https://zoom.example.com/v2/phone/recording/download/{unique[:16]}"
                call |= {"end_time": ended, "duration": 120, "download_url": url}
                return {
                    "event": type,
                    "event_ts": sent,
                    "payload": {"account_id": "example", "object": {"recordings": [call]}},
                }
            return {"event": type, "event_ts": sent, "payload": {"account_id": "example", "object": call}}
        meeting: dict[str, object] = {
            "uuid": f"{unique[:20]}+/==",
            "id": scene.number,
            "host_id": "example",
            "topic": "example",
            "type": 2,
            "start_time": began,
            "timezone": "UTC",
            "duration": 2,
        }
        if type.startswith("session."):
            meeting = {"session_id": f"{unique[:20]}==", "session_name": f"stream-{scene.number}", "start_time": began}
        document = {"event": type, "event_ts": sent, "payload": {"account_id": "example", "object": meeting}}
        if not type.endswith("completed"):
            return document
        file = {
            "id": unique[32:],
            "meeting_id": unique[:20],
            "recording_start": began,
            "recording_end": ended,
            "recording_type": "shared_screen_with_speaker_view",
            "file_type": "MP4",
            "file_extension": "MP4",
            "file_size": 3_957_964,
            "play_url": f"https://zoom.example.com/rec/play/{unique[:16]}",
            "download_url": f"https://zoom.example.com/rec/download/{unique[:16]}",
            "status": "completed",
        }
        meeting |= {"total_size": 3_957_964, "share_url": "https://zoom.example.com/rec/share/example"}
        meeting |= {"recording_count": 1, "recording_files": [file]}
        return {**document, "download_token": "example-token"}

    def headers(self, body: bytes, at: int, key: bytes) -> Mapping[str, str]:
        return {TIMESTAMP: str(at), SIGNATURE: _VERSION + mark(key, str(at), body).hex()}


def _names(meeting: Reading, vendor_type: str) -> tuple[str | None, str | None]:
    """What the recording is called, and the call it is of: by a meeting's uuid, a session's id, a phone's recording."""
    if not vendor_type.startswith("phone."):
        return meeting.text("uuid") or meeting.text("session_id"), None
    first = next(iter(meeting.entries("recordings")), None)
    if first is None:
        return meeting.label("id"), meeting.text("call_id")
    id, call = first.peek("id"), first.peek("call_id")  # which the first file still has to say
    return id if isinstance(id, str) else None, call if isinstance(call, str) else None


def _files(meeting: Reading) -> tuple[File, ...]:
    calls = meeting.entries("recordings")  # of a telephone
    if calls:
        return tuple(_call(one) for one in calls)
    whole = meeting.seconds("duration", times=60)  # the vendor's are minutes, of the meeting
    files = []
    for file in meeting.entries("recording_files"):
        started, ended = file.time("recording_start"), file.time("recording_end")
        extension, kind = file.text("file_extension"), file.text("file_type")
        files.append(
            File(
                format=(extension or kind or "").lower() or None,
                download_url=file.text("download_url"),
                play_url=file.text("play_url"),
                asset_id=file.text("id"),
                size_bytes=file.whole("file_size"),
                duration_seconds=(ended - started).total_seconds() if started and ended and ended >= started else whole,
                started_at=started,
                ended_at=ended,
            )
        )
    return tuple(files)


def _call(call: Reading) -> File:
    url = call.text("download_url")
    return File(
        format=format_of(url),
        download_url=url,
        asset_id=call.label("id"),
        duration_seconds=call.seconds("duration"),  # here seconds
        started_at=call.time("date_time"),
        ended_at=call.time("end_time"),
    )
