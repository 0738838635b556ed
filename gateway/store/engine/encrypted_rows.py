"""Which columns are encrypted, and what binds each value to its row: the one place that knows both."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from gateway.errors import StoreKeyMissing, ValueUnreadable
from gateway.store.engine import cipher
from gateway.store.engine.cipher import is_encrypted
from gateway.store.engine.session import Session

MEMO: Final = "deliveries.memo"
PROGRESS: Final = "deliveries.progress"
VERDICT: Final = "verdicts.routing"
FINGERPRINT_KEY: Final = "meta.fingerprint_key"
REFUSED_TEXTS: Final = ("detail", "path", "headers")  # of `refused`; `headers` says whether a row is encrypted

ENCRYPTED: Final = {
    "events": ("body", "raw", "routing"),
    "verdicts": ("routing",),
    "deliveries": ("memo", "progress"),
    "refused": (*REFUSED_TEXTS, "body"),
}
"""By table, the columns whose values are encrypted; of `meta` it is one row, the key of fingerprints."""

# In the document `time` stands before `data`. A text inside it cannot look like this: its quotes have backslashes.
_TIME: Final = re.compile(r'^\{"specversion".*?"time":"([0-9TZ:.+-]{1,40})","datacontenttype"', re.DOTALL)


class EventKey(NamedTuple):
    """What the values of an event are bound to: not its `seq`, because nobody knows that before it is stored."""

    source: str
    id: str
    variant: bytes


def time_of(beginning: str) -> str | None:
    """When an event happened, by the beginning of its stored body."""
    if is_encrypted(beginning):
        return cipher.clear_of(beginning) or None
    found = _TIME.search(beginning)
    return None if found is None else found[1]


def encrypt_body(session: Session, key: EventKey, body: str) -> str:
    """An event's body as it is stored; its time stays readable, because lists show it."""
    if session.cipher is None:
        return body
    return session.cipher.encrypt_text("events.body", key, body, time_of(body) or "")


def encrypt_raw(session: Session, key: EventKey, raw: bytes) -> bytes:
    """The vendor's bytes as they are stored."""
    return raw if session.cipher is None else session.cipher.binary("events.raw", key, raw)


def encrypt_routing(session: Session, key: EventKey, routing: str) -> str:
    """The first verdict of the routes as it is stored: it quotes what it looked at."""
    return encrypt(session, "events.routing", key, routing)


def open_body(session: Session, key: EventKey, body: str) -> str:
    """An event's body. Raises StoreKeyMissing, ValueUnreadable."""
    return decrypt(session, "events.body", key, body)


def open_event(session: Session, key: EventKey, body: str, raw: bytes) -> tuple[str, bytes]:
    """An event's body and the vendor's bytes. Raises StoreKeyMissing, ValueUnreadable.

    Whether the bytes are encrypted is said by the body, because what a vendor sends may begin with anything.
    """
    if not is_encrypted(body):
        return body, bytes(raw)
    opened = open_body(session, key, body)
    assert session.cipher is not None  # the body was opened
    return opened, session.cipher.open_binary("events.raw", key, bytes(raw))


def body_if_readable(session: Session, key: EventKey, body: str) -> str | None:
    """An event's body; None: nobody can open it any more. Raises StoreKeyMissing, because then somebody can."""
    try:
        return open_body(session, key, body)
    except ValueUnreadable:
        return None


def encrypt(session: Session, column: str, row: cipher.CipherRow, text: str) -> str:
    """A text as it is stored."""
    return text if session.cipher is None else session.cipher.encrypt_text(column, row, text)


def decrypt(session: Session, column: str, row: cipher.CipherRow, text: str) -> str:
    """A stored text. Raises StoreKeyMissing, ValueUnreadable."""
    if not is_encrypted(text):
        return text
    if session.cipher is None:
        raise cipher.key_missing(column, cipher.key_of(text))
    return session.cipher.open_text(column, row, text)


def decrypt_bytes(session: Session, column: str, row: cipher.CipherRow, content: bytes) -> bytes:
    """Stored bytes of a row that is encrypted. Raises StoreKeyMissing, ValueUnreadable."""
    if session.cipher is None:
        raise StoreKeyMissing(f"{column} is encrypted, and no store.encryption.keys are given")
    return session.cipher.open_binary(column, row, content)
