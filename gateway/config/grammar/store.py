"""Where events are kept, and for how long."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.grammar.identifiers import ConfiguredName
from gateway.config.grammar.section import Section
from gateway.fields import Duration, NotEmpty, Secret, Size, between, parse_duration, parse_size
from gateway.fields.event_paths import EventPaths
from gateway.text.store_address import DEFAULT_STORE


class KeepSettings(Section):
    """How long finished things stay."""

    delivered: Annotated[Duration, between("1d"), Field(description="Events all of whose deliveries arrived.")] = (
        parse_duration("7d")
    )
    unrouted: Annotated[Duration, between("1d"), Field(description="Events that no route wanted.")] = parse_duration(
        "7d"
    )
    dead: Annotated[Duration, between("1d"), Field(description="Events with a dead delivery.")] = parse_duration("90d")
    refused: Annotated[
        int, Field(ge=0, le=100_000, description="The last refused callbacks of each source, masked; 0 keeps none.")
    ] = 200


class LimitSettings(Section):
    """Past these limits callbacks are answered 503."""

    waiting: Annotated[
        int,
        Field(
            ge=1,
            description="Most deliveries that wait. Of n sources each keeps 1/(2n) of them to itself, the rest is for "
            "whoever comes first.",
        ),
    ] = 1_000_000
    free_disk: Annotated[Size, Field(description="Least free space on the store's disk (SQLite).")] = parse_size(
        "256MiB"
    )


KEY_BYTES: Final = 32


def key_bytes(text: str) -> bytes | None:
    """The 256 bits that a key's text stands for; None: it is no key."""
    text = text.strip()
    if re.fullmatch("[0-9A-Fa-f]{64}", text):
        return bytes.fromhex(text)
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if len(content) == KEY_BYTES else None


def _key(secret: Secret) -> Secret:
    if key_bytes(secret.reveal()) is None:
        raise PydanticCustomError("store_key", "64 hex digits (`gateway secret` makes them), or the base64 of 32 bytes")
    return secret


class StoreKey(Section):
    """A key that rows are encrypted with. Its name stands in each of them."""

    name: Annotated[ConfiguredName, Field(description="How rows and errors name the key; another key, another name.")]
    key: Annotated[
        Secret,
        AfterValidator(_key),
        Field(description="256 bits: 64 hex digits, as `gateway secret` makes them, or the base64 of 32 bytes."),
    ]


class EncryptionSettings(Section):
    """What is stored is encrypted with AES-256-GCM; needs the extra `encryption`."""

    keys: Annotated[
        tuple[StoreKey, ...],
        NotEmpty("a list of at least one key"),
        Field(
            json_schema_extra={"minItems": 1},
            description="The first encrypts, all of them open. A new one is put first; the one before may go when "
            "`gateway store keys` says so.",
        ),
    ]
    lost: Annotated[
        tuple[ConfiguredName, ...],
        Field(
            description="Names of keys that nobody has any more: what they encrypted is given up, and the rest goes on."
        ),
    ] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if not self.keys:  # not as a bound of the list, because pydantic says that one too where a key is wrong
            raise PydanticCustomError("store_keys", "a list of at least one key")
        names = [key.name for key in self.keys]
        _must_not([name for name in names if names.count(name) > 1], "names two keys")
        _must_not([name for name in names if name in self.lost], "is given, and named as lost")
        texts = [key_bytes(key.key.reveal()) for key in self.keys]
        _must_not([name for name, text in zip(names, texts, strict=True) if texts.count(text) > 1], "is given twice")
        return self


def _must_not(names: Sequence[str], what: str) -> None:
    if names:
        raise PydanticCustomError("store_keys", "keys that differ: {name} {what}", {"name": names[0], "what": what})


class StoreSettings(Section):
    """Where events are kept until they arrived. A text is short for `url`."""

    url: Annotated[
        str,
        Field(
            repr=False,
            description="`sqlite:///file` (beside the configuration), `sqlite:////absolute/file`, "
            "or `postgresql://user@host/database` (`?mode=reduced`: asked for less than PostgreSQL has).",
        ),
    ] = DEFAULT_STORE
    password: Annotated[Secret | None, Field(description="PostgreSQL's password, so that the URL can be shown.")] = None
    encryption: Annotated[
        EncryptionSettings | None,
        Field(
            description="Encrypts what events say, and what was refused, before it is stored. Unset: stored in plain."
        ),
    ] = None
    redact: Annotated[
        EventPaths,
        Field(
            description="Paths of what is taken out of the events of all sources before they are stored, such as "
            "`$.data.files[*].download_url`."
        ),
    ] = ()
    remember: Annotated[
        Duration, between("1d"), Field(description="How long ids are known, so that a repeat is a duplicate.")
    ] = parse_duration("30d")
    keep: Annotated[KeepSettings, Field(description="How long finished events stay.")] = KeepSettings()
    limits: Annotated[LimitSettings, Field(description="Past these callbacks are answered 503.")] = LimitSettings()
