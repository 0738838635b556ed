"""The lines of a playlist, out of bytes that anybody may have written."""

from __future__ import annotations

import re
from typing import Final

from gateway import Refused, Retry, visible
from plugins.sinks.archive.hls.bounds import LINE_CHARS_MAX, LINES_MAX, PLAYLIST_BYTES_MAX

_BEGINNING_CHARS_MAX: Final = 40
# A tab may stand in a title. Of the others some readers make a line break, which would show them other lines than us.
_UNCLEAR: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def lines_of(content: bytes, place: str) -> list[str]:
    """The lines without their breaks and without blanks at either end. `place` names the playlist in texts.

    Raises Refused for what readers would understand differently or what is beyond the bounds, and Retry for what is no
    playlist, because a page of a proxy may have come in its place.
    """
    if len(content) > PLAYLIST_BYTES_MAX:
        raise Refused(f"{place} is over {PLAYLIST_BYTES_MAX} bytes")
    if content.count(b"\n") > LINES_MAX:
        raise Refused(f"{place} has over {LINES_MAX} lines")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{place} is not UTF-8: byte {error.start}") from None
    text = text.replace("\r\n", "\n")
    if unclear := _UNCLEAR.search(text):
        number = text.count("\n", 0, unclear.start()) + 1
        raise Refused(f"{place}, line {number}, has the control character U+{ord(unclear[0]):04X}")
    lines = [line.strip() for line in text.split("\n")]
    longest = max(range(len(lines)), key=lambda number: len(lines[number]))
    if len(lines[longest]) > LINE_CHARS_MAX:
        raise Refused(f"{place}, line {longest + 1}, has over {LINE_CHARS_MAX} characters")
    if lines[0] != "#EXTM3U":
        raise Retry(f"{place} does not begin with #EXTM3U but with {visible(lines[0][:_BEGINNING_CHARS_MAX])!r}")
    return lines
