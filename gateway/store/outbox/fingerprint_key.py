"""The rules of fingerprints of what is redacted: stored as a keyed hash, so that nobody finds a short value by trying.

The key is the store's own, made when it is first needed, and encrypted where the store is.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from gateway.errors import ValueUnreadable
from gateway.store.engine.cipher import key_of
from gateway.store.engine.encrypted_rows import FINGERPRINT_KEY, decrypt, encrypt
from gateway.store.engine.session import Session, value_of
from gateway.store.records import NewEvent

KEY_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 16
_NAME: Final = "fingerprint_key"
_READ: Final = f"SELECT value FROM meta WHERE name = '{_NAME}'"  # noqa: S608  a constant of ours
_MAKE: Final = f"INSERT INTO meta (name, value) VALUES ('{_NAME}', :value) ON CONFLICT (name) DO NOTHING"  # noqa: S608
_CHANGE: Final = f"UPDATE meta SET value = :value WHERE name = '{_NAME}' AND value = :was"  # noqa: S608


def keyed(session: Session, callbacks: Sequence[Sequence[NewEvent]]) -> list[NewEvent]:
    """All events of these callbacks, those that are redacted under a keyed hash of their fingerprint."""
    events = [new for callback in callbacks for new in callback]
    if not any(new.redacted for new in events):
        return events
    key = _key(session)
    return [_under(key, new) if new.redacted else new for new in events]


def also_known_as(session: Session, new: NewEvent) -> NewEvent:
    """The event with the fingerprint that the same content has where it came before `redact` was taken away, or after it was set."""
    if new.redacted:
        return new
    stored = value_of(session.rows(_READ))
    if stored is None:
        return new
    return new.replace(other_fingerprint=_hash(_opened(session, stored), new.fingerprint))


def encrypt_anew(session: Session) -> None:
    """Encrypt the key with the first one of the store, where it is not."""
    stored = value_of(session.rows(_READ))
    if stored is not None and session.cipher is not None and key_of(stored) != session.cipher.first:
        _opened(session, stored, anew=True)


def _key(session: Session) -> bytes:
    stored = value_of(session.rows(_READ))
    if stored is None:
        session.change(_MAKE, {"value": _encrypted(session, secrets.token_hex(KEY_BYTES))})
        stored = str(value_of(session.rows(_READ)))
    return _opened(session, stored)


def _opened(session: Session, stored: str, *, anew: bool = False) -> bytes:
    """The key. Where the one that encrypted it is lost, another: what comes again then counts as other content."""
    try:
        text = decrypt(session, FINGERPRINT_KEY, (_NAME,), stored)
    except ValueUnreadable:
        text, anew = secrets.token_hex(KEY_BYTES), True
    if anew:
        session.change(_CHANGE, {"value": _encrypted(session, text), "was": stored})
    return bytes.fromhex(text)


def _encrypted(session: Session, text: str) -> str:
    return encrypt(session, FINGERPRINT_KEY, (_NAME,), text)


def _under(key: bytes, new: NewEvent) -> NewEvent:
    return new.replace(fingerprint=_hash(key, new.fingerprint), other_fingerprint=new.fingerprint)


def _hash(key: bytes, fingerprint: bytes) -> bytes:
    return hmac.new(key, fingerprint, hashlib.sha256).digest()[:FINGERPRINT_BYTES]
