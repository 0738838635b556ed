"""The source `livekit`: webhooks of LiveKit about egress, which is what it calls a recording."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway import (
    FILE_COMPLETED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    Callback,
    Duration,
    Event,
    Fault,
    File,
    Malformed,
    Options,
    Scene,
    Untrusted,
    Verified,
    between,
    decode_document,
    encode_json_ascii,
)
from plugins.sources.common.built_event import build_event, format_of, is_web, named_by, stored
from plugins.sources.common.fields import Reading
from plugins.sources.common.keyed import OF_A_KEY, Key, Keyed, from_base64, header, keys_advice, mismatch

# docs.livekit.io: webhooks; github.com/livekit/protocol webhook/, livekit_egress.proto
AUTHORIZATION: Final = "authorization"
_PART: Final = re.compile("[A-Za-z0-9_-]+")
_LATEST_SECONDS: Final = 10**10  # seconds since 1970, some three centuries from now
_NANO: Final = 10**9
_STARTED: Final = "egress_started"
_ENDED: Final = "egress_ended"
_FAILED: Final = frozenset({"EGRESS_FAILED", "EGRESS_ABORTED"})
_STATUSES: Final = (
    "EGRESS_STARTING", "EGRESS_ACTIVE", "EGRESS_ENDING", "EGRESS_COMPLETE", "EGRESS_FAILED", "EGRESS_ABORTED",
    "EGRESS_LIMIT_REACHED",
)  # fmt: skip  # by their numbers, as some encoders write them


def _some(keys: Mapping[str, object]) -> Mapping[str, object]:
    if not keys or not all(keys):
        raise PydanticCustomError("keys", "at least one API key with its secret, such as {APIabc: secret}")
    return keys


class LiveKitOptions(Options):
    """What a source of type `livekit` can be told."""

    keys: Annotated[Mapping[str, Key], AfterValidator(_some)] = Field(
        description="The API secret of each API key that may sign, as in the server's own `keys`. Several while one is "
        "being changed." + OF_A_KEY
    )
    clock_skew: Annotated[Duration, between("0", "1h")] = Field(
        default=timedelta(minutes=1), description="How far this clock and the server's may be apart."
    )


class LiveKit(Keyed):
    """Webhooks of LiveKit. docs/sources.md says what its signature covers and where the traps are."""

    type: ClassVar[str] = "livekit"
    max_body: ClassVar[int | None] = 512 * 1024
    starter: ClassVar[str] = """\
keys:
  APIexample: @KEY@   # put your API key and its secret here, as in the server's own `keys`
"""
    Options = LiveKitOptions
    scheme: ClassVar[str] = "jwt-hs256"
    ages: ClassVar[bool] = True
    content_type: ClassVar[str] = "application/webhook+json"
    media_types: ClassVar[Sequence[str]] = ("application/webhook+json", "application/json")
    lacks: ClassVar[Sequence[str]] = ("domain", "app", "project_id")
    scenes: ClassVar[Sequence[str]] = (_STARTED, _ENDED, "egress_failed", "egress_updated")
    options: LiveKitOptions

    def prepare(self) -> None:
        self._names = tuple(self.options.keys)
        self._keys = tuple(key.reveal().encode() for key in self.options.keys.values())

    def advice(self) -> Sequence[str]:
        return tuple(keys_advice(tuple(self.options.keys.values())))

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted. The algorithm is not taken from the token: it is HS256 or the token is refused."""
        token = header(callback, AUTHORIZATION).split(".")
        if len(token) != 3 or not all(_PART.fullmatch(part) for part in token):
            raise Untrusted(
                "signature_missing", f"{AUTHORIZATION} is no JSON Web Token: three parts of base64url are expected"
            )
        signed = f"{token[0]}.{token[1]}".encode()
        presented = from_base64(token[2], 32, url=True) or b""
        fits = [hmac.compare_digest(hmac.digest(key, signed, "sha256"), presented) for key in self._keys]
        head, claims = _object(token[0]), _object(token[1])
        if head.get("alg") != "HS256" or "crit" in head:
            raise Untrusted("signature_mismatch", "the token is not signed with plain HS256")
        # which key is meant is public, and a token of one must not pass for one of another
        key = next((n for n, fit in enumerate(fits) if fit and claims.get("iss") == self._names[n]), None)
        if key is None:
            raise mismatch(AUTHORIZATION, self._keys, "a token signed")
        validity = self._check_times(claims, callback.received_at)
        hashed = claims.get("sha256")
        if not isinstance(hashed, str) or not hashed:
            raise Untrusted("signature_missing", "the token has no claim `sha256`, so it says nothing about the body")
        found = base64.b64encode(hashlib.sha256(callback.body).digest())
        if not hmac.compare_digest(found, hashed.encode()):
            raise Untrusted("signature_mismatch", "the token's claim `sha256` is not that of this body")
        return self.verified(key, validity=validity)

    def _check_times(self, claims: Mapping[str, Any], received_at: datetime) -> float:
        now, skew = received_at.timestamp(), self.options.clock_skew.total_seconds()
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        for name, value in (("exp", expires), ("nbf", begins)):
            if type(value) not in (int, float) or not 0 <= value < _LATEST_SECONDS:  # type: ignore[operator]
                raise Untrusted("signature_missing", f"the token's `{name}` is not seconds since 1970")
        left = float(expires or 0) + skew - now
        if left < 0:
            raise Untrusted(
                "signature_expired", f"the token had expired {-left:.3f} s before the callback came (clock_skew)"
            )
        if begins - skew > now:
            ahead = begins - skew - now
            raise Untrusted("validity_too_long", f"the token is good only from {ahead:.3f} s later on (clock_skew)")
        return left

    def vendor_type(self, callback: Callback) -> str | None:
        return Reading(callback.json()).text("event")

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event; none for rooms, participants and tracks, whose webhooks share the address."""
        reading = Reading(callback.json())
        vendor_type = reading.text("event")
        if vendor_type is not None and not vendor_type.startswith("egress_"):
            return ()
        reading.drop("numDropped")  # of the sender's queue, not of this recording
        egress = reading.inside("egressInfo")
        status = _status(egress) if isinstance(callback.json().get("egressInfo"), dict) else None
        message, code = egress.text("error"), egress.label("errorCode")
        files = _files(egress) if vendor_type == _ENDED else ()
        event = build_event(
            self,
            callback,
            verified,
            reading,
            type=_type(vendor_type, status, files),
            vendor_type=f"{vendor_type}/{status}" if vendor_type == _ENDED and status else vendor_type,
            identity=named_by(callback.json(), "id", without=("numDropped",)),
            stream=egress.text("roomName"),
            format=files[0].format if files else None,
            job_id=egress.text("egressId"),
            time=reading.moment("createdAt"),
            files=files,
            error=Fault(code=code or status, message=message) if message or status in _FAILED else None,
        )
        return (event,)

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        now = int(scene.now.timestamp())
        room = f"stream-{scene.number}"
        began, ended = str((now - 120) * _NANO), str(now * _NANO)
        egress: dict[str, object] = {"egressId": f"EG_{unique[:12]}", "roomId": f"RM_{unique[12:24]}", "roomName": room}
        egress |= {"status": "EGRESS_ACTIVE", "startedAt": began, "updatedAt": ended}
        if type == "egress_failed":
            egress |= {"status": "EGRESS_FAILED", "endedAt": ended, "error": "Start signal not received"}
        if type == _ENDED:
            name = f"live/{room}.mp4"
            file = {"filename": name, "startedAt": began, "endedAt": ended, "duration": str(120 * _NANO)}
            file |= {"size": "3957964", "location": f"https://recordings.s3.example.com/{name}"}
            egress |= {"status": "EGRESS_COMPLETE", "endedAt": ended, "fileResults": [file]}
        event = _ENDED if type == "egress_failed" else type
        return {"event": event, "id": f"EV_{unique[24:36]}", "createdAt": str(now), "egressInfo": egress}

    def headers(self, body: bytes, at: int, key: bytes) -> Mapping[str, str]:
        hashed = base64.b64encode(hashlib.sha256(body).digest()).decode()
        claims = {"iss": self._names[self._keys.index(key)], "nbf": at, "exp": at + 300, "sha256": hashed}
        signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        mark = hmac.digest(key, signed.encode(), "sha256")
        return {AUTHORIZATION: f"{signed}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"}

    def _sent(self, scene: Scene) -> int:
        at = int(scene.now.timestamp())
        return at - 300 - int(self.options.clock_skew.total_seconds()) - 60 if scene.expired else at


def _object(part: str) -> Mapping[str, object]:
    """One part of a token. Raises Untrusted."""
    try:
        document = decode_document(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if document.problems:
            raise ValueError
        return document.plain
    except (Malformed, ValueError):
        raise Untrusted(
            "signature_missing", f"{AUTHORIZATION} is no JSON Web Token: a part of it is not JSON"
        ) from None


def _encoded(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(encode_json_ascii(value).encode()).decode().rstrip("=")


def _status(egress: Reading) -> str | None:
    """The state of the egress; None where it cannot be read, since a guess would say that it went well."""
    if egress.peek("status") is None:
        return _STATUSES[0]  # protojson leaves out what is zero
    number = egress.peek("status")
    if type(number) is int and 0 <= number < len(_STATUSES):
        egress.drop("status")
        return _STATUSES[number]
    return egress.text("status")


def _type(vendor_type: str | None, status: str | None, files: Sequence[File]) -> str:
    """By the status, because `egress_ended` is sent for failures too."""
    if vendor_type == _STARTED:
        return RECORDING_STARTED
    if vendor_type != _ENDED or status not in _STATUSES:
        return RECORDING_UNKNOWN
    if status in _FAILED:
        return RECORDING_FAILED
    return FILE_COMPLETED if files else RECORDING_ENDED


def _files(egress: Reading) -> tuple[File, ...]:
    """Older servers send one `file` and `segments`; newer ones send lists, and some send both."""
    files = egress.entries("fileResults") or ([egress.inside("file")] if egress.has("file") else [])
    lists = egress.entries("segmentResults") or ([egress.inside("segments")] if egress.has("segments") else [])
    for older in ("file", "segments"):
        egress.drop(older)
    return (
        *(_file(one, "filename", "location") for one in files),
        *(_file(one, "playlistName", "playlistLocation") for one in lists),
    )


def _file(file: Reading, name: str, location: str) -> File:
    key, where = file.text(name), file.text(location)
    return File(
        format="hls" if name == "playlistName" else format_of(key),
        download_url=where if is_web(where) else None,
        size_bytes=file.whole("size"),
        duration_seconds=file.seconds("duration", over=_NANO),
        started_at=file.moment("startedAt", over=_NANO),
        ended_at=file.moment("endedAt", over=_NANO),
        storage=stored(location=where, key=key),
    )
