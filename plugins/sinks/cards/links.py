"""Links out of events: http and https only, spelt so that they end no markup, and as much of them as is wanted."""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import quote, urlsplit

LinksShown = Literal["full", "short", "none"]

LINK_CHARS_MAX: Final = 8192  # characters; beyond that no service takes it
_SAFE: Final = (
    "/:;,&=+$~-._?%@"  # and not ( ) * [ ] < > | ' " ` ! \, which end a link or begin something else somewhere
)
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f\\]")


def web_link(url: str | None, shown: LinksShown = "full") -> str | None:
    """The link in plain ASCII, or None where it is none, or none is to be shown. `short`: without what may be a key."""
    if not url or shown == "none" or len(url) > LINK_CHARS_MAX or _UNFIT.search(url):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if parts.scheme.lower() not in {"http", "https"} or not host or "@" in parts.netloc:
            return None
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError:
        return None
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", host):
        return None
    place = f"[{host}]" if ":" in host else host
    made = f"{parts.scheme.lower()}://{place}{f':{port}' if port else ''}{_quoted(parts.path)}"
    if shown == "full":
        made += f"?{_quoted(parts.query)}" if parts.query else ""
        made += f"#{_quoted(parts.fragment)}" if parts.fragment else ""
    return made if len(made) <= LINK_CHARS_MAX else None


def _quoted(part: str) -> str:
    return quote(_LONE_PERCENT.sub("%25", part), safe=_SAFE, errors="replace")
