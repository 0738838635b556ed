"""Settings as a person may see them: every secret masked, every URL without what it carries."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from pydantic import BaseModel

from gateway.fields.quantities import format_duration
from gateway.text.mask import is_secret, masked_tree
from gateway.text.redaction import MASK, redact
from gateway.text.secret import Secret


def masked(value: object) -> Any:
    """A value of the configuration as JSON."""
    return masked_tree(value, _is_secret_text, _masked_setting)


def _masked_setting(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Enum):
        return masked(value.value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, BaseModel):
        return {name: masked(getattr(value, name, None)) for name in type(value).model_fields}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: masked(getattr(value, field.name, None)) for field in fields(value)}
    return _text(str(value))


def _text(text: str) -> str:
    """Without secrets, and such that JSON can hold it: the name of a file or folder need not be UTF-8."""
    return redact(text.encode(errors="backslashreplace").decode())


def _is_secret_text(name: str, value: object) -> bool:
    """What a plugin's options keep under a free name, such as a header."""
    return isinstance(value, str) and is_secret(name)
