"""The workers of one lane, and what they have to do."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.dispatch.leased_delivery import Dispatch

CANCELLED_SECONDS_MAX: Final = 5.0  # seconds a plugin may go on after it was cancelled, before its worker is given up
LAST_WAIT_SECONDS: Final = 2.0


class WorkerPool:
    """`size` tasks that take dispatches in order and run `carry` on each. A task costs nothing while it has nothing to do.

    What they are to do is said by `serve`, before they start.
    """

    _carry: Callable[[Dispatch], Awaitable[None]]
    _take: Callable[[deque[Dispatch]], Dispatch]
    _may_begin: Callable[[int], bool]

    def __init__(self, name: str, size: int) -> None:
        self.size = size
        self._name = name
        self._waiting: deque[Dispatch] = deque()
        self._requests: deque[asyncio.Future[None]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._busy: dict[asyncio.Task[None], Dispatch] = {}
        self.ending = False  # nothing more is begun, and what is carried may be cut off

    def serve(
        self,
        carry: Callable[[Dispatch], Awaitable[None]],
        take: Callable[[deque[Dispatch]], Dispatch],
        may_begin: Callable[[int], bool],
    ) -> None:
        """`take` gives the next of what waits; it may join several. `may_begin` is asked with how many are being carried; where
        it said no, `go_on` says that it may be asked again."""
        self._carry, self._take, self._may_begin = carry, take, may_begin

    @property
    def dispatches(self) -> int:
        """Dispatches that wait or are being carried."""
        return len(self._waiting) + len(self._busy)

    def start(self) -> None:
        """Start the workers."""
        while len(self._workers) < self.size:
            self._hire()

    def add(self, dispatch: Dispatch) -> None:
        """One more dispatch to carry."""
        self._waiting.append(dispatch)
        self._call_one()

    def go_on(self) -> None:
        """One more may begin, if it waits."""
        if self._waiting:
            self._call_one()

    def under_way(self) -> list[Dispatch]:
        """Everything that waits or is being carried."""
        return [*self._waiting, *self._busy.values()]

    def take_back(self) -> list[Dispatch]:
        """Everything that was not begun; it is the caller's again."""
        dispatches = list(self._waiting)
        self._waiting.clear()
        return dispatches

    def replace_stuck(self, timeout: float) -> list[Dispatch]:
        """Replace workers whose plugin does not let itself be stopped, and those that died; the dispatches they had.

        A plugin may swallow its cancellation. Then its task is left to itself, and nothing it says is heard.
        """
        now = asyncio.get_running_loop().time()
        lost = []
        for worker, dispatch in list(self._busy.items()):
            if worker.done() or _is_stuck(dispatch, now, timeout):
                del self._busy[worker]
                worker.cancel()
                lost.append(dispatch)
                self._workers.discard(worker)
        self._workers = {worker for worker in self._workers if not worker.done()}
        if not self.ending:
            self.start()
            for _ in range(len(self._waiting)):  # one who died may have been called in place of one who lives
                self._call_one()
        return lost

    async def drain(self, grace: float) -> list[Dispatch]:
        """Let what is being carried end within `grace` seconds, then cut it off; those of the ones who would not stop."""
        self.ending = True
        while self._requests:
            self._call_one()
        for seconds in (grace, LAST_WAIT_SECONDS):
            if self._workers:
                await asyncio.wait(self._workers, timeout=seconds)
                self._workers = {worker for worker in self._workers if not worker.done()}
                for worker in self._workers:
                    worker.cancel()
        lost = list(self._busy.values())
        self._busy.clear()
        return lost

    def _hire(self) -> None:
        worker = asyncio.create_task(self._work(), name=self._name)
        self._workers.add(worker)
        worker.add_done_callback(self._replace_cancelled)

    def _replace_cancelled(self, worker: asyncio.Task[None]) -> None:
        """A sink cancelled its own worker: another has its place at once, and what waits does not wait for a poll."""
        if worker.cancelled() and worker in self._workers and not self.ending:
            self._workers.discard(worker)
            self._hire()

    def _call_one(self) -> None:
        while self._requests:
            request = self._requests.popleft()
            if not request.done():
                request.set_result(None)
                return

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        me = asyncio.current_task()
        assert me is not None
        while True:
            while not self._waiting or not self._may_begin(len(self._busy)):
                if self.ending:
                    return
                request: asyncio.Future[None] = loop.create_future()
                self._requests.append(request)
                await request
            dispatch = self._take(self._waiting)
            dispatch.since = loop.time()
            self._busy[me] = dispatch
            try:
                await self._carry(dispatch)
            finally:
                self._busy.pop(me, None)
            if me not in self._workers:
                return  # given up meanwhile: another has its place


def _is_stuck(dispatch: Dispatch, now: float, timeout: float) -> bool:
    """Whether its plugin went on after it was cancelled. Where the process stood still, it is about to be: that is no fault of
    the plugin's."""
    silence = dispatch.silence
    if silence is not None and silence.runs:
        if now >= silence.at:
            silence.limits.cut_off()
        return False
    if silence is not None and silence.expired:
        return now - silence.at > CANCELLED_SECONDS_MAX
    return now - dispatch.since > timeout + CANCELLED_SECONDS_MAX
