"""The source `alibaba-live`: recording callbacks of Alibaba Cloud ApsaraVideo Live."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway import (
    FILE_COMPLETED,
    ONE_OR_MANY,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    Callback,
    Event,
    File,
    Played,
    Scene,
    Seal,
    Trust,
    Verified,
)
from plugins.sources.common.built_event import build_event, contents, format_of, named_by, stored
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

# alibabacloud.com/help/doc-detail/417349.htm and the pages on callback authentication
TIMESTAMP: Final = "ali-live-timestamp"
SIGNATURE: Final = "ali-live-signature"
_EVENT: Final = "record_file"  # ours: the vendor's message of a file has no type


def _hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values or any(not value or "/" in value or "|" in value or value != value.strip() for value in values):
        raise PydanticCustomError("hosts", "a host name without scheme and path, such as hooks.example.com")
    return values


class AlibabaLiveOptions(TimedOptions):
    """What a source of type `alibaba-live` can be told."""

    callback_hosts: Annotated[tuple[str, ...], ONE_OR_MANY, AfterValidator(_hosts)] = Field(
        description="The host of the callback URL as the vendor's console has it, because the signature is over it. "
        "Several while it is being changed."
    )
    max_bodies_per_signature: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="How many different callbacks may share one signature; one more is quarantined. 0: any number. "
        "Left out: those past 32 are delivered after everything else.",
    )


def mark(host: str, timestamp: str, key: bytes) -> bytes:
    """MD5 of host, time and key with bars between them: 16 bytes."""
    return hashlib.md5(f"{host}|{timestamp}|".encode() + key, usedforsecurity=False).digest()


class AlibabaLive(Keyed):
    """Recording callbacks of Alibaba Cloud Live. docs/sources.md says what its signature covers and where the traps are."""

    type: ClassVar[str] = "alibaba-live"
    max_body: ClassVar[int | None] = 64 * 1024
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # the same key goes into the vendor's console
callback_hosts: [@HOST@]   # the host of the callback address in the console: it is part of what is signed
"""
    Options = AlibabaLiveOptions
    scheme: ClassVar[str] = "md5"
    ages: ClassVar[bool] = True
    lacks: ClassVar[Sequence[str]] = ("project_id",)
    scenes: ClassVar[Sequence[str]] = (_EVENT, "record_started", "record_paused")
    options: AlibabaLiveOptions

    def advice(self) -> Sequence[str]:
        return (
            *super().advice(),
            "the vendor's signature covers only the time of sending: whoever sees one callback can send any other within "
            "`tolerance`; a `path` that cannot be guessed and `allow_from` are what else there is",
        )

    @property
    def most_trust(self) -> Trust:
        return Trust.TIMESTAMP

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted. The `Host` of the request is not looked at: its sender chose it."""
        presented = header(callback, SIGNATURE)
        timestamp = header(callback, TIMESTAMP)
        at = seconds_of(timestamp, TIMESTAMP)
        hosts = self.options.callback_hosts
        match = position(from_hex(presented, 16), [mark(host, timestamp, key) for key in self._keys for host in hosts])
        if match is None:
            raise mismatch(SIGNATURE, self._keys, "MD5(callback host | time | key)")
        validity = check_sent(at, callback.received_at, self.options.tolerance)
        digest = hashlib.sha256(f"{presented.lower()}\0{timestamp}".encode()).digest()[:16]
        return Verified(
            trust=Trust.TIMESTAMP,
            scheme=self.scheme,
            key=match // len(hosts),
            validity=validity,
            seal=Seal(digest=digest, most=self.options.max_bodies_per_signature),
        )

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event: a file where there is a `uri`, else a status."""
        document = callback.json()
        reading = Reading(document)
        reading.drop("push_args")  # the publisher's own signature is among them
        happened = reading.text("event")
        where = {name: reading.text(name) for name in ("domain", "app", "stream")}
        if happened is not None or not reading.has("uri"):
            return (self._status(callback, verified, reading, happened, where),)
        uri = reading.text("uri")
        file = File(
            format=format_of(uri),
            duration_seconds=reading.seconds("duration"),
            started_at=reading.moment("start_time"),
            ended_at=reading.moment("stop_time"),
            storage=stored(key=uri),
        )
        event = build_event(
            self,
            callback,
            verified,
            reading,
            type=FILE_COMPLETED,
            vendor_type=None,
            identity=named_by(document, "uri", "start_time", "stop_time"),
            format=file.format,
            time=file.ended_at,
            files=(file,),
            **where,
        )
        return (event,)

    def _status(
        self,
        callback: Callback,
        verified: Verified,
        reading: Reading,
        happened: str | None,
        where: Mapping[str, object],
    ) -> Event:
        # nothing in a status tells two starts of one stream apart, but the time that is signed
        return build_event(
            self,
            callback,
            verified,
            reading,
            type=RECORDING_STARTED if happened == "record_started" else RECORDING_UNKNOWN,
            vendor_type=happened,
            identity=[callback.headers.get(TIMESTAMP), contents(callback.json())],
            **where,
        )

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        stream = f"stream-{scene.number}"
        where = {"domain": "push.example.com", "app": "live", "stream": stream}
        if type != _EVENT:
            return {**where, "event": type}
        ended = int(scene.now.timestamp()) - 2
        return {
            **where,
            "uri": f"record/live/{stream}/{unique[:12]}.m3u8",
            "duration": 120.16,
            "start_time": ended - 120,
            "stop_time": ended,
            "push_args": {"auth_key": "example"},
        }

    def headers(self, body: bytes, at: int, key: bytes) -> Mapping[str, str]:
        return {TIMESTAMP: str(at), SIGNATURE: mark(self.options.callback_hosts[0], str(at), key).hex()}

    def _signed(self, said: Mapping[str, object], at: int, scene: Scene) -> Played:
        played = super()._signed(said, at, replace(scene, tampered=False))
        if not scene.tampered:
            return played
        return Played(body=played.body, headers={**played.headers, TIMESTAMP: str(at + 1)})  # all that is covered
