"""Text from outside made fit for a terminal or a log line: one line, nothing that moves the cursor or turns the writing round."""

from __future__ import annotations

import json
import re
from typing import Final

from gateway.compact_json import encode_json_or_str, encode_json_or_str_ascii

_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_PLAIN: Final = re.compile(r"[^\s\"'=\\\x00-\x1f\x7f-\x9f]+")
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
_encode_indented = json.JSONEncoder(ensure_ascii=False, indent=2, default=str).encode


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def _escape_json(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 65536:
        return f"\\u{code:04x}"
    code -= 65536
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def visible(text: str) -> str:
    """The text with controls, line breaks of every kind, bidirectional and other unseen characters written out."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(_escape, text)


def quoted(text: str) -> str:
    """`visible`, in quotes where that is needed to see where the text begins and ends."""
    if _PLAIN.fullmatch(text) and (text.isascii() or not _UNSEEN.search(text)):
        return text
    return '"' + visible(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def visible_json(value: object, *, indent: bool = False, ascii: bool = False) -> str:
    """JSON that keeps letters of every language readable (unless `ascii`), but writes out what a terminal would obey.

    What JSON does not know is written by `str`. With `indent` the only line breaks are those of the layout.
    """
    if ascii:
        return encode_json_or_str_ascii(value).replace("\x7f", "\\u007f")
    if indent:
        return "\n".join(_UNSEEN.sub(_escape_json, line) for line in _encode_indented(value).split("\n"))
    text = encode_json_or_str(value)
    if text.isascii() and text.isprintable():  # a third of what searching the usual line costs
        return text
    return _UNSEEN.sub(_escape_json, text)


def html_escaped(text: str) -> str:
    """As `html.escape` writes it, whose module brings two thousand names of letters into every process."""
    return text.translate(_HTML)
