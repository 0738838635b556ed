"""The names that copies get: of an address only what is safe in every folder, bucket and playlist."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from plugins.sinks.archive.hls.tags import Role
from plugins.sinks.archive.media_types import MEDIA_TYPES

INDEX: Final = "index.m3u8"
"""The playlist that a player is given."""

STEM_CHARS_MAX: Final = 80
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+", re.A)
OTHER_TYPES: Final = {
    "m3u8": "application/vnd.apple.mpegurl",
    "key": "application/octet-stream",
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
}
_OF_ROLE: Final = {Role.PLAYLIST: "m3u8", Role.KEY: "key", Role.DATA: "json"}
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])", re.A | re.I)  # no files on some systems


class CopyNames:
    """Gives each copy of one recording a name of its own. CopyNames that differ only by case count as one."""

    def __init__(self) -> None:
        self._taken = {INDEX}
        self._last: dict[str, int] = {}

    def name(self, url: str, role: Role, *, folder: str = "", fragmented: bool = False) -> str:
        """A new one, relative to `index.m3u8`. `fragmented`: a segment without an ending is a piece of MP4."""
        stem, ending = _parts(url, role, fragmented)
        before = f"{folder}/{stem}" if folder else stem
        name, key = f"{before}.{ending}", f"{before}.{ending}".lower()
        while name.lower() in self._taken:
            number = self._last[key] = self._last.get(key, 1) + 1
            name = f"{before}-{number}.{ending}"
        self._taken.add(name.lower())
        return name


def media_type_of(name: str) -> str:
    """Of a copy with this name."""
    ending = name.rpartition(".")[2]
    return MEDIA_TYPES.get(ending) or OTHER_TYPES[ending]


def _parts(url: str, role: Role, fragmented: bool) -> tuple[str, str]:
    file = unquote(urlsplit(url).path.rpartition("/")[2])
    stem, _, ending = file.rpartition(".")
    ending = ending.lower()
    if role in _OF_ROLE:
        stem, ending = stem if ending in (_OF_ROLE[role], "m3u") else file, _OF_ROLE[role]
    elif not stem or ending not in MEDIA_TYPES:
        stem, ending = file, "mp4" if role is Role.MAP else "m4s" if fragmented else "ts"
    stem = _UNSAFE.sub("_", stem).strip("_-")[:STEM_CHARS_MAX].strip("_-")
    return (f"{stem}_" if _DEVICES.fullmatch(stem) else stem) or role.value, ending
