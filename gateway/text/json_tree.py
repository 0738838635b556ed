"""A JSON text decoded so that nothing of it is lost: doubled keys, numbers past 64 bits, and what is no JSON at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from gateway.text.json_bounds import (
    INTEGER_MAX,
    READABLE_DEPTH_MAX,
    too_many,
)

BYTE_ORDER_MARK: Final = "\ufeff"

_NAME_CHARS_MAX: Final = 200  # characters of one of them


class Flaw(Exception):
    """What is wrong; `literal` is the number it is about, where that is all a hook of the decoder was told."""

    def __init__(self, what: str, literal: str | None = None) -> None:
        super().__init__(what)
        self.literal = literal


class WideNumber:
    """A number that no 64 bits hold, by its digits."""

    __slots__ = ("literal",)

    def __init__(self, literal: str) -> None:
        self.literal = literal

    def __str__(self) -> str:
        return self.literal


class Pairs:
    """An object in which a key is there twice."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs


def twice(key: str) -> str:
    """The refusal of a key that is there twice, by its name or path."""
    return f"the key {shown(key)} is there twice in one object; nobody can say which one is meant"


def _object(pairs: list[tuple[str, Any]]) -> object:
    made = dict(pairs)
    return made if len(made) == len(pairs) else Pairs(pairs)


def _integer(literal: str) -> int | WideNumber:
    if len(literal) > 20 or not -INTEGER_MAX <= (number := int(literal)) <= INTEGER_MAX:
        return WideNumber(literal)
    return number


def _float(literal: str) -> float | WideNumber:
    number = float(literal)
    return number if number - number == 0.0 else WideNumber(literal)


def _constant(literal: str) -> float:
    raise Flaw(f"{literal} is not JSON; a number or null is expected", literal)


decode: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
).decode


def pairs_of(value: Any) -> Sequence[tuple[str, object]]:
    return value.pairs if type(value) is Pairs else list(value.items())


def measure(tree: object, most: int) -> None:
    """Hold the bounds without recursion."""
    nodes, depth = 1, 0
    level = [tree]
    while level:
        depth += 1
        if depth > READABLE_DEPTH_MAX:
            raise Flaw(f"the body is nested deeper than {READABLE_DEPTH_MAX} levels")
        deeper: list[object] = []
        for container in level:
            values = container if type(container) is list else [value for _, value in pairs_of(container)]
            nodes += len(values)
            deeper += [value for value in values if type(value) in (dict, list, Pairs)]
        if nodes > most:
            raise too_many(most)
        level = deeper


def shown(key: str) -> str:
    return (key if key.isprintable() else json.dumps(key))[:_NAME_CHARS_MAX]
