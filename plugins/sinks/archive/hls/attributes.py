"""The attributes of a tag (`NAME=value,NAME="value"`), and where in the line each value stands."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_ATTRIBUTE: Final = re.compile(r"""\s*([A-Za-z0-9-]+)\s*=\s*(?:"([^"]*)"|([^\s"',]*))\s*(,|$)""", re.A)


class Attribute(NamedTuple):
    """One value as it is written, without its quotes: `line[start:end]`."""

    text: str
    start: int
    end: int


def attributes_of(line: str, start: int) -> dict[str, Attribute]:
    """The attributes that begin at `start`, by their names in upper case.

    Raises ValueError with a reason where two readers could understand them differently: open quotes, a name twice.
    """
    attributes: dict[str, Attribute] = {}
    end = len(line.rstrip())
    while start < end:
        match = _ATTRIBUTE.match(line, start, end)
        if match is None:
            raise ValueError('its attributes cannot be read: NAME=value or NAME="value", with commas between them')
        group = 3 if match[2] is None else 2
        name = match[1].upper()
        if name in attributes:
            raise ValueError(f"{name} stands twice in it")
        attributes[name] = Attribute(match[group], match.start(group), match.end(group))
        start = match.end()
    return attributes
