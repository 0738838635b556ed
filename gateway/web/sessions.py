"""Who is signed in with a browser: kept here and not in the cookie, ended by idling, signing out, or the end of its token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import Final

import msgspec
from starlette.requests import Request

from gateway.errors import Problem
from gateway.runtime.clock import Clock

IDLE_SECONDS: Final = 12 * 3600.0
SESSIONS_MAX: Final = 1000  # the one that idles longest ends for a new one
NOTICES_MAX: Final = 8
SAFE: Final = frozenset({"GET", "HEAD"})
CSRF_HEADER: Final = "x-csrf-token"


class PersonSession(msgspec.Struct):
    """One browser. `digest` is of the token that it signed in with; `notices` are shown on the next page."""

    digest: bytes
    csrf: str
    seen_at: float
    notices: list[tuple[str, str]] = msgspec.field(default_factory=list)

    def notice(self, kind: str, text: str) -> None:
        """Say this on the next page; `kind` is `good` or `bad`."""
        self.notices = [*self.notices, (kind, text)][-NOTICES_MAX:]

    def fetch_notices(self) -> list[tuple[str, str]]:
        """What is to be said, once."""
        notices, self.notices = self.notices, []
        return notices

    def knows(self, csrf: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class Sessions:
    """All of them, by the digest of their id, so that neither memory nor the time of a lookup says an id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: OrderedDict[bytes, PersonSession] = OrderedDict()

    def open_session(self, digest: bytes) -> tuple[str, PersonSession]:
        """A new session for the holder of a token, under a new id; whatever id the browser had is worth nothing."""
        id = secrets.token_urlsafe(32)
        session = PersonSession(digest, secrets.token_urlsafe(24), self._clock.monotonic())
        self._all[_key(id)] = session
        while len(self._all) > SESSIONS_MAX:
            self._all.popitem(last=False)
        return id, session

    def session_of(self, request: Request) -> PersonSession | None:
        """The session of the cookie, if it is one and did not idle for too long."""
        id = request.cookies.get(cookie_name(request))
        if not id:
            return None
        session = self._all.get(_key(id))
        if session is None:
            return None
        now = self._clock.monotonic()
        if now - session.seen_at > IDLE_SECONDS:
            del self._all[_key(id)]
            return None
        session.seen_at = now
        self._all.move_to_end(_key(id))
        return session

    def close_session(self, request: Request) -> None:
        """Sign out."""
        self._all.pop(_key(request.cookies.get(cookie_name(request), "")), None)


def _key(id: str) -> bytes:
    return hashlib.sha256(id.encode("utf-8", "replace")).digest()


def cookie_name(request: Request) -> str:
    """With the port in it, because browsers share the cookies of a host between its ports, and gateways do not."""
    _, _, port = request.headers.get("host", "").rpartition(":")
    return f"gw{port}" if port.isascii() and port.isdigit() else "gw"


def own_origin(request: Request) -> bool:
    """Whether a page of ours sent this, as the browser says."""
    origins = request.headers.getlist("origin")
    if len(origins) != 1 or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    scheme, _, host = origins[0].lower().partition("://")
    # a proxy that does TLS makes the scheme another one; the name is what counts
    return scheme in ("http", "https") and host == request.headers.get("host", "").lower()


def refuse_foreign(request: Request, session: PersonSession | None, csrf: str | None) -> None:
    """Raise Problem 403 where an unsafe request was not sent by a page of this session. `csrf` None: none is asked for."""
    if not own_origin(request):
        raise Problem(403, "csrf", "this was not sent by a page of this gateway: Origin and Host differ")
    if csrf is not None and (session is None or not session.knows(csrf)):
        raise Problem(403, "csrf", "this page is older than your sign-in: load it again")
