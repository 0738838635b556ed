"""The rule of seals: how many different contents one signature has carried already."""

from __future__ import annotations

from gateway.store.engine.session import Session, number_of
from gateway.store.outbox import statements as sql
from gateway.store.records import NewEvent


def over_sealed(session: Session, new: NewEvent) -> bool:
    """Whether as many other contents as its seal bears came under it before, deleted ones included."""
    if new.seal is None or new.seal_most <= 0:
        return False
    values = {"seal": new.seal, "fingerprint": new.fingerprint, "most": new.seal_most}
    return number_of(session.rows(sql.SEALED, values)) >= new.seal_most
