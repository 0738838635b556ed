"""What tells a template from a plain text, without the library that reads one: most forwards have none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway import MASK

_MARKS: Final = ("{{", "{%", "{#")
_BLOCK: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
SECRET_WORD_CHARS_MIN: Final = 16  # the least length of a word that is taken for a secret


class HeaderTemplate:
    """A header's value with something to fill in. It never shows itself, because it may hold a secret beside that."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"HeaderTemplate('{MASK}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HeaderTemplate) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def secret_words(self) -> Iterator[str]:
        """What of its own text may be a secret: not what is filled in."""
        for own in _BLOCK.split(self.text):
            yield from (word for word in own.split() if len(word) >= SECRET_WORD_CHARS_MIN)


def is_template(text: str) -> bool:
    """Whether there is anything in it to be filled in."""
    return any(mark in text for mark in _MARKS)


def parted(url: str) -> tuple[str, str]:
    """Scheme, host and port of a URL, and the template behind them. Raises ValueError where these are not plain."""
    scheme, between, rest = url.partition("://")
    end = min((at for mark in "/?#\\" if (at := rest.find(mark)) >= 0), default=len(rest))
    origin, target = f"{scheme}{between}{rest[:end]}", rest[end:]
    if is_template(origin) or "}" in origin:
        raise ValueError("scheme, host and port without a template: only path and query are filled in")
    return origin, target
