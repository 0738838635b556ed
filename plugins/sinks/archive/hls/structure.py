"""What a player reads in a playlist, as m3u8 reads it: the same before and after its addresses were rewritten."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from gateway import Unavailable
from gateway.extras import how_to_install, missing
from plugins.sinks.archive.hls.tags import ADDRESS_IN, tag_of
from plugins.sinks.archive.options import EXTRA

_READ: Final = ADDRESS_IN.keys() | {
    "EXTINF",
    "EXT-X-BYTERANGE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-GAP",
    "EXT-X-ENDLIST",
}
"""The others are handed on as they are, and m3u8 gives up where a date or a number in one of them is odd."""

SECONDS_MAX: Final = 10 * 366 * 86_400  # of a segment; a longer one is a mistake


class Structure(NamedTuple):
    """`digest` is of all but the addresses; `seconds` of all segments, None where one says nothing that can be added."""

    digest: str
    addresses: list[str]
    seconds: float | None


def not_installed() -> Sequence[str]:
    """What HLS needs and is not here, a sentence each."""
    return missing(EXTRA, "m3u8")


def structure_of(text: str) -> Structure:
    """Raises ValueError where m3u8 cannot read it, and Unavailable where it is not installed."""
    try:
        from m3u8.parser import parse  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise Unavailable(f"HLS needs m3u8: {how_to_install(EXTRA)}") from None
    summary = _Summary()
    try:
        summary.add_all(parse(text, custom_tags_parser=summary.add_before))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise ValueError(f"m3u8 cannot read it: {type(error).__name__}") from None
    return Structure(summary.digest.hexdigest(), summary.addresses, summary.seconds)


class _Summary:
    """What m3u8 reads, taken out of its hands segment by segment: a long playlist of its objects is a hundred MiB."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.addresses: list[str] = []
        self._durations: list[Any] = []

    @property
    def seconds(self) -> float | None:
        if not self._durations or any(type(one) is not float or not 0 <= one <= SECONDS_MAX for one in self._durations):
            return None
        return round(math.fsum(self._durations), 3)

    def add_before(self, line: str, _number: int, parts: dict[str, Any], state: dict[str, object]) -> bool:
        """m3u8's hook for the tags: takes what is complete, and says whether m3u8 has nothing to do with this one."""
        self._add_segments(parts)
        tag = tag_of(line)
        if tag == "EXT-X-STREAM-INF":  # the next line is a playlist; what is said of it stays as it is
            parts["is_variant"] = state["expect_playlist"] = True
            state["stream_info"] = None
        if tag == "EXT-X-KEY":
            parts["keys"].clear()  # it looks through them for each new one; every segment has its own beside
        return tag not in _READ

    def add_all(self, parts: dict[str, object]) -> None:
        self._add_segments(parts)
        for name, part in parts.items():
            for piece in part if isinstance(part, list) else (part,):
                self._add(name, piece)

    def _add_segments(self, parts: dict[str, Any]) -> None:
        for segment in parts["segments"]:
            if "uri" in segment:
                self._durations.append(segment.get("duration"))
            self._add("segment", segment)
        parts["segments"].clear()

    def _add(self, name: str, piece: object) -> None:
        _move_addresses(piece, self.addresses)
        self.digest.update(f"{name}={piece!r}\n".encode())


def _move_addresses(value: object, addresses: list[str]) -> None:
    """Out of what m3u8 made into the list; what several segments share (a key, a map) once."""
    if isinstance(value, dict):
        if isinstance(value.get("uri"), str):
            addresses.append(value["uri"])
            value["uri"] = None
        for part in value.values():
            if isinstance(part, dict | list):
                _move_addresses(part, addresses)
    elif isinstance(value, list):
        for part in value:
            _move_addresses(part, addresses)
