"""A playlist with other addresses in it, line by line, and all else as it was."""

from __future__ import annotations

from collections.abc import Mapping

from gateway import Refused
from plugins.sinks.archive.hls.addresses import spoken
from plugins.sinks.archive.hls.playlist import Playlist, Spot
from plugins.sinks.archive.hls.structure import structure_of


def rewritten(playlist: Playlist, names: Mapping[str, str]) -> tuple[str, float | None]:
    """The text with `names[url]` in the place of each address, and the seconds of all segments.

    m3u8 reads both texts, and what it reads must be the same but for the addresses: where it sees one that we did not, a
    player would call it. Raises Refused there.
    """
    lines = list(playlist.lines)
    instead: set[tuple[str, str]] = set()
    for spot in playlist.spots:
        line, name = playlist.lines[spot.line], _written(spot, names)
        instead.add((line[spot.start : spot.end], name))
        lines[spot.line] = line[: spot.start] + name + line[spot.end :]
    text = "\n".join(lines)
    place = f"the playlist {spoken(playlist.url)}"
    if secret := playlist.variables.secret_in(text):
        raise Refused(f"{place} uses the variable {secret}, a part of its own address's query, outside of addresses")
    try:
        before, after = structure_of("\n".join(playlist.lines)), structure_of(text)
    except ValueError as reason:
        raise Refused(f"{place}: {reason}") from None
    replaced = zip(before.addresses, after.addresses, strict=False)
    if before.digest != after.digest or not instead.issuperset(replaced):
        raise Refused(f"{place} has an address where its grammar has none; it is not copied, since players may call it")
    return text, after.seconds


def _written(spot: Spot, names: Mapping[str, str]) -> str:
    return names[spot.url] if spot.kept is None else spot.kept
