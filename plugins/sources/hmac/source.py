"""The source `hmac`: any vendor that signs with an HMAC in a header, by configuration and without Python."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import ClassVar, Final

from gateway import Callback, Event, Played, Scene, Seal, Trust, Untrusted, Verified
from plugins.sources.common.event_map import Translator, unsigned_headers_advice
from plugins.sources.common.fields import Reading, kind_of, moment_of
from plugins.sources.common.keyed import (
    Keyed,
    any_position,
    check_sent,
    from_base64,
    from_hex,
    header,
    mismatch,
    only,
    parts,
    seal_of,
)
from plugins.sources.common.map_example import example, example_headers, scenes_of
from plugins.sources.hmac.signed_text import PIECE, SIZES, HmacOptions, decoded, filled

_SECONDS: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?")
_MILLISECONDS: Final = re.compile("[0-9]{13}")


class Hmac(Keyed):
    """Callbacks of a vendor that signs with an HMAC. docs/sources.md says how to describe one."""

    type: ClassVar[str] = "hmac"
    max_body: ClassVar[int | None] = 1024 * 1024
    starter: ClassVar[str] = """\
keys:
  - @KEY@   # put the vendor's secret here
header: X-Signature         # which header holds the signature; what else can be said of it: docs/sources.md
signed: "{body}"
event:                      # where the fields of an event stand in the body
  type: body.type
  types: {recording.finished: recording.file.completed, recording.failed: recording.failed}
  stream: body.stream
"""
    Options = HmacOptions
    options: HmacOptions

    def prepare(self) -> None:
        options = self.options
        keys = (decoded(key.reveal(), options.key_encoding) for key in options.keys)
        self._keys = tuple(key for key in keys if key is not None)  # the options made sure that none is
        self._size = SIZES[options.algorithm]
        self._translator = Translator(options.event)
        self.scheme = f"hmac-{options.algorithm}"  # type: ignore[misc]  # here it is a choice, and so are these two
        self.ages = options.timestamp_from is not None  # type: ignore[misc]
        self.scenes = scenes_of(options.event)  # type: ignore[misc]
        covers = PIECE.findall(options.signed)
        signed = {
            name
            for name, piece in ((options.id_header, "id"), (options.timestamp_header, "timestamp"))
            if piece in covers
        }
        self._unsigned = sorted(self._translator.headers - signed)
        self._trust = Trust.TIMESTAMP if "body" not in covers else Trust.FIELDS if self._unsigned else Trust.BODY
        # one signature, one content, where the signed text could be cut in another way or leaves something open
        self._sealed = "body" in covers and bool(self._unsigned or "id" in covers or "}{" in options.signed)

    def advice(self) -> Sequence[str]:
        advice = list(super().advice())
        if self._trust is Trust.TIMESTAMP:
            advice.append(
                "`signed` covers only a time: whoever sees one callback can send any other within `tolerance`"
            )
        if "}{" in self.options.signed:
            advice.append(
                "nothing separates two pieces of `signed`: bytes can be moved from one to the other, so one signature "
                "carries one content and any other is quarantined"
            )
        advice += unsigned_headers_advice(self._unsigned)
        return advice

    @property
    def always(self) -> Mapping[str, Sequence[str]]:
        map = self.options.event
        unsaid = [name for name in ("domain", "app", "stream", "project_id") if getattr(map, name) is None]
        return {"provider": (self.type,), **dict.fromkeys(unsaid, ())}

    @property
    def most_trust(self) -> Trust:
        return self._trust

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted, or Malformed where the time stands in a body that is no JSON object."""
        options = self.options
        whole = header(callback, options.header)
        found = parts(whole) if options.part or options.timestamp_part else {}
        timestamp = self._timestamp(callback, found)
        id = header(callback, options.id_header) if options.id_header else ""
        written = found.get(options.part, ()) if options.part else self._presented(whole)
        presented = [self._decoded(one[len(options.prefix) :]) for one in written if one.startswith(options.prefix)]
        text = filled(options.signed, body=callback.body, timestamp=timestamp, id=id)
        key = any_position(presented, [hmac.digest(key, text, options.algorithm) for key in self._keys])
        if key is None:
            raise mismatch(options.header, self._keys, f"the HMAC-{options.algorithm.upper()} of `signed`")
        validity = check_sent(_moment(timestamp), callback.received_at, options.tolerance) if self.ages else None
        return Verified(
            trust=self._trust, scheme=self.scheme, key=key, validity=validity, seal=self._seal(text, timestamp)
        )

    def _seal(self, text: bytes, timestamp: str) -> Seal | None:
        if self._sealed:
            return seal_of(self.scheme, text, most=1)
        if self._trust is Trust.TIMESTAMP and timestamp:
            return seal_of(self.scheme, text, most=self.options.max_bodies_per_signature)
        return None

    def _presented(self, whole: str) -> Sequence[str]:
        """The signatures of a header without names, with commas, semicolons or spaces between them: each with its prefix.

        A separator counts only before a prefix, because the prefix may hold one itself, as in `v1,abc v1,def`.
        """
        prefix = self.options.prefix
        between = re.split(rf"[,;\s]+(?={re.escape(prefix)})", whole)
        return [prefix + re.split(r"[,;\s]", one[len(prefix) :])[0] for one in between if one.startswith(prefix)]

    def _timestamp(self, callback: Callback, by_name: Mapping[str, Sequence[str]]) -> str:
        """The time of sending as it was written, since that is what is signed; empty where none is looked for."""
        options = self.options
        if options.timestamp_header is not None:
            return header(callback, options.timestamp_header)
        if options.timestamp_part is not None:
            part = f"`{options.timestamp_part}` of {options.header}"
            return only(by_name.get(options.timestamp_part, ()), part)
        if options.timestamp_field is None:
            return ""
        value = callback.json().get(options.timestamp_field)
        whole = "{timestamp}" not in options.signed  # nobody knows how a number with a fraction was written
        if type(value) is not str and type(value) is not int and not (whole and type(value) is float):
            raise Untrusted("signature_missing", f"{options.timestamp_field} is {kind_of(value)}; a time is expected")
        return str(value)

    def _decoded(self, text: str) -> bytes | None:
        if self.options.encoding == "hex":
            return from_hex(text, self._size)
        return from_base64(text, self._size, url=self.options.encoding == "base64url")

    def vendor_type(self, callback: Callback) -> str | None:
        return self._translator.vendor_type(callback)

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """The event that `event` makes of the body; none where its type is to be ignored."""
        id = callback.headers.get(self.options.id_header) if self.options.id_header else None
        signed = [self.options.timestamp_field] if self.options.timestamp_field else []
        made = self._translator.event(self, callback, verified, id=id, without=signed)
        return () if made is None else (made,)

    # -- playing the vendor

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        return example(self.options.event, self._translator, type, scene, unique)

    def _signed(self, document: Mapping[str, object], at: int, scene: Scene) -> Played:
        options = self.options
        id = f"msg-{self._unique(scene)[:24]}" if options.id_header else ""
        body = self._body(document, at)
        text = filled(options.signed, body=body, timestamp=str(at), id=id)
        written = options.prefix + _WRITERS[options.encoding](hmac.digest(self._keys[0], text, options.algorithm))
        if scene.tampered and self._trust is Trust.TIMESTAMP:
            at += 1  # all that is covered
            body = self._body(document, at)
        elif scene.tampered:
            body = self._spoilt(body)
        if options.part:
            written = f"{options.part}={written}"
        if options.timestamp_part is not None:
            written = f"{options.timestamp_part}={at},{written}"
        headers = {"content-type": self.content_type, options.header: written}
        headers |= example_headers(options.event, self._translator, scene.type, scene, self._unique(scene))
        if options.timestamp_header is not None:
            headers[options.timestamp_header] = str(at)
        if options.id_header is not None:
            headers[options.id_header] = id
        return Played(body=body, headers=headers)

    def _body(self, said: Mapping[str, object], at: int) -> bytes:
        field = self.options.timestamp_field
        return self._written(said if field is None else {field: at, **said})


_WRITERS: Final[Mapping[str, Callable[[bytes], str]]] = {
    "hex": bytes.hex,
    "base64": lambda made: base64.b64encode(made).decode(),
    "base64url": lambda made: base64.urlsafe_b64encode(made).decode(),
}


def _moment(text: str) -> datetime:
    """The time of sending. Raises Untrusted."""
    if _SECONDS.fullmatch(text) or _MILLISECONDS.fullmatch(text):
        at = moment_of(text, 1 if len(text.partition(".")[0]) <= 10 else 1000)
    else:
        at = Reading({"at": text}).time("at") or _http_date(text)
    if at is None:
        raise Untrusted(
            "signature_missing",
            "the time of sending is neither seconds nor milliseconds since 1970, nor RFC 3339, nor an HTTP date",
        )
    return at


def _http_date(text: str) -> datetime | None:
    """A time as the header `Date` has it, in the one form that senders write, day of the week included."""
    try:
        at = parsedate_to_datetime(text)
        return at if format_datetime(at, usegmt=True) == text else None
    except (ValueError, OverflowError):  # no date at all, or one in another zone
        return None
