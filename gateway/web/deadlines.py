"""A connection under uvicorn that ends in time: deadlines for each part of a message, room for others, and a polite close.

uvicorn bounds no request while it is being received (docs/http.md; it was seen to be missing). One instance is one connection.
"""

from __future__ import annotations

import asyncio
import enum
import math
from collections import deque
from typing import ClassVar, Final

from gateway.errors import Problem
from gateway.web import problems
from gateway.web.budget import Budget
from gateway.web.http_exchange import HttpExchange
from gateway.web.linger import Polite
from gateway.web.listener_limits import ListenerLimits
from gateway.web.uvicorn_parts import Config, HttpToolsProtocol, ServerState

HALF_CLOSED: Final = "half_closed"
"""In the scope of a request whose caller says no more: it may be gone, and nobody can tell before something is written."""


class Phase(enum.Enum):
    """Where the message that is being received stands."""

    IDLE = "idle"  # nothing of it has come
    HEAD = "head"
    BODY = "body"
    WHOLE = "whole"  # all of it has come; we owe the answer
    OVER = "over"  # nothing more is read from this connection


# Because Python 3.11 finds a member through its class by two calls of its own, and this is asked several times a callback.
IDLE: Final = Phase.IDLE
HEAD: Final = Phase.HEAD
BODY: Final = Phase.BODY
WHOLE: Final = Phase.WHOLE
OVER: Final = Phase.OVER


class TimedProtocol(HttpToolsProtocol):
    """The half of GuardedProtocol that waits, refuses and closes; the other half reads."""

    limits: ClassVar[ListenerLimits]
    incomplete: ClassVar[dict[TimedProtocol, None]]
    """The listener's connections that have no whole request in hand, in the order in which they fell silent."""

    budget: ClassVar[Budget | None] = None

    @staticmethod
    def refused(problem: Problem, peer: str | None, path: str | None) -> None:
        """Told of every refusal that no application sees.

        `peer` is the socket's address; `path` is there where the head was complete.
        """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.access_log = False
        limits = self.limits
        self._beat = min(
            limits.head_seconds, limits.body_seconds, limits.idle_seconds, limits.stall_seconds, limits.linger_seconds
        )
        self._timer: asyncio.TimerHandle | None = None
        self._phase = IDLE
        self._deadline = self.loop.time() + limits.head_seconds
        self._stalled = math.inf  # when a caller that takes nothing is given up
        self._head_bytes = 0
        self._wire_bytes = 0
        self._wire_most = limits.wire_bytes
        self._bodies: deque[int] = deque()  # bytes of each owed request that are held and not verified
        self.peer = ""
        self._owed = 0  # heads complete without a complete answer
        self._offered = False  # another protocol, in the head that was just read
        self._begun: HttpExchange | None = None  # its head has come in the segment that is being read
        self._last_words: Problem | None = None  # what is said once the answers before it are out

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.polite = Polite(transport, self._finish)
        super().connection_made(self.polite)
        self._timer = self.loop.call_later(self._beat, self._tick)
        self.incomplete[self] = None
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._phase = OVER
        self.polite.closing = True
        self.incomplete.pop(self, None)
        self._release_all()
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A caller that has sent all it wants and still listens gets its answer; one that broke off gets a close.

        While an answer is being sent, such as a live stream, it is the end: browsers that leave a page say no more.
        """
        if not self._owes() or (self.cycle.response_started and not self.cycle.response_complete):
            return False
        self.cycle.keep_alive = False
        self.cycle.scope[HALF_CLOSED] = True  # type: ignore[typeddict-unknown-key]
        return True

    def shutdown(self) -> None:
        if self._phase is OVER:
            self.transport.abort()
            return
        if self._phase is HEAD and not self._owed:
            self._phase = IDLE  # half a head will not be answered: no reason to linger
        super().shutdown()

    def _make_room(self) -> None:
        oldest = next(iter(self.incomplete))
        if oldest is self:  # everybody else has a request in hand
            self._refuse_and_close(Problem(503, "too_many_connections", "all connections are in use", retry_after=1))
            return
        self.incomplete.pop(oldest)
        self.connections.discard(oldest)
        oldest.transport.abort()

    def pause_writing(self) -> None:
        self._stalled = self.loop.time() + self.limits.stall_seconds
        super().pause_writing()

    def resume_writing(self) -> None:
        self._stalled = math.inf
        super().resume_writing()

    def _fall_idle(self) -> None:
        self._phase = IDLE
        self._deadline = self.loop.time() + self.limits.idle_seconds
        self.incomplete[self] = None

    def give_way(self, problem: Problem) -> None:
        """For the budget: this connection holds too much that is not verified."""
        if self._phase is not BODY:  # what it holds are whole requests that wait behind the one in hand
            self._owed -= len(self.pipeline)
            self.pipeline.clear()
        self._refuse_and_close(problem)

    def _release_all(self) -> None:
        self._bodies.clear()
        if self.budget is not None:
            self.budget.give_back_all(self)

    # -- time

    def _owes(self) -> bool:
        """Whether a whole request waits for our answer: then the caller is not the one who is slow."""
        return self._owed > 1 or (self._owed == 1 and self._phase is not BODY)

    def _tick(self) -> None:
        # one timer a connection, looked at when it fires: arming one for every request would cost more than the rest
        now = self.loop.time()
        if now >= self._stalled:
            self.transport.abort()
            return
        try:
            if now >= self._deadline:
                if self._phase is not OVER and self._owes():
                    self._deadline = now + self.limits.stall_seconds
                else:
                    self._expire()
        finally:  # whoever hears of a refusal may fail at it, and the connection still has an end
            self._timer = self.loop.call_later(max(min(self._deadline - now, self._beat), 0.001), self._tick)

    def _expire(self) -> None:
        self._deadline = self.loop.time() + self.limits.stall_seconds  # where what follows fails, it is cut off then
        if self._phase is OVER:
            self.transport.abort()
        elif self._phase is HEAD:
            self._refuse_and_close(
                Problem(408, "head_timeout", f"no complete head within {self.limits.head_seconds:g} s")
            )
        elif self._phase is BODY and self._owed:
            self._refuse_and_close(
                Problem(408, "body_timeout", f"no complete body within {self.limits.body_seconds:g} s")
            )
        else:
            self.transport.close()

    # -- refusing and closing

    def _refuse_and_close(self, problem: Problem) -> None:
        """Read nothing more; answer after the answers that are due before, and close."""
        phase, self._phase = self._phase, OVER
        self._wire_bytes = 0
        self._release_all()
        path = self.scope["path"] if phase is BODY else None
        self.refused(problem, self.client[0] if self.client else None, path)
        if phase is BODY:
            if not self._owed or self.cycle.response_started:  # its answer is out already
                self.transport.close()
                return
            self._owed -= 1
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.pipeline and self.pipeline[0][0] is self.cycle:
                self.pipeline.popleft()
        if self._owed:
            self._last_words = problem
            self._deadline = math.inf
        else:
            self._say(problem)

    def _say(self, problem: Problem) -> None:
        self._phase = OVER
        if not self.transport.is_closing():
            self.transport.write(problems.wire(problem, self.server_state.default_headers))
            self.transport.close()

    def _finish(self) -> None:
        """Close, but where the caller may still be sending, only after it could read what we said."""
        real = self.polite.real
        reading = self._phase in (HEAD, BODY, OVER)
        unsent = real.get_write_buffer_size() > 0
        limits = self.limits
        self._phase = OVER
        self._wire_bytes = 0
        self._deadline = self.loop.time() + (limits.stall_seconds if unsent else limits.linger_seconds)
        self.incomplete.setdefault(self)
        if not reading or not real.can_write_eof() or real.is_closing():
            real.close()
            return
        self.flow.resume_reading()
        real.write_eof()
