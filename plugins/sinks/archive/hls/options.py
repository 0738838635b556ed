"""The options of HLS recordings: what becomes of their keys, and how large a segment may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway import Options, Size, between
from plugins.sinks.archive.hls.tags import KeyMode


class HlsOptions(Options):
    """What becomes of HLS recordings, whose playlists name many files."""

    keys: KeyMode = Field(
        default="refuse",
        description="Of an encrypted recording: `refuse` it; keep its keys `beside` the segments, where whoever can read the "
        "copy can read them; or `leave` the addresses of the keys in the playlists as they are.",
    )
    max_segment: Annotated[Size, between(64 * 1024)] = Field(
        default=2 * 2**30,
        description="A longer segment is refused. One file of which the playlists name byte ranges has `max_size` instead, which "
        "bounds all files of a recording together too.",
    )
