"""How much time the receiver of a delivery asked for: `Retry-After`, a plugin's `after`, and what a 429 asks for by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from gateway.dispatch.policy import RetryPolicy
from gateway.errors import DeliveryFailed, Retry, Unavailable

TOO_MANY_REQUESTS: Final = 429

THROTTLED_SECONDS_MIN: Final = 1.0  # seconds; after a 429 nothing is ever sent at once


def seconds_asked_for(failure: BaseException, policy: RetryPolicy) -> float:
    """The seconds that the receiver asked for, at most `max_retry_after`; it can only lengthen the schedule.

    A 429 asks at least for `initial` (and a second), also where it brought no delay or one of nought.
    """
    least = 0.0
    after = getattr(failure, "after", None) if isinstance(failure, Retry | Unavailable) else None
    if after is not None:
        least = min(seconds(after), policy.max_retry_after.total_seconds())
    if isinstance(failure, DeliveryFailed) and failure.status == TOO_MANY_REQUESTS:
        least = max(least, policy.initial.total_seconds(), THROTTLED_SECONDS_MIN)
    return least


def seconds(after: object) -> float:
    """A plugin's `after` in seconds, from nought. It may say 30 for timedelta(seconds=30): a mistake that costs no delay."""
    if isinstance(after, timedelta):
        return max(after.total_seconds(), 0.0)
    if isinstance(after, int | float):
        return max(0.0, float(min(after, 1e12)))  # in this order not-a-number gives 0.0
    return 0.0
