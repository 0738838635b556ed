"""A PostgreSQL that is asked for no more than docs/scaling.md lists, and that often cannot put work in order.

No LISTEN, no advisory lock, no sequence; every transaction serialisable; and of all statements and transactions some fail as
on a server that orders optimistically: with 40001, before the statement, in the middle, or at the COMMIT.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from typing import Any, Final, NoReturn

from gateway.store.postgres.session import PostgresSession

FORBIDDEN: Final = re.compile(
    r"advisory|\b(UN)?LISTEN\b|\bNOTIFY\b|pg_notify|nextval|setval|currval|lastval|serial|sequence|IDENTITY|LOCK TABLE"
)
SHARE: Final = 0.05  # of statements that are transactions of their own, and of transactions
STATEMENTS_MAX: Final = 8  # one that is to fail does at one of its first few statements, or at its COMMIT
NOT_IN_ORDER: Final = b"DO $$BEGIN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END$$"
PROBE: Final = "pg_advisory_xact_lock(5935186912435627383)"  # asked once, to find out that there are none
WEAKER: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
SERIALISABLE: Final = "ALTER DATABASE {} SET default_transaction_isolation = 'serializable'"


class PlainServer:
    """Stands between sessions and their server. `asked` are the statements that were refused, `failed` counts what was to be."""

    def __init__(self, seed: int, share: float = SHARE) -> None:
        self.asked: list[str] = []
        self.failed = 0
        self._share = share
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._left: dict[int, int] = {}  # connection -> statements until its transaction fails

    def send(
        self, real: Callable[..., Any], session: PostgresSession, text: Any, *arguments: Any, **options: Any
    ) -> Any:
        """Instead of `PostgresSession._send`."""
        shown = text.decode() if isinstance(text, bytes) else str(text)
        if getattr(session, "of_a_test", False):
            return real(session, text, *arguments, **options)
        if FORBIDDEN.search(shown):
            self.refused(session, shown)
        if self._fails(session, shown):
            self.failed += 1
            return real(session, NOT_IN_ORDER)
        if shown.startswith(WEAKER):  # it takes the words, and runs it as strict as everything
            text = f"BEGIN{shown.removeprefix(WEAKER)}".encode()
        return real(session, text, *arguments, **options)

    def refused(self, session: PostgresSession, shown: str) -> NoReturn:
        """It has no such thing."""
        if PROBE not in shown:
            self.asked.append(shown)
        raise session._errors.errors.FeatureNotSupported(f"this server has no such thing: {shown[:200]}")

    def _fails(self, session: PostgresSession, shown: str) -> bool:
        word = shown.partition(" ")[0].rstrip(";")
        with self._lock:
            if word == "ROLLBACK":
                self._left.pop(id(session), None)
                return False
            if word == "BEGIN":
                # A snapshot that is only read is never out of order; what was made of it could not be taken back.
                if "REPEATABLE READ" not in shown and self._rng.random() < self._share:
                    self._left[id(session)] = self._rng.randrange(STATEMENTS_MAX)
                return False
            if not session.under_way:
                return self._rng.random() < self._share
            if id(session) not in self._left:
                return False
            self._left[id(session)] -= 1
            if self._left[id(session)] >= 0 and word != "COMMIT":
                return False
            del self._left[id(session)]
            return True


def stand_between(server: PlainServer) -> Callable[[], None]:
    """From now on every session of this process; what is returned ends it."""
    real = PostgresSession._send

    def send(self: PostgresSession, text: Any, *arguments: Any, **options: Any) -> Any:
        return server.send(real, self, text, *arguments, **options)

    PostgresSession._send = send  # type: ignore[method-assign]

    def end() -> None:
        PostgresSession._send = real  # type: ignore[method-assign]

    return end
