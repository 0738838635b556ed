"""Runs work again that a database could not put in order beside others': after a pause, so many times, and counted.

A deadlock (40P01) and a serialisation failure (40001) say that nothing was written and that the same would work now. A
statement that is its own transaction is run again by its session, a transaction by whoever began it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import sleep
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.store.engine.session import Trouble

if TYPE_CHECKING:
    from gateway.store.engine.batch import Bulk
    from gateway.store.engine.session import Session

T = TypeVar("T")

RERUNS_MAX: Final = 20  # of one piece of work; then it fails, some three seconds after it began
PAUSE_SECONDS: Final = 0.002  # the longest pause before the first rerun; before each further one twice as long
PAUSE_SECONDS_MAX: Final = 0.4
_GIVEN_UP: Final = "given_up"  # of an error: a statement's reruns are not multiplied by those of its batch


class Reruns:
    """How often this process ran work again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self) -> None:
        """One more."""
        with self._lock:
            self._count += 1

    def count(self) -> int:
        """All of them."""
        return self._count


RERUNS: Final = Reruns()


def pause(rerun: int, error: BaseException) -> bool:
    """Wait for a moment before this rerun (1: the first); False: it was run often enough, by whoever saw the error first.

    A random moment, because two that stood in each other's way would meet again.
    """
    if rerun > RERUNS_MAX or getattr(error, _GIVEN_UP, False):
        setattr(error, _GIVEN_UP, True)
        return False
    from tenacity import wait_random_exponential  # only now, because a command that runs nothing again need not load it

    from gateway.runtime.rising_pause import seconds_after

    RERUNS.add()
    sleep(seconds_after(rerun, wait_random_exponential(multiplier=PAUSE_SECONDS, max=PAUSE_SECONDS_MAX)))
    return True


def rerun(session: Session, work: Callable[[], T]) -> T:
    """What `work` returns, which begins and ends its own transaction. Inside another one it is run once: whoever began that
    runs all of it again."""
    if session.under_way:
        return work()
    reruns = 0
    while True:
        try:
            return work()
        except Exception as error:
            if session.trouble(error) is not Trouble.AGAIN or not pause(reruns := reruns + 1, error):
                raise


def transaction(session: Bulk, work: Callable[[], T]) -> T:
    """A transaction of `work` behind statements of the same writer's work that are committed already."""

    def whole() -> T:
        before = session.tally
        session.tally = before.copy()  # because what did not happen is not counted
        try:
            with session.atomic():
                return work()
        except BaseException:
            session.tally = before
            raise

    return rerun(session, whole)
