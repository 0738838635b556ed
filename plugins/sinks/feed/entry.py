"""What one event says in a feed: everything that is shown of it, and nothing else of the event."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from gateway import Event, File, format_time
from plugins.sinks.cards.template import Template, view_of
from plugins.sinks.cards.text import cut, plain, unlinked
from plugins.sinks.cards.words import size
from plugins.sinks.feed.options import FeedOptions
from plugins.sinks.feed.publishable import address_of, clean, publishable
from plugins.sinks.feed.words import feed_words

TITLE_CHARS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 4000
FILES_MAX: Final = 20  # files of one entry that are listed
_NAME_CHARS_MAX: Final = 80
_TAGS: Final = str.maketrans({"<": "＜", ">": "＞", "&": "＆"})  # because some readers take a title for HTML
_MEDIA_TYPES: Final = {
    "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime", "flv": "video/x-flv", "ts": "video/mp2t",
    "webm": "video/webm", "mkv": "video/x-matroska", "hls": "application/vnd.apple.mpegurl",
    "m3u8": "application/vnd.apple.mpegurl", "mp3": "audio/mpeg", "m4a": "audio/mp4", "aac": "audio/aac",
    "ogg": "audio/ogg", "wav": "audio/wav",
}  # fmt: skip
_MEDIA_TYPE: Final = re.compile(r"(?:video|audio)/[a-z0-9.+-]{1,60}", re.A)
_PLAYLISTS: Final = frozenset({"hls", "m3u8"})


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file that can be opened. Its size is in bytes, 0 where nobody knows; seconds likewise None."""

    url: str
    type: str
    size: int = 0
    seconds: float | None = None


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """`at` is when it was recorded, RFC 3339 in UTC, by which the newest are chosen. `text` has several lines."""

    title: str
    text: str
    at: str
    attachments: tuple[Attachment, ...] = ()


class Painter:
    """Makes entries of events, as one sink's options want them."""

    def __init__(self, options: FeedOptions) -> None:
        self._options = options
        self._view = view_of(options.language, options.timezone, "none")
        self._words = feed_words(options.language)
        self._public = {served.below: served.at for served in options.public}
        self._title = options.item_title and Template(options.item_title, None, self._view, clean=clean)
        self._text = options.item_text and Template(options.item_text, None, self._view, clean=clean)

    def entry(self, event: Event) -> Entry:
        """The entry of an event with files. Raises Invalid where a template fails."""
        files = event.files[:FILES_MAX]
        addresses = [address_of(file, self._options.addresses, self._public) for file in files]
        attachments = tuple(
            [_attachment(file, event, one.url) for file, one in zip(files, addresses, strict=True) if one.url]
        )
        shown = publishable(event)
        title = self._title.render(shown) if self._title else self._usual_title(event)
        lines = [self._text.render(shown)] if self._text else list(self._lines(event))
        if any(one.signed for one in addresses):
            lines.append(self._words.signed)
        elif not attachments:
            lines.append(self._words.no_address)
        return Entry(
            title=cut(" ".join(title.split()).translate(_TAGS) or event.type, TITLE_CHARS_MAX),
            text=cut("\n".join(line for line in lines if line), TEXT_CHARS_MAX),
            at=format_time(_recorded_at(event)),
            attachments=attachments,
        )

    def _usual_title(self, event: Event) -> str:
        name = "/".join(part for part in (event.app, event.stream) if part) or event.source
        return f"{unlinked(name, _NAME_CHARS_MAX)} · {self._view.time(_recorded_at(event))}"

    def _lines(self, event: Event) -> Iterator[str]:
        """What is known of each file, a line each; a single file's line is all there is to say."""
        for file in event.files[:FILES_MAX]:
            yield " · ".join(self._facts(file, event))
        if (more := len(event.files) - FILES_MAX) > 0:
            yield self._words.more_files.format(count=more)

    def _facts(self, file: File, event: Event) -> Iterator[str]:
        known = self._view.words
        if form := file.format or event.format:
            yield plain(form, 40)
        if file.duration_seconds is not None:
            yield known.duration(file.duration_seconds)
        if (octets := _size(file, event)) is not None:
            yield size(octets)
        if file.width and file.height:
            yield f"{file.width}x{file.height}"


def _recorded_at(event: Event) -> datetime:
    ended = [file.ended_at for file in event.files if file.ended_at is not None]
    return max(ended) if ended else event.time or event.received_at


def _format(file: File, event: Event) -> str:
    return (file.format or event.format or "").lower()


def _size(file: File, event: Event) -> int | None:
    """What was measured of the file, where the file is all of the recording; else what is said of it."""
    if file.measured is not None and file.measured.size_bytes is not None and _format(file, event) not in _PLAYLISTS:
        return file.measured.size_bytes
    return file.size_bytes


def _attachment(file: File, event: Event, url: str) -> Attachment:
    form = _format(file, event)
    media_type = _MEDIA_TYPES.get(form)
    if media_type is None and file.measured is not None and _MEDIA_TYPE.fullmatch(file.measured.media_type or ""):
        media_type = file.measured.media_type
    seconds = file.duration_seconds
    return Attachment(
        url=url,
        type=media_type or "application/octet-stream",
        size=max(_size(file, event) or 0, 0),
        seconds=seconds if seconds is not None and 0 <= seconds < 10**9 else None,
    )
