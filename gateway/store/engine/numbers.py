"""The numbers that a database gives to rows: the last one of a table, and from which on it goes on."""

from __future__ import annotations

from typing import Final

from gateway.store.engine.session import Session, value_of
from gateway.store.engine.tables import StoreTable

_REDUCED: Final = "reduced"
_LAST: Final = {
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = '{table}'",
    "postgresql": "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence('{table}', '{key}') AS regclass))",
    _REDUCED: "SELECT given FROM numbers WHERE name = '{table}'",
}
_GO_ON: Final = {
    "sqlite": ("DELETE FROM sqlite_sequence WHERE name = '{table}'", "INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {last})"),
    "postgresql": ("SELECT setval(pg_get_serial_sequence('{table}', '{key}'), {last})",),
    _REDUCED: ("DELETE FROM numbers WHERE name = '{table}'", "INSERT INTO numbers (name, given) VALUES ('{table}', {last})"),
}  # fmt: skip


def last_number(session: Session, table: StoreTable) -> int:
    """The last number that was given in a table, whatever became of its row; 0: none, or it gives none."""
    if not table.numbered:
        return 0
    (key,) = table.key
    return int(value_of(session.rows(_LAST[_kind(session)].format(table=table.name, key=key))) or 0)


def go_on_after(session: Session, table: StoreTable, last: int) -> None:
    """No number up to this one is given again, because somebody may remember whose it was."""
    (key,) = table.key
    for statement in _GO_ON[_kind(session)]:
        session.rows(statement.format(table=table.name, key=key, last=int(last)))


def _kind(session: Session) -> str:
    return _REDUCED if session.reduced else session.backend
