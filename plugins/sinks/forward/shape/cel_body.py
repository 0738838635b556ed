"""A body that a CEL expression makes: its value as JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from gateway import Event, encode_json_sorted, format_time, to_document
from gateway.where import WhereError, WhereFailed, compile_where, present
from gateway.where.expression import LIST_ELEMENTS_MAX
from gateway.where.names import misnamed, shape_of_event
from plugins.sinks.cards.sandbox import OUTPUT_CHARS_MAX
from plugins.sinks.cards.text import Invalid

_WHAT: Final = "body.cel"


class CelBody:
    """One compiled expression, within the bounds of a route's `where`. Raises Invalid for one that cannot be used."""

    def __init__(self, text: str, secrets: Collection[str] = ()) -> None:
        try:
            self._where = compile_where(text)
        except WhereError as error:
            raise Invalid(f"{_WHAT}: {error}") from None
        wrong = [str(problem) for problem in misnamed(self._where.tree, self._names(secrets))]
        if wrong:
            raise Invalid(f"{_WHAT}: {'; '.join(wrong)}")

    @staticmethod
    def _names(secrets: Collection[str]) -> Mapping[str, object]:
        return {**shape_of_event(), "secrets": dict.fromkeys(secrets, "text")} if secrets else shape_of_event()

    def render(self, event: Event, secrets: Mapping[str, str]) -> str:
        """Raises Invalid, which says why: it fails on this event, or what it says is no object and no list."""
        if (longest := _longest(to_document(event))) > LIST_ELEMENTS_MAX:
            raise Invalid(
                f"{_WHAT}: a list of this event has {longest} elements, and an expression sees {LIST_ELEMENTS_MAX} at most"
            )
        try:
            value = self._where.value(self._where.prepare_names({"event": present(event), "secrets": dict(secrets)}))
        except WhereFailed as failure:
            raise Invalid(f"{_WHAT}: it fails on this event: {failure}") from None
        body = _plain(value)
        if not isinstance(body, dict | list):
            raise Invalid(f"{_WHAT}: it says {type(body).__name__} and neither a map nor a list")
        # sorted, because the library's maps have an order of their own each time, and a repeat is to have the same bytes
        text = encode_json_sorted(body)
        if len(text) > OUTPUT_CHARS_MAX:
            raise Invalid(f"{_WHAT}: it makes more than 64 KiB of text")
        return text


def _plain(value: object) -> object:
    """What CEL's values are in JSON, as its specification has it. Raises Invalid."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise Invalid(f"{_WHAT}: the keys of a map in JSON are texts")
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise Invalid(f"{_WHAT}: {value} is no number of JSON")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    assert value is None or isinstance(value, str | int | float | bool)  # CEL has nothing else
    return value


def _longest(value: object) -> int:
    if isinstance(value, dict):
        return max(map(_longest, value.values()), default=0)
    if isinstance(value, list):
        return max(len(value), *map(_longest, value)) if value else 0
    return 0
