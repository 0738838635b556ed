"""Forwards events over HTTP to another service, signed with the Standard Webhooks scheme."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import redaction
from gateway.cloudevents import format_time, to_json
from gateway.egress.answers import Answer, verdict
from gateway.egress.client import Via
from gateway.egress.guard import AddressGuard, Forbidden
from gateway.errors import Refused
from gateway.fields import ConfigPath, Duration, Secret, Url
from gateway.model import Delivery, Event
from gateway.plugin import Options, Sink
from gateway.signing import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign, signing_key

_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_OURS: Final = re.compile(r"webhook-.*|recording-gateway-.*")
_TRANSPORTS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# What is not printable ASCII travels as %XX of its UTF-8; so does, in values that a receiver decodes, the percent sign.
_ASCII: Final = "".join(map(chr, range(0x20, 0x7F)))
_PLAIN: Final = _ASCII.replace("%", "")


def _signing_secret(value: Secret) -> Secret:
    try:
        signing_key(value.reveal())
    except ValueError as error:
        raise PydanticCustomError("signing_secret", "{expected}", {"expected": str(error)}) from None
    return value


def _some(value: tuple[Secret, ...]) -> tuple[Secret, ...]:
    if not 1 <= len(value) <= 8:  # not min_length, which counts an item that was refused as missing
        raise PydanticCustomError("signing_secrets", "one to eight secrets")
    return value


def _proxy(value: Secret) -> Secret:
    try:
        url = urlsplit(value.reveal())
        good = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good:
        raise PydanticCustomError("proxy", "a proxy such as http://user:password@proxy.internal:3128")
    return value


def _header_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PydanticCustomError("header_name", "a header name of letters, digits and hyphens")
    if _OURS.fullmatch(name.lower()) or name.lower() in _TRANSPORTS:
        raise PydanticCustomError("header_taken", "a header that the gateway does not set itself")
    return name


def _header_value(value: Secret) -> Secret:
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in value.reveal()):
        raise PydanticCustomError("header_value", "a header value on one line, without control characters")
    return value


Status = Annotated[int, Field(ge=300, le=599)]


class StandardWebhooks(Options):
    """How what is forwarded is signed."""

    scheme: Literal["standard-webhooks"] = Field("standard-webhooks", description="The signature's scheme.")
    secrets: Annotated[tuple[Annotated[Secret, AfterValidator(_signing_secret)], ...], AfterValidator(_some)] = Field(
        json_schema_extra={"minItems": 1, "maxItems": 8},
        description="`whsec_` and base64 of 24 bytes or more. Several while a secret is being changed: each one signs.",
    )


class ForwardOptions(Options):
    """Where events are forwarded to, and how."""

    url: Url = Field(description="Where to: http or https, without user name and password.")
    method: Literal["POST", "PUT", "PATCH"] = Field("POST", description="The request's method.")
    body: Literal["event", "raw"] = Field(
        "event", description="`event`: the event as CloudEvents JSON; `raw`: the vendor's bytes, untouched."
    )
    sign: StandardWebhooks | None = Field(None, description="How to sign; absent: the receiver cannot tell who calls.")
    headers: Mapping[Annotated[str, AfterValidator(_header_name)], Annotated[Secret, AfterValidator(_header_value)]] = (
        Field(
            default_factory=dict,
            description="Further headers. Values are kept secret; what is not ASCII is percent-encoded.",
        )
    )
    allow_private: bool = Field(
        True, description="Whether the URL may lead to addresses that are not public, as your own services do."
    )
    proxy: Annotated[Secret, AfterValidator(_proxy)] | None = Field(
        None, description="An http or https proxy. The environment's proxies are never used."
    )
    verify: bool = Field(True, description="Whether the target's TLS certificate is checked.")
    ca: ConfigPath | None = Field(
        None, description="A PEM file of authorities to trust instead of the system's, for a private CA."
    )
    certificate: ConfigPath | None = Field(None, description="A PEM file to show to the target (mutual TLS).")
    key: ConfigPath | None = Field(None, description="The certificate's private key, where it has a file of its own.")
    retry_statuses: tuple[Status, ...] = Field((), description="Statuses to try again on, whatever the table says.")
    permanent_statuses: tuple[Status, ...] = Field(
        (), description="Statuses that end a delivery at once, whatever the table says."
    )
    not_found_grace: Duration = Field(
        timedelta(minutes=30), description="How long a 404 is tried again, since a service may be being deployed."
    )

    @model_validator(mode="after")
    def _agree(self) -> ForwardOptions:
        if both := set(self.retry_statuses) & set(self.permanent_statuses):
            listed = ", ".join(map(str, sorted(both)))
            raise PydanticCustomError(
                "statuses",
                "each status in one list only; {both} is in retry_statuses and permanent_statuses",
                {"both": listed},
            )
        if len({name.lower() for name in self.headers}) < len(self.headers):
            raise PydanticCustomError("headers", "each header once, whatever its case")
        if self.key is not None and self.certificate is None:
            raise PydanticCustomError("certificate", "a certificate beside the key")
        return self


class Forward(Sink):
    """Posts each event to one URL. At least once: the receiver drops repeats by `webhook-id`."""

    type = "forward"
    Options = ForwardOptions
    options: ForwardOptions

    async def open(self) -> None:
        """Load certificates and libraries, so that the first delivery need not wait. Connects to nothing."""
        for _, value in parse_qsl(urlsplit(self.options.url).query):
            redaction.learn(value)  # because a receiver may echo its own URL's token
        await self.http.prepare(self.options.url, self._via)

    async def deliver(self, delivery: Delivery) -> str:
        """2xx is delivered; everything else is what docs/sinks.md says of it."""
        event = delivery.event
        if self.options.body == "raw":
            content, media_type = event.raw, "application/json"  # because every source's callbacks are JSON objects
        else:
            content, media_type = to_json(event).encode(), "application/cloudevents+json"
        headers = {"content-type": media_type, **_provenance(event), **self._extra, ID_HEADER: event.id}
        headers[TIMESTAMP_HEADER] = stamp = str(int(self.http.clock.now().timestamp()))
        if self._keys:
            headers[SIGNATURE_HEADER] = sign(event.id, int(stamp), content, self._keys)
        if delivery.replay:
            headers["webhook-replay"] = "true"
        answer = await self.http.request(
            self.options.method,
            self.options.url,
            content=content,
            headers=headers,
            via=self._via,
            classify=functools.partial(self._classify, delivery),
        )
        return f"HTTP {answer.status}"

    def _classify(self, delivery: Delivery, answer: Answer) -> None:
        if 200 <= answer.status < 300:
            return
        options = self.options
        failure = verdict(answer, retry=options.retry_statuses, permanent=options.permanent_statuses)
        if answer.status == 404 and 404 not in options.retry_statuses and not isinstance(failure, Refused):
            tried = self.http.clock.now() - delivery.first_attempt_at
            if tried >= options.not_found_grace:
                raise Refused(f"{failure.detail}; so it has been since the first attempt", status=404)
        raise failure

    @functools.cached_property
    def _keys(self) -> tuple[bytes, ...]:
        signed = self.options.sign
        return tuple(signing_key(secret.reveal()) for secret in signed.secrets) if signed else ()

    @functools.cached_property
    def _extra(self) -> dict[str, str]:
        return {name.lower(): quote(value.reveal(), safe=_ASCII) for name, value in self.options.headers.items()}

    @functools.cached_property
    def _via(self) -> Via:
        options = self.options
        return Via(
            guard=None if options.allow_private else AddressGuard(),
            proxy=options.proxy.reveal() if options.proxy else None,
            verify=options.verify,
            ca=options.ca,
            certificate=options.certificate,
            key=options.key,
        )

    def advice(self) -> list[str]:
        """What a careful reviewer would say about these options."""
        said = []
        url = urlsplit(self.options.url)
        if not self.options.verify:
            said.append("verify: false lets anybody between here and the target read and change what is sent")
        if not self.options.allow_private and _is_private(url.hostname or ""):
            said.append("allow_private: false refuses every delivery, because the URL's address is not public")
        if not _is_loopback(url.hostname or ""):
            if self.options.sign is None:
                said.append("without `sign` the receiver cannot tell that the gateway is calling")
            if url.scheme == "http":
                said.append("a plain http URL lets anybody on the way read what is sent; use https")
        return said


def _provenance(event: Event) -> dict[str, str]:
    """Where the event came from and how far it may be believed, for a receiver that reads no JSON (body: raw)."""
    headers = {
        "recording-gateway-source": _encode(event.source),
        "recording-gateway-type": _encode(event.type),
        "recording-gateway-trust": event.trust.value,
        "recording-gateway-received": format_time(event.received_at),
    }
    if event.verified is not None:
        headers["recording-gateway-scheme"] = _encode(event.verified.scheme)
    return headers


def _encode(value: str) -> str:
    return quote(value, safe=_PLAIN)


def _is_private(host: str) -> bool:
    try:
        AddressGuard().check(ipaddress.ip_address(host))
    except Forbidden:
        return True
    except ValueError:  # a name: only its look-up tells
        return False
    return False


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") in {"localhost", ""} or host.lower().endswith(".localhost")
