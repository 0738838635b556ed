"""The words of the pages in a person's language: the English text is the key, `locales/` has the others."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "zh": "中文"}
_FOLDER: Final = Path(__file__).parent / "locales"
_RANGE: Final = re.compile(
    r"^\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,35})?\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?\s*$"
)
ACCEPT_RANGES_MAX: Final = 20  # ranges of one header


@functools.cache
def catalogue(language: str) -> Mapping[str, str]:
    """English text to text of this language; empty for English."""
    if language == "en":
        return {}
    content: Mapping[str, str] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return content


def known(tag: str | None) -> str | None:
    """The language of a tag such as zh-CN, where the pages have it."""
    language = (tag or "").lower().partition("-")[0]
    return language if language in LANGUAGES else None


def preferred(header: str) -> str | None:
    """The language of Accept-Language that the pages have and the browser wants most."""
    languages: list[tuple[float, str]] = []
    for part in header.split(",")[:ACCEPT_RANGES_MAX]:
        match = _RANGE.match(part)
        if match and (language := known(match[1])) and float(match[2] or 1) > 0:
            languages.append((float(match[2] or 1), language))
    return max(languages, key=lambda pair: pair[0])[1] if languages else None


class PageWords:
    """Says texts in one language. What is not translated is said in English, which a test does not allow."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._known = catalogue(language)

    def __call__(self, text: str, /, **values: object) -> str:
        said = self._known.get(text, text)
        return said.format(**values) if values else said

    def many(self, one: str, more: str, count: int, /, **values: object) -> str:
        """`one` for a count of 1, `more` for any other; `{count}` is in both. Chinese knows one form, under `more`."""
        text = one if count == 1 and self.language == "en" else more
        return self(text, count=f"{count:,}", **values)

    @property
    def colon(self) -> str:
        """Between what is named and what is said of it."""
        return "：" if self.language == "zh" else ": "

    def list(self, parts: Sequence[str]) -> str:
        """Several, one after the other."""
        return ("、" if self.language == "zh" else ", ").join(parts)
