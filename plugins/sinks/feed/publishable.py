"""Which address of a file may be published, and an event without what may not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote

from gateway import Event, File, carries_credential, redact
from plugins.sinks.cards.links import web_link
from plugins.sinks.cards.text import plain

AddressKind = Literal["archived", "play", "download"]

LEFT_OUT: Final = "(link left out)"
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'<>]+")


class Address(NamedTuple):
    """Where a file can be opened by anybody; None: nowhere. `signed`: there is a link, for whoever has it."""

    url: str | None
    signed: bool = False


def address_of(file: File, kinds: Sequence[AddressKind], public: Mapping[str, str]) -> Address:
    """The first of these kinds that the file has and that may be published."""
    signed = False
    for kind in kinds:
        url = _named(file, kind)
        if url is None or (url := published_at(url, public)) is None:
            continue
        if carries_credential(url):
            signed = True
        elif link := web_link(url):
            return Address(link)
    return Address(None, signed)


def published_at(url: str, public: Mapping[str, str]) -> str | None:
    """The address in the web of what lies at `url`: by the longest prefix in `public`, else itself if it is of the web."""
    prefix = max((prefix for prefix in public if url.startswith(prefix)), key=len, default=None)
    if prefix is not None:
        rest = url[len(prefix) :]
        climbs = not {".", ".."}.isdisjoint(unquote(rest).replace("\\", "/").split("/"))  # a web server would follow it
        return None if climbs else public[prefix] + rest
    return url if url.lower().startswith(("http://", "https://")) else None


def _named(file: File, kind: AddressKind) -> str | None:
    if kind == "archived":
        return file.archived.url if file.archived is not None else None
    return file.play_url if kind == "play" else file.download_url


def publishable(event: Event) -> Event:
    """The event as a template may see it: without the vendor's bytes, and without links that give access."""
    files = tuple(
        [
            file.replace(download_url=_open_link(file.download_url), play_url=_open_link(file.play_url), storage=None)
            for file in event.files
        ]
    )
    return event.replace(files=files, extra=_without_links(event.extra), raw=b"")


def clean(text: str, most: int) -> str:
    """One harmless line of a value, in which no link gives access; what a template does with a value before is done."""
    return plain(redact(_URL.sub(_kept, text)), most)


def _open_link(url: str | None) -> str | None:
    return None if url is None or carries_credential(url) else url


def _without_links(value: object) -> object:
    if isinstance(value, str):
        return _URL.sub(_kept, value)
    if isinstance(value, Mapping):
        return {key: _without_links(inner) for key, inner in value.items()}
    return [_without_links(inner) for inner in value] if isinstance(value, list | tuple) else value


def _kept(found: re.Match[str]) -> str:
    return LEFT_OUT if carries_credential(found[0]) else found[0]
