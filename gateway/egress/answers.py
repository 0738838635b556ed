"""What an answer means: the one table that turns HTTP statuses into delivered, retry, refused or unavailable."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.errors import DeliveryFailed, Refused, Retry, Unavailable
from gateway.text.redaction import MASK, redact, redact_start

if TYPE_CHECKING:
    import httpx

EXCERPT_CHARS_MAX: Final = 4096  # characters of a body that people may see
_QUOTED_CHARS_MAX: Final = 200  # characters of a body inside an error text
RETRY_AFTER_MIN: Final = timedelta(seconds=1)
RETRY_AFTER_MAX: Final = timedelta(days=1)
"""Between these a wait is kept that a target asks for."""
GONE_WAIT: Final = timedelta(days=1)  # 410 says that nobody will be there again: look once a day

RETRIED: Final = frozenset({404, 408, 421, 425, 429})  # and every 5xx that is not named below
TARGET: Final = frozenset({401, 402, 403, 407, 410, 511})  # the target's fault, not this message's; and every 3xx
NEVER: Final = frozenset({501, 505})  # and every other 4xx
_SERVICE: Final = frozenset({408, 429})  # and every 5xx: these say that the target as a whole is in trouble

_SECONDS: Final = re.compile(r"[0-9]{1,30}(?:\.[0-9]{0,30})?", re.ASCII)


class Answer(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What came back. `headers` is case-insensitive; `body` is at most 64 KiB, and `truncated` says if it was cut."""

    status: int
    headers: httpx.Headers
    body: bytes
    origin: str  # host:port, for texts
    now: datetime
    truncated: bool = False
    resent: bool = False  # a kept connection had been closed, so it was sent once more on a fresh one

    @functools.cached_property
    def excerpt(self) -> str:
        """The body's beginning as redacted text, 4096 characters at most; what is not UTF-8 is replaced."""
        text = self.body.decode("utf-8", "replace")
        # where the body was cut, half a secret may stand at its end
        return (redact_start(text + "…", len(text)) if self.truncated else redact(text))[:EXCERPT_CHARS_MAX]

    def json(self) -> Any:
        """The body as JSON. Raises Retry where it is none: a proxy or a captive portal may have answered instead."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            kind = redact(self.headers.get("content-type", "no content-type"))[:80]
            detail = f"HTTP {self.status} from {self.origin}, but the body is not JSON ({kind}): {self.quoted}"
            raise Retry(detail, status=self.status) from None

    @property
    def retry_after(self) -> timedelta | None:
        """What the Retry-After header asks for, from 1 second to 24 hours; None where it says nothing readable."""
        values = self.headers.get_list("retry-after")
        if not values:
            return None
        return parse_retry_after(values[0], self.now, self.headers.get("date"))

    @property
    def quoted(self) -> str:
        """A few words of the body on one line, for an error text."""
        words = " ".join(self.excerpt[: 2 * _QUOTED_CHARS_MAX].split())
        return repr(words[:_QUOTED_CHARS_MAX]) if words else "no body"


Classify = Callable[[Answer], None]
"""Returns for a success; raises Retry, Refused or Unavailable for everything else."""


def judge(answer: Answer, *, retry: Collection[int] = (), permanent: Collection[int] = ()) -> None:
    """Return for 2xx, else raise what the status means. `retry` and `permanent` are statuses that override the table."""
    if 200 <= answer.status < 300:
        return
    raise failure_of(answer, retry=retry, permanent=permanent)


def failure_of(answer: Answer, *, retry: Collection[int] = (), permanent: Collection[int] = ()) -> DeliveryFailed:
    """The exception that a status outside 2xx means."""
    status = answer.status
    moved = f", moved to {_location(answer)}" if 300 <= status < 400 and "location" in answer.headers else ""
    detail = f"HTTP {status} from {answer.origin}{moved}: {answer.quoted}"
    service = status in _SERVICE or status >= 500
    if status in permanent:
        return Refused(detail, status=status)
    if status in retry:
        return Retry(detail, answer.retry_after, status=status, service=service)
    if status == 410:
        return Unavailable(f"{detail}; the target says it is gone for good", GONE_WAIT, status=status)
    if status in TARGET or 300 <= status < 400:
        hint = "; redirects are not followed, configure the new URL" if moved else ""
        return Unavailable(detail + hint, answer.retry_after, status=status)
    if status in RETRIED or (status >= 500 and status not in NEVER) or status < 200:
        return Retry(detail, answer.retry_after, status=status, service=service)
    return Refused(detail, status=status)


def _location(answer: Answer) -> str:
    """Where a redirect points, without query and user-info, and never followed."""
    text = redact(answer.headers["location"])
    return "".join(c if c.isprintable() else "?" for c in text.partition("?")[0][:_QUOTED_CHARS_MAX]) or MASK


def parse_retry_after(value: str, now: datetime, date: str | None = None) -> timedelta | None:
    """How long a Retry-After header asks to wait, clamped to 1 second … 24 hours; None for junk and negatives.

    Takes seconds, a decimal fraction of them (seen in the wild), or an HTTP date. A date is measured against the
    answer's own Date header, because the other clock may be wrong; without that, against `now`.
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return timedelta(
            seconds=min(max(float(value), RETRY_AFTER_MIN.total_seconds()), RETRY_AFTER_MAX.total_seconds())
        )
    until = _http_date(value)
    if until is None:
        return None
    start = (_http_date(date) if date else None) or now
    return min(max(until - start, RETRY_AFTER_MIN), RETRY_AFTER_MAX)


def _http_date(text: str) -> datetime | None:
    try:
        from email.utils import (
            parsedate_to_datetime,  # because hardly anybody writes a date there, and mails are 0.3 MB
        )

        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, ImportError):
        return None
