"""What half, 95 % and 99 % of attempts took at most, from how many fell into each span of time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from gateway.admin.sink_results import Latency
from gateway.runtime.activity import SPREAD_MS


def latency(counts: Sequence[int]) -> Latency | None:
    """Upper bounds in seconds; None where there was no attempt. What took longest is said as the last bound."""
    total = sum(counts)
    if not total:
        return None
    return Latency(
        p50=_within(counts, total * 0.50), p95=_within(counts, total * 0.95), p99=_within(counts, total * 0.99)
    )


def _within(counts: Sequence[int], reached_at: float) -> float:
    place = next(place for place, seen in enumerate(accumulate(counts)) if seen >= reached_at)
    return SPREAD_MS[min(place, len(SPREAD_MS) - 1)] / 1000
