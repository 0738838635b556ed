"""The options of a forward, and which of them go together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import CaFile, ConfigFile, ConfigPath, Duration, Options, Proxy, Secret, Size, between
from plugins.sinks.forward.cloud_schemes import AUTHORIZING
from plugins.sinks.forward.message_scheme import MessageSignatureScheme
from plugins.sinks.forward.said_errors import SaidErrorsOption
from plugins.sinks.forward.shape.body_forms import (
    BodyOption,
    CelBodyOption,
    MaybeTemplate,
    MethodOption,
    TemplateBody,
    TemplateText,
    UrlOption,
)
from plugins.sinks.forward.shape.parts import Parts, body_kind
from plugins.sinks.forward.shape.template_marks import HeaderTemplate, is_template
from plugins.sinks.forward.signatures import HuaweiLiveScheme, Signature, Signatures

_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_OURS: Final = re.compile(
    r"webhook-.*|recording-gateway-.*|ce-.*|x-hub-signature.*|x-amz-(date|content-sha256|security-token)|x-sdk-.*"
    r"|signature|signature-input|content-digest"
)
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *;[\x20-\x7e]*)?", re.ASCII)
_SOCKET_PATH_BYTES_MAX: Final = 107  # bytes, what a unix address holds
_TRANSPORTS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def _header_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PydanticCustomError("header_name", "a header name of letters, digits and hyphens")
    if _OURS.fullmatch(name.lower()) or name.lower() in _TRANSPORTS:
        expected = f"a header that the gateway does not set itself; {name} is made for each request"
        raise PydanticCustomError("header_taken", "{expected}", {"expected": expected})
    return name


def _header_value(value: Secret) -> Secret:
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in value.reveal()):
        raise PydanticCustomError("header_value", "a header value on one line, without control characters")
    return value


def _media_type(text: str) -> str:
    if not _MEDIA_TYPE.fullmatch(text):
        raise PydanticCustomError("media_type", "a media type such as application/json; charset=utf-8")
    return text


StatusOption = Annotated[int, Field(ge=300, le=599)]


class ForwardOptions(Options):
    """Where events are forwarded to, and how."""

    url: UrlOption = Field(
        description="Where to: http or https, without user name and password. Path and query may be templates."
    )
    method: MethodOption = Field(
        "POST", description="POST, PUT, PATCH or DELETE, or a template that makes one of them."
    )
    body: BodyOption = Field(
        "event",
        description="`event`: the event as CloudEvents JSON; `binary`: its `data` alone, the rest as `ce-` headers; "
        "`raw`: the vendor's bytes, untouched; `huawei-live`: the vendor's callback, signed afresh as `sign` says; "
        "`template`: what `template` makes. Or a mapping with `template` or `cel`.",
    )
    template: TemplateText | None = Field(
        None, description="With `body: template`: the template, as in `body: {template: …}`."
    )
    content_type: Annotated[str, AfterValidator(_media_type)] | None = Field(
        None, description="The media type to send. Default: that of the body."
    )
    sign: Signatures = Field(
        None,
        description="How to sign: one of the schemes below, or a list of them. Absent: the receiver cannot tell who calls.",
    )
    headers: Mapping[
        Annotated[str, AfterValidator(_header_name)], Annotated[Secret, AfterValidator(_header_value), MaybeTemplate]
    ] = Field(
        default_factory=dict,
        description="Further headers. Values are kept secret, and may be templates; what is not ASCII is "
        "percent-encoded.",
    )
    secrets: Mapping[Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,63}$")], Secret] = Field(
        default_factory=dict,
        description="What templates and expressions write as `secrets.NAME`, and nobody else ever sees.",
    )
    allow_private: bool = Field(
        True, description="Whether the URL may lead to addresses that are not public, as your own services do."
    )
    uds: ConfigPath | None = Field(
        None, description="A unix socket to connect to; the URL then only says what is asked of it. Plain http."
    )
    proxy: Proxy | None = Field(None, description="An http or https proxy. The environment's proxies are never used.")
    verify: bool = Field(True, description="Whether the target's TLS certificate is checked.")
    ca: CaFile = None
    certificate: ConfigFile | None = Field(None, description="A PEM file to show to the target (mutual TLS).")
    key: ConfigFile | None = Field(None, description="The certificate's private key, where it has a file of its own.")
    batch_bytes: Annotated[Size, between(1024, 64 * 2**20)] = Field(
        2**20, description="With `delivery.batch`: most bytes of one request; an event that is larger goes alone."
    )
    retry_statuses: tuple[StatusOption, ...] = Field(
        (), description="Statuses to try again on, whatever the table says."
    )
    permanent_statuses: tuple[StatusOption, ...] = Field(
        (), description="Statuses that end a delivery at once, whatever the table says."
    )
    errors: SaidErrorsOption = Field(
        None,
        description="Where an answer in JSON says that the call failed, also in a 200: a mapping, or the preset `aws`, "
        "`huawei-cloud`, `tencent-cloud`, `alibaba-cloud`, `volcengine`, `graphql` or `json-rpc`.",
    )
    not_found_grace: Duration = Field(
        timedelta(minutes=30), description="How long a 404 is tried again, since a service may be being deployed."
    )

    @property
    def signs(self) -> Sequence[Signature]:
        """Every signature to make."""
        return () if self.sign is None else self.sign if isinstance(self.sign, tuple) else (self.sign,)

    @model_validator(mode="after")
    def _agree(self) -> ForwardOptions:
        if both := set(self.retry_statuses) & set(self.permanent_statuses):
            listed = ", ".join(map(str, sorted(both)))
            raise PydanticCustomError(
                "statuses",
                "each status in one list only; {both} is in retry_statuses and permanent_statuses",
                {"both": listed},
            )
        named = [name.lower() for name in self.headers]
        if len(set(named)) < len(named):
            raise PydanticCustomError("headers", "each header once, whatever its case")
        if self.content_type is not None and "content-type" in named:
            raise PydanticCustomError("content_type", "`content_type` or the header Content-Type, not both")
        if self.key is not None and self.certificate is None:
            raise PydanticCustomError("certificate", "a certificate beside the key")
        self._signs_agree()
        self._socket_agrees()
        self._shape_agrees()
        return self

    @property
    def shape_parts(self) -> Parts | None:
        """What is made anew for each event; None where everything is as the options have it."""
        parts = Parts(
            method=self.method if is_template(self.method) else None,
            url=self.url if is_template(self.url) else None,
            headers=tuple((name, template.text) for name, template in self.header_templates),
            body=self.body.template if isinstance(self.body, TemplateBody) else self.template,
            cel=self.body.cel if isinstance(self.body, CelBodyOption) else None,
            kind=body_kind(self.content_type) or "json",
            secrets=tuple(self.secrets),
        )
        return None if parts == Parts(kind=parts.kind, secrets=parts.secrets) else parts

    @property
    def header_templates(self) -> Sequence[tuple[str, HeaderTemplate]]:
        """The headers with something to fill in."""
        values: Mapping[str, object] = self.headers  # `MaybeTemplate` made them of secrets
        return [(name, value) for name, value in values.items() if isinstance(value, HeaderTemplate)]

    @property
    def plain_headers(self) -> Sequence[tuple[str, Secret]]:
        """The others."""
        values: Mapping[str, object] = self.headers
        return [(name, value) for name, value in values.items() if isinstance(value, Secret)]

    @property
    def shapes_body(self) -> bool:
        """Whether a template or an expression makes the body."""
        return self.body == "template" or not isinstance(self.body, str)

    def _shape_agrees(self) -> None:
        if (self.body == "template") != (self.template is not None):
            raise PydanticCustomError("template", "`body: template` and `template: …` together, or neither")
        if self.shapes_body:
            if "content-type" in {name.lower() for name in self.headers}:
                raise PydanticCustomError(
                    "content_type", "`content_type` instead of the header Content-Type: values are encoded for it"
                )
            kind = body_kind(self.content_type)
            if kind is None or (kind != "json" and isinstance(self.body, CelBodyOption)):
                what = (
                    "JSON, XML or a form" if self.body == "template" or isinstance(self.body, TemplateBody) else "JSON"
                )
                raise PydanticCustomError(
                    "content_type", "a `content_type` of {what}: values are encoded for it", {"what": what}
                )
        parts = self.shape_parts
        texts = () if parts is None else (parts.method, parts.url, parts.body, parts.cel, *dict(parts.headers).values())
        if unused := [name for name in self.secrets if not any(f"secrets.{name}" in (text or "") for text in texts)]:
            raise PydanticCustomError("secrets", "a template that writes secrets.{name}", {"name": unused[0]})
        if parts is not None:
            from plugins.sinks.forward.shape.filler import shape_of  # because only these need templates and CEL

            try:
                shape_of(parts)
            except (
                ValueError
            ) as error:  # plain, because it may be the fault of a value that is not here (check --no-secrets)
                raise ValueError(f"it cannot be filled in: {error}") from None

    def _signs_agree(self) -> None:
        schemes = [sign.scheme for sign in self.signs]
        if self.sign == ():
            raise PydanticCustomError("sign", "at least one signature in the list, or no `sign`")
        if len(set(schemes)) < len(schemes):
            raise PydanticCustomError("sign", "each scheme once; several secrets go into one `secrets`")
        authorizing = [scheme for scheme in schemes if scheme in AUTHORIZING]
        if len(authorizing) > 1 or (authorizing and "authorization" in {name.lower() for name in self.headers}):
            what = " and ".join([*authorizing[:2], *(["the header Authorization"] if len(authorizing) == 1 else [])])
            raise PydanticCustomError("sign", "one thing that sets Authorization, not {what}", {"what": what})
        names = {name.lower() for name in self.headers}
        for sign in self.signs:
            if isinstance(sign, MessageSignatureScheme) and (unsure := next(sign.uncoverable(names), None)):
                raise PydanticCustomError(
                    "components",
                    "components that each request has when it is signed; {name} is none (its own `headers` are)",
                    {"name": unsure},
                )
        if self.body == "huawei-live" and not any(isinstance(sign, HuaweiLiveScheme) for sign in self.signs):
            raise PydanticCustomError(
                "sign", "`sign: {scheme: huawei-live, key: …}` beside body: huawei-live (body: raw sends it as it came)"
            )
        if self.body != "huawei-live" and "huawei-live" in schemes:
            raise PydanticCustomError(
                "sign", "body: huawei-live beside the scheme huawei-live, which signs in the body"
            )

    def _socket_agrees(self) -> None:
        if self.uds is None:
            return
        if self.url[:6].lower() == "https:" or self.proxy is not None:
            raise PydanticCustomError(
                "uds", "an http URL and no proxy beside `uds`: a unix socket is spoken to directly"
            )
        if not self.allow_private:
            raise PydanticCustomError(
                "uds", "no `allow_private: false` beside `uds`: a unix socket has no address to judge"
            )
        if len(bytes(self.uds)) > _SOCKET_PATH_BYTES_MAX:
            raise PydanticCustomError(
                "uds", f"a path of at most {_SOCKET_PATH_BYTES_MAX} bytes for `uds`, as a unix address holds"
            )
