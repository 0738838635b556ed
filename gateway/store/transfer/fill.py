"""Fills an empty store with what a dump has, so that an end at any moment is gone on from, and nothing half is served."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from gateway.compact_json import encode_struct
from gateway.errors import StoreError
from gateway.states import AuditAct
from gateway.store.admin import audit
from gateway.store.admin.audit import Actor, AuditEntry
from gateway.store.engine import reruns
from gateway.store.engine.migrations import UNFINISHED, VERSION, shape
from gateway.store.engine.numbers import go_on_after
from gateway.store.engine.session import Session, TellProgress, value_of
from gateway.store.engine.tables import StoreTable, schema
from gateway.store.outbox import statements as sql
from gateway.store.records import Rank
from gateway.store.transfer.dump import TABLES, end_of
from gateway.store.transfer.dump_lines import FORMAT, LEFT_OUT, DumpEnd, DumpHead, TableEnd
from gateway.store.transfer.two_ends import FillSession, is_unfinished

BATCH_ROWS_MAX: Final = 1000  # rows of one commit
BATCH_BYTES: Final = 4 * 1024 * 1024  # about so many of one commit, as lines
ACT_OF_MIGRATE: Final = "store migrate"  # the one act that an empty store may have been done
_MARK: Final = "SELECT value FROM meta WHERE name = 'transfer'"

FilledRow = tuple[StoreTable, Sequence[object], bytes]


class Mark(msgspec.Struct, frozen=True):
    """How far a store was filled: `of` names the dump, `rows` of it are in."""

    of: str
    rows: int


def fill(
    session: FillSession, head: DumpHead, rows: Iterable[FilledRow], end: Callable[[], DumpEnd], *, shown: str, act: AuditAct,
    progress: TellProgress = lambda _rows: None,
) -> int:  # fmt: skip
    """Fill a store to the end of a dump; how many rows were there already from an earlier try.

    `rows` begin at the dump's first row, `trailer` is asked for after the last. `act` is what the audit log calls it. Raises
    StoreError: the dump is not for this program, the store is not empty, or what is in it then is not what was to be.
    """
    refuse_other(head, shown)
    mark = _mark_begun(session, head, shown)
    done = before = mark.rows
    rows = iter(rows)
    for _ in itertools.islice(rows, before):
        progress(1)
    for batch in _batches(rows):
        reruns.rerun(session, partial(_insert_batch, session, Mark(mark.of, done), batch))
        done += len(batch)
        progress(len(batch))
    _finish(session, end(), shown, act, done)
    return before


def _insert_batch(session: FillSession, mark: Mark, batch: Sequence[FilledRow]) -> None:
    table, *_ = batch[0]
    with session.atomic():
        _move(session, mark, Mark(mark.of, mark.rows + len(batch)))
        session.put_rows(table.name, table.columns, [row for _, row, _ in batch])


def refuse_other(head: DumpHead, shown: str) -> None:
    """Raises StoreError for a dump that is not of this program's tables."""
    if (head.recording_gateway_export, head.schema, head.shape) != (FORMAT, VERSION, shape(VERSION)):
        raise StoreError(
            f"the export is of tables of version {head.schema}, {shown} has version {VERSION} or another state of it: "
            "import it with the program that wrote it, then let this one bring the store forward"
        )


def _mark_begun(session: FillSession, head: DumpHead, shown: str) -> Mark:
    """Mark the store as being filled, or find where an earlier try ended."""
    if is_unfinished(session):
        mark = msgspec.json.decode(value_of(session.rows(_MARK)), type=Mark)
        if mark.of != head.export:
            raise StoreError(
                f"{shown} was begun to be filled from something else: run that command again, or empty the store and begin anew"
            )
        return mark
    return reruns.rerun(session, partial(_mark_unfinished, session, Mark(head.export, 0), shown))


def _mark_unfinished(session: FillSession, mark: Mark, shown: str) -> Mark:
    with session.atomic():
        session.change("UPDATE meta SET value = :unfinished WHERE name = 'shape'", {"unfinished": UNFINISHED})
        for table in schema().tables.values():
            if table.name not in ("meta", *LEFT_OUT):
                _refuse_filled(session, table, shown)
        session.change("DELETE FROM audit")
        session.change("DELETE FROM meta WHERE name NOT IN ('schema', 'shape', 'reduced')")
        session.change("INSERT INTO meta (name, value) VALUES ('transfer', :mark)", {"mark": _mark_json(mark)})
    return mark


def _refuse_filled(session: Session, table: StoreTable, shown: str) -> None:
    but = f" WHERE act <> '{ACT_OF_MIGRATE}'" if table.name == "audit" else ""
    if session.rows(f"SELECT 1 FROM {table.name}{but} LIMIT 1"):  # noqa: S608  names of ours
        raise StoreError(
            f"{shown} is not empty (it has rows in {table.name}): only a new store is filled, so that nothing in it is mixed; "
            "name another file or database"
        )


def _batches(rows: Iterator[FilledRow]) -> Iterator[Sequence[FilledRow]]:
    """Rows of one table each."""
    for _, of_table in itertools.groupby(rows, key=_name_of_table):
        batch: list[FilledRow] = []
        size = 0
        for table, row, line in of_table:
            batch.append((table, row, line))
            size += len(line)
            if len(batch) >= BATCH_ROWS_MAX or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def _name_of_table(row: FilledRow) -> str:
    table, _, _ = row
    return table.name


def _mark_json(mark: Mark) -> str:
    return encode_struct(mark).decode()


def _move(session: Session, old: Mark, new: Mark) -> None:
    """Only if nobody else fills the same store."""
    change = "UPDATE meta SET value = :new WHERE name = 'transfer' AND value = :old"
    if session.change(change, {"new": _mark_json(new), "old": _mark_json(old)}) != 1:
        raise StoreError("another process fills the same store: let one of them end")


def _finish(session: FillSession, end: DumpEnd, shown: str, act: AuditAct, rows: int) -> None:
    """Compare what is there with what was to be, then let gateways have it."""
    there = end_of(session)
    for name, expected in end.end.items():
        if (got := there.get(name)) is None or (got.rows, got.digest) != (expected.rows, expected.digest):
            count = 0 if got is None else got.rows
            raise StoreError(
                f"{shown} has {count} rows in {name} and {expected.rows} were to come, or their content differs: what it was "
                "filled from changed meanwhile. Empty the store and begin anew"
            )
    reruns.rerun(session, partial(_let_go, session, end, act, rows))


def _let_go(session: FillSession, end: DumpEnd, act: AuditAct, rows: int) -> None:
    with session.atomic():
        _give_numbers(session, end.end)
        for (sink,) in session.rows(sql.NAMES):  # nobody sends, so every lease has ended but a consumer's
            session.change(sql.PULL_OWN, {"sink": sink, "rank": Rank.LEASED, "longest": 0})
        entry = AuditEntry(actor=Actor.here(), act=act, matched=rows)
        audit.begin_act(session, entry, done=rows, result=f"{rows} rows")
        session.change("DELETE FROM meta WHERE name = 'transfer'")
        session.change("UPDATE meta SET value = :shape WHERE name = 'shape'", {"shape": shape(VERSION)})


def _give_numbers(session: Session, ends: Mapping[str, TableEnd]) -> None:
    for table in TABLES.values():
        if table.numbered and (last := ends[table.name].last):
            go_on_after(session, table, last)
