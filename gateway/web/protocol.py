"""uvicorn's HTTP/1.1 protocol with what it lacks: limits of the head, of the body, and of pipelining, beside deadlines.

httptools bounds no head, and trailers become request headers (docs/http.md; each was seen to be missing).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar
from urllib.parse import unquote

import httptools
from starlette.types import Scope

from gateway.errors import Problem
from gateway.web.budget import Budget, over_budget
from gateway.web.deadlines import BODY, HEAD, IDLE, OVER, WHOLE, TimedProtocol
from gateway.web.heads import Refusing, check_head, head_too_large, refusal_of, without_offer
from gateway.web.http_exchange import HttpExchange
from gateway.web.known_heads import KnownHeads
from gateway.web.listener_limits import ListenerLimits, on_the_wire

TARGETS_MAX = 128  # that are parsed once, because vendors call few
TARGET_BYTES_MAX = 256  # of such a one
LINGER_BYTES_MAX = 1024 * 1024  # read and thrown away after a refusal, so that the caller gets to reading it


class GuardedProtocol(TimedProtocol):
    """See the module. `guarded` makes the class of one listener."""

    heads: ClassVar[KnownHeads]

    @staticmethod
    def largest(path: str) -> int:
        """The most bytes that a body to this path may have."""
        return sys.maxsize

    @staticmethod
    def peer_of(connected: str | None, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """Whose body it is that comes with these headers."""
        return connected or ""

    @staticmethod
    def take_whole(exchange: HttpExchange) -> bool:
        """Whether this request, which has come whole, was taken without the application."""
        return False

    # -- what comes in

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase is OVER:
            self._wire_bytes += len(data)
            if self._wire_bytes > LINGER_BYTES_MAX:
                self.transport.abort()
            return
        begins = phase is IDLE  # a head with this segment
        if begins:
            if self._take_known(data):
                return
            # from the first byte, whatever it is: a blank line now and then must not keep the connection open
            phase = self._phase = HEAD
            self._deadline = self.loop.time() + self.limits.head_seconds
            self._head_bytes = 0
        if phase is HEAD:
            self._head_bytes += len(data)
        elif phase is BODY:
            self._wire_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            self._refuse_and_close(refusal_of(error))
            return
        finally:
            if (begun := self._begun) is not None:
                self._begun = None
                size = len(begun.body)
                if self._serve(begun) and begins and self._owed == 1:
                    self.heads.learn(data, begun, size)
        if self._phase is HEAD and self._head_bytes > self.limits.head_bytes:
            self._refuse_and_close(head_too_large(f"more than {self.limits.head_bytes} bytes"))
        elif self._phase is BODY and self._wire_bytes > self._wire_most:
            self._refuse_and_close(
                Problem(413, "body_too_large", "the body and its framing are longer than is taken here")
            )

    def _take_known(self, data: bytes) -> bool:
        """Take a request that has come whole with a head that was read before; False: the parser has to read it. What follows
        is what its callbacks do, in their order."""
        found = self.heads.find(data)
        if found is None:
            return False
        head, length, body = found
        if (budget := self.budget) is not None and body:
            if not budget.has_room(len(body)):
                return False
            self.peer = self.peer_of(self.client[0] if self.client else None, head.headers)
            budget.reserve(self, len(body))
        self._bodies.append(len(body))
        scope: Scope = {**head.scope}
        scope["server"], scope["client"], scope["scheme"] = self.server, self.client, self.scheme
        scope["headers"], scope["state"] = head.headers_with(length), self.app_state.copy()
        exchange = self._exchange(scope, keep_alive=True)
        exchange.known = head
        exchange.whole = body
        exchange.more_body = False
        self._owed += 1
        self._phase = WHOLE
        self._deadline = math.inf
        self.incomplete.pop(self, None)
        self._serve(exchange)
        return True

    def _exchange(self, scope: Scope, *, keep_alive: bool, expects_100: bool = False) -> HttpExchange:
        """For the request that is in hand from now on."""
        exchange = self.cycle = HttpExchange(
            scope,
            self.transport,
            self.flow,
            self.server_state.default_headers,
            self.on_response_complete,
            keep_alive=keep_alive,
            expects_100=expects_100,
        )
        exchange.app = self.app
        exchange.release_body = self._release_first
        exchange.begin = self._start_asgi_task  # type: ignore[assignment]  # Starlette's and uvicorn's ASGI are one
        return exchange

    def _parse(self, data: bytes) -> None:
        """Feed the parser; where a request offered another protocol, a fresh one, with the same head but the offer."""
        while True:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as offer:
                # the parser takes what follows for the other protocol, and has not read the body
                rest = data[offer.args[0] :]
            method, version = self.parser.get_method(), self.parser.get_http_version()
            head = without_offer(self.url, method, version, self.headers)
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self._offered = False
            data = head + rest

    def on_message_begin(self) -> None:
        if self._phase is not HEAD:  # it follows another in the same segment
            self._phase = HEAD
            self._deadline = self.loop.time() + self.limits.head_seconds
            self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is not HEAD:
            return  # a trailer: nothing that came after the head may pass for it
        if len(self.headers) >= self.limits.head_fields:
            raise Refusing(head_too_large(f"more than {self.limits.head_fields} fields"))
        # what uvicorn does, without the call of its own: heads are most of what a callback costs here
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refusing(Problem(400, "malformed_request", "CONNECT is not taken here"))
            self._offered = True  # and read again without the offer: see _parse
            return
        if self._owed > self.limits.pipelined:
            raise Refusing(Problem(400, "malformed_request", f"more than {self.limits.pipelined} requests wait"))
        limits = self.limits
        version = self.parser.get_http_version()
        problem = check_head(version, self.url, self.headers, limits.head_bytes, hostless=limits.hostless)
        if problem is not None:
            raise Refusing(problem)
        self._bodies.append(0)
        self._start_request(version)
        self._phase = BODY
        self._wire_most = min(limits.wire_bytes, on_the_wire(self.largest(self.scope["path"])))
        self._deadline = self.loop.time() + limits.body_seconds
        self._wire_bytes = 0
        self._owed += 1

    def _start_request(self, version: str) -> None:
        """Start the application, or queue the request behind the one in hand: as uvicorn does, with an Exchange."""
        url = self.url
        path, raw_path, query = _known_target(url) if len(url) <= TARGET_BYTES_MAX else _parse_target(url)
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = self.root_path + path
        scope["raw_path"] = self.root_path.encode("ascii") + raw_path
        scope["query_string"] = query
        before: Any = self.cycle  # None at first
        cycle = self._exchange(
            scope, keep_alive=version != "1.0" and self.parser.should_keep_alive(), expects_100=self.expect_100_continue
        )
        if before is None or before.response_complete:
            self._begun = cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _serve(self, exchange: HttpExchange) -> bool:
        """What has come whole may be taken as it is; all else is the application's. True: it was taken."""
        if exchange.disconnected:  # refused meanwhile
            return False
        if exchange.more_body or not self.take_whole(exchange):
            exchange.serve(self.app)
            return False
        return True

    def on_body(self, body: bytes) -> None:
        budget = self.budget
        if budget is not None and self._bodies and not self.cycle.response_complete:
            if not any(self._bodies):
                self.peer = self.peer_of(self.client[0] if self.client else None, self.headers)
            self._bodies[-1] += len(body)
            if not budget.reserve(self, len(body)):
                raise Refusing(over_budget())
        super().on_body(body)

    def _release_first(self) -> None:
        """The oldest request's body is being verified, or nobody needs it any more."""
        if self._bodies and self._bodies[0]:
            if self.budget is not None:
                self.budget.give_back(self, self._bodies[0])
            self._bodies[0] = 0

    def on_message_complete(self) -> None:
        if self._offered:
            return
        super().on_message_complete()
        if self._owed:
            self._phase = WHOLE
            self._deadline = math.inf
            self.incomplete.pop(self, None)
        else:  # it was answered before all of it had come
            self._fall_idle()

    # -- what goes out

    def on_response_complete(self) -> None:
        self._owed -= 1
        if self._bodies:
            if self._bodies[0]:
                self._release_first()
            self._bodies.popleft()
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            if self.flow.read_paused:
                self.flow.resume_reading()
            if self.pipeline:  # no timer of uvicorn's: `_tick` sees who is idle
                exchange, _ = self.pipeline.pop()
                assert isinstance(exchange, HttpExchange)
                self._serve(exchange)
        if self._phase is WHOLE:
            if not self._owed:
                self._fall_idle()
        elif self._phase is OVER:
            if self._last_words is not None and not self._owed:
                self._say(self._last_words)
        elif not self._owes():  # the next one is on its way, and we may have kept it from being read
            self.incomplete.setdefault(self)
            if self._owed:
                self._deadline = self.loop.time() + self.limits.body_seconds


def _parse_target(url: bytes) -> tuple[str, bytes, bytes]:
    """The path without percent signs, the path as it came, and the query."""
    target = httptools.parse_url(url)
    path = target.path.decode("ascii")
    return unquote(path) if "%" in path else path, target.path, target.query or b""


_known_target = lru_cache(maxsize=TARGETS_MAX)(_parse_target)


def guarded(
    limits: ListenerLimits,
    refused: Callable[[Problem, str | None, str | None], None],
    *,
    largest: Callable[[str], int] = GuardedProtocol.largest,
    peer_of: Callable[[str | None, Sequence[tuple[bytes, bytes]]], str] = GuardedProtocol.peer_of,
    take_whole: Callable[[HttpExchange], bool] = GuardedProtocol.take_whole,
    budget: Budget | None = None,
) -> type[GuardedProtocol]:
    """The protocol class of one listener, with its own limits, connections and `refused(problem, peer, path)`."""
    own = {"refused": staticmethod(refused), "largest": staticmethod(largest), "peer_of": staticmethod(peer_of)}
    own["take_whole"] = staticmethod(take_whole)
    parts = {"limits": limits, "incomplete": {}, "budget": budget, "heads": KnownHeads(limits.head_bytes)}
    return type("Guarded", (GuardedProtocol,), {**parts, **own})
