"""One playlist read: its lines, and every address in them, with the place where it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway import Refused
from plugins.sinks.archive.hls.addresses import absolute, scheme_of, spoken
from plugins.sinks.archive.hls.attributes import Attribute, attributes_of
from plugins.sinks.archive.hls.bounds import ADDRESSES_MAX
from plugins.sinks.archive.hls.lines import lines_of
from plugins.sinks.archive.hls.tags import (
    ADDRESS_IN,
    FREE_ATTRIBUTES,
    FREE_TEXT,
    LEFT_OUT,
    NEEDS_AN_ADDRESS,
    OF_A_MASTER,
    OF_A_MEDIA_PLAYLIST,
    KeyMode,
    Role,
    looks_like_an_address,
    tag_of,
)
from plugins.sinks.archive.hls.variables import Variable, Variables

_RANGE: Final = re.compile(r"([0-9]{1,18})(?:@([0-9]{1,18}))?", re.A)
_SELF_CONTAINED: Final = frozenset({Role.KEY, Role.MAP, Role.DATA})  # where the file may stand in the address (`data:`)
_NONE: Final[Mapping[str, Variable]] = MappingProxyType({})


class Spot(NamedTuple):
    """One address as it stands in the text, `lines[line][start:end]`, and where it leads.

    `kept` is what is written in its place where nothing is fetched; None where the name of the copy is. `is_gap`: the vendor
    says that nothing lies there.
    """

    line: int
    start: int
    end: int
    role: Role
    url: str
    kept: str | None = None
    is_gap: bool = False


class Playlist(NamedTuple):
    """What a playlist says. `reach`: up to which byte of a file its byte ranges go."""

    url: str
    lines: list[str]
    spots: list[Spot]
    is_master: bool
    is_ended: bool
    has_map: bool
    reach: dict[str, int]
    variables: Variables


def parse_playlist(content: bytes, url: str, *, keys: KeyMode, imported: Mapping[str, Variable] = _NONE) -> Playlist:
    """Read the playlist that lies at `url`. Bounded, but not quick: call it in a thread.

    Raises Refused, with the line and the reason, for what must not or cannot be copied as it is, and Retry for what is no
    playlist.
    """
    place = f"the playlist {spoken(url)}"
    scan = _Scan(lines_of(content, place), url, keys, Variables(url, imported))
    for number in range(1, len(scan.lines)):
        try:
            scan.take_line(number)
            if len(scan.spots) > ADDRESSES_MAX:
                raise ValueError(f"it is the address number {ADDRESSES_MAX + 1}, and no playlist may have so many")
        except ValueError as reason:
            tag = tag_of(scan.lines[number])
            raise Refused(f"{place}, line {number + 1}{f' (#{tag})' if tag else ''}: {reason}") from None
    of_a_master, of_media = scan.tags & OF_A_MASTER, scan.tags & OF_A_MEDIA_PLAYLIST
    if of_a_master and of_media:
        raise Refused(f"{place} is a master playlist and a media playlist: #{min(of_a_master)} and #{min(of_media)}")
    return Playlist(
        url=url,
        lines=scan.lines,
        spots=scan.spots,
        is_master=bool(of_a_master),
        is_ended="EXT-X-ENDLIST" in scan.tags,
        has_map="EXT-X-MAP" in scan.tags,
        reach=scan.reach,
        variables=scan.variables,
    )


class _Scan:
    """One way through the lines, and what it has come to know."""

    def __init__(self, lines: list[str], url: str, keys: KeyMode, variables: Variables) -> None:
        self.lines = lines
        self.url = url
        self.keys = keys
        self.variables = variables
        self.spots: list[Spot] = []
        self.tags: set[str] = set()
        self.reach: dict[str, int] = {}
        self._expected: Role | None = None  # what the next address is
        self._range: str | None = None  # which bytes of it
        self._is_gap = False
        self._range_ends: dict[tuple[Role, str], int] = {}  # where a range without a beginning begins

    def take_line(self, number: int) -> None:
        """Raises ValueError with a reason."""
        line = self.lines[number]
        tag = tag_of(line)
        if tag is not None:
            self._take_tag(number, line, tag)
        elif line and not line.startswith("#"):
            if self._expected is None:
                raise ValueError("an address without #EXTINF or #EXT-X-STREAM-INF before it")
            url = absolute(self.url, self.variables.fill(line))
            self._count_range(self._expected, url, self._range)
            self.spots.append(Spot(number, 0, len(line), self._expected, url, is_gap=self._is_gap))
            self._expected, self._range, self._is_gap = None, None, False

    def _take_tag(self, number: int, line: str, tag: str) -> None:
        self.tags.add(tag)
        after = len(tag) + 2  # behind `#` and `:`
        if tag == "EXT-X-SKIP":
            raise ValueError("only what is new was sent, and not the whole playlist")
        if tag in ("EXTINF", "EXT-X-BYTERANGE"):
            self._expected = Role.SEGMENT
            self._range = line[after:] if tag == "EXT-X-BYTERANGE" else self._range
        elif tag == "EXT-X-STREAM-INF":
            self._expected = Role.PLAYLIST
        elif tag == "EXT-X-GAP":
            self._is_gap = True
        if tag in LEFT_OUT:
            self.lines[number] = f"# {tag} is left out of the copy"
        elif tag == "EXT-X-DEFINE":
            self.lines[number] = self.variables.define(attributes_of(line, after)) or line
        elif tag in ADDRESS_IN:
            self._take_attributes(number, tag, attributes_of(line, after))
        elif tag not in FREE_TEXT and looks_like_an_address(self.variables.fill(line[after - 1 :])):
            raise ValueError("it carries an address, and nobody knows what of it a copy would need")

    def _take_attributes(self, number: int, tag: str, attributes: dict[str, Attribute]) -> None:
        role = ADDRESS_IN[tag]
        uri = attributes.pop("URI", None)
        for name, other in attributes.items():
            if name not in FREE_ATTRIBUTES and looks_like_an_address(f"{name}={self.variables.fill(other.text)}"):
                raise ValueError(f"{name} carries an address, and nobody knows what of it a copy would need")
        if uri is None:
            if tag in NEEDS_AN_ADDRESS and not (role is Role.KEY and _attribute_text(attributes, "METHOD") == "NONE"):
                raise ValueError("it has no URI")
            return
        text = self.variables.fill(uri.text)
        kept = self._kept(role, attributes, text)
        url = absolute(self.url, text) if kept is None else kept
        if kept is None and "BYTERANGE" in attributes:
            self._count_range(role, url, attributes["BYTERANGE"].text)
        is_gap = role is Role.PART and _attribute_text(attributes, "GAP") == "YES"
        self.spots.append(Spot(number, uri.start, uri.end, role, url, kept, is_gap))

    def _kept(self, role: Role, attributes: Mapping[str, Attribute], text: str) -> str | None:
        """What stands in the place of this address where nothing is fetched for it."""
        if role is Role.KEY and self.keys == "refuse":
            raise ValueError(
                "the recording is encrypted; `hls.keys: beside` keeps its key beside the segments, where whoever can read "
                "them can read it, and `hls.keys: leave` keeps the key's address alone"
            )
        if role in _SELF_CONTAINED and scheme_of(text) == "data":
            return text
        if role is not Role.KEY:
            return None
        is_licence = _attribute_text(attributes, "KEYFORMAT") not in ("", "identity")
        if self.keys == "leave":
            return text if is_licence and scheme_of(text) else absolute(self.url, text)
        if is_licence:
            raise ValueError(
                "a licence server gives out its key, which cannot be kept; `hls.keys: leave` keeps its address"
            )
        return None

    def _count_range(self, role: Role, url: str, text: str | None) -> None:
        if text is None:
            return
        match = _RANGE.fullmatch(text.strip())
        if match is None:
            raise ValueError("its byte range cannot be read: length, or length@first")
        first = int(match[2]) if match[2] else 0 if role is Role.MAP else self._range_ends.get((role, url), 0)
        end = first + int(match[1])
        self._range_ends[role, url] = end
        self.reach[url] = max(end, self.reach.get(url, 0))


def _attribute_text(attributes: Mapping[str, Attribute], name: str) -> str:
    return attributes[name].text if name in attributes else ""
