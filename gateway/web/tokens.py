"""Who may call the admin API: bearer tokens, compared in constant time, with a brake on guessing."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol

from starlette.requests import Request

from gateway.errors import Problem
from gateway.runtime.clock import Clock
from gateway.runtime.sliding_window import SlidingWindow, SlidingWindows
from gateway.web.sessions import CSRF_HEADER, SAFE, PersonSession, Sessions, own_origin, refuse_foreign

PEER_FAILURES_MAX: Final = 10  # wrong tokens a minute from one address, then 429
FAILURES_MAX: Final = 100  # a minute
WINDOW_SECONDS: Final = 60.0
PEERS_MAX: Final = 1024  # addresses remembered

TokenRole = Literal["read", "operate", "pull"]


class TokenLike(Protocol):
    """One configured token; `gateway.config.grammar.settings.TokenSettings` is one."""

    @property
    def name(self) -> str: ...
    @property
    def token(self) -> Revealing: ...
    @property
    def role(self) -> TokenRole: ...
    @property
    def sinks(self) -> Sequence[str]:
        """Where a consumer fetches from."""


class Revealing(Protocol):
    """A secret."""

    def reveal(self) -> str: ...


def may_not(token: TokenLike, role: TokenRole) -> str:
    """Why the holder of a token may not do what is for this role; nothing: it may."""
    if role == "pull":
        return "" if token.role == "pull" else f"the token {token.name!r} is no consumer's: its role is not `pull`"
    if token.role == "pull":
        return f"the token {token.name!r} only fetches from the sinks that it lists"
    return f"the token {token.name!r} may read, and this changes something" if role not in ("read", token.role) else ""


class Tokens:
    """`configured` is asked at every call, so that a reload changes who may come in. A right token is never braked."""

    def __init__(self, configured: Callable[[], Sequence[TokenLike]], clock: Clock) -> None:
        self.sessions = Sessions(clock)
        self._configured = configured
        self._clock = clock
        self._all = SlidingWindow(WINDOW_SECONDS)
        self._peers = SlidingWindows(WINDOW_SECONDS, PEERS_MAX)

    def check(self, request: Request, role: TokenRole) -> TokenLike:
        """The token of the caller, sent along or signed in with. Raises Problem: 404 where no token is configured, 400,
        401, 403, 429."""
        self.refuse_in_query(request)
        if "authorization" not in request.headers:
            token = self._signed_in(request) if role != "pull" else None  # because a consumer is a program
        else:
            token = self.find(self._presented(request))
            if token is None:
                self._failed(request, self._presented(request) is not None)
        if token is None:
            raise Problem(401, "unauthorized", "a token of `admin.tokens` is needed: `Authorization: Bearer …`")
        if refusal := may_not(token, role):
            raise Problem(403, "forbidden", refusal)
        return token

    def refuse_in_query(self, request: Request) -> None:
        """Raise Problem: 404 where no token is configured, 400 for one in the URL."""
        if not self._configured():
            raise Problem(404, "not_found", "there is nothing here")
        if any("token" in name.lower() for name in request.query_params):
            raise Problem(400, "token_in_query", "a token in a URL ends in logs; send `Authorization: Bearer …`")

    def find(self, presented: bytes | None) -> TokenLike | None:
        """The configured token that this is."""
        return None if presented is None else self._of_digest(hashlib.sha256(presented).digest())

    def holder(self, session: PersonSession) -> TokenLike | None:
        """The token that a session was begun with, while it is configured and is no consumer's."""
        token = self._of_digest(session.digest)
        return None if token is None or token.role == "pull" else token

    def sign_in(self, request: Request, presented: bytes) -> str:
        """Begin a session: its id. Raises Problem: 401, 429."""
        token = self.find(presented)
        if token is None:
            self._failed(request, guessed=True)
            raise Problem(401, "unauthorized", "this is no token of `admin.tokens`")
        if token.role == "pull":
            raise Problem(403, "forbidden", may_not(token, "read"))
        id, _ = self.sessions.open_session(hashlib.sha256(presented).digest())
        return id

    def _signed_in(self, request: Request) -> TokenLike | None:
        session = self.sessions.session_of(request)
        if request.method not in SAFE:
            if "origin" in request.headers and not own_origin(request):
                refuse_foreign(request, session, None)
            if session is not None:
                refuse_foreign(request, session, request.headers.get(CSRF_HEADER, ""))
        if session is None:
            return None
        request.state.session = session.csrf  # what the live stream counts by
        return self.holder(session)

    def _of_digest(self, digest: bytes) -> TokenLike | None:
        token: TokenLike | None = None
        for one in self._configured():  # all of them, so that the time says nothing about a position
            if hmac.compare_digest(hashlib.sha256(one.token.reveal().encode()).digest(), digest):
                token = one
        return token

    def _presented(self, request: Request) -> bytes | None:
        fields = request.headers.getlist("authorization")
        if len(fields) != 1:
            return None
        scheme, _, token = fields[0].partition(" ")
        return token.strip().encode("latin-1") if scheme.lower() == "bearer" and token.strip() else None

    def _failed(self, request: Request, guessed: bool) -> None:
        """Count a wrong token; raise 429 once there were too many. A call without one guesses nothing."""
        if not guessed:
            return
        peer = request.client.host if request.client else ""
        now = self._clock.monotonic()
        mine = self._peers.window_of(peer)
        if mine.count(now) >= PEER_FAILURES_MAX or self._all.count(now) >= FAILURES_MAX:
            raise Problem(429, "too_many_attempts", "too many wrong tokens; wait a minute", retry_after=60)
        mine.add(now)
        self._all.add(now)
