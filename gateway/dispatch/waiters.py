"""Who waits for the next delivery of a pull sink: in the order they came, one called at a time."""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.runtime.clock import Clock


class Waiters:
    """One sink's. Whoever is called looks whether there is something, and whoever finds much calls the next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: deque[asyncio.Future[None]] = deque()
        self.closed = False

    def __len__(self) -> int:
        return len(self._queue)

    def join(self) -> asyncio.Future[None]:
        """Stand at the end; what is returned is done when it is this one's turn. Pair with `leave`."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        return turn

    def leave(self, turn: asyncio.Future[None]) -> None:
        """Stand there no longer."""
        self._queue.remove(turn)

    def call(self) -> None:
        """Something may be due: call the first that was not called yet."""
        for turn in self._queue:
            if not turn.done():
                turn.set_result(None)
                return

    def close(self) -> None:
        """Call all of them: nothing comes any more."""
        self.closed = True
        for turn in self._queue:
            if not turn.done():
                turn.set_result(None)

    async def wait(self, turn: asyncio.Future[None], seconds: float) -> None:
        """Until it is this one's turn, at most `seconds`."""
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({turn, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
