"""The source `standard-webhooks`: any sender that signs by the standard, another gateway above all."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway import (
    CLOUDEVENTS_JSON,
    EVENT_TYPES,
    ONE_OR_MANY,
    WEBHOOK_ID,
    WEBHOOK_SIGNATURE,
    WEBHOOK_TIMESTAMP,
    Callback,
    Event,
    Malformed,
    Options,
    Played,
    Scene,
    SigningKey,
    Trust,
    Untrusted,
    Verified,
    event_id,
    from_document,
    sample,
    sign_webhook,
    signing_key,
    to_document,
)
from plugins.sources.common.event_map import EventMap, Translator, unsigned_headers_advice
from plugins.sources.common.fields import kind_of
from plugins.sources.common.keyed import (
    OF_A_KEY,
    Keyed,
    Tolerance,
    any_position,
    check_sent,
    from_base64,
    header,
    keys_advice,
    mismatch,
    seal_of,
    seconds_of,
)

_VERSION: Final = "v1,"
_BETWEEN: Final = re.compile(r"[,;]?\s+")  # a proxy that joins lines of a header writes a comma
_NAMES: Final = (WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE)
_NAMES_OF_SVIX: Final = tuple(name.replace("webhook-", "svix-") for name in _NAMES)
_SIGNED: Final = (*_NAMES[:2], *_NAMES_OF_SVIX[:2])
# an id of a gateway's own, and behind it the sources and variants that gateways on the way told it apart by
_OUR_ID: Final = re.compile(r"(?=.{32,128}\Z)[0-9a-f]{32}(?:~[a-z0-9][a-z0-9_-]{0,63})*")


def _signing_secret(value: SigningKey) -> SigningKey:
    try:
        signing_key(value.reveal())
    except ValueError as error:
        raise PydanticCustomError("signing_secret", "{expected}", {"expected": str(error)}) from None
    return value


def _some(value: tuple[SigningKey, ...]) -> tuple[SigningKey, ...]:
    if not 1 <= len(value) <= 8:
        raise PydanticCustomError("signing_secrets", "one to eight secrets")
    return value


class StandardWebhooksOptions(Options):
    """What a source of type `standard-webhooks` can be told."""

    secrets: Annotated[
        tuple[Annotated[SigningKey, AfterValidator(_signing_secret)], ...], ONE_OR_MANY, AfterValidator(_some)
    ] = Field(
        json_schema_extra={"minItems": 1, "maxItems": 8},
        description="`whsec_` and base64 of 24 bytes or more, as the sender has it. Several while it is being changed."
        + OF_A_KEY,
    )
    tolerance: Tolerance = Field(
        default=timedelta(minutes=5),
        description="How far the signed time of sending may be from this clock, either way.",
    )
    event: EventMap = Field(
        default=EventMap(),
        description="Where the fields of an event stand in the body. Not needed for what another gateway forwards.",
    )


class StandardWebhooks(Keyed):
    """Webhooks signed by the standard. docs/sources.md says what its signature covers and where the traps are."""

    type: ClassVar[str] = "standard-webhooks"
    max_body: ClassVar[int | None] = 2 * 1024 * 1024  # another gateway's event of 1,000 files
    starter: ClassVar[str] = """\
secrets:
  - @WEBHOOK_SECRET@   # the sender signs with the same
"""
    Options = StandardWebhooksOptions
    scheme: ClassVar[str] = "standard-webhooks"
    relays: ClassVar[bool] = True
    ages: ClassVar[bool] = True
    content_type: ClassVar[str] = CLOUDEVENTS_JSON
    scenes: ClassVar[Sequence[str]] = EVENT_TYPES
    options: StandardWebhooksOptions

    def prepare(self) -> None:
        self._keys = tuple(signing_key(secret.reveal()) for secret in self.options.secrets)
        self._translator = Translator(self.options.event)
        self._unsigned = self._translator.headers - set(_SIGNED)

    def advice(self) -> Sequence[str]:
        found = [text.replace("keys[", "secrets[") for text in keys_advice(self.options.secrets)]
        return (*found, *unsigned_headers_advice(self._unsigned))

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted, or Malformed. What another gateway forwards keeps the trust that its vendor earned."""
        id_header, timestamp_header, signature_header = _headers(callback)
        id, timestamp = header(callback, id_header), header(callback, timestamp_header)
        if "." in id:  # because dots stand between what is signed, and the id would take from the time
            raise Untrusted("signature_missing", f"{id_header} holds a dot, which the standard keeps for itself")
        presented = [
            from_base64(one.removeprefix(_VERSION), 32)
            for one in _BETWEEN.split(header(callback, signature_header))
            if one.startswith(_VERSION)
        ]
        sent = seconds_of(timestamp, timestamp_header)
        expected = [mark(key, id, timestamp, callback.body) for key in self._keys]
        key = any_position(presented, expected)
        if key is None:
            raise mismatch(signature_header, self._keys, "v1 of the standard")
        validity = check_sent(sent, callback.received_at, self.options.tolerance)
        ours = event_of_gateway(callback.json(verified=True))
        if ours is not None:
            return self.verified(key, trust=ours.trust, validity=validity)
        if not self._unsigned:
            return self.verified(key, validity=validity)
        seal = seal_of(self.scheme, id, timestamp, callback.body, most=1)
        return Verified(trust=Trust.FIELDS, scheme=self.scheme, key=key, validity=validity, seal=seal)

    def vendor_type(self, callback: Callback) -> str | None:
        return self._translator.vendor_type(callback, _text_field(callback.json(), "type"))

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """An event of another gateway as it is, under this source's name; else what `event` makes of the body."""
        document = callback.json()
        event = event_of_gateway(document)
        if event is not None:
            here = event.replace(source=self.name, received_at=callback.received_at, raw=callback.body)
            return (here.replace(trust=verified.trust, verified=verified),)
        usual = {"type": _text_field(document, "type"), "time": document.get("timestamp")}
        made = self._translator.event(
            self, callback, verified, id=callback.headers.get(_headers(callback)[0]), usual=usual
        )
        return () if made is None else (made,)

    def play(self, scene: Scene) -> Played:
        """What another gateway would forward. Raises ValueError for what cannot be played."""
        self._check(scene)
        if given := {"type", "full"} & set(scene.fields):
            raise ValueError(f"{', '.join(sorted(given))}: the type of what is played is chosen, not one of its fields")
        event = sample(scene.type, **{"stream": f"stream-{scene.number}", **scene.fields})
        names = (event.source, event.type, event.domain, event.app, event.stream, event.format)
        event = event.replace(id=event_id(*names, [self._unique(scene)]), received_at=scene.now)
        return self._signed(to_document(event), self._sent(scene), scene)

    def headers(self, body: bytes, at: int, key: bytes) -> Mapping[str, str]:
        id = str(json.loads(body)["id"])
        return {WEBHOOK_ID: id, WEBHOOK_TIMESTAMP: str(at), WEBHOOK_SIGNATURE: sign_webhook(id, at, body, [key])}


def _headers(callback: Callback) -> Sequence[str]:
    """What its three headers are called: `svix-` where it has none of the standard's names, as Svix sends them."""
    if any(name in callback.headers for name in _NAMES) or not any(name in callback.headers for name in _NAMES_OF_SVIX):
        return _NAMES
    return _NAMES_OF_SVIX


def mark(key: bytes, id: str, timestamp: str, body: bytes) -> bytes:
    """HMAC-SHA256 over id, time and body with dots between them: 32 bytes."""
    return hmac.digest(key, b"%b.%b.%b" % (id.encode(), timestamp.encode(), body), "sha256")


def _text_field(said: Mapping[str, object], name: str) -> str | None:
    value = said.get(name)
    return value if type(value) is str else None


def event_of_gateway(document: Mapping[str, object]) -> Event | None:
    """The event of a document that another gateway made; None for any other body."""
    id, type, data = document.get("id"), document.get("type"), document.get("data")
    if document.get("specversion") != "1.0" or type not in EVENT_TYPES or not isinstance(data, Mapping):
        return None
    if not isinstance(id, str) or not _OUR_ID.fullmatch(id) or not data.get("provider"):
        return None
    problems = data.get("problems")
    if problems is not None and not isinstance(problems, list):
        raise Malformed(f"data.problems is {kind_of(problems)}; a list of texts is expected")
    if not all(isinstance(name, str) for name in problems or ()):
        return None
    try:
        return from_document(document)
    except (ValueError, TypeError):
        return None
