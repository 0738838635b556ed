"""Which endings copies may have, and what an object store says they are."""

from __future__ import annotations

from typing import Final

MEDIA_TYPES: Final = {
    **dict.fromkeys(("ts", "m2ts", "mts"), "video/mp2t"),
    **dict.fromkeys(("mp4", "m4s", "m4v", "m4f", "cmfv", "cmft"), "video/mp4"),
    **dict.fromkeys(("m4a", "cmfa"), "audio/mp4"),
    **dict.fromkeys(("vtt", "webvtt"), "text/vtt"),
    **{ending: f"audio/{ending}" for ending in ("aac", "ac3", "flac", "ogg", "wav")},
    **{ending: f"image/{ending}" for ending in ("jpeg", "png", "webp", "gif", "avif")},
    "ec3": "audio/eac3",
    "eac3": "audio/eac3",
    "jpg": "image/jpeg",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
}
"""By the ending of a name. No other endings: what a web server would run or a browser would show as a page has no place
among media, and a type is taken from the name, because the vendor's server could say that it is a page."""

WHOLE_TYPES: Final = {
    **MEDIA_TYPES,
    "avi": "video/x-msvideo",
    "flv": "video/x-flv",
    "mkv": "video/x-matroska",
    "mxf": "application/mxf",
    "opus": "audio/opus",
    "webm": "video/webm",
    "wmv": "video/x-ms-wmv",
    "3gp": "video/3gpp",
    "hls": "application/octet-stream",
    "m3u8": "application/octet-stream",
}
"""Of what is one file, or the folder of a playlist."""

UNKNOWN_ENDING: Final = "bin"
_UNKNOWN: Final = "application/octet-stream"


def safe_ending(form: str) -> str:
    """The ending of a file of this format."""
    return form if form in WHOLE_TYPES else UNKNOWN_ENDING


def media_type_of_key(key: str) -> str:
    """What an object store is told of a file that is one object."""
    return WHOLE_TYPES.get(key.rpartition(".")[2].lower(), _UNKNOWN)
