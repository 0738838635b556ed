"""What must hold of a store's tables: their pages and indexes, that nothing refers to what is gone, that no number comes twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gateway.store.engine.numbers import last_number
from gateway.store.engine.session import Session, value_of
from gateway.store.engine.tables import Reference, schema
from gateway.store.verify.rules import Rule
from gateway.store.verify.violations import Violation

PAGE_ERRORS_MAX: Final = 100  # that SQLite is asked for
_INDEXES: Final = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'index'",
    "postgresql": "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.indisvalid AND n.nspname = current_schema()",
}


def of_the_whole(session: Session) -> Sequence[Violation]:
    """Violations that are of no one row."""
    return [*_pages(session), *_indexes(session), *_numbers(session)]


def dangling(table: str, key: str, reference: Reference) -> Rule:
    """The rule that a reference leads somewhere."""
    return Rule(
        "reference",
        table,
        key,
        f"r.{reference.column}",
        f"NOT EXISTS (SELECT 1 FROM {reference.table} o WHERE o.{reference.key} = r.{reference.column})",  # noqa: S608
        f"row {{0}} of {table} belongs to row {{1}} of {reference.table}, which is not there",
    )


def _pages(session: Session) -> Iterator[Violation]:
    """SQLite reads all of them and compares every index with its table. A PostgreSQL server has its own means (amcheck)."""
    if session.backend == "sqlite":
        for (text,) in session.rows(f"PRAGMA integrity_check({PAGE_ERRORS_MAX})"):
            if text != "ok":
                yield Violation("page", "", f"the file is damaged: {text}")


def _indexes(session: Session) -> Iterator[Violation]:
    there = {name for (name,) in session.rows(_INDEXES[session.backend])}
    for name in sorted(schema().indexes - there):
        yield Violation("index", "", f"the index {name} is missing or not valid: what it keeps apart is not kept apart")


def _numbers(session: Session) -> Iterator[Violation]:
    """A key that is given a second time would name another row to whoever remembers the first."""
    for table in schema().tables.values():
        if not table.numbered:
            continue
        (key,) = table.key
        # The greatest first, because what is stored meanwhile moves the other one too.
        greatest = int(value_of(session.rows(f"SELECT max({key}) FROM {table.name}")) or 0)  # noqa: S608  names of ours
        given = last_number(session, table)
        if greatest > given:
            text = f"{table.name} has row {greatest}, and the last number given is {given}: numbers would come twice"
            yield Violation("numbers", f"{table.name} {greatest}", text)
