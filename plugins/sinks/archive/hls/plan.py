"""What a copy of a recording needs: the files in their order, their names, and the playlists as they are written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway import Refused
from plugins.sinks.archive.hls.addresses import spoken
from plugins.sinks.archive.hls.bounds import OBJECTS_MAX, PLAYLISTS_MAX
from plugins.sinks.archive.hls.copy_names import INDEX, CopyNames
from plugins.sinks.archive.hls.playlist import Playlist
from plugins.sinks.archive.hls.rewrite import rewritten
from plugins.sinks.archive.hls.tags import Role


class PlannedFile(NamedTuple):
    """One file to copy. `reach`: how many bytes it has at least, by the byte ranges that are named of it. `is_gap`: it is not
    there, and only has a name."""

    url: str
    name: str
    role: Role
    reach: int = 0
    is_gap: bool = False


class Plan(NamedTuple):
    """`items` are what is copied. `playlists` are (name, text) in the order in which they are written: `index.m3u8` last, so that what can be played is
    whole. `seconds` is the longest playlist's. `digest` is the same where everything else is."""

    items: tuple[PlannedFile, ...]
    playlists: tuple[tuple[str, bytes], ...]
    seconds: float | None
    digest: str


def media_addresses(master: Playlist) -> list[str]:
    """The playlists that a master names, each once. Raises Refused for too many, and where it names itself."""
    urls = list(dict.fromkeys(spot.url for spot in master.spots if spot.role is Role.PLAYLIST))
    place = f"the playlist {spoken(master.url)}"
    if len(urls) > PLAYLISTS_MAX:
        raise Refused(f"{place} names over {PLAYLISTS_MAX} playlists")
    if master.url in urls:
        raise Refused(f"{place} names itself")
    return urls


def plan_of(top: Playlist, media: Sequence[Playlist] = ()) -> Plan:
    """The plan for a media playlist alone, or for a master and what `media_addresses` says of it. In a thread.

    Raises Refused.
    """
    names = CopyNames()
    given: dict[str, str] = {}
    items: dict[str, PlannedFile] = {}
    playlists = {playlist.url: playlist for playlist in (*media, top)}
    for playlist in media:
        if playlist.is_master:
            raise Refused(f"the playlist {spoken(playlist.url)} is named by a master playlist, and is one itself")
        given[playlist.url] = names.name(playlist.url, Role.PLAYLIST)
    for playlist in (top, *media):
        folder = given[playlist.url].rpartition(".")[0] if playlist.url in given else ""
        _add_items(playlist, folder, names, items, playlists)
    given.update((url, item.name) for url, item in items.items())
    texts, seconds = [], []
    for playlist in (*media, top):
        text, length = rewritten(playlist, given)
        texts.append((given.get(playlist.url, INDEX), text.encode()))
        if length is not None:
            seconds.append(length)
    listed = tuple(item for item in items.values() if not item.is_gap)
    return Plan(listed, tuple(texts), max(seconds, default=None), _digest(listed, texts))


def _add_items(
    playlist: Playlist, folder: str, names: CopyNames, items: dict[str, PlannedFile], playlists: Mapping[str, Playlist]
) -> None:
    for spot in playlist.spots:
        if spot.kept is not None or spot.role is Role.PLAYLIST:
            continue
        if spot.url in playlists:
            raise Refused(
                f"the playlist {spoken(playlist.url)}, line {spot.line + 1}, names a playlist as a {spot.role}"
            )
        known = items.get(spot.url)
        if known is None:
            if len(items) >= OBJECTS_MAX:
                raise Refused(f"the recording has over {OBJECTS_MAX} files")
            name = names.name(spot.url, spot.role, folder=folder, fragmented=playlist.has_map)
            known = PlannedFile(spot.url, name, spot.role, is_gap=True)
        items[spot.url] = known._replace(
            reach=max(known.reach, playlist.reach.get(spot.url, 0)), is_gap=known.is_gap and spot.is_gap
        )


def _digest(items: Sequence[PlannedFile], texts: Sequence[tuple[str, bytes]]) -> str:
    """Of the names and texts, not of the addresses: a link that was signed anew leads to the same files."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.name}\n".encode())
    for name, text in texts:
        digest.update(f"{name}\n{len(text)}\n".encode() + text)
    return digest.hexdigest()[:32]
