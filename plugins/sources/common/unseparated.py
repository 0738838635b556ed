"""A form that is signed with nothing between its names and values: when nobody could have moved bytes from one to the next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from gateway import Trust

_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_LONG_WORDS_MIN: Final = 2  # words, as in RoomSid: a name of one, such as Size, may well stand in a text


def joined(fields: Iterable[tuple[str, str]]) -> str:
    """The form as it is signed: in the order of names and then values, no pair twice."""
    return "".join(name + value for name, value in sorted(set(fields)))


class Grammar:
    """The names that a vendor writes, each with what may stand behind it.

    `closed` are values whose end their own pattern tells; `open` are those that a person or a machine chose, with a pattern
    or None for any text. Names are written with spaces between them.
    """

    def __init__(self, *, closed: Mapping[re.Pattern[str], str], open: Mapping[re.Pattern[str] | None, str]) -> None:
        self._closed = {name: pattern for pattern, names in closed.items() for name in names.split()}
        self._open = {name: pattern for pattern, names in open.items() for name in names.split()}
        self._known = (*self._closed, *self._open)
        long = [name for name in self._known if len(re.findall("[A-Z][a-z]", name)) >= _LONG_WORDS_MIN]
        self._inside = re.compile("|".join(sorted(long, key=lambda name: (-len(name), name))))

    def covered(self, fields: Sequence[tuple[str, str]]) -> Trust:
        """`body`: there is one way to cut the signed text into such a form. `fields`: the same but for names that nobody
        knows, which are covered and whose own cut is open. `timestamp`: bytes may have been moved."""
        pairs = sorted(set(fields))
        if len({name for name, _ in pairs}) != len(pairs) or not any(self._knows(name) for name, _ in pairs):
            return Trust.TIMESTAMP
        trust, before = Trust.BODY, ""
        for name, value in pairs:
            if not self._fits(name, value):
                return Trust.TIMESTAMP
            if not self._knows(name):
                if before in self._open:  # then the name may be the end of that value
                    return Trust.TIMESTAMP
                trust = Trust.FIELDS
            before = name
        return trust

    def _knows(self, name: str) -> bool:
        return name in self._closed or name in self._open

    def _fits(self, name: str, value: str) -> bool:
        pattern = self._closed.get(name) or self._open.get(name)
        if pattern is not None and not pattern.fullmatch(value):
            return False
        if self._knows(name):
            return self._inside.search(value) is None
        both = name + value  # a known name may have been cut in two
        return bool(_NAME.fullmatch(name)) and not both.startswith(self._known) and self._inside.search(both) is None
