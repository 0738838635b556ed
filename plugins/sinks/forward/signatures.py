"""The ways to sign a forwarded request, as options: what each needs, and what is to be said about a choice."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from gateway import CONTENT_DIGEST, Duration, Options, Secret, between, secret, sender_key
from plugins.sinks.forward.cloud_schemes import HuaweiAkSkScheme, OAuth2Scheme, SigV4Scheme
from plugins.sinks.forward.message_scheme import MessageSignatureScheme
from plugins.vendors.huawei_live import signature

_KNOWN: Final = tuple(word for word in signature.USUAL_SPELLINGS if word != signature.NONE)


def _webhook_secret(value: Secret) -> Secret:
    try:
        sender_key(value.reveal())
    except ValueError as error:
        raise PydanticCustomError("signing_secret", "{expected}", {"expected": str(error)}) from None
    return value


def _some(value: tuple[Secret, ...]) -> tuple[Secret, ...]:
    if not 1 <= len(value) <= 8:  # not min_length, which counts an item that was refused as missing
        raise PydanticCustomError("signing_secrets", "one to eight secrets")
    return value


def _formula(word: str) -> str:
    try:
        scheme = signature.schemes_of(word)[0]
    except ValueError:
        scheme = signature.NONE
    if scheme == signature.NONE:
        raise PydanticCustomError("sign_type", f"one of {', '.join(_KNOWN)}")
    return scheme


_SigningSecret = Annotated[Secret, secret(min_length=16, advise=32)]


class StandardWebhooksScheme(Options):
    """https://www.standardwebhooks.com: the headers `webhook-id`, `webhook-timestamp`, `webhook-signature`."""

    scheme: Literal["standard-webhooks"] = Field(
        "standard-webhooks", description="Standard Webhooks: signs id, time and body."
    )
    secrets: Annotated[tuple[Annotated[Secret, AfterValidator(_webhook_secret)], ...], AfterValidator(_some)] = Field(
        json_schema_extra={"minItems": 1, "maxItems": 8},
        description="`whsec_` and base64 of 24 bytes or more (HMAC), or `whsk_`, a private Ed25519 key (with the extra "
        "`ed25519`). Several while a secret is being changed: each one signs.",
    )


class GitHubScheme(Options):
    """As GitHub signs its webhooks: the header `X-Hub-Signature-256`, HMAC-SHA256 over the body alone."""

    scheme: Literal["github"] = Field(description="`X-Hub-Signature-256` as GitHub makes it: signs the body alone.")
    secret: _SigningSecret = Field(description="The secret, as text. At least 16 characters, better 32.")


class HuaweiLiveScheme(Options):
    """As Huawei Live signs its callbacks: in the body itself. Goes with `body: huawei-live`."""

    scheme: Literal["huawei-live"] = Field(description="`auth_sign` and `auth_timestamp` in the body, made afresh.")
    key: _SigningSecret = Field(
        description="The key the receiver checks with. Let it be another one than the vendor's."
    )
    sign_type: Annotated[str, AfterValidator(_formula)] = Field(
        signature.FIELDS,
        description="The vendor's formula: `hmac-sha256-fields` (also written `hmac-sha256`), `hmac-sha256-timestamp` "
        "or `md5`.",
        json_schema_extra={"examples": list(_KNOWN)},
    )
    validity: Annotated[Duration, between("1s", "1d")] = Field(
        timedelta(hours=1), description="How long after an attempt its signature is good."
    )


Signature = (
    StandardWebhooksScheme
    | GitHubScheme
    | HuaweiLiveScheme
    | MessageSignatureScheme
    | SigV4Scheme
    | HuaweiAkSkScheme
    | OAuth2Scheme
)
_SCHEMES: Final = {
    "standard-webhooks": StandardWebhooksScheme,
    "github": GitHubScheme,
    "huawei-live": HuaweiLiveScheme,
    "rfc9421": MessageSignatureScheme,
    "sigv4": SigV4Scheme,
    "huawei-aksk": HuaweiAkSkScheme,
    "oauth2": OAuth2Scheme,
}


class _ByScheme:
    """Lets the scheme alone decide what is read, so that a mistake in one is not explained by what another wants."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        schemes: dict[Hashable, core_schema.CoreSchema] = {
            scheme: handler.generate_schema(model) for scheme, model in _SCHEMES.items()
        }
        expected = f"a `scheme`: {', '.join(_SCHEMES)}"
        scheme_schema = core_schema.tagged_union_schema(
            schemes, _choose, custom_error_type="scheme", custom_error_message=expected
        )
        return core_schema.tagged_union_schema(
            {**schemes, "many": core_schema.tuple_variable_schema(scheme_schema), "none": core_schema.none_schema()},
            _choose,
            custom_error_type="scheme",
            custom_error_message=f"{expected}; or a list of such",
        )


def _choose(value: object) -> object:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return "many"
    if isinstance(value, BaseModel):
        return getattr(value, "scheme", None)
    if not isinstance(value, Mapping):
        return None
    scheme = value.get("scheme", "standard-webhooks" if "secrets" in value else None)
    return scheme if isinstance(scheme, str) and scheme in _SCHEMES else None  # "none" and "many" are no schemes


Signatures = Annotated[Signature | tuple[Signature, ...] | None, _ByScheme()]
"""One signature or several."""


def advice(signs: Sequence[Signature]) -> Iterator[str]:
    """Warnings about signatures that cover less than people expect."""
    for sign in signs:
        if isinstance(sign, MessageSignatureScheme) and CONTENT_DIGEST not in sign.components:
            yield (
                "sign: rfc9421 without content-digest among its components leaves the body unsigned: whoever sees a request "
                "can send another body until it expires"
            )
    if any(isinstance(sign, SigV4Scheme | HuaweiAkSkScheme | MessageSignatureScheme) for sign in signs):
        return
    if any(isinstance(sign, StandardWebhooksScheme) for sign in signs):
        return
    for sign in signs:
        if isinstance(sign, GitHubScheme) and len(signs) == 1:
            yield (
                "sign: github signs no time, so whoever sees a request can send it again for ever; "
                "add standard-webhooks beside it, or let the receiver drop repeats by webhook-id"
            )
        elif isinstance(sign, HuaweiLiveScheme) and sign.sign_type != signature.FIELDS:
            yield (
                f"sign: {sign.sign_type} covers only an expiry, so whoever sees a request can send another body until "
                "then; use sign_type: hmac-sha256-fields where the receiver knows it"
            )
