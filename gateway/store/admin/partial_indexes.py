"""What is open or dead is mostly little beside what is delivered: a search for it then looks at nothing else.

The rows are taken from the partial indexes of open and of dead deliveries, and only where they are few, because they come
in another order than the page wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from gateway.states import DeliveryState
from gateway.store.engine.session import Session, Trouble, number_of

LOOKED_AT_ROWS_MAX: Final = 2000  # that one page looks at; past it rows are looked at along their key
# The conditions are those of the indexes word for word, or SQLite ignores them.
_INDEXED: Final[Mapping[str, str]] = {
    "waiting": "state IN ('waiting','sending')",
    "sending": "state IN ('waiting','sending')",
    "dead": "state = 'dead'",
}
COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE {indexed} LIMIT :most) AS few"
DELIVERIES: Final = "d.id IN (SELECT id FROM deliveries WHERE {indexed}) AND "
EVENTS: Final = "seq IN (SELECT event FROM deliveries WHERE {indexed}) AND "


def indexed_deliveries(session: Session, state: DeliveryState | None) -> str:
    """The condition that leaves those of this state alone, with others; empty: they are not few, cannot be counted, or are not asked for."""
    return _condition(session, DELIVERIES, state)


def indexed_events(session: Session, state: DeliveryState | Literal["unrouted"] | None) -> str:
    """The condition that leaves their events alone, with others; empty: they are not few, cannot be counted, or are not asked for."""
    return _condition(session, EVENTS, state)


def _condition(session: Session, condition: str, state: DeliveryState | Literal["unrouted"] | None) -> str:
    indexed = _INDEXED.get(state or "")
    if indexed is None:
        return ""
    try:
        rows = number_of(session.rows(COUNT.format(indexed=indexed), {"most": LOOKED_AT_ROWS_MAX + 1}))
    except Exception as error:
        if session.trouble(error) is not Trouble.DAMAGED:
            raise
        return ""  # along the key there is a way round it
    return condition.format(indexed=indexed) if rows <= LOOKED_AT_ROWS_MAX else ""
