"""Settings as a person may see them: every secret masked, every URL without what it carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel

from gateway.fields.quantities import format_duration
from gateway.text.mask import is_secret
from gateway.text.redaction import MASK, redact
from gateway.text.secret import Secret


def masked(value: object) -> Any:
    """A value of the configuration as JSON."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Enum):
        return masked(value.value)
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, BaseModel):
        return {name: masked(getattr(value, name, None)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): _by_name(str(key), entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(entry) for entry in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: masked(getattr(value, field.name, None)) for field in fields(value)}
    return redact(str(value))


def _by_name(name: str, value: object) -> object:
    """What a plugin's options keep under a free name, such as a header."""
    return MASK if isinstance(value, str) and is_secret(name) else masked(value)
