"""The source `acme`: what Acme's recorders say, signed by Standard Webhooks over the whole body, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from gateway import (
    EVENT_TYPES,
    FILE_COMPLETED,
    FILE_STARTED,
    ONE_OR_MANY,
    RECORDING_ARCHIVED,
    RECORDING_CONFIRMED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_MISSING,
    RECORDING_OVERDUE,
    RECORDING_RECOVERED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    STREAM_ENDED,
    STREAM_STARTED,
    Callback,
    Duration,
    Event,
    Fault,
    File,
    Glob,
    Globs,
    InvalidSignature,
    Malformed,
    Options,
    Played,
    Response,
    Scene,
    Seal,
    Secret,
    Size,
    Source,
    Storage,
    Trust,
    Untrusted,
    Verified,
    WebhookKey,
    between,
    event_id,
    secret,
    sender_key,
    sign_webhook,
    verify_webhook,
)

CODES = {"missing": "signature_missing", "stale": "signature_expired", "mismatch": "signature_mismatch"}
VENDOR_TYPES = {"on": RECORDING_STARTED, "clip": FILE_COMPLETED, "fault": RECORDING_FAILED}
NOT_SAID = {
    FILE_STARTED,
    RECORDING_ENDED,
    STREAM_STARTED,
    STREAM_ENDED,
    RECORDING_ARCHIVED,
    RECORDING_CONFIRMED,
    RECORDING_MISSING,
    RECORDING_OVERDUE,
    RECORDING_RECOVERED,
}  # Acme says the rest by what comes next


class CameraOptions(Options):
    """Which recorders are believed."""

    secrets: Annotated[tuple[Annotated[Secret, secret(min_length=30, advise=40)], ...], ONE_OR_MANY] = Field(
        (), description="Signing secrets, whsec_…; empty: callbacks are not signed."
    )
    tolerance: Annotated[Duration, between("1s", "10m")] = Field(
        timedelta(minutes=5), description="How old a signature may be."
    )
    sites: Globs = Field(("*",), description="Sites that may speak.")
    lobby: Glob = Field("lobby-*", description="Cameras whose clips are marked as public.")
    longest: Annotated[Size, between(1)] = Field(
        2**40, description="A clip said to be longer is kept with its size unread."
    )


class Cameras(Source):
    """Acme's recorders."""

    type = "acme"
    Options = CameraOptions
    options: CameraOptions
    media_types = ("application/json",)
    scenes = tuple(VENDOR_TYPES)
    starter = "secrets: [@KEY@]\n"

    def prepare(self) -> None:
        self.texts = [one.reveal() for one in self.options.secrets]

    @property
    def unsigned(self) -> bool:
        return not self.options.secrets

    def advice(self) -> Sequence[str]:
        return ("anybody can speak for your cameras: set `secrets`",) if self.unsigned else ()

    def verify(self, callback: Callback) -> Verified:
        if self.unsigned:
            return Verified(trust=Trust.NONE, scheme="none")
        for number, text in enumerate(self.texts):
            try:
                verify_webhook(
                    callback.body,
                    callback.headers,
                    text,
                    tolerance=self.options.tolerance.total_seconds(),
                    now=callback.received_at,
                )
            except InvalidSignature as error:
                refusal = Untrusted(CODES[error.code], str(error))
            else:
                seal = hashlib.sha256(callback.headers["webhook-signature"].encode()).digest()
                return Verified(trust=Trust.BODY, scheme="standard", key=number, seal=Seal(digest=seal, most=1))
        raise refusal

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        said = callback.json()
        events = said.get("events")
        if not isinstance(events, list):
            raise Malformed("events: expected a list")
        return [self.event(one, callback, verified) for one in events if one != {"kind": "ping"}]

    def event(self, said: Any, callback: Callback, verified: Verified) -> Event:
        if not isinstance(said, dict) or not isinstance(said.get("clip"), str):
            raise Malformed("clip: expected a text")
        kind = VENDOR_TYPES.get(str(said.get("kind")), RECORDING_UNKNOWN)
        assert kind in set(EVENT_TYPES) - NOT_SAID
        clip, camera, size = said["clip"], str(said.get("camera", "")), said.get("bytes")
        read = isinstance(size, int) and size <= self.options.longest
        file = File(
            format="mp4", asset_id=clip, size_bytes=size if read else None, storage=Storage(bucket="acme", key=clip)
        )
        return Event(
            id=event_id(self.name, kind, None, "cameras", camera, None, [clip]),
            type=kind,
            source=self.name,
            provider="acme",
            vendor_type=str(said.get("kind")),
            app="cameras",
            stream=camera or None,
            job_id=clip,
            files=(file,) if kind == FILE_COMPLETED else (),
            error=Fault(code="E1", message=str(said.get("why"))) if kind == RECORDING_FAILED else None,
            received_at=callback.received_at,
            trust=verified.trust,
            verified=verified,
            extra={} if read or size is None else {"bytes": size},
            problems=() if read or size is None else ("bytes",),
        )

    def acknowledge(self, callback: Callback, events: Sequence[Event]) -> Response | None:
        return Response(202, json.dumps({"heard": len(events)}).encode()) if events else None

    def play(self, scene: Scene) -> Played:
        said = {
            "kind": scene.type,
            "clip": f"clip-{scene.number}",
            "camera": "lobby-1",
            "bytes": 1000,
            "why": "no disk",
        }
        body = json.dumps({"events": [said | dict(scene.fields)]}).encode()
        sent = scene.now - 2 * self.options.tolerance if scene.expired else scene.now
        headers = signature(self.texts[0], f"msg_{scene.number}", sent, body) if self.texts else {}
        return Played(body=body.replace(b"lobby-1", b"lobby-2") if scene.tampered else body, headers=headers)


def signature(text: str, id: str, at: datetime, body: bytes) -> dict[str, str]:
    key: WebhookKey = sender_key(text)
    stamp = int(at.timestamp())
    return {
        "webhook-id": id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign_webhook(id, stamp, body, [key]),
    }
