"""A text that is never shown: keys, tokens and passwords of the configuration."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final, SupportsIndex

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

MASK: Final = "********"
DEMO: Final = "demo-"  # how the keys of the example configuration begin


class Secret:
    """A text that shows itself as `********`, also when formatted, pickled, dumped or looked at with `vars`.

    Two secrets are compared in constant time. `advice` is what a rule (see `secret`) has to say about a weak one.
    """

    __slots__ = ("_text", "advice")

    def __init__(self, text: str, *, advice: str | None = None) -> None:
        self._text = text
        self.advice = advice

    def reveal(self) -> str:
        """The text itself. Never put it into a log, an error or a page."""
        return self._text

    def advised(self, advice: str) -> Secret:
        """The same with a warning."""
        return Secret(self._text, advice=advice)

    @property
    def is_demo(self) -> bool:
        """Whether this is a key of the example configuration, which everybody knows."""
        return self._text.startswith(DEMO)

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[Secret], tuple[str]]:
        return Secret, (MASK,)  # because a pickle is a file like any other

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            secret_from,
            serialization=core_schema.plain_serializer_function_ser_schema(_masked, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        return {"type": "string", "format": "password", "writeOnly": True, "minLength": 1}


def _masked(value: object) -> str:
    return MASK


def secret_from(value: object) -> Secret:
    """A secret of what the configuration says. Raises PydanticCustomError."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("secret_type", "a secret text")
    if not value.strip():
        raise PydanticCustomError("secret_empty", "a secret that is not empty")
    if "\x00" in value:
        raise PydanticCustomError("secret_nul", "a secret without NUL characters")
    return Secret(value)


@dataclass(frozen=True, slots=True)
class SecretRule:
    """How long a secret must be and had better be; lengths in characters."""

    min_length: int = 1
    advise: int = 0

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        return self._measured(handler(schema))

    def _measured(self, body: dict[str, Any]) -> dict[str, object]:
        if "anyOf" not in body:
            return {**body, "minLength": self.min_length} if "minLength" in body else body
        text, parts = body["anyOf"]  # a SigningKey: a text, or a mapping with one
        named = {**parts["properties"], "key": self._measured(parts["properties"]["key"])}
        return {"anyOf": [self._measured(text), {**parts, "properties": named}]}

    def _check(self, value: Secret) -> Secret:
        length = len(value.reveal())
        if length < self.min_length:
            raise PydanticCustomError("secret_short", f"a secret of at least {self.min_length} characters")
        if length < self.advise:
            return value.advised(f"shorter than {self.advise} characters; `gateway secret` makes one")
        return value


def secret(*, min_length: int = 1, advise: int = 0) -> SecretRule:
    """A rule for `Annotated[Secret, secret(min_length=16, advise=32)]`: shorter is an error, or only a warning."""
    return SecretRule(min_length, advise)


def secrets_of(value: object, path: str = "") -> Iterator[tuple[str, Secret]]:
    """Every secret in a tree of models, dataclasses, mappings and sequences, with its dotted path."""
    dot = f"{path}." if path else ""
    if isinstance(value, Secret):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_of(getattr(value, name, None), dot + name)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from secrets_of(getattr(value, field.name, None), dot + field.name)
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from secrets_of(entry, f"{dot}{key}")
    elif isinstance(value, (list, tuple, set, frozenset)):
        for number, entry in enumerate(value):
            yield from secrets_of(entry, f"{dot}{number}")
