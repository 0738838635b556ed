"""Dictionaries of Structured Fields (RFC 9651), read strictly and written in the one form there is: as signatures need them.

Dates and display strings are not read: no field of a signature has them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

_KEY: Final = re.compile(r"[a-z*][a-z0-9_.*-]*", re.ASCII)
_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]{1,3}))?(?![0-9.])", re.ASCII)
_STRING: Final = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"', re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*", re.ASCII)
_BYTES: Final = re.compile(r":([A-Za-z0-9+/]*={0,2}):", re.ASCII)
_BOOLEAN: Final = re.compile(r"\?([01])", re.ASCII)
_OWS: Final = re.compile(r"[ \t]*", re.ASCII)
_SP: Final = re.compile(r" *", re.ASCII)
_INTEGER_DIGITS_MAX: Final = 15
_DECIMAL_DIGITS_MAX: Final = 12  # before the point


class Token(str):
    """A word without quotes."""

    __slots__ = ()


Bare = str | Token | int | Decimal | bytes | bool
Params = Mapping[str, Bare]


class FieldItem(NamedTuple):
    """One value."""

    value: Bare
    params: Params = MappingProxyType({})


class InnerList(NamedTuple):
    """Several values in brackets."""

    items: Sequence[FieldItem]
    params: Params = MappingProxyType({})


def parse_dictionary(text: str, *, unique: bool = False) -> dict[str, FieldItem | InnerList]:
    """The members by name; of one that is there twice, the last. Raises ValueError; `unique`: for such a one too."""
    reader = _FieldReader(text.strip(" "))
    members: dict[str, FieldItem | InnerList] = {}
    while reader.more():
        key = reader.expect(_KEY, "a name")[0]
        if reader.skip("="):
            member: FieldItem | InnerList = reader.inner_list() if reader.looks_at("(") else reader.item()
        else:
            member = FieldItem(True, reader.params())
        if unique and key in members:
            raise ValueError(f"{key} is there twice")
        members.pop(key, None)  # because the place of the last one counts, too
        members[key] = member
        reader.pattern(_OWS)
        if not reader.more():
            break
        if not reader.skip(","):
            raise ValueError(f"a comma is expected at character {reader.at + 1}")
        reader.pattern(_OWS)
        if not reader.more():
            raise ValueError("it ends in a comma")
    return members


class _FieldReader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def more(self) -> bool:
        return self.at < len(self.text)

    def looks_at(self, mark: str) -> bool:
        return self.text.startswith(mark, self.at)

    def skip(self, mark: str) -> bool:
        if not self.looks_at(mark):
            return False
        self.at += len(mark)
        return True

    def pattern(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return match

    def expect(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        match = self.pattern(pattern)
        if match is None:
            raise ValueError(f"{what} is expected at character {self.at + 1}")
        return match

    def item(self) -> FieldItem:
        return FieldItem(self.bare(), self.params())

    def inner_list(self) -> InnerList:
        self.skip("(")
        items: list[FieldItem] = []
        while True:
            self.pattern(_SP)
            if self.skip(")"):
                return InnerList(items, self.params())
            items.append(self.item())
            if not self.looks_at(" ") and not self.looks_at(")"):
                raise ValueError(f"a space or ) is expected at character {self.at + 1}")

    def params(self) -> dict[str, Bare]:
        params: dict[str, Bare] = {}
        while self.skip(";"):
            self.pattern(_SP)
            key = self.expect(_KEY, "a parameter's name")[0]
            params.pop(key, None)
            params[key] = self.bare() if self.skip("=") else True
        return params

    def bare(self) -> Bare:
        if self.looks_at('"'):
            return re.sub(r"\\(.)", r"\1", self.expect(_STRING, "the end of a text in quotes")[1])
        if self.looks_at(":"):
            return _decoded(self.expect(_BYTES, "base64 between colons")[1])
        if self.looks_at("?"):
            return self.expect(_BOOLEAN, "?0 or ?1")[1] == "1"
        if self.more() and (self.text[self.at] == "-" or self.text[self.at].isdigit()):
            sign, whole, part = self.expect(_NUMBER, "a number").groups()
            if len(whole) > (_INTEGER_DIGITS_MAX if part is None else _DECIMAL_DIGITS_MAX):
                raise ValueError("a number has too many digits")
            return int(sign + whole) if part is None else Decimal(f"{sign}{whole}.{part}")
        return Token(self.expect(_TOKEN, "a value")[0])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("what stands between colons is no base64") from None


def written(member: FieldItem | InnerList) -> str:
    """A member in the one form it has. Raises ValueError for a value that has none."""
    if isinstance(member, InnerList):
        return f"({' '.join(map(written, member.items))}){_params(member.params)}"
    return _bare(member.value) + _params(member.params)


def written_dictionary(members: Mapping[str, FieldItem | InnerList]) -> str:
    """All of them, in their order. Raises ValueError."""
    return ", ".join(
        key
        + (_params(member.params) if isinstance(member, FieldItem) and member.value is True else f"={written(member)}")
        for key, member in members.items()
    )


def _params(params: Params) -> str:
    return "".join(f";{key}" if value is True else f";{key}={_bare(value)}" for key, value in params.items())


def _bare(value: Bare) -> str:
    if isinstance(value, bool):
        return "?1" if value else "?0"
    if isinstance(value, int):
        if abs(value) >= 10**_INTEGER_DIGITS_MAX:
            raise ValueError("an integer of at most 15 digits")
        return str(value)
    if isinstance(value, Decimal):
        whole, _, part = f"{value:.3f}".partition(".")
        return f"{whole}.{part.rstrip('0') or '0'}"
    if isinstance(value, bytes):
        return f":{base64.b64encode(value).decode()}:"
    if isinstance(value, Token):
        return str(value)
    if not value.isascii() or not all(0x20 <= ord(letter) < 0x7F for letter in value):
        raise ValueError("a text of printable ASCII")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
