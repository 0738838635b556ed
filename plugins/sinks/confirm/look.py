"""One look at an address: what its answer says of the file there, without fetching the file."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from gateway import Answer, DeliveryFailed, Refused, Retry, Unavailable, failure_of, visible

RANGE: Final = "bytes=0-0"
"""One byte by GET, because a signed link holds for one method, and that is GET."""
LOOK_BYTES_MAX: Final = 1024  # bytes read of an answer, where a server sends the whole file all the same
_HEADER_CHARS_MAX: Final = 255
_TOTAL: Final = re.compile(r"bytes\s+(?:[0-9]+-[0-9]+|\*)/([0-9]{1,18})", re.A | re.I)
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.A)
_ABSENT: Final = frozenset({404, 410})
_NO_SUCH_RANGE: Final = 416


class Look(NamedTuple):
    """What was found at an address. The size is in bytes; None is what the answer does not say."""

    there: bool
    size_bytes: int | None = None
    etag: str | None = None
    media_type: str | None = None


def look_of(answer: Answer) -> Look:
    """What an answer says. Raises Refused where it is no answer to the question, and Retry where there may be one later."""
    status = answer.status
    if status in _ABSENT:
        return Look(there=False)
    if status in (200, 206):
        return Look(True, _size(answer), _header(answer, "etag"), _header(answer, "content-type"))
    if status == _NO_SUCH_RANGE and _total(answer) == 0:  # an empty file has no first byte
        return Look(True, 0, _header(answer, "etag"))
    raise _of_this_file(failure_of(answer))


def _of_this_file(failure: DeliveryFailed) -> DeliveryFailed:
    """It says nothing of other files: each lies on a host of its own, so no circuit is to open for it."""
    if isinstance(failure, Retry):
        return Retry(failure.detail, failure.after, status=failure.status)
    if isinstance(failure, Unavailable):
        return Refused(
            failure.detail.removesuffix("; redirects are not followed, configure the new URL"), status=failure.status
        )
    return failure


def unreached(failure: Retry) -> Retry:
    """The same for an address that did not answer at all."""
    return Retry(failure.detail, failure.after, status=failure.status)


def _size(answer: Answer) -> int | None:
    if "content-encoding" in answer.headers:  # of what was packed for the way
        return None
    if answer.status == 206:
        return _total(answer)
    length = answer.headers.get("content-length", "")
    if _LENGTH.fullmatch(length):
        return int(length)
    return None if answer.truncated else len(answer.body)


def _total(answer: Answer) -> int | None:
    total = _TOTAL.fullmatch(answer.headers.get("content-range", "").strip())
    return int(total[1]) if total else None


def _header(answer: Answer, name: str) -> str | None:
    return visible(answer.headers.get(name, ""))[:_HEADER_CHARS_MAX] or None
