"""Encrypts anew, behind everything else, what stands in plain or under another key: in small steps, along a durable cursor.

A step that is not committed is done again whole. Each value is changed only if it is still the one that was read, and on
several gateways only those whose key is the newest do it, so that two configurations do not work against each other. A pass
is followed by another one until nobody has an older key, and nothing under one was found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from gateway.errors import ValueUnreadable
from gateway.model import shown_variant
from gateway.store.engine import cipher_keys
from gateway.store.engine.cipher import is_encrypted, key_of
from gateway.store.engine.encrypted_rows import (
    MEMO,
    PROGRESS,
    REFUSED_TEXTS,
    VERDICT,
    EventKey,
    decrypt,
    decrypt_bytes,
    encrypt,
    encrypt_body,
    encrypt_raw,
    encrypt_routing,
    open_event,
)
from gateway.store.engine.session import Columns, Session, number_of, value_of
from gateway.store.outbox import fingerprint_key
from gateway.store.sqlite import scrub

_STATE: Final = "SELECT value FROM meta WHERE name = 'reencrypt'"
_PUT_STATE: Final = """INSERT INTO meta (name, value) VALUES ('reencrypt', :state)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
_READ: Final = {
    "events": """SELECT seq, source, id, variant, body, raw, routing FROM events WHERE seq > :after ORDER BY seq LIMIT :most""",
    "verdicts": """SELECT v.id, e.source, e.id, e.variant, v.routing FROM verdicts v JOIN events e ON e.seq = v.event
      WHERE v.id > :after ORDER BY v.id LIMIT :most""",
    "deliveries": "SELECT id, memo, progress FROM deliveries WHERE id > :after ORDER BY id LIMIT :most",
    "refused": "SELECT id, detail, path, headers, body FROM refused WHERE id > :after ORDER BY id LIMIT :most",
}
TABLES: Final = tuple(_READ)
NEXT_PASS_MS: Final = 600_000  # ms after a pass, for what gateways that had the older key stored meanwhile
_EVENT: Final = "UPDATE events SET body = :body, raw = :raw, routing = :routing WHERE seq = :seq AND body = :was"
_VERDICT: Final = "UPDATE verdicts SET routing = :text WHERE id = :id AND routing = :was"
_DELIVERY: Final = "UPDATE deliveries SET {column} = :text WHERE id = :id AND {column} = :was"
_REFUSED: Final = """UPDATE refused SET detail = :detail, path = :path, headers = :headers, body = :body
  WHERE id = :id AND headers = :was"""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """How far it is. `to`: the key; `table` and `after`: the row looked at last; `rows` were encrypted anew, `given_up` nobody
    can open; times in ms; `ended_at` None: it is under way."""

    to: str
    began_at: int
    table: str = TABLES[0]
    after: int = 0
    rows: int = 0
    given_up: int = 0
    ended_at: int | None = None


def state(session: Session) -> KeyChange | None:
    """The pass under way, else the last one; None: there was none."""
    kept = value_of(session.rows(_STATE))
    return None if kept is None else KeyChange(**json.loads(kept))


def step(session: Session, most: int, *, again: bool = False, skip: int = 0) -> KeyChange | None:
    """Look at the next `most` rows; None: there is nothing to do. `again`: also where the last pass has ended.

    `skip` passes rows by that cannot be read. Raises StoreKeyMissing.
    """
    if session.cipher is None:
        return None
    first = session.cipher.first
    with session.atomic():
        session.lock({"reencrypt"})
        now = number_of(session.rows("SELECT CAST(:now AS bigint)"))
        at = state(session)
        if at is None or at.to != first or (again and at.ended_at is not None):
            if not again and cipher_keys.newest(session) not in (None, first):
                cipher_keys.keep(session, first)
                return None
            at = KeyChange(first, now)
        elif at.ended_at is not None:
            if now < at.ended_at + NEXT_PASS_MS or not _others_wrote(session, at):
                return None
            at = KeyChange(first, now)
        following = _advance(session, at, most, now) if not skip else replace(at, after=at.after + skip)
        session.change(_PUT_STATE, {"state": json.dumps(asdict(following))})
        return following


def _others_wrote(session: Session, at: KeyChange) -> bool:
    """Whether rows may have come since under another key: a gateway still has it, or there are several and one may have had it."""
    others = any(not key.retired for key in cipher_keys.known(session) if key.name != at.to)
    return others or (session.backend == "postgresql" and at.rows > 0)


def _advance(session: Session, at: KeyChange, most: int, now: int) -> KeyChange:
    rows = session.rows(_READ[at.table], {"after": at.after, "most": most})
    done = given_up = 0
    for row in rows:
        try:
            done += _ENCRYPT[at.table](session, row)
        except ValueUnreadable:
            given_up += 1
    at = replace(at, rows=at.rows + done, given_up=at.given_up + given_up)
    if len(rows) == most:
        return replace(at, after=int(rows[-1][0]))
    if at.table != TABLES[-1]:
        return replace(at, table=TABLES[TABLES.index(at.table) + 1], after=0)
    fingerprint_key.encrypt_anew(session)
    for key in cipher_keys.known(session):
        if key.name != at.to and not key.retired:
            cipher_keys.retire(session, key.name)
    scrub.request(session)  # what stood in plain may lie in free pages and in the log
    return replace(at, after=0, ended_at=now)


def _fresh(session: Session, text: str) -> bool:
    return session.cipher is not None and key_of(text) == session.cipher.first


def _event(session: Session, row: Columns) -> int:
    seq, source, id_, variant, body, raw, routing = row
    if _fresh(session, body):
        return 0
    return rewrite_event(session, seq, EventKey(source, id_, bytes(variant)), body, raw, routing)


def rewrite_event(
    session: Session, seq: int, key: EventKey, body: str, raw: bytes, routing: str, other: str | None = None
) -> int:
    """Encrypt an event's values anew, all together, because its body says whether the others are encrypted. `other`: the body
    that takes the place of this one. How many rows were changed."""
    opened, content = open_event(session, key, body, raw)
    values = {
        "body": encrypt_body(session, key, opened if other is None else other),
        "raw": encrypt_raw(session, key, content),
        "routing": encrypt_routing(session, key, decrypt(session, "events.routing", key, routing)),
    }
    return session.change(_EVENT, {**values, "seq": seq, "was": body})


def _verdict(session: Session, row: Columns) -> int:
    id_, source, event, variant, routing = row
    if _fresh(session, routing):
        return 0
    ref = f"{event}~{shown_variant(bytes(variant))}" if variant else event
    text = encrypt(session, VERDICT, (source, ref), decrypt(session, VERDICT, (source, ref), routing))
    return session.change(_VERDICT, {"id": id_, "text": text, "was": routing})


def _delivery(session: Session, row: Columns) -> int:
    id_, *texts = row
    done = 0
    for column, name, text in zip(("memo", "progress"), (MEMO, PROGRESS), texts, strict=True):
        if text is not None and not _fresh(session, text):
            encrypted = encrypt(session, name, (id_,), decrypt(session, name, (id_,), text))
            done += session.change(_DELIVERY.format(column=column), {"id": id_, "text": encrypted, "was": text})
    return min(done, 1)


def _refused_callback(session: Session, row: Columns) -> int:
    id_, *texts, body = row
    headers = texts[-1]
    if _fresh(session, headers):
        return 0
    content = decrypt_bytes(session, "refused.body", (id_,), bytes(body)) if is_encrypted(headers) else bytes(body)
    plain: Mapping[str, str] = {
        name: decrypt(session, f"refused.{name}", (id_,), text) if is_encrypted(headers) else text
        for name, text in zip(REFUSED_TEXTS, texts, strict=True)
    }
    assert session.cipher is not None  # it was looked at before
    encrypted = {name: encrypt(session, f"refused.{name}", (id_,), text) for name, text in plain.items()}
    content = session.cipher.binary("refused.body", (id_,), content)
    return session.change(_REFUSED, {**encrypted, "body": content, "id": id_, "was": headers})


_ENCRYPT: Final[Mapping[str, Callable[[Session, Columns], int]]] = {
    "events": _event,
    "verdicts": _verdict,
    "deliveries": _delivery,
    "refused": _refused_callback,
}
