"""How long a test waits for what usually comes at once. Only what hangs takes so long, on a busy machine too: it is no bound of
the gateway's, and no test has another of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

PATIENCE_S: Final = 90.0  # half of what a test may take, so that it says itself what did not come
T = TypeVar("T")


def until(
    true: Callable[[], T], within: float = PATIENCE_S, *, said: Callable[[], object] = lambda: "it never came"
) -> T:
    """Wait until this holds, and return what it says then; `said` is told where it never does."""
    end = time.monotonic() + within
    pauses = _pauses(0.02)
    while not (holds := true()):
        assert time.monotonic() < end, said()
        time.sleep(next(pauses))
    return holds


async def eventually(true: Callable[[], T], *, said: Callable[[], object] = lambda: "it never came") -> T:
    """The same for a test inside a loop, which works meanwhile, as the store's threads do."""
    end = time.monotonic() + PATIENCE_S
    pauses = _pauses(0.01)
    while not (holds := true()):
        assert time.monotonic() < end, said()
        await asyncio.sleep(next(pauses))
    return holds


def _pauses(longest: float) -> Iterator[float]:
    """Seconds between two looks: short ones first, because most comes at once, and because looking is work too."""
    pause = 0.001
    while True:
        yield pause
        pause = min(1.3 * pause, longest)
