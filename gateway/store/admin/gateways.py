"""Which gateways serve a store now, and since when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gateway.store.admin.shown_rows import ServingRow
from gateway.store.engine.session import Session
from gateway.store.sqlite.owner_lock import holder_of
from gateway.text.store_address import StoreAddress

SILENT_MS: Final = 60_000  # without a sign of life, which a gateway on a shared database gives every five seconds
_SERVING: Final = "SELECT owner, started_at FROM gateways WHERE seen_at > :now - :silent ORDER BY started_at, owner"
_HOLDER: Final = re.compile(r"(?P<name>pid [0-9]+), since (?P<since>[0-9TZ:.+-]+)")


def serving(session: Session, address: StoreAddress) -> Sequence[ServingRow]:
    """The gateways that serve this store, the oldest first: of a file whoever holds its lock, of a database those that
    gave a sign of life."""
    if session.backend != "sqlite":
        return [
            ServingRow(name=":".join(owner.split(":")[:2]), since=since)  # without what tells two starts apart
            for owner, since in session.rows(_SERVING, {"silent": SILENT_MS})
        ]
    holder = holder_of(address.path.absolute())
    return [] if holder is None else [_of_holder(holder)]


def _of_holder(holder: str) -> ServingRow:
    parts = _HOLDER.fullmatch(holder)
    if parts is None:
        return ServingRow(name=holder or "a gateway", since=None)
    try:
        since = round(datetime.fromisoformat(parts["since"]).timestamp() * 1000)
    except ValueError:
        return ServingRow(name=parts["name"], since=None)
    return ServingRow(name=parts["name"], since=since)
