"""What of a request is to be filled in for each event, and which kind of body that is, said without reading a template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "xml": "application/xml",
    "form": "application/x-www-form-urlencoded",
}
"""By kind of body: the media type that is sent where `content_type` names no other."""


class Parts(NamedTuple):
    """What of a request is to be filled in; None and nothing where the options have it as it is."""

    method: str | None = None
    url: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    cel: str | None = None
    kind: str = "json"
    secrets: tuple[str, ...] = ()  # the names of what templates may write as `secrets.NAME`


class Filled(NamedTuple):
    """The parts for one event."""

    method: str | None
    url: str | None
    headers: Mapping[str, str]
    body: bytes | None


NOTHING_FILLED: Final = Filled(None, None, {}, None)


def body_kind(media_type: str | None) -> str | None:
    """Which kind of body a media type is; JSON where none is named, None for one that no template can make."""
    if media_type is None:
        return "json"
    name = media_type.partition(";")[0].strip().lower()
    if name == "application/x-www-form-urlencoded":
        return "form"
    for kind in ("json", "xml"):
        if name in {f"application/{kind}", f"text/{kind}"} or name.endswith(f"+{kind}"):
            return kind
    return None
