"""What an HMAC is over, by configuration: a template of body, time and id, and where they stand in the request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from gateway import ONE_OR_MANY, Options, SigningKey
from plugins.sources.common.event_map import EventMap
from plugins.sources.common.keyed import OF_A_KEY, Key, Tolerance, from_base64, from_hex, some

PIECE: Final = re.compile(r"\{(body|timestamp|id)\}")
SIZES: Final[Mapping[str, int]] = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


def _header(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PydanticCustomError("header_name", "a header name of letters, digits and hyphens")
    return name.lower()


def _template(text: str) -> str:
    pieces = PIECE.findall(text)
    if "{" in PIECE.sub("", text) or "}" in PIECE.sub("", text):
        raise PydanticCustomError(
            "template", "a text with {pieces} and no other braces", {"pieces": "{body}, {timestamp}, {id}"}
        )
    if len(pieces) != len(set(pieces)) or not {"body", "timestamp"} & set(pieces):
        raise PydanticCustomError(
            "template", "a text with {pieces}, each at most once", {"pieces": "{body} (or at least {timestamp}), {id}"}
        )
    return text


def _written(key: SigningKey, info: ValidationInfo) -> SigningKey:
    encoding = info.data.get("key_encoding", "text")
    if decoded(key.reveal(), encoding) is None:
        raise PydanticCustomError("keys", "a key in {encoding} (key_encoding)", {"encoding": encoding})
    return key


HeaderName = Annotated[str, AfterValidator(_header)]


class HmacOptions(Options):
    """What a source of type `hmac` can be told."""

    key_encoding: Literal["text", "hex", "base64"] = Field(
        default="text", description="How the keys are written: as they are, or as hexadecimal digits or base64 of them."
    )
    keys: Annotated[tuple[Annotated[Key, AfterValidator(_written)], ...], ONE_OR_MANY, AfterValidator(some)] = Field(
        description="The secret that the vendor signs with; several while it is being changed. At least 6 characters."
        + OF_A_KEY
    )
    header: HeaderName = Field(description="The header that holds the signature.")
    part: str | None = Field(
        default=None,
        min_length=1,
        description="Where the header has parts, such as `t=1700000000,v1=abc`: the name of the one with the signature.",
    )
    prefix: str = Field(default="", description="What stands before the signature, such as `sha256=`.")
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = Field(
        default="sha256", description="The hash under the HMAC."
    )
    encoding: Literal["hex", "base64", "base64url"] = Field(default="hex", description="How the signature is written.")
    signed: Annotated[str, AfterValidator(_template)] = Field(
        default="{body}",
        description="What is signed: a text with `{body}`, `{timestamp}` and `{id}` in their places. Without `{body}` the "
        "trust is only `timestamp`.",
    )
    timestamp_header: HeaderName | None = Field(default=None, description="The header with the time of sending.")
    timestamp_part: str | None = Field(
        default=None, min_length=1, description="The part of `header` with the time of sending: see `part`."
    )
    timestamp_field: str | None = Field(
        default=None, min_length=1, description="The field at the top of the JSON body with the time of sending."
    )
    tolerance: Tolerance = Field(
        default=timedelta(minutes=5),
        description="How far the time of sending may be from this clock, either way. It is seconds (also with a "
        "fraction) or milliseconds since 1970, RFC 3339, or an HTTP date.",
    )
    max_bodies_per_signature: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Where `signed` covers only a time: how many different callbacks may share one signature; one more is "
        "quarantined. 0: any number. Left out: those past 32 are delivered after everything else.",
    )
    id_header: HeaderName | None = Field(
        default=None, description="The header with the callback's id, which must be in `signed`."
    )
    event: EventMap = Field(
        default=EventMap(),
        description="Where the fields of an event stand in the body. Without it: `recording.unknown`.",
    )

    @property
    def timestamp_from(self) -> str | None:
        """Which of the three options says where the time stands."""
        return next((name for name in TIMES if getattr(self, name) is not None), None)

    @model_validator(mode="after")
    def _agree(self) -> HmacOptions:
        pieces = set(PIECE.findall(self.signed))
        times = [name for name in TIMES if getattr(self, name) is not None]
        if len(times) > 1:
            raise PydanticCustomError(
                "times", "one place of the time of sending, not {found}", {"found": " and ".join(times)}
            )
        covered = "timestamp" in pieces or (times == ["timestamp_field"] and "body" in pieces)
        if times and not covered:
            raise PydanticCustomError(
                "times",
                "`signed` with {piece} in it: a time that is not signed proves nothing",
                {"piece": "{timestamp}"},
            )
        if "timestamp" in pieces and not times:
            raise PydanticCustomError(
                "times", "timestamp_header, timestamp_part or timestamp_field, since it is in `signed`"
            )
        if (self.id_header is not None) != ("id" in pieces):
            raise PydanticCustomError(
                "ids", "`id_header` where {piece} is in `signed`, and only there: an id that is not signed names nothing",
                {"piece": "{id}"},
            )  # fmt: skip
        return self


TIMES: Final = ("timestamp_header", "timestamp_part", "timestamp_field")


def decoded(key: str, encoding: str) -> bytes | None:
    """The key's bytes; None where it is not written so."""
    if encoding == "text":
        return key.encode()
    return from_hex(key, len(key) // 2) if encoding == "hex" else from_base64(key)


def filled(template: str, *, body: bytes, timestamp: str, id: str) -> bytes:
    """What is signed: the template with its pieces in their places."""
    values = {"body": body, "timestamp": timestamp.encode("latin-1", "replace"), "id": id.encode("latin-1", "replace")}
    pieces = PIECE.split(template)
    return b"".join(values[piece] if n % 2 else piece.encode() for n, piece in enumerate(pieces))
