"""What an address in a playlist means: absolute, http or https, and how it is spoken of."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from gateway import visible

_SPOKEN_CHARS_MAX: Final = 80
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)", re.A)
_BLANK: Final = re.compile(r"\s")


def absolute(base: str, text: str) -> str:
    """The address that `text` is in a playlist at `base`, without fragment.

    Raises ValueError with a reason, which has nothing of a query.
    """
    if not text:
        raise ValueError("the address is empty")
    if _BLANK.search(text.replace(" ", "")):
        raise ValueError("the address has a tab or an unusual blank in it")
    try:
        joined = urldefrag(urljoin(base, text)).url
        parts = urlsplit(joined)
        scheme, host, named = parts.scheme, parts.hostname, parts.username is not None or parts.password is not None
        _ = parts.port
    except ValueError:
        raise ValueError("the address cannot be read") from None
    if scheme not in ("http", "https"):
        raise ValueError(f"the address begins with {scheme or '?'}:, and only http: and https: are fetched")
    if not host:
        raise ValueError("the address names no host")
    if named:
        raise ValueError("the address has a user name or a password in it")
    return joined


def scheme_of(text: str) -> str | None:
    """The scheme in lower case that this address names itself; None for a relative one."""
    match = _SCHEME.match(text)
    return match[0].lower() if match else None


def spoken(url: str) -> str:
    """The name of what lies there, for a text: the last part of the path, nothing of the query."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return visible(name)[:_SPOKEN_CHARS_MAX] or "without a name"
