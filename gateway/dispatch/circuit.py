"""When a sink as a whole counts as broken, and for how long it is left alone: pure, no clock, no store."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from random import Random
from typing import Final

from tenacity import wait_exponential

from gateway.errors import Refused, Retry, Unavailable
from gateway.runtime.rising_pause import seconds_after

WINDOW_ATTEMPTS: Final = 10  # attempts in a row
WINDOW_DELIVERIES_MIN: Final = 3  # deliveries among them, because one poisoned event must not stop a healthy sink
FIRST_OPEN_SECONDS: Final = 5.0
OPEN_SECONDS_MAX: Final = 300.0
JITTER_SHARE: Final = 0.2  # because several gateways on one store must not probe in step
_RISING: Final = wait_exponential(multiplier=FIRST_OPEN_SECONDS, max=OPEN_SECONDS_MAX)


class Circuit:
    """Counts one sink's latest attempts. `note` says when the circuit has to be opened."""

    def __init__(self) -> None:
        self._failed: deque[int] = deque(maxlen=WINDOW_ATTEMPTS)

    def note(self, delivery: int, result: str | BaseException | None) -> bool:
        """Take in one attempt's result; True: open the circuit now.

        `Unavailable` opens at once. Failures of the service open when the last ten attempts were nothing else and three
        deliveries took part. Any answer (delivered, refused, a retry the sink asked for) ends the row; a plugin's own
        exception says nothing about the service and is passed over.
        """
        if not isinstance(result, BaseException):
            self._failed.clear()
            return False
        if isinstance(result, Unavailable):
            return True
        if failed_service(result):
            self._failed.append(delivery)
            return len(self._failed) == WINDOW_ATTEMPTS and len(set(self._failed)) >= WINDOW_DELIVERIES_MIN
        if answered(result) or isinstance(result, Retry):
            self._failed.clear()
        return False

    def reset(self) -> None:
        """The circuit was opened or closed: the row starts anew."""
        self._failed.clear()


def answered(result: str | BaseException | None) -> bool:
    """Whether the target took the delivery or looked at it and said no: it lives."""
    return not isinstance(result, BaseException) or isinstance(result, Refused)


def telling_of(results: Sequence[str | BaseException | None]) -> str | BaseException | None:
    """What says most of the target, of the results of one call."""
    away = next((result for result in results if isinstance(result, Unavailable)), None)
    return away or next((result for result in results if answered(result)), results[0])


def failed_service(result: str | BaseException | None) -> bool:
    """Whether the target as a whole failed: transport, timeout, 429, 5xx."""
    return isinstance(result, Retry) and result.service


def open_seconds(opened: int, rng: Random, *, least: float = 0.0) -> float:
    """Seconds to leave the sink alone when its circuit has opened `opened` times in a row before (from 0).

    Doubles from 5 s to 5 min, 20 % up or down; `least` is what the target asked for and can only lengthen it.
    """
    length = seconds_after(max(opened, 0) + 1, _RISING)
    return max(length * rng.uniform(1 - JITTER_SHARE, 1 + JITTER_SHARE), least)
