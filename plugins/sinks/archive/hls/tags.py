"""Which tags of a playlist carry an address, what lies there, and what looks like one in a tag that nobody knows."""

from __future__ import annotations

import enum
import re
from typing import Final, Literal

KeyMode = Literal["refuse", "beside", "leave"]
"""What becomes of keys: an encrypted recording is refused, they are kept beside it, or their addresses are left as they are."""


class Role(enum.StrEnum):
    """What lies at an address."""

    PLAYLIST = "playlist"
    SEGMENT = "segment"
    PART = "part"
    MAP = "map"
    KEY = "key"
    DATA = "data"


ADDRESS_IN: Final = {
    "EXT-X-KEY": Role.KEY,
    "EXT-X-SESSION-KEY": Role.KEY,
    "EXT-X-MAP": Role.MAP,
    "EXT-X-PART": Role.PART,
    "EXT-X-MEDIA": Role.PLAYLIST,
    "EXT-X-I-FRAME-STREAM-INF": Role.PLAYLIST,
    "EXT-X-IMAGE-STREAM-INF": Role.PLAYLIST,
    "EXT-X-SESSION-DATA": Role.DATA,
}
"""The tags whose attribute URI is an address."""

NEEDS_AN_ADDRESS: Final = frozenset(
    {"EXT-X-KEY", "EXT-X-SESSION-KEY", "EXT-X-MAP", "EXT-X-PART", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-IMAGE-STREAM-INF"}
)

LEFT_OUT: Final = frozenset({"EXT-X-CONTENT-STEERING", "EXT-X-PRELOAD-HINT", "EXT-X-RENDITION-REPORT"})
"""What only helps while a stream is live: where to go next. A copy that is complete has no use for it."""

FREE_TEXT: Final = frozenset({"EXTINF", "EXT-X-DEFINE"})
"""What may hold any text: a title, and variables, which are filled in where an address uses them."""

FREE_ATTRIBUTES: Final = frozenset({"NAME", "GROUP-ID", "DATA-ID", "VALUE"})
"""The same, inside the tags that have an address."""

OF_A_MASTER: Final = frozenset(
    {
        "EXT-X-STREAM-INF",
        "EXT-X-MEDIA",
        "EXT-X-I-FRAME-STREAM-INF",
        "EXT-X-IMAGE-STREAM-INF",
        "EXT-X-SESSION-DATA",
        "EXT-X-SESSION-KEY",
    }
)
OF_A_MEDIA_PLAYLIST: Final = frozenset({"EXTINF", "EXT-X-KEY", "EXT-X-MAP", "EXT-X-PART", "EXT-X-BYTERANGE"})

_TAG: Final = re.compile(r"#(EXT[^\s:,=]*)", re.A | re.I)
_LIKE_AN_ADDRESS: Final = re.compile(
    r"""
      [a-z][a-z0-9+.-]+:[\\/]                                              # a scheme
    | (?:^|[=:,"'\s])[\\/]{2}[\w\[.-]                                       # //host
    | (?:URI|URL|HREF|SRC|ASSET-LIST)\s*=                                  # wherever it stands: some readers look for no more
    """,
    re.A | re.I | re.X,
)


def tag_of(line: str) -> str | None:
    """The name of the tag in this line, without `#`; None for addresses and comments."""
    match = _TAG.match(line)
    return match[1] if match else None


def looks_like_an_address(text: str) -> bool:
    """Whether somebody might fetch something for this text."""
    return _LIKE_AN_ADDRESS.search(text) is not None
