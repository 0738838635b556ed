"""The source `agora`: notifications of Agora Cloud Recording."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, Literal

from pydantic import Field

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
from plugins.sources.common.built_event import build_event, format_of, named_by, stored
from plugins.sources.common.fields import Reading
from plugins.sources.common.keyed import Keyed, KeyedOptions, from_hex, header, mismatch, position

# docs.agora.io: receive notifications, and the pages on the signature
HEADERS: Final = {"hmac-sha256": ("agora-signature-v2", "sha256", 32), "hmac-sha1": ("agora-signature", "sha1", 20)}
RECORDING_PRODUCT_ID: Final = 3  # the productId of cloud recording
_ERROR: Final = "1"
_EXIT: Final = "11"
_UPLOADED: Final = "31"
TYPES: Final = {
    _ERROR: RECORDING_FAILED,
    _EXIT: RECORDING_ENDED,  # the session; 41, the recorder's leaving, may come several times before it
    _UPLOADED: FILE_COMPLETED,
    "40": RECORDING_STARTED,
    "70": RECORDING_STARTED,  # of a web page
}


class AgoraOptions(KeyedOptions):
    """What a source of type `agora` can be told."""

    sign_type: Literal["hmac-sha256", "hmac-sha1"] = Field(
        default="hmac-sha256",
        description="Which signature is looked at: `hmac-sha256` is that of Agora-Signature-V2, `hmac-sha1` that of "
        "Agora-Signature.",
    )


def mark(key: bytes, body: bytes, algorithm: str = "sha256") -> bytes:
    """HMAC over the body: 32 bytes, or 20 of SHA-1."""
    return hmac.digest(key, body, algorithm)


class Agora(Keyed):
    """Notifications of Agora. docs/sources.md says what its signature covers and where the traps are."""

    type: ClassVar[str] = "agora"
    max_body: ClassVar[int | None] = 256 * 1024
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # put the secret of the vendor's console here
"""
    Options = AgoraOptions
    lacks: ClassVar[Sequence[str]] = ("domain", "app", "project_id")
    scenes: ClassVar[Sequence[str]] = ("40", _UPLOADED, _EXIT, _ERROR)
    options: AgoraOptions

    def prepare(self) -> None:
        super().prepare()
        self.scheme = self.options.sign_type  # type: ignore[misc]  # here it is a choice
        self._header, self._algorithm, self._size = HEADERS[self.scheme]

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted. Nothing in the signature is a time, so only the id keeps repeats out."""
        presented = from_hex(header(callback, self._header), self._size)
        key = position(presented, [mark(key, callback.body, self._algorithm) for key in self._keys])
        if key is None:
            raise mismatch(self._header, self._keys, f"the {self.scheme} of the body")
        return self.verified(key)

    def vendor_type(self, callback: Callback) -> str | None:
        reading = Reading(callback.json())
        return f"product {reading.label('productId')}: {reading.label('eventType')}"

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event; none for the vendor's other products, which share the address."""
        document = callback.json()
        reading = Reading(document)
        if reading.whole("productId") not in (None, RECORDING_PRODUCT_ID):
            return ()
        reading.drop("notifyMs")  # is another one on each try
        vendor_type = reading.label("eventType")
        type = TYPES.get(vendor_type or "", RECORDING_UNKNOWN)
        payload = reading.inside("payload")
        details = payload.inside("details")
        files = _files(details) if type == FILE_COMPLETED else ()
        event = build_event(
            self,
            callback,
            verified,
            reading,
            type=type,
            vendor_type=vendor_type,
            identity=named_by(document, "noticeId", without=("notifyMs",)),
            stream=payload.label("cname"),
            format=files[0].format if files else None,
            job_id=payload.text("sid"),
            time=payload.moment("sendts", over=1000),
            files=files,
            error=_fault(type, vendor_type, details),
        )
        return (event,)

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        now = int(scene.now.timestamp() * 1000)
        name = f"{unique[:32]}_stream-{scene.number}.m3u8"
        file = {
            "fileName": name,
            "trackType": "audio_and_video",
            "uid": "0",
            "mixedAllUser": True,
            "isPlayable": True,
            "sliceStartTime": now - 120_000,
        }
        details: dict[str, dict[str, object]] = {
            "40": {"msgName": "cloud_recording_recorder_started"},
            _UPLOADED: {"msgName": "cloud_recording_uploaded", "status": 0, "fileList": [file]},
            _EXIT: {"msgName": "cloud_recording_session_exit", "exitStatus": 0},
            _ERROR: {"msgName": "cloud_recording_error", "module": 1, "errorCode": 65, "errorMsg": "upload failed"},
        }
        return {
            "noticeId": unique[:40],
            "productId": RECORDING_PRODUCT_ID,
            "eventType": int(type),
            "notifyMs": now + 20,
            "payload": {
                "cname": f"stream-{scene.number}",
                "uid": "527841",
                "sid": unique[32:],
                "sequence": 1,
                "sendts": now,
                "serviceType": 0,
                "details": details[type],
            },
        }

    def headers(self, body: bytes, at: int, key: bytes) -> Mapping[str, str]:
        return {name: mark(key, body, algorithm).hex() for name, algorithm, _ in HEADERS.values()}


def _files(details: Reading) -> tuple[File, ...]:
    files = []
    for file in details.entries("fileList"):
        name = file.text("fileName")
        started = file.moment("sliceStartTime", over=1000)
        files.append(File(format=format_of(name), started_at=started, storage=stored(key=name)))
    return tuple(files)


def _fault(type: str, vendor_type: str | None, details: Reading) -> Fault | None:
    if type == RECORDING_FAILED:
        return Fault(code=details.label("errorCode"), message=details.text("errorMsg"))
    status = details.label("exitStatus") if vendor_type == _EXIT else None
    return Fault(code=f"exitStatus {status}") if status not in (None, "0") else None
