"""Dead letters by sink and reason, counted no further than a page needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.states import DeadReason
from gateway.store.admin.overview import dead_sinks
from gateway.store.engine.session import Session

COUNTED_MAX: Final = 2000  # of a sink; the newest
_BY_REASON: Final = """SELECT reason, count(*) FROM
  (SELECT reason FROM deliveries WHERE sink = :sink AND state = 'dead' ORDER BY id DESC LIMIT :most) AS newest
  GROUP BY reason ORDER BY reason"""


class DeadLetters(NamedTuple):
    """So many of one sink for one reason; `capped`: there are more of this sink than were counted."""

    sink: str
    reason: DeadReason
    number: int
    capped: bool


def dead_letters(session: Session) -> Sequence[DeadLetters]:
    """All groups, by sink; along the index of dead letters."""
    groups = []
    for sink in dead_sinks(session):
        rows: list[tuple[DeadReason, int]] = [
            (reason or "expired", count)
            for reason, count in session.rows(_BY_REASON, {"sink": sink, "most": COUNTED_MAX})
        ]
        capped = sum(count for _, count in rows) >= COUNTED_MAX
        groups += [DeadLetters(sink, reason, count, capped) for reason, count in rows]
    return groups
