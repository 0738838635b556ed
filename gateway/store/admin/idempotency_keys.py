"""Requests with an Idempotency-Key: the first is done, the same again is given the first one's answer for a day."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.store.engine.session import Session

KEEP_MS: Final = 24 * 3600 * 1000
UNDER_WAY_MS: Final = 60_000  # after which one that never ended may be tried again
_BEGIN: Final = """INSERT INTO requests (token, name, digest, at, status, body)
  VALUES (:token, :name, :digest, :now, 0, {none}) ON CONFLICT (token, name) DO NOTHING"""
_READ: Final = "SELECT digest, status, body, :now - at FROM requests WHERE token = :token AND name = :name"
_END: Final = "UPDATE requests SET status = :status, body = :body WHERE token = :token AND name = :name"
_NONE: Final = {"sqlite": "x''", "postgresql": "''::bytea"}


class Known(NamedTuple):
    """An earlier request of this name. `status` 0: it is under way."""

    same: bool
    status: int
    body: bytes


def note_request(session: Session, token: str, name: str, digest: str) -> Known | None:
    """Note a request before it is done; what is known of an earlier one of this name, None: there was none."""
    named = {"token": token, "name": name}
    session.change(f"DELETE FROM requests WHERE at < :now - {KEEP_MS}")  # noqa: S608  a constant of ours
    if session.change(_BEGIN.format(none=_NONE[session.backend]), {**named, "digest": digest}):
        return None
    ((known, status, body, age),) = session.rows(_READ, named)
    if status == 0 and age > UNDER_WAY_MS:
        forget(session, token, name)
        return note_request(session, token, name, digest)
    return Known(known == digest, int(status), bytes(body))


def keep_answer(session: Session, token: str, name: str, status: int, body: bytes) -> None:
    """Keep the answer."""
    session.change(_END, {"token": token, "name": name, "status": status, "body": body})


def forget(session: Session, token: str, name: str) -> None:
    """It did not come to an answer: let it be tried again."""
    session.change("DELETE FROM requests WHERE token = :token AND name = :name", {"token": token, "name": name})
