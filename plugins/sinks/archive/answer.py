"""What the answer to a request for a file means: where its bytes begin, which file it is, or why there is none."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from gateway import Answer, DeliveryFailed, Refused, Retry, Unavailable, failure_of, format_time, visible

if TYPE_CHECKING:
    import httpx

_RANGE: Final = re.compile(r"bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.A | re.I)
_NO_BYTES: Final = re.compile(r"bytes\s+\*/([0-9]{1,18})", re.A | re.I)
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.A)
_HEADER_CHARS_MAX: Final = 255
_NOT_SATISFIABLE: Final = 416


class Head(Protocol):
    """What every answer begins with."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> httpx.Headers: ...
    @property
    def origin(self) -> str: ...


class FileVersion(NamedTuple):
    """Which bytes lie at an address: enough to see that they are others, and to ask for the rest of these alone."""

    etag: str | None = None
    modified: str | None = None
    media_type: str | None = None

    @property
    def validator(self) -> str | None:
        """What `If-Range` may say (RFC 9110, 13.1.5): an ETag that is not weak, else the date of the last change."""
        if self.etag is not None and not self.etag.startswith(("W/", "w/")):
            return self.etag
        return self.modified

    def is_of(self, other: FileVersion) -> bool:
        """Whether the same bytes are meant, as far as both say."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified))
        return all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)


class Begun(NamedTuple):
    """An answer with bytes: the first one's place in the file, and the whole file's size where it is known."""

    start: int
    total: int | None
    version: FileVersion


def begun_of(head: Head) -> Begun | None:
    """What an answer of 200 or 206 begins with; None for every other status. Raises Refused, Retry."""
    version = FileVersion(
        _header_text(head, "etag"), _header_text(head, "last-modified"), _header_text(head, "content-type")
    )
    packed = head.headers.get("content-encoding", "").strip().lower()
    if head.status in (200, 206) and packed not in ("", "identity"):
        raise Refused(f"{head.origin} sends it packed ({visible(packed)[:40]}), though that was not asked for")
    if head.status == 200:
        length = head.headers.get("content-length", "")
        return Begun(0, int(length) if _LENGTH.fullmatch(length) else None, version)
    if head.status == 206:
        found = _RANGE.fullmatch(head.headers.get("content-range", "").strip())
        if found is None:
            raise Retry(f"{head.origin} answered 206 and does not say which part of the file it sends", status=206)
        return Begun(int(found[1]), None if found[3] == "*" else int(found[3]), version)
    return None


def total_of_nothing(head: Head) -> int | None:
    """How long the file is, where the answer is that it has no more bytes (416)."""
    if head.status != _NOT_SATISFIABLE:
        return None
    found = _NO_BYTES.fullmatch(head.headers.get("content-range", "").strip())
    return int(found[1]) if found else None


def failure(answer: Answer, ends: datetime | None) -> DeliveryFailed:
    """What another status means. `ends`: when the link does, or did.

    It says nothing of other files: each lies on a host of its own, so no circuit is to open for it.
    """
    status, given = answer.status, failure_of(answer)
    if status in (401, 403) and ends is not None and ends <= answer.now:
        return Refused(f"the link ended at {format_time(ends)}: {given.detail}", status=status)
    if status in (401, 403, 404, 410):  # not there yet, or not for us yet: some networks are late
        return Retry(given.detail, answer.retry_after, status=status)
    if 300 <= status < 400:
        return Refused(f"HTTP {status} from {answer.origin}: redirects are not followed", status=status)
    if isinstance(given, Retry):
        return Retry(given.detail, given.after, status=status)
    if isinstance(given, Unavailable):
        return Retry(given.detail, given.after, status=status)
    return given


def _header_text(head: Head, name: str) -> str | None:
    return visible(head.headers.get(name, ""))[:_HEADER_CHARS_MAX] or None
