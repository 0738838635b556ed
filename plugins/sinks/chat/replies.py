"""What the answers of chat services have in common: bodies that say no in a 200, and what each no means for a delivery."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from gateway import (
    RETRY_AFTER_MAX,
    RETRY_AFTER_MIN,
    Answer,
    DeliveryFailed,
    Refused,
    Retry,
    Unavailable,
    failure_of,
    redact_start,
    visible,
)

_WAIT_SECONDS_MAX: Final = RETRY_AFTER_MAX.total_seconds()
_QUOTED_CHARS_MAX: Final = 160  # characters of a service's own words inside an error text


def body_of(answer: Answer) -> Mapping[str, object] | None:
    """The body where it is a JSON object."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def code_of(body: Mapping[str, object], key: str) -> int | None:
    """A whole number of the body, also where it is written as text."""
    value = body.get(key)
    if isinstance(value, bool):
        return None
    try:
        return int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None


def words_of(body: Mapping[str, object] | None, *keys: str) -> str:
    """The first text under these keys. Compare its small letters, but show it as it is: it may hold a secret."""
    found = (body.get(key) for key in keys) if body else ()
    return next((value for value in found if isinstance(value, str)), "")


def error_text(answer: Answer, what: object, words: str = "", hint: str = "") -> str:
    """An error text: the status, the service's code and words without secrets, and what to do."""
    # masked before it is cut, because half a secret would not be known for one
    said = visible(redact_start(words, 16 * _QUOTED_CHARS_MAX)[:_QUOTED_CHARS_MAX])
    text = f"HTTP {answer.status} from {answer.origin}: {visible(redact_start(str(what), 16 * _QUOTED_CHARS_MAX))[:_QUOTED_CHARS_MAX]}"
    return text + (f" {said!r}" if said else "") + (f"; {hint}" if hint else "")


def throttled(answer: Answer, detail: str, *waits: timedelta | None) -> Retry:
    """Too fast: again after the longest of what the header and the service say."""
    known = [wait for wait in (answer.retry_after, *waits) if wait is not None]
    return Retry(detail, max(known, default=None), status=answer.status, service=True)


def busy(answer: Answer, detail: str, after: timedelta | None = None) -> Retry:
    """The service is in trouble."""
    return Retry(detail, after, status=answer.status, service=True)


def broken(answer: Answer, detail: str) -> Unavailable:
    """This robot, flow or room takes nothing until somebody mends it: nothing is lost meanwhile."""
    return Unavailable(detail, status=answer.status)


def refused_for_good(answer: Answer, detail: str) -> Refused:
    """This message will never be taken."""
    return Refused(detail, status=answer.status)


def not_theirs(answer: Answer, after: timedelta | None = None) -> Retry:
    """A 2xx in which the service did not say yes in its own words: something else on the way may have answered."""
    detail = f"HTTP {answer.status} from {answer.origin}, but not in the service's own words: {answer.quoted}"
    return Retry(detail, after, status=answer.status, service=True)


def by_status(answer: Answer, *waits: timedelta | None) -> DeliveryFailed:
    """What a status means where the body says nothing known: the core's table, but a 404 is an address that is gone."""
    if answer.status == 404:
        return broken(answer, f"HTTP 404 from {answer.origin}: {answer.quoted}; nothing takes messages at this address")
    if answer.status == 429:
        return throttled(answer, f"HTTP 429 from {answer.origin}: {answer.quoted}", *waits)
    return failure_of(answer)


def seconds(value: object) -> timedelta | None:
    """A delay that a body or header gives in seconds, whole or not, from 1 second to 24 hours; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        given = float(value)
    except (ValueError, OverflowError):
        return None
    if not 0 <= given < _WAIT_SECONDS_MAX:
        return RETRY_AFTER_MAX if given >= _WAIT_SECONDS_MAX else None
    return max(timedelta(seconds=math.ceil(given * 1000) / 1000), RETRY_AFTER_MIN)


def rising(first: int, most: int, attempt: int) -> timedelta:
    """Seconds that double with each attempt."""
    return timedelta(seconds=min(first * 2 ** min(max(attempt - 1, 0), 20), most))
