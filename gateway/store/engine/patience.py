"""Opening a store waits and tries again within a bound, because somebody else may be making it at that very moment."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypedDict, TypeVar

from gateway.errors import SchemaMismatch, StoreUnavailable

if TYPE_CHECKING:
    from tenacity.retry import retry_base
    from tenacity.stop import stop_base
    from tenacity.wait import wait_base

T = TypeVar("T")

OPENING_SECONDS: Final = (
    10.0  # a gateway waits so long for what passes; a lock on the whole store has a bound of its own
)
FIRST_PAUSE_SECONDS: Final = 0.01
PAUSE_SECONDS_MAX: Final = 0.25


class NotYet(StoreUnavailable):
    """The same would work in a moment: the database is locked, is just starting, or has too many connections."""


class NoAnswer(NotYet):
    """Nobody answers at the server's address: a gateway waits for it, a person is told at once."""


class NoTablesYet(SchemaMismatch, NotYet):
    """The store is there and its tables are not: nobody made them, or somebody is about to."""


def patiently(opening: Callable[[], T], within: float = OPENING_SECONDS) -> T:
    """What `opening` returns; while it raises NotYet it is asked again, until `within` seconds are over."""
    began = time.monotonic()
    try:
        return opening()
    except NotYet:
        left = within - (time.monotonic() - began)
        if left <= 0:
            raise
        from tenacity import Retrying  # only now, because a command that does not wait need not load it

        return Retrying(**_policy(left))(opening)


async def awaited(opening: Callable[[], Awaitable[T]], within: float = OPENING_SECONDS) -> T:
    """The same for what is awaited; cancelled, it ends at once."""
    from tenacity import AsyncRetrying

    async def once() -> T:  # because tenacity awaits only what a coroutine function gives
        return await opening()

    return await AsyncRetrying(**_policy(within))(once)


class _Policy(TypedDict):
    retry: retry_base
    wait: wait_base
    stop: stop_base
    reraise: bool


def _policy(within: float) -> _Policy:
    from tenacity import retry_if_exception_type, stop_after_delay, wait_random_exponential

    return {
        "retry": retry_if_exception_type(NotYet),
        "wait": wait_random_exponential(multiplier=FIRST_PAUSE_SECONDS, max=PAUSE_SECONDS_MAX),
        "stop": stop_after_delay(within),
        "reraise": True,
    }
