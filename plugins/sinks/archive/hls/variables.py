"""Variables of a playlist (`EXT-X-DEFINE`): what they stand for where an address uses them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from plugins.sinks.archive.hls.attributes import Attribute
from plugins.sinks.archive.hls.bounds import ADDRESS_CHARS_MAX, VARIABLE_CHARS_MAX, VARIABLES_MAX

_USE: Final = re.compile(r"\{\$([A-Za-z0-9_-]+)\}", re.A)
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}", re.A)
_NONE: Final[Mapping[str, Variable]] = MappingProxyType({})


class Variable(NamedTuple):
    """What one stands for. `is_secret`: it was taken from the query of an address, where signatures stand."""

    value: str
    is_secret: bool = False


class Variables:
    """Those of one playlist. `imported` are its master's, which it may ask for by name."""

    def __init__(self, url: str, imported: Mapping[str, Variable] = _NONE) -> None:
        self._url = url
        self._imported = imported
        self.defined: dict[str, Variable] = {}

    def define(self, attributes: Mapping[str, Attribute]) -> str | None:
        """Take one definition in. The line to write in its place, where the archived playlist cannot keep it as it is.

        Raises ValueError with a reason.
        """
        kinds = [kind for kind in ("NAME", "IMPORT", "QUERYPARAM") if kind in attributes]
        if len(kinds) != 1:
            raise ValueError("a definition has one of NAME, IMPORT and QUERYPARAM")
        kind, name = kinds[0], attributes[kinds[0]].text
        if not _NAME.fullmatch(name):
            raise ValueError("the name of a variable has letters, digits, - and _")
        if name in self.defined:
            raise ValueError(f"the variable {name} is defined twice")
        if len(self.defined) >= VARIABLES_MAX:
            raise ValueError(f"a playlist may define {VARIABLES_MAX} variables")
        if kind == "NAME":
            if "VALUE" not in attributes:
                raise ValueError(f"the variable {name} has no VALUE")
            variable = Variable(self.fill(attributes["VALUE"].text, VARIABLE_CHARS_MAX))
        elif kind == "IMPORT":
            if name not in self._imported:
                raise ValueError(f"the variable {name} is to come from a master playlist, and is in none")
            variable = self._imported[name]
        else:
            variable = self._of_query(name)
        self.defined[name] = variable
        # a copy has no query, and readers give up where the parameter is absent; no address needs it any more
        return f'#EXT-X-DEFINE:NAME="{name}",VALUE=""' if kind == "QUERYPARAM" else None

    def fill(self, text: str, limit: int = ADDRESS_CHARS_MAX) -> str:
        """The text with each variable replaced by what it stands for, once. Raises ValueError with a reason."""
        if "{$" not in text:
            return text
        unknown = [name for name in _USE.findall(text) if name not in self.defined]
        if unknown:
            raise ValueError(f"the variable {unknown[0]} is not defined above it")
        length = len(text) + sum(len(self.defined[name].value) for name in _USE.findall(text))
        if length > limit:
            raise ValueError(f"with its variables it has over {limit} characters")
        return _USE.sub(lambda use: self.defined[use[1]].value, text)

    def secret_in(self, text: str) -> str | None:
        """The name of a variable that is used in this text and stands for a part of a query."""
        return next(
            (name for name in _USE.findall(text) if name in self.defined and self.defined[name].is_secret), None
        )

    def _of_query(self, name: str) -> Variable:
        values = dict(parse_qsl(urlsplit(self._url).query, keep_blank_values=True, max_num_fields=1000))
        if name not in values:
            raise ValueError(f"the variable {name} is to come from the query of the playlist's address, which has none")
        if len(values[name]) > VARIABLE_CHARS_MAX:
            raise ValueError(f"the variable {name} has over {VARIABLE_CHARS_MAX} characters")
        return Variable(values[name], is_secret=True)
