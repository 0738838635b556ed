"""A decoded body and the ways to read it: repaired, as it was before repair, and as what names things for ever."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

from gateway.errors import Malformed
from gateway.text.json_bounds import (
    KEY_CHARS_MAX,
    MAX_DEPTH,
    MAX_INTEGER,
    READABLE_DEPTH_MAX,
    TEXT_BYTES_MAX,
    too_many,
)
from gateway.text.storable import cut, escaped, is_text, mended

BYTE_ORDER_MARK: Final = "\ufeff"
PROBLEMS_MAX: Final = 50  # names of one document
_NAME_MAX: Final = 200  # characters of one of them


class Flaw(Exception):
    """What is wrong; `literal` is the number it is about, where that is all a hook of the decoder was told."""

    def __init__(self, what: str, literal: str | None = None) -> None:
        super().__init__(what)
        self.literal = literal


class Document:
    """One JSON object. `plain` can be kept by every store and sink; `problems` names what was repaired for that.

    Of a document in which nothing is odd all ways to read it are `plain`.
    """

    def __init__(self, plain: dict[str, Any] | None, tree: Any = None, problems: Sequence[str] = ()) -> None:
        self._tree = tree
        self._problems = problems
        if plain is not None:
            self.plain = plain

    @property
    def plain_alone(self) -> bool:
        """Whether nothing is odd in it."""
        return self._tree is None

    @cached_property
    def plain(self) -> dict[str, Any]:
        """What `normalise` reads. Made when it is asked for, because strangers never come so far."""
        return self._repaired[0]

    @property
    def problems(self) -> Sequence[str]:
        """Paths of what was repaired."""
        return () if self.plain_alone else self._repaired[1]

    @property
    def doubled(self) -> Sequence[str]:
        """Paths of keys that are there twice in one object."""
        return () if self.plain_alone else self._repaired[2]

    @cached_property
    def _repaired(self) -> tuple[dict[str, Any], Sequence[str], Sequence[str]]:
        repair = _Repair(list(self._problems))
        plain = repair.object(_pairs_of(self._tree), "", 1)
        return plain, tuple(repair.problems[:PROBLEMS_MAX]), tuple(repair.doubled)

    def doubled_among(self, keys: Sequence[str]) -> str | None:
        """The first of these keys that is there twice at the top."""
        if type(self._tree) is not _Pairs:
            return None
        seen = [key for key, _ in self._tree.pairs]
        return next((key for key in keys if seen.count(key) > 1), None)

    def original(self, *, escape: bool) -> dict[str, Any]:
        """As it came, for verification: nothing cut or left out, lone surrogates and NUL escaped (or, without `escape`,
        as they are), numbers past 64 bits as their text. To read a key that is there twice raises Malformed."""
        if self._tree is None:
            return self.plain
        read: dict[str, Any] = _copy(self._tree, escaped if escape else _same, _Number.__str__, DoubledObject)
        return read

    def naming(self, choice: int) -> dict[str, Any]:
        """As what things are named by: no two originals read the same. Of a doubled key the value at `choice` (0, -1)."""
        if self._tree is None:
            return self.plain

        def chosen(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
            return dict(pairs if choice else reversed(pairs))

        read: dict[str, Any] = _copy(self._tree, _unmistakable, lambda number: f"\\#{number}", chosen)
        return read


class _Number:
    """A number that no 64 bits hold, by its digits."""

    __slots__ = ("literal",)

    def __init__(self, literal: str) -> None:
        self.literal = literal

    def __str__(self) -> str:
        return self.literal


class _Pairs:
    """An object in which a key is there twice."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


class DoubledObject(dict[str, Any]):
    """An object without its doubled keys, of which none can be read without a refusal: nobody can say which is meant."""

    __slots__ = ("_doubled",)

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        seen = [key for key, _ in pairs]
        self._doubled = {key for key, times in Counter(seen).items() if times > 1}
        super().__init__((key, value) for key, value in pairs if key not in self._doubled)

    def _check(self, key: Any) -> None:
        if key in self._doubled:
            raise Malformed(twice(key))

    def __getitem__(self, key: str) -> Any:
        self._check(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._check(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._check(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self._check(key)
        return super().pop(key, *default)

    def _all(self, *_: object) -> Any:
        raise Malformed(twice(next(iter(sorted(self._doubled)))))

    __iter__ = keys = values = items = copy = __or__ = __ror__ = __reversed__ = _all
    __len__ = _all


def twice(key: str) -> str:
    """The refusal of a key that is there twice, by its name or path."""
    return f"the key {_shown(key)} is there twice in one object; nobody can say which one is meant"


def odd_document(text: str, most: int) -> Document:
    """Read a document that something is odd in. Raises Flaw, Malformed for too many values, and as the decoder does."""
    problems: list[str] = []
    if text.startswith(BYTE_ORDER_MARK):
        text = text[1:]
        problems.append("byte-order mark")
    tree = _decode(text)
    if type(tree) is not dict and type(tree) is not _Pairs:
        raise Flaw("the body is no object; one JSON object is expected")
    _measure(tree, most)
    return Document(None, tree, problems)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    made = dict(pairs)
    return made if len(made) == len(pairs) else _Pairs(pairs)


def _integer(literal: str) -> int | _Number:
    if len(literal) > 20 or not -MAX_INTEGER <= (number := int(literal)) <= MAX_INTEGER:
        return _Number(literal)
    return number


def _float(literal: str) -> float | _Number:
    number = float(literal)
    return number if number - number == 0.0 else _Number(literal)


def _constant(literal: str) -> float:
    raise Flaw(f"{literal} is not JSON; a number or null is expected", literal)


_decode: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
).decode


def _pairs_of(value: Any) -> Sequence[tuple[str, Any]]:
    return value.pairs if type(value) is _Pairs else list(value.items())


def _measure(tree: Any, most: int) -> None:
    """Hold the bounds without recursion."""
    nodes, depth = 1, 0
    level = [tree]
    while level:
        depth += 1
        if depth > READABLE_DEPTH_MAX:
            raise Flaw(f"the body is nested deeper than {READABLE_DEPTH_MAX} levels")
        deeper: list[Any] = []
        for container in level:
            values = container if type(container) is list else [value for _, value in _pairs_of(container)]
            nodes += len(values)
            deeper += [value for value in values if type(value) in (dict, list, _Pairs)]
        if nodes > most:
            raise too_many(most)
        level = deeper


class _Repair:
    """Makes the plain form, and names what it changed."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self.doubled: list[str] = []

    def object(self, pairs: Sequence[tuple[str, Any]], path: str, depth: int) -> dict[str, Any]:
        repaired: dict[str, Any] = {}
        left_out: set[str] = set()
        keys = {}
        for key, value in pairs:
            name = key if len(key) <= KEY_CHARS_MAX and is_text(key, None) else mended(key[:KEY_CHARS_MAX])
            where = f"{path}{_shown(name)}"
            if key in keys:
                if key not in left_out:
                    left_out.add(key)
                    self.doubled.append(where)
                    self.problems.append(where)
                    repaired.pop(name, None)
                continue
            keys[key] = name
            if name is not key:
                self.problems.append(where)
                if name in repaired:  # two keys that differ in what cannot be kept
                    continue
            kept = self._value(value, where, depth)
            if kept is not _LEFT_OUT:
                repaired[name] = kept
        return repaired

    def _value(self, value: Any, path: str, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            if is_text(value):
                return value
            self.problems.append(path)
            return cut(mended(value[:TEXT_BYTES_MAX]))
        if kind is _Number:
            self.problems.append(path)
            return cut(value.literal)
        if kind not in (dict, list, _Pairs):
            return value
        if depth >= MAX_DEPTH:
            self.problems.append(path)
            return _LEFT_OUT
        if kind is not list:
            return self.object(_pairs_of(value), f"{path}.", depth + 1)
        kept = [self._value(part, f"{path}[{n}]", depth + 1) for n, part in enumerate(value)]
        return [part for part in kept if part is not _LEFT_OUT]


_LEFT_OUT: Final = object()


def _copy(
    value: Any,
    text: Callable[[str], str],
    number: Callable[[Any], str],
    object: Callable[[Sequence[tuple[str, Any]]], dict[str, Any]],
) -> Any:
    kind = type(value)
    if kind is str:
        return text(value)
    if kind is _Number:
        return number(value)
    if kind is list:
        return [_copy(part, text, number, object) for part in value]
    if kind is dict:
        return {text(key): _copy(part, text, number, object) for key, part in value.items()}
    if kind is _Pairs:
        return object([(text(key), _copy(part, text, number, object)) for key, part in value.pairs])
    return value


def _same(text: str) -> str:
    return text


def _unmistakable(text: str) -> str:
    """The text itself, or one that begins with a backslash, as no text does that stands for itself."""
    if not text.startswith("\\") and is_text(text, None):
        return text
    return "\\" + json.dumps(text)


def _shown(key: str) -> str:
    return (key if key.isprintable() else json.dumps(key))[:_NAME_MAX]
