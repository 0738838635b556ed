"""The source `twilio`: status callbacks of Twilio about recordings and compositions, of calls and of video rooms."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import Field

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    Callback,
    Event,
    Fault,
    File,
    Malformed,
    Scene,
    Trust,
    Url,
    Verified,
)
from plugins.sources.common.built_event import build_event, contents, format_of, is_web
from plugins.sources.common.fields import Reading
from plugins.sources.common.keyed import Keyed, KeyedOptions, from_base64, header, mismatch, position, seal_of
from plugins.sources.common.unseparated import Grammar, joined

# twilio.com/docs/usage/security, voice/api/recording, video/api/status-callbacks; PyPI twilio, request_validator.py
SIGNATURE: Final = "x-twilio-signature"
FIELDS_MAX: Final = 200
_FORM: Final = "application/x-www-form-urlencoded"
_PORT: Final = re.compile(r":[0-9]*$")
_PORTS: Final = {"https": 443, "http": 80}
VOICE: Final = {
    "in-progress": RECORDING_STARTED,
    "completed": FILE_COMPLETED,
    "absent": RECORDING_FAILED,
    "failed": RECORDING_FAILED,
}
VIDEO: Final = {
    "recording-started": FILE_STARTED,
    "recording-completed": FILE_COMPLETED,
    "recording-failed": RECORDING_FAILED,
    "composition-available": FILE_COMPLETED,
    "composition-failed": RECORDING_FAILED,
}
_ALGORITHMS: Final = {20: "sha1", 32: "sha256"}  # by the length of the signature: the auth token's, a shared key's
_ABOUT_RECORDINGS: Final = ("recording-", "composition-")
_OF_RECORDINGS: Final = ("StatusCallbackEvent", "RecordingStatus", "RecordingSid", "RecordingUrl", "CompositionSid")
_OF_OTHERS: Final = ("CallStatus", "MessageStatus", "SmsStatus")  # how a call or a message goes on


_SID: Final = re.compile(r"[A-Z]{2}[0-9a-f]{32}")
_NUMBER: Final = re.compile(r"[0-9]{0,19}")
_WORD: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")  # no capital, because every name begins with one
_ISO_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,20}(Z|[+-][0-9:]{4,5}))?")
_MAIL_TIME: Final = re.compile(r"[A-Za-z0-9 ,:+-]{1,40}")
_WEB: Final = re.compile(r"(https?|s3|gs)://(?:(?!://)[!-~])*")
_PATH: Final = re.compile(r"(https?:/)?/(?:(?!://)[!-~])*")
_GRAMMAR: Final = Grammar(
    closed={
        _SID: "AccountSid CallSid ParentCallSid ConferenceSid RecordingSid CompositionSid RoomSid ParticipantSid SourceSid "
        "TrackSid HookSid",
        _NUMBER: "RecordingDuration RecordingChannels Duration Size MediaSize PercentageDone SecondsRemaining ErrorCode "
        "SequenceNumber OffsetFromTwilioVideoEpoch RoomDuration ParticipantDuration",
        _WORD: "RecordingStatus RecordingTrack RecordingType StatusCallbackEvent Container Type TrackKind RoomStatus "
        "RoomType ParticipantStatus",
        _ISO_TIME: "Timestamp ApiVersion",
    },
    open={
        _MAIL_TIME: "RecordingStartTime",
        _WEB: "RecordingUrl MediaExternalLocation",
        _PATH: "MediaUri CompositionUri RecordingUri RoomUri HookUri",
        None: "RoomName ErrorMessage TrackName ParticipantIdentity GroupingSids RecordingSource Codec FailedOperation",
    },
)


def covered(fields: Sequence[tuple[str, str]]) -> Trust:
    """What the signature covers, which joins names and values with nothing between them: all of the form where only
    names that Twilio is known to write are in it, each as it writes it; else what it names, or nothing for certain."""
    return _GRAMMAR.covered(fields)


class TwilioOptions(KeyedOptions):
    """What a source of type `twilio` can be told."""

    url: Url = Field(
        description="The callback URL exactly as it was given to Twilio, with its query, because the signature is over it."
    )


def mark(key: bytes, text: str, algorithm: str = "sha1") -> bytes:
    """HMAC over the URL and the form, as `joined` has it."""
    return hmac.digest(key, text.encode(), algorithm)


def spellings(url: str) -> tuple[str, str]:
    """The URL without and with its scheme's usual port, because the vendor signs now the one, now the other."""
    parts = urlsplit(url)._replace(fragment="")  # how to retry stands there, and is for the vendor alone
    host, port = _PORT.sub("", parts.netloc), parts.port or _PORTS[parts.scheme.lower()]
    return urlunsplit(parts._replace(netloc=host)), urlunsplit(parts._replace(netloc=f"{host}:{port}"))


class Twilio(Keyed):
    """Status callbacks of Twilio. docs/sources.md says what their signature covers and where the traps are."""

    type: ClassVar[str] = "twilio"
    max_body: ClassVar[int | None] = 128 * 1024
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # put the account's auth token here, or a shared key
url: https://@HOST@/hooks/@PATH@   # exactly as you give it to Twilio: it is part of what is signed
"""
    Options = TwilioOptions
    scheme: ClassVar[str] = "hmac-sha1"
    content_type: ClassVar[str] = _FORM
    media_types: ClassVar[Sequence[str]] = (_FORM,)
    lacks: ClassVar[Sequence[str]] = ("domain", "app")
    scenes: ClassVar[Sequence[str]] = (*VOICE, "recording-started", "recording-completed", "composition-available")
    options: TwilioOptions

    def prepare(self) -> None:
        super().prepare()
        self._urls = spellings(self.options.url)

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted, or Malformed for a body that is no form. Nothing in the signature is a time."""
        presented = from_base64(header(callback, SIGNATURE))
        algorithm = _ALGORITHMS.get(0 if presented is None else len(presented), "sha1")
        fields = _fields(callback.body)
        texts = [url + joined(fields) for url in self._urls]
        found = position(presented, [mark(key, text, algorithm) for key in self._keys for text in texts])
        if found is None:
            raise mismatch(SIGNATURE, self._keys, f"the HMAC-{algorithm.upper()} of `url` and the form")
        key, number = divmod(found, len(texts))
        seal = seal_of(self.type, texts[number], most=1)  # a signature is good for ever, but for one content
        return Verified(trust=covered(fields), scheme=f"hmac-{algorithm}", key=key, seal=seal)

    def vendor_type(self, callback: Callback) -> str | None:
        form = _form(callback.body)
        return Reading(form).text("StatusCallbackEvent") or _of_something_else(form)

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """One event; none for rooms, participants, tracks, calls and messages, whose callbacks share the address."""
        form = _form(callback.body)
        reading = Reading(form)
        happened, status = reading.text("StatusCallbackEvent"), reading.text("RecordingStatus")
        if _of_something_else(form) or (happened and not happened.startswith(_ABOUT_RECORDINGS)):
            return ()
        type = (
            VIDEO.get(happened, RECORDING_UNKNOWN)
            if happened is not None
            else VOICE.get(status or "", RECORDING_UNKNOWN)
        )
        name = reading.text("RecordingSid") or reading.text("CompositionSid")
        format = (reading.text("Container") or "").lower() or None
        url = reading.text("RecordingUrl") or reading.text("MediaExternalLocation")
        file = _file(reading, type, format or format_of(url), url, name)
        time = reading.time("Timestamp")
        event = build_event(
            self,
            callback,
            verified,
            reading,
            type=type,
            vendor_type=happened or status,
            # of what is unknown there may be several, such as how far a composition is
            identity=[name] if name and type != RECORDING_UNKNOWN else [name, contents(form)],
            stream=reading.text("RoomName") or reading.text("RoomSid") or reading.text("CallSid"),
            format=file.format if file else format,
            project_id=reading.text("AccountSid"),
            job_id=name,
            time=time or (file.ended_at if file else None),
            files=() if file is None else (file,),
            error=_fault(reading, status) if type == RECORDING_FAILED else None,
        )
        return (event,)

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, Any]:
        names = {"AccountSid": "AC" + "0" * 32, "RecordingSid": "RE" + unique[:32]}
        if type in VOICE:
            form = {
                **names,
                "CallSid": f"CA{scene.number:032x}"[:34],
                "RecordingStatus": type,
                "RecordingChannels": "1",
            }
            form |= {"RecordingSource": "StartCallRecordingAPI", "RecordingStartTime": format_datetime(scene.now)}
            if type == "completed":
                form |= {
                    "RecordingDuration": "120",
                    "RecordingUrl": f"https://api.example.com/Recordings/{unique[:32]}",
                }
            return form
        form = {**names, "RoomName": f"stream-{scene.number}", "RoomSid": "RM" + unique[32:]}
        form |= {"StatusCallbackEvent": type, "Timestamp": f"{scene.now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}"}
        if type == "recording-started":
            return {**form, "Container": "mkv"}
        if type == "composition-available":
            form["CompositionSid"] = "CJ" + form.pop("RecordingSid")[2:]
        return {
            **form,
            "Container": "mkv",
            "Duration": "120",
            "Size": "3957964",
            "MediaUri": "/v1/Recordings/example/Media",
        }

    def headers(self, body: bytes, at: int, key: bytes) -> Mapping[str, str]:
        signature = mark(key, self._urls[0] + joined(_fields(body)))
        return {SIGNATURE: base64.b64encode(signature).decode()}

    def _written(self, said: Mapping[str, object]) -> bytes:
        return urlencode({name: str(value) for name, value in said.items()}, quote_via=quote).encode()

    def _spoilt(self, body: bytes) -> bytes:
        return body + b"&Tampered=true"


def _fields(body: bytes) -> Sequence[tuple[str, str]]:
    """The pairs of a form. Raises Malformed."""
    try:
        fields = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as error:  # also a byte that is not ASCII, or not UTF-8 behind its percent sign
        kind = "not ASCII" if isinstance(error, UnicodeError) else "not name=value pairs"
        raise Malformed(f"the body is no form of at most {FIELDS_MAX} fields: {kind}") from None
    return fields  # NUL and long texts as they are signed; the event is repaired where it is kept


def _form(body: bytes) -> dict[str, object]:
    """The form by name; a name that is there several times has a list."""
    form: dict[str, object] = {}
    for name, value in dict.fromkeys(_fields(body)):  # a pair that is there twice is signed once
        if name in form:
            earlier = form[name]
            form[name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
        else:
            form[name] = value
    return form


def _file(reading: Reading, type: str, format: str | None, url: str | None, name: str | None) -> File | None:
    if type == FILE_STARTED:
        return File(format=format)  # because nothing else is known of a file that begins
    if type != FILE_COMPLETED:
        return None
    seconds = reading.seconds("RecordingDuration")
    started = _mail_time(reading, "RecordingStartTime")
    return File(
        format=format,
        download_url=url if is_web(url) else None,
        asset_id=name,
        size_bytes=reading.whole("Size"),
        duration_seconds=reading.seconds("Duration") if seconds is None else seconds,
        started_at=started,
    )


def _mail_time(reading: Reading, name: str) -> datetime | None:
    """A time as e-mail writes it, which is how voice callbacks do."""
    text = reading.text(name)
    try:
        at = parsedate_to_datetime(text) if text else None
        if at is not None and at.tzinfo is not None:
            return at.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):  # also of a time after the year 9999 in UTC
        pass
    if text:
        reading.keep(name, text)
    return None


def _fault(reading: Reading, status: str | None) -> Fault:
    return Fault(
        code=reading.text("ErrorCode") or reading.text("FailedOperation") or status,
        message=reading.text("ErrorMessage"),
    )


def _of_something_else(form: Mapping[str, object]) -> str | None:
    """What tells of a call or a message and of no recording, such as `CallStatus=ringing`; None: it is about one."""
    if any(form.get(name) for name in _OF_RECORDINGS):
        return None
    return next((f"{name}={form[name]}" for name in _OF_OTHERS if form.get(name)), None)
