"""Where a message goes: a text with `{source}` `{type}` `{domain}` `{app}` `{stream}` in it.

What an event puts in can never begin a new part of the name or be a wildcard: everything but letters, digits, `_`
and `-` is percent-encoded. Only `{type}` keeps its dots, because it is one of the gateway's own words.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from gateway import Event, suggestion

_ABSENT: Final = "-"
_VALUES: Final[Mapping[str, Callable[[Event], str | None]]] = {
    "source": lambda event: event.source,
    "type": lambda event: event.type,
    "domain": lambda event: event.domain,
    "app": lambda event: event.app,
    "stream": lambda event: event.stream,
}


class Topic:
    """A name made for each event. Raises ValueError with what is wrong with the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[tuple[str, str | None]] = []
        try:
            parts = [*string.Formatter().parse(text)]
        except ValueError:
            raise ValueError("names in braces such as {type}, and {{ for a brace") from None
        for literal, name, form, conversion in parts:
            if name is not None and (name not in _VALUES or form or conversion):
                raise ValueError(f"no {{{name}}} to put in{suggestion(name, tuple(_VALUES))}")
            self._parts.append((literal, name))

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same for every event."""
        return all(name is None for _, name in self._parts)

    @property
    def shape(self) -> str:
        """A name as events make it, to look at how it is built."""
        return "".join(literal + ("" if name is None else "x") for literal, name in self._parts)

    def topic_of(self, event: Event, *, bytes_max: int) -> str:
        """ASCII where the literals are; what is over `bytes_max` is cut, which is no more than another name."""
        whole = "".join(literal + ("" if name is None else _token(name, event)) for literal, name in self._parts)
        raw = whole.encode()
        return whole if len(raw) <= bytes_max else raw[:bytes_max].decode(errors="ignore").rstrip("%.")


def _token(name: str, event: Event) -> str:
    value = _VALUES[name](event)
    if not value:
        return _ABSENT
    encoded = quote(value, safe="").replace("~", "%7E")
    return encoded if name == "type" else encoded.replace(".", "%2E")


def is_topic(fits: Callable[[str], bool], expected: str) -> AfterValidator:
    """For an option: what `Topic` can read, and of which names as events make them `fits` is true."""

    def check(text: str) -> str:
        try:
            fit = fits(Topic(text).shape)
        except ValueError as error:
            raise PydanticCustomError(
                "topic", "{expected}: {problem}", {"expected": expected, "problem": str(error)}
            ) from None
        if not fit:
            raise PydanticCustomError("topic", "{expected}", {"expected": expected})
        return text

    return AfterValidator(check)
