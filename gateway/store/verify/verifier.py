"""Looks through a whole store for what breaks its invariants, a piece of a table at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

from gateway.errors import PageDamaged
from gateway.store.admin.pages import ranges
from gateway.store.engine.session import Columns, Session, TellProgress
from gateway.store.engine.tables import StoreTable, schema
from gateway.store.outbox.clock_repair import longest_spans
from gateway.store.verify import event_rules, shape_rules
from gateway.store.verify.rules import RULES, SMALL, Rule
from gateway.store.verify.violations import Violation

PIECE_KEYS: Final = 20_000  # keys of a table that one statement looks at
DAMAGED_KEYS_MIN: Final = 64  # keys: damage is told no more exactly than this

T = TypeVar("T")


class Read(Protocol):
    """Asks a store something."""

    def __call__(self, question: Callable[[Session], T], /) -> T: ...


def violations(read: Read, progress: TellProgress = lambda _keys: None) -> Iterator[Violation]:
    """Every violation, as it is found. `read` asks the store, each time in a moment of its own; `progress` hears of each piece
    how many keys it had (`keys` says how many there are). Raises what `read` raises, but for damage, which is a finding."""
    yield from _whole(read)
    spans = read(longest_spans)
    for name, statement, words in SMALL:
        for (sink,) in read(partial(_read_rows, statement)):
            yield Violation(name, f"sinks {sink}", words.format(sink))
    for table in schema().tables.values():
        if (key := _walked_by(table)) is None:
            continue
        rules = [rule for rule in RULES if rule.table == table.name]
        for after, upto in read(partial(_pieces, table.name, key)):
            for rule in rules:
                yield from _piece(read, table.name, partial(_broken, rule, spans), after, upto)
            for reference in table.references:
                broken = shape_rules.dangling(table.name, key, reference)
                yield from _piece(read, table.name, partial(_broken, broken, {}), after, upto)
            if table.name == "events":
                yield from _piece(read, table.name, _events, after, upto)
            progress(upto - after)


def _read_rows(statement: str, session: Session) -> Sequence[Columns]:
    return session.rows(statement)


def _pieces(table: str, key: str, session: Session) -> Sequence[tuple[int, int]]:
    return list(ranges(session, table, key, PIECE_KEYS))


def keys(session: Session) -> int:
    """How many keys `verify` walks through in all."""
    walked = [(table.name, key) for table in schema().tables.values() if (key := _walked_by(table)) is not None]
    return sum(upto - after for name, key in walked for after, upto in _pieces(name, key, session))


def _walked_by(table: StoreTable) -> str | None:
    """The column by which a table is looked through; None: no rule speaks of it."""
    first = table.key[0]
    number = table.kinds[table.columns.index(first)] == "int"
    return first if number and (table.references or any(rule.table == table.name for rule in RULES)) else None


def _whole(read: Read) -> Iterator[Violation]:
    try:
        yield from read(shape_rules.of_the_whole)
    except PageDamaged as error:
        yield Violation("page", "", str(error))


def _broken(rule: Rule, spans: dict[str, int], session: Session, after: int, upto: int) -> Sequence[Violation]:
    rows = session.rows(rule.statement, {"after": after, "upto": upto, **spans})
    return [Violation(rule.name, f"{rule.table} {key}", rule.words.format(key, *shown)) for key, *shown in rows]


def _events(session: Session, after: int, upto: int) -> Sequence[Violation]:
    most = event_rules.ROWS_MAX
    violations: list[Violation] = []
    while rows := session.rows(event_rules.EVENTS, {"after": after, "upto": upto, "most": most}):
        violations += event_rules.violations_of(session, rows)
        after, *_ = rows[-1]
    return violations


def _piece(
    read: Read, table: str, look: Callable[[Session, int, int], Sequence[Violation]], after: int, upto: int
) -> Iterator[Violation]:
    """The violations between two keys; what lies on a damaged page is halved until it is narrow enough to be told."""
    try:
        yield from read(lambda session: look(session, after, upto))
        return
    except PageDamaged as error:
        if upto - after <= DAMAGED_KEYS_MIN:
            where = f"{table} {after + 1} to {upto}"
            yield Violation("page", where, f"{where} cannot all be read: {error}")
            return
    middle = (after + upto) // 2
    yield from _piece(read, table, look, after, middle)
    yield from _piece(read, table, look, middle, upto)
