"""The parts of a request that a template may make beside the body: the URL's path and query, a header, the method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final
from urllib.parse import quote, unquote, urlsplit

from jinja2.exceptions import SecurityError

from plugins.sinks.cards.sandbox import Encoder
from plugins.sinks.cards.text import Invalid
from plugins.sinks.forward.shape.body_forms import METHODS
from plugins.sinks.forward.shape.body_grammars import scalar

TARGET_BYTES_MAX: Final = 8000  # of path and query: many servers take no more than 8 KiB of a request's first line
HEADER_BYTES_MAX: Final = 4096  # of one header's value
# What would end a quoted text, a list's element or a parameter is encoded too; so is the percent sign, to be read back.
_HEADER_PLAIN: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"%,;\\')
_HEADER_OWN: Final = "".join(map(chr, range(0x20, 0x7F)))


def _segment(value: object) -> str:
    text = scalar(value)
    if not text:
        raise SecurityError("a value in the path is absent or empty")
    return quote(text, safe="", errors="replace")


class TargetGrammar:
    """What stands behind the host: each value is one percent-encoded piece of a segment, a name or a value."""

    start: ClassVar[str] = "path"
    encoders: ClassVar[Mapping[str, Encoder]] = {
        "_path": _segment,
        "_query": lambda value: quote(scalar(value), safe="", errors="replace"),
    }

    def after(self, state: str, text: str, line: int) -> str:
        if "#" in text:
            raise Invalid(f"line {line}: a fragment is never sent; leave out the # and what follows")
        if "\\" in text or any(letter.isspace() or not letter.isprintable() for letter in text):
            raise Invalid(
                f"line {line}: no spaces, backslashes and control characters outside of {{{{ }}}} and {{% %}}"
            )
        return "query" if "?" in text else state

    def encoder(self, state: str, line: int) -> str:
        return f"_{state}"

    def finish(self, state: str) -> None:
        """It can end anywhere."""

    def check(self, text: str) -> str:
        """A path whose segments are what they seem, and a query."""
        segments = text.partition("?")[0].split("/")[1:]  # it begins with / or ?, else it would be the host's
        if segments and not segments[-1]:
            segments.pop()
        if any(unquote(segment) in {"", ".", ".."} for segment in segments):
            raise Invalid("a segment of the path is empty, . or ..")
        if len(text.encode()) > TARGET_BYTES_MAX:
            raise Invalid(f"path and query are over {TARGET_BYTES_MAX} bytes")
        return text


class HeaderGrammar:
    """One line: what is not printable ASCII travels as %XX of its UTF-8, and so does of a value what separates values."""

    start: ClassVar[str] = "header"
    encoders: ClassVar[Mapping[str, Encoder]] = {
        "_header": lambda value: quote(scalar(value), safe=_HEADER_PLAIN, errors="replace")
    }

    def after(self, state: str, text: str, line: int) -> str:
        return state

    def encoder(self, state: str, line: int) -> str:
        return "_header"

    def finish(self, state: str) -> None:
        """It can end anywhere."""

    def check(self, text: str) -> str:
        """Without blanks around it; empty where the header is to be left out."""
        text = quote(text.strip(), safe=_HEADER_OWN, errors="replace")
        if len(text) > HEADER_BYTES_MAX:
            raise Invalid(f"it is over {HEADER_BYTES_MAX} bytes")
        return text


class MethodGrammar(HeaderGrammar):
    """One word of a few."""

    def check(self, text: str) -> str:
        """In capitals, as it is sent."""
        text = text.strip().upper()
        if text not in METHODS:
            raise Invalid(f"it is none of {', '.join(METHODS)}")
        return text


def same_origin(url: str, origin: str) -> bool:
    """Whether a URL leads where the configuration says, as the client itself reads it."""
    import httpx  # loaded by the client long before

    try:
        there, meant = httpx.URL(url), httpx.URL(origin)
        slashes = (urlsplit(url).path or "/").count("/")
    except (httpx.InvalidURL, ValueError):
        return False
    # as many slashes as were written: no dots were resolved, and nothing became one
    same = (there.scheme, there.netloc, there.userinfo) == (meant.scheme, meant.netloc, b"")
    return same and there.raw_path.partition(b"?")[0].count(b"/") == slashes
