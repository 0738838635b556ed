"""Takes those at the front of a sink whose event lies on a damaged page out of everybody's way."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Final

from gateway.store.engine.batch import Bulk
from gateway.store.engine.reruns import rerun
from gateway.store.engine.session import Trouble
from gateway.store.outbox import statements as sql
from gateway.store.records import Rank

_FRONT: Final = f"""SELECT id, event, rank, token FROM (SELECT d.id, d.event, d.rank, d.token,
    row_number() OVER (PARTITION BY d.rank ORDER BY d.due_at, d.id) AS place FROM deliveries d
  WHERE d.sink = :sink AND d.rank IN ({Rank.FRESH}, {Rank.AGAIN}, {Rank.LEASED}, {Rank.LAST}) AND d.state IN ('waiting','sending') AND d.due_at <= :now
    AND NOT d.id = ANY (CAST(:running AS bigint[]))) AS front WHERE place <= 100 ORDER BY rank, place"""  # noqa: S608
"""All that one claim may take; it sorts, and is run only where a page is damaged."""


def set_damaged_aside(session: Bulk, sink: str, lease: int, running: Collection[int], owner: str) -> None:
    """Lease them, each alone, so that they end and keep no other back."""
    for id_, event, rank, token in session.rows(_FRONT, {"sink": sink, "running": list(running)}):
        try:
            rerun(session, partial(_look_at, session, event))
        except Exception as error:
            if session.trouble(error) is not Trouble.DAMAGED:
                raise
            values = {"id": id_, "token": token, "rank": rank, "lease": lease, "owner": owner, "stalled": 0}
            if session.rows(sql.TAKE, values):
                session.tally.unreadable.append((id_, token + 1, "a page of the database is damaged"))


def _look_at(session: Bulk, event: int) -> None:
    with session.along_keys():
        session.rows(sql.CONTENT, {"seq": event})
