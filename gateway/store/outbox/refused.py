"""The rules of refused callbacks: the last few of each source are kept for people."""

from __future__ import annotations

import json
from typing import Final

from gateway.store.engine.batch import storable
from gateway.store.engine.cipher import Cipher
from gateway.store.engine.encrypted_rows import REFUSED_TEXTS
from gateway.store.engine.session import Session
from gateway.store.records import Refusal

BODY_BYTES_MAX: Final = 64 * 1024  # bytes of a body that are kept; a larger one is left out

_INSERT: Final = """INSERT INTO refused
  (source, verified, code, detail, received_at, method, path, headers, body, size, peer)
  VALUES (:source, :verified, :code, :detail, :received_at, :method, :path, :headers, :body, :size, CAST(:peer AS text))"""
_PRUNE: Final = """DELETE FROM refused WHERE source = :source AND verified = :verified AND id <= (SELECT r.id
  FROM refused r WHERE r.source = :source AND r.verified = :verified ORDER BY r.id DESC LIMIT 1 OFFSET :most)"""
_SEAL: Final = "UPDATE refused SET detail = :detail, path = :path, headers = :headers, body = :body WHERE id = :id"


def keep_refusal(session: Session, refusal: Refusal, most: int) -> None:
    """Keep a refused callback, and of its source no more than the last `most`: of what verified, and of what did not."""
    values = {
        "source": storable(refusal.source),
        "verified": int(refusal.verified),
        "code": storable(refusal.code),
        "detail": storable(refusal.detail),
        "received_at": refusal.received_at,
        "method": storable(refusal.method),
        "path": storable(refusal.path),
        "headers": json.dumps(refusal.headers),
        "body": refusal.body if len(refusal.body) <= BODY_BYTES_MAX else b"",
        "size": refusal.size,
        "peer": None if refusal.peer is None else storable(refusal.peer),
    }
    with session.atomic():
        if session.cipher is None:
            session.change(_INSERT, values)
        else:
            _insert_encrypted(session, values, session.cipher)
        session.change(_PRUNE, {"source": values["source"], "verified": values["verified"], "most": most})


def _insert_encrypted(session: Session, values: dict[str, object], cipher: Cipher) -> None:
    """In two steps, because a value is bound to its row, whose number nobody knows before it is there."""
    empty = {"detail": "", "path": "", "headers": "", "body": b""}
    ((id_,),) = session.rows(f"{_INSERT} RETURNING id", {**values, **empty})
    texts = {name: cipher.encrypt_text(f"refused.{name}", (id_,), str(values[name])) for name in REFUSED_TEXTS}
    body = values["body"]
    assert isinstance(body, bytes)
    session.change(_SEAL, {**texts, "body": cipher.binary("refused.body", (id_,), body), "id": id_})
