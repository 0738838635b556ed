"""The filters that every template has, whatever is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from jinja2.runtime import Undefined

from plugins.sinks.cards.text import ELLIPSIS, cut

VALUE_CHARS_MAX: Final = 2000  # characters of one value in a card
_JOINED_MAX: Final = 100  # elements of a list that `join` shows


def text_of(value: object) -> str:
    return "" if _absent(value) else str(value)


def _absent(value: object) -> bool:
    return value is None or isinstance(value, Undefined)


def _join(value: object, between: str = ", ") -> str:
    if not isinstance(value, list | tuple):
        return ""
    some = [cut(text_of(one), VALUE_CHARS_MAX) for one in list(value)[:_JOINED_MAX]]
    return str(between)[:20].join([*some, *([ELLIPSIS] if len(value) > _JOINED_MAX else [])])


def _item(value: object, at: int) -> object:
    return value[at] if isinstance(value, list | tuple | str) and value else None


def _number(value: object, other: float = 0) -> float:
    try:
        return float(value) if isinstance(value, str | int | float) else other
    except (ValueError, OverflowError):
        return other


def _rounded(value: object, digits: int = 0) -> float:
    rounded = round(_number(value), min(max(int(digits), 0), 10))
    return int(rounded) if not digits and abs(rounded) < 2**63 else rounded


FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "default": lambda value, other="": other if _absent(value) else value,
    "upper": lambda value: text_of(value).upper(),
    "lower": lambda value: text_of(value).lower(),
    "trim": lambda value: text_of(value).strip(),
    "cut": lambda value, most=80: cut(text_of(value), max(int(most), 1)),
    "join": _join,
    "length": lambda value: len(value) if isinstance(value, list | tuple | dict | str) else 0,
    "first": lambda value: _item(value, 0),
    "last": lambda value: _item(value, -1),
    "number": _number,
    "round": _rounded,
}
