"""A decoded body and the ways to read it: repaired, as it was before repair, and as what names things for ever."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

from gateway.errors import Malformed
from gateway.text.json_repair import Repair
from gateway.text.json_tree import Pairs, WideNumber, pairs_of, twice
from gateway.text.storable import escaped, is_text

PROBLEMS_MAX: Final = 50  # names of one document


class Document:
    """One JSON object. `plain` can be kept by every store and sink; `problems` names what was repaired for that.

    Of a document in which nothing is odd all ways to read it are `plain`.
    """

    def __init__(self, plain: dict[str, object] | None, tree: object = None, problems: Sequence[str] = ()) -> None:
        self._tree = tree
        self._problems = problems
        self.plain_alone = tree is None  # whether nothing is odd in it
        if plain is not None:
            self.plain = plain

    @cached_property
    def plain(self) -> dict[str, object]:
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
    def _repaired(self) -> tuple[dict[str, object], Sequence[str], Sequence[str]]:
        repair = Repair(list(self._problems))
        plain = repair.object(pairs_of(self._tree), "", 1)
        return plain, tuple(repair.problems[:PROBLEMS_MAX]), tuple(repair.doubled)

    def doubled_among(self, keys: Sequence[str]) -> str | None:
        """The first of these keys that is there twice at the top."""
        if type(self._tree) is not Pairs:
            return None
        seen = [key for key, _ in self._tree.pairs]
        return next((key for key in keys if seen.count(key) > 1), None)

    def original(self, *, escape: bool) -> dict[str, object]:
        """As it came, for verification: nothing cut or left out, lone surrogates and NUL escaped (or, without `escape`,
        as they are), numbers past 64 bits as their text. To read a key that is there twice raises Malformed."""
        if self._tree is None:
            return self.plain
        read: dict[str, object] = _copy(self._tree, escaped if escape else _same, WideNumber.__str__, DoubledObject)
        return read

    def naming(self, choice: int) -> dict[str, object]:
        """As what things are named by: no two originals read the same. Of a doubled key the value at `choice` (0, -1)."""
        if self._tree is None:
            return self.plain

        def chosen(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
            return dict(pairs if choice else reversed(pairs))

        read: dict[str, object] = _copy(self._tree, _unmistakable, lambda number: f"\\#{number}", chosen)
        return read


class DoubledObject(dict[str, object]):
    """An object without its doubled keys, of which none can be read without a refusal: nobody can say which is meant."""

    __slots__ = ("_doubled",)

    def __init__(self, pairs: Sequence[tuple[str, object]]) -> None:
        seen = [key for key, _ in pairs]
        self._doubled = {key for key, times in Counter(seen).items() if times > 1}
        super().__init__((key, value) for key, value in pairs if key not in self._doubled)

    def _check(self, key: object) -> None:
        if key in self._doubled:
            raise Malformed(twice(key))

    def __getitem__(self, key: str) -> object:
        self._check(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._check(key)
        return super().__contains__(key)

    def get(self, key: str, default: object = None) -> Any:
        self._check(key)
        return super().get(key, default)

    def pop(self, key: str, *default: object) -> Any:
        self._check(key)
        return super().pop(key, *default)

    def _all(self, *_: object) -> Any:
        raise Malformed(twice(next(iter(sorted(self._doubled)))))

    __iter__ = keys = values = items = copy = __or__ = __ror__ = __reversed__ = _all
    __len__ = _all


def _copy(
    value: Any,
    text: Callable[[str], str],
    number: Callable[[Any], str],
    object: Callable[[Sequence[tuple[str, object]]], dict[str, Any]],
) -> Any:
    kind = type(value)
    if kind is str:
        return text(value)
    if kind is WideNumber:
        return number(value)
    if kind is list:
        return [_copy(part, text, number, object) for part in value]
    if kind is dict:
        return {text(key): _copy(part, text, number, object) for key, part in value.items()}
    if kind is Pairs:
        return object([(text(key), _copy(part, text, number, object)) for key, part in value.pairs])
    return value


def _same(text: str) -> str:
    return text


def _unmistakable(text: str) -> str:
    """The text itself, or one that begins with a backslash, as no text does that stands for itself."""
    if not text.startswith("\\") and is_text(text, None):
        return text
    return "\\" + json.dumps(text)
