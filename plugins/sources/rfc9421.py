"""The source `rfc9421`: any sender that signs its requests by HTTP Message Signatures, another gateway among them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import (
    CONTENT_DIGEST,
    ONE_OR_MANY,
    Callback,
    Event,
    InvalidSignature,
    Options,
    Played,
    Scene,
    Seal,
    SignedRequest,
    SigningKey,
    Trust,
    Untrusted,
    Url,
    Verified,
    component_problem,
    content_digest,
    message_signer,
    message_verifier,
    sign_message,
    verify_message,
)
from plugins.sources.common.event_map import EventMap, Translator, unsigned_headers_advice
from plugins.sources.common.keyed import OF_A_KEY, Keyed, Tolerance, check_sent, keys_advice, seal_of, some
from plugins.sources.common.map_example import example, example_headers, scenes_of
from plugins.sources.standard_webhooks import event_of_gateway

COMPONENTS: Final = ("@method", "@authority", "@path", CONTENT_DIGEST)
PLAYED_HOST: Final = "gateway.example"  # what a played request was sent to, where `url` does not say
_PATH_PLAIN: Final = "/:@!$&'()*+,;=-._~"
_CODES: Final[Mapping[str, Literal["signature_missing", "signature_expired", "signature_mismatch"]]] = {
    "missing": "signature_missing",
    "stale": "signature_expired",
    "mismatch": "signature_mismatch",
}


def _key(value: SigningKey) -> SigningKey:
    try:
        message_verifier(value.reveal())
    except ValueError as error:
        raise PydanticCustomError("key", "{expected}", {"expected": str(error)}) from None
    return value


def _component(name: str) -> str:
    if (problem := component_problem(name)) is not None:
        raise PydanticCustomError("component", "{expected}", {"expected": problem})
    return name


class Rfc9421Options(Options):
    """What a source of type `rfc9421` can be told."""

    keys: Annotated[tuple[Annotated[SigningKey, AfterValidator(_key)], ...], ONE_OR_MANY, AfterValidator(some)] = Field(
        description="What the sender's signatures are checked with; several while it is being changed. `whsec_…` or a text of "
        "at least 16 characters (hmac-sha256), `whpk_…` (ed25519), or a public key in PEM (ed25519, ecdsa-p256-sha256)."
        + OF_A_KEY
    )
    components: tuple[Annotated[str, AfterValidator(_component)], ...] = Field(
        default=COMPONENTS,
        description="What a signature must cover; it may cover more. Without `content-digest` it may leave the body unsigned, "
        "and the trust is then `timestamp`.",
    )
    url: Url | None = Field(
        default=None,
        description="The URL that the sender calls, where a proxy changes host or path, and for `@query`, `@scheme` and "
        "`@target-uri`. Left out: the request's own host and path.",
    )
    label: str | None = Field(
        default=None, min_length=1, description="The label of the signature that counts. Left out: any that fits a key."
    )
    tolerance: Tolerance = Field(
        default=timedelta(minutes=5),
        description="How far the signed time (`created`) may be from this clock, either way; `expires` holds besides.",
    )
    max_bodies_per_signature: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Where the body is unsigned: how many different callbacks may share one signature; one more is "
        "quarantined. 0: any number. Left out: those past 32 are delivered after everything else.",
    )
    id_header: str | None = Field(
        default=None, pattern="^[a-z0-9-]{1,64}$", description="The header with the callback's id; it must be covered."
    )
    event: EventMap = Field(
        default=EventMap(),
        description="Where the fields of an event stand in the body. Not needed for what another gateway forwards.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Rfc9421Options:
        if self.id_header is not None and self.id_header not in self.components:
            raise PydanticCustomError("id_header", "`id_header` among `components`, or nobody signs it")
        if len(set(self.components)) < len(self.components):
            raise PydanticCustomError("components", "each component once")
        return self


class Rfc9421(Keyed):
    """Requests signed by RFC 9421. docs/sources.md says what a signature must cover and what decides how it is checked."""

    type: ClassVar[str] = "rfc9421"
    max_body: ClassVar[int | None] = 2 * 1024 * 1024  # another gateway's event of 1,000 files
    starter: ClassVar[str] = """\
keys:
  - @WEBHOOK_SECRET@   # the sender signs with the same; or its public key in PEM
"""
    Options = Rfc9421Options
    scheme: ClassVar[str] = "rfc9421"
    relays: ClassVar[bool] = True
    ages: ClassVar[bool] = True
    options: Rfc9421Options

    def prepare(self) -> None:
        super().prepare()
        self._verifiers = tuple(message_verifier(key.reveal()) for key in self.options.keys)
        self._translator = Translator(self.options.event)
        self.scenes = scenes_of(self.options.event)  # type: ignore[misc]  # here it is a choice

    def advice(self) -> Sequence[str]:
        advice = list(keys_advice(self.options.keys))
        if CONTENT_DIGEST not in self.options.components:
            advice.append(
                "`components` without content-digest takes signatures that leave the body open: whoever sees one callback "
                "can send any other within `tolerance`"
            )
        return [*advice, *unsigned_headers_advice(sorted(self._translator.headers - set(self.options.components)))]

    def verify(self, callback: Callback) -> Verified:
        """Raises Untrusted. What another gateway forwards keeps the trust that its vendor earned, where the body is signed."""
        options = self.options
        path = quote(callback.path, safe=_PATH_PLAIN)
        request = SignedRequest(callback.method, options.url, list(callback.headers.items()), path)
        try:
            signed = verify_message(
                request,
                callback.body,
                self._verifiers,
                required=options.components,
                tolerance=math.inf,
                now=callback.received_at,
                label=options.label,
            )
        except InvalidSignature as error:
            raise Untrusted(_CODES[error.code], str(error)) from None
        assert signed.created is not None  # verify_message sees to it
        validity = check_sent(signed.created, callback.received_at, options.tolerance)
        trust = Trust.TIMESTAMP
        if signed.covers_body:
            trust = Trust.FIELDS if self._translator.headers - set(signed.components) else Trust.BODY
            if (forwarded := event_of_gateway(callback.json(verified=True))) is not None:
                return self.verified(signed.key, trust=forwarded.trust, validity=validity)
        seal = None if trust is Trust.BODY else self._seal(trust, signed.base)
        return Verified(trust=trust, scheme=self.scheme, key=signed.key, validity=validity, seal=seal)

    def _seal(self, trust: Trust, base: bytes) -> Seal:
        return seal_of(self.scheme, base, most=1 if trust is Trust.FIELDS else self.options.max_bodies_per_signature)

    def vendor_type(self, callback: Callback) -> str | None:
        return self._translator.vendor_type(callback)

    def normalise(self, callback: Callback, verified: Verified) -> Sequence[Event]:
        """An event of another gateway as it is, under this source's name; else what `event` makes of the body."""
        event = event_of_gateway(callback.json())
        if event is not None:
            here = event.replace(source=self.name, received_at=callback.received_at, raw=callback.body)
            return (here.replace(trust=verified.trust, verified=verified),)
        id = callback.headers.get(self.options.id_header) if self.options.id_header else None
        made = self._translator.event(self, callback, verified, id=id)
        return () if made is None else (made,)

    # -- playing the sender

    def example_document(self, type: str, scene: Scene, unique: str) -> dict[str, object]:
        return example(self.options.event, self._translator, type, scene, unique)

    def headers(self, body: bytes, at: int, key: bytes) -> Mapping[str, str]:
        extra = {} if self.options.id_header is None else {self.options.id_header: "msg-1"}
        return self._headers(body, at, key.decode(), extra)

    def _signed(self, document: Mapping[str, object], at: int, scene: Scene) -> Played:
        body = self._written(document)
        extra = example_headers(self.options.event, self._translator, scene.type, scene, self._unique(scene))
        if self.options.id_header is not None:
            extra = {**extra, self.options.id_header: f"msg-{self._unique(scene)[:24]}"}
        headers = self._headers(body, at, self.options.keys[0].reveal(), extra)
        return Played(body=self._spoilt(body) if scene.tampered else body, headers=headers)

    def _headers(self, body: bytes, at: int, key: str, extra: Mapping[str, str]) -> dict[str, str]:
        if self._verifiers[0].algorithm != "hmac-sha256":
            raise ValueError(f"{self.type} has the sender's public key alone, and only the private one signs")
        headers = {"content-type": self.content_type, CONTENT_DIGEST: content_digest(body), **extra}
        if self.options.url is None:
            headers["host"] = PLAYED_HOST
        request = SignedRequest("POST", self.options.url, list(headers.items()), f"/hooks/{self.name}")
        covered = list(dict.fromkeys((*self.options.components, CONTENT_DIGEST, *extra)))
        label = self.options.label or "sig1"
        return headers | sign_message(request, message_signer(key), covered, created=at, label=label)
