"""A key that callbacks are signed with: a secret that may have a name and a time in which it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import ClassVar, Final

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from gateway.text.secret import Secret, secret_from

NAME_CHARS_MAX: Final = 64


class SigningKey(Secret):
    """A `Secret` written as a text, or as `{key: …, name: …, valid_from: …, valid_until: …}`.

    It holds from `valid_from` on (itself included) and before `valid_until`; None: always, for ever. Both are aware UTC.
    """

    __slots__ = ("name", "valid_from", "valid_until")
    parts: ClassVar[Mapping[str, type]] = {"key": Secret, "name": str, "valid_from": datetime, "valid_until": datetime}
    """What a mapping is made of; the reader of the configuration looks for it."""

    def __init__(
        self,
        text: str,
        *,
        name: str | None = None,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(text, advice=advice)
        self.name = name
        self.valid_from = valid_from
        self.valid_until = valid_until

    @property
    def mark(self) -> str:
        """8 hexadecimal digits that the store knows the key by, whatever its place in the list is."""
        return hashlib.sha256(b"signing key\0" + self.reveal().encode()).hexdigest()[:8]

    @property
    def has_times(self) -> bool:
        """Whether it begins or ends at all."""
        return self.valid_from is not None or self.valid_until is not None

    def holds_at(self, at: datetime) -> bool:
        """Whether a callback that came then may be signed with it."""
        begun = self.valid_from is None or at >= self.valid_from
        return begun and (self.valid_until is None or at < self.valid_until)

    def advised(self, advice: str) -> SigningKey:
        return SigningKey(
            self.reveal(), name=self.name, valid_from=self.valid_from, valid_until=self.valid_until, advice=advice
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            _key_from, super().__get_pydantic_core_schema__(source, handler)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        text = super().__get_pydantic_json_schema__(schema, handler)
        time = {"type": "string", "format": "date-time"}
        named = {"key": text, "name": {"type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX}}
        parts = {**named, "valid_from": time, "valid_until": time}
        return {
            "anyOf": [
                text,
                {"type": "object", "properties": parts, "required": ["key"], "additionalProperties": False},
            ]
        }


def signing_keys(options: object) -> tuple[str, Mapping[str, SigningKey] | tuple[SigningKey, ...]] | None:
    """The option that holds the keys of a source, and them in their order; None: it has none of this type."""
    for name in type(options).model_fields if isinstance(options, BaseModel) else ():
        value = getattr(options, name, None)
        keys = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else ()
        if keys and all(isinstance(key, SigningKey) for key in keys):
            return name, value  # type: ignore[return-value]  # just looked at
    return None


def keys_of(options: object) -> tuple[SigningKey, ...]:
    """The keys of a source in their order; empty where its options have none of this type."""
    found = signing_keys(options)
    if found is None:
        return ()
    return tuple(found[1].values()) if isinstance(found[1], Mapping) else found[1]


def _key_from(value: object) -> object:
    if not isinstance(value, Mapping):
        return value if isinstance(value, SigningKey) else SigningKey(secret_from(value).reveal())
    if unknown := sorted(str(part) for part in value if part not in SigningKey.parts):
        raise PydanticCustomError("key_parts", f"a key with {', '.join(SigningKey.parts)}, and not {unknown[0][:40]!r}")
    if "key" not in value:
        raise PydanticCustomError("key_parts", "a key written as a text, or as {key: …, valid_until: …}")
    begins, ends = (_time(value.get(part), part) for part in ("valid_from", "valid_until"))
    if begins is not None and ends is not None and begins >= ends:
        raise PydanticCustomError("key_times", "a valid_until after its valid_from")
    name = value.get("name")
    if name is not None and not (
        isinstance(name, str) and 0 < len(name.strip()) <= NAME_CHARS_MAX and name.isprintable()
    ):
        raise PydanticCustomError("key_name", f"a name of 1 to {NAME_CHARS_MAX} printable characters")
    return SigningKey(secret_from(value["key"]).reveal(), name=name, valid_from=begins, valid_until=ends)


def _time(value: object, part: str) -> datetime | None:
    """A time, or a day, which begins at midnight in UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            try:
                return value.astimezone(UTC)
            except OverflowError:
                value = None
        else:
            raise PydanticCustomError("key_time", f"a {part} with its zone, such as 2026-12-01T00:00:00Z")
    elif isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise PydanticCustomError("key_time", f"a {part} such as 2026-12-01 or 2026-12-01T08:00:00+08:00")
