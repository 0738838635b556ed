"""The parsed file: texts, lists and tables that know their line, column and dotted path."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from gateway.config.document.diagnostics import Diagnostic

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,4000}")
_BASED: Final = re.compile(r"0o[0-7]{1,1000}|0x[0-9a-fA-F]{1,1000}")
_REAL: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL: Final = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TOKEN: Final = re.compile(r"(?=[A-Za-z+/_=-]*[0-9])(?=[0-9+/_=-]*[A-Za-z])[A-Za-z0-9+/_=-]{16,}")


@dataclass(slots=True, kw_only=True, eq=False)
class YamlNode:
    """A place in the file. `shown` says that errors may quote the text: it cannot be a secret where it stands."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    shown: bool = False
    refused: tuple[str, ...] = ()  # the branches of a union that this is not meant for

    def problem(self, *, found: str = "", expected: str = "", hint: str = "") -> Diagnostic:
        """A problem at this place."""
        return Diagnostic(
            file=self.file,
            line=self.line,
            column=self.column,
            path=self.path,
            found=found,
            expected=expected,
            hint=hint,
        )

    def below(self, key: str | int) -> str:
        """The dotted path of a child."""
        return f"{self.path}.{key}" if self.path else str(key)


@dataclass(slots=True, kw_only=True, eq=False)
class Scalar(YamlNode):
    """A scalar as its source text. Only a plain one (not quoted, without a substitution) can be null or be a number of its own accord."""

    text: str = field(repr=False)
    quoted: bool = False
    substituted: bool = False
    names: tuple[str, ...] = ()  # the forms that were substituted, such as ${PORT}, without their defaults
    optional: bool = False  # the text came out empty, and `${NAME:-}` said that it may
    placeholder: bool = False  # something that is not here stands in this text (`check --no-secrets`)
    tried: int = 0  # how many stand-ins for it were refused
    secret: bool = False  # its field's type is, or may hold, a secret

    @property
    def plain(self) -> bool:
        return not (self.quoted or self.substituted)

    @property
    def null(self) -> bool:
        return self.plain and self.text in _NULL


@dataclass(slots=True, kw_only=True, eq=False)
class Items(YamlNode):
    """A list."""

    items: list[YamlNode] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class Table(YamlNode):
    """A mapping with text keys. `keys` are the places of the keys themselves."""

    entries: dict[str, YamlNode] = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)

    def key(self, name: str) -> YamlNode:
        """The place of a key, for errors about the key and not its value."""
        line, column = self.keys.get(name, (self.line, self.column))
        return YamlNode(file=self.file, line=line, column=column, path=self.below(name))

    def only(self, keys: Collection[str]) -> Table:
        """The same table without its other keys."""
        entries = {key: node for key, node in self.entries.items() if key in keys}
        return Table(
            file=self.file, line=self.line, column=self.column, path=self.path, entries=entries, keys=self.keys
        )


def is_null(node: YamlNode | None) -> bool:
    """Whether there is nothing, or a plain null."""
    return node is None or (isinstance(node, Scalar) and node.null)


def scalars(node: YamlNode | None) -> Iterator[Scalar]:
    """Every scalar below, in the order of the file."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Items):
        for item in node.items:
            yield from scalars(item)
    elif isinstance(node, Table):
        for entry in node.entries.values():
            yield from scalars(entry)


def places_below(node: YamlNode) -> dict[str, tuple[str, int, int]]:
    """File, line and column of this node and of every one below it, by dotted path."""
    found = {node.path: (node.file, node.line, node.column)}
    children = node.entries.values() if isinstance(node, Table) else node.items if isinstance(node, Items) else ()
    for child in children:
        found |= places_below(child)
    return found


def stand_ins(node: YamlNode) -> list[Scalar]:
    """The stand-ins below this node."""
    return [scalar for scalar in scalars(node) if scalar.placeholder]


def looks_secret(text: str) -> bool:
    """Whether this could be a key that was put into the wrong place: a long run of letters and digits."""
    return _TOKEN.search(text[:200]) is not None  # no more than is ever shown, because the search is not linear


def shown_key(key: str) -> str:
    """A key as errors may show it: a misplaced secret is no word."""
    word = key.replace("_", "").replace("-", "").replace(".", "")
    return key if len(key) <= 64 and word.isalnum() and not looks_secret(key) else "(not a word)"


def key_advice(key: str) -> str:
    """What to change in an unknown key that was meant well: a colon without its blank, or a character that only looks like one of
    YAML's. Empty: nothing is known. It names no more of the key than that character."""
    for letter in key[:256]:
        if letter.isascii() or unicodedata.category(letter)[0] not in "PZC":
            continue
        name = f"U+{ord(letter):04X} {unicodedata.name(letter, 'without a name')}"
        return f"the key holds {name}; YAML knows the colon, the blank and the quotes of ASCII alone"
    return "a colon ends a key only with a blank behind it" if ":" in key else ""


def describe(node: YamlNode | None) -> str:
    """What is there, for an error; the text itself only where it may be shown."""
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    if not isinstance(node, Scalar) or node.null:
        return "nothing"
    if node.substituted:
        return ("an empty text" if not node.text else "a text") + " from " + " and ".join(node.names)
    if not node.text:
        return "an empty text"
    if node.shown and not looks_secret(node.text):
        return repr(node.text if len(node.text) <= 60 else node.text[:57] + "…")
    return "a text"


def truth(text: str) -> bool | None:
    """YAML 1.2 core: only true and false, in three spellings."""
    return True if text in _TRUE else False if text in _FALSE else None


def integer(text: str) -> int | None:
    """YAML 1.2 core: decimal (leading zeros mean nothing), 0o and 0x."""
    if _INTEGER.fullmatch(text):
        return int(text)
    return int(text, 0) if _BASED.fullmatch(text) else None


def real(text: str) -> float | None:
    """YAML 1.2 core, without the numbers that are none; too large a one is not a number either."""
    if not _REAL.fullmatch(text):
        special = _SPECIAL.fullmatch(text)
        return None if special is None else float(text.replace(".", "").lower())
    return float(text)


def untyped(node: YamlNode | None) -> object:
    """The value by YAML 1.2 core rules, for fields that take anything."""
    if isinstance(node, Table):
        return {key: untyped(entry) for key, entry in node.entries.items()}
    if isinstance(node, Items):
        return [untyped(item) for item in node.items]
    if not isinstance(node, Scalar) or node.null:
        return None
    if not node.plain:
        return node.text
    for reading in (truth(node.text), integer(node.text), real(node.text)):
        if reading is not None:
            return reading
    return node.text
