"""Reads the fields of a JSON object one by one, each of its type, or says which is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.events.times import parse_time


def text_of(entry: Mapping[str, object], name: str) -> str | None:
    value = entry.get(name)
    if value is None or isinstance(value, str):
        return value
    raise wrong(name, value, "text")


def whole_of(entry: Mapping[str, object], name: str) -> int | None:
    value = entry.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise wrong(name, value, "a whole number")


def flag_of(entry: Mapping[str, object], name: str) -> bool:
    value = entry.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise wrong(name, value, "true or false")


def number_of(entry: Mapping[str, object], name: str) -> float | None:
    value = entry.get(name)
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    raise wrong(name, value, "a number")


def list_of(entry: Mapping[str, object], name: str) -> Sequence[Any]:
    value = entry.get(name)
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return value
    raise wrong(name, value, "a list")


def object_of(entry: Mapping[str, object], name: str) -> Mapping[str, object] | None:
    value = entry.get(name)
    if value is None or isinstance(value, Mapping):
        return value
    raise wrong(name, value, "an object")


def wrong(name: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{name}: {type(value).__name__} found, {expected} expected")


def needed(entry: Mapping[str, object], name: str) -> str:
    value = text_of(entry, name)
    if not value:
        raise ValueError(f"{name}: missing")
    return value


def time_of(entry: Mapping[str, object], name: str) -> datetime | None:
    text = text_of(entry, name)
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
