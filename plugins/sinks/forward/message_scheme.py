"""HTTP Message Signatures (RFC 9421) of a forward, as options: the key, and what of a request it covers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway import (
    CONTENT_DIGEST,
    WEBHOOK_ID,
    WEBHOOK_TIMESTAMP,
    Duration,
    Options,
    Secret,
    between,
    component_problem,
    message_signer,
)

COMPONENTS: Final = (
    *("@method", "@authority", "@path", "@query"),
    *("content-type", CONTENT_DIGEST, WEBHOOK_ID, WEBHOOK_TIMESTAMP),
)
COMPONENTS_MAX: Final = 32
# Headers that are there whatever the event is; beside them those of `headers`.
_ALWAYS: Final = frozenset(
    {"content-type", CONTENT_DIGEST, WEBHOOK_ID, WEBHOOK_TIMESTAMP, "recording-gateway-source", "recording-gateway-type",
     "recording-gateway-trust", "recording-gateway-received"}
)  # fmt: skip
_LABEL: Final = re.compile(r"[a-z*][a-z0-9_.*-]{0,63}", re.ASCII)
_KEYID: Final = re.compile(r"[\x20-\x7e]{1,256}", re.ASCII)


def _component(name: str) -> str:
    if (problem := component_problem(name)) is not None:
        raise PydanticCustomError("component", "{expected}", {"expected": problem})
    return name


def _components(names: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(names) <= COMPONENTS_MAX or len(set(names)) < len(names):
        raise PydanticCustomError("components", f"1 to {COMPONENTS_MAX} components, each once")
    return names


def _key(value: Secret) -> Secret:
    try:
        message_signer(value.reveal())
    except ValueError as error:
        raise PydanticCustomError("signing_key", "{expected}", {"expected": str(error)}) from None
    return value


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise PydanticCustomError("label", "a label in lower case that begins with a letter")
    return text


def _keyid(text: str) -> str:
    if not _KEYID.fullmatch(text):
        raise PydanticCustomError("keyid", "1 to 256 printable ASCII characters")
    return text


class MessageSignatureScheme(Options):
    """RFC 9421: the headers `Signature-Input`, `Signature`, and `Content-Digest` (RFC 9530) for the body."""

    scheme: Literal["rfc9421"] = Field(
        description="HTTP Message Signatures (RFC 9421), with Content-Digest (RFC 9530)."
    )
    key: Annotated[Secret, AfterValidator(_key)] = Field(
        description="`whsec_…` or a text of at least 16 characters (HMAC), `whsk_…` (Ed25519), or a private key in PEM "
        "(Ed25519, P-256). The last three need the extra `ed25519`, but for the text."
    )
    algorithm: Literal["hmac-sha256", "ed25519", "ecdsa-p256-sha256"] | None = Field(
        None, description="The key says which; written here, it must be that one."
    )
    keyid: Annotated[str, AfterValidator(_keyid)] | None = Field(
        None, description="What the receiver calls the key. It is signed, and no secret."
    )
    components: Annotated[tuple[Annotated[str, AfterValidator(_component)], ...], AfterValidator(_components)] = Field(
        COMPONENTS,
        description="What is covered: headers in lower case, and `@method`, `@authority`, `@path`, `@query`, "
        "`@target-uri`, `@scheme`, `@request-target`.",
    )
    validity: Annotated[Duration, between("1s", "1d")] = Field(
        timedelta(minutes=5), description="How long after an attempt its signature is good (`expires`)."
    )
    label: Annotated[str, AfterValidator(_label)] = Field(
        "sig1", description="What the signature is called in its headers."
    )

    @model_validator(mode="after")
    def _agree(self) -> MessageSignatureScheme:
        algorithm = message_signer(self.key.reveal()).algorithm
        if self.algorithm not in {None, algorithm}:
            raise PydanticCustomError("algorithm", "`algorithm: {real}`, as the key is", {"real": algorithm})
        return self

    def uncoverable(self, headers: Collection[str]) -> Iterator[str]:
        """The headers among `components` that no request is sure to have when it is signed; `headers` are the options' own."""
        for name in self.components:
            if not name.startswith("@") and name not in _ALWAYS and name not in headers:
                yield name
