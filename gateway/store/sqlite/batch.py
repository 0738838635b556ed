"""SQLite's way with many rows: prepared statements in a loop inside the writer's one transaction."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple

from gateway.runtime.clock import Clock
from gateway.store.engine.batch import ClaimedRow, DueRow, EventIn, Kept, SettleIn, Tally, first_lease, leases_of
from gateway.store.engine.encrypted_rows import EventKey, encrypt_body, encrypt_raw, encrypt_routing
from gateway.store.engine.session import Columns, Trouble
from gateway.store.outbox import statements as sql
from gateway.store.outbox.gates import gate_of
from gateway.store.outbox.group_claim import OF_GROUP
from gateway.store.outbox.groups import Groups
from gateway.store.records import Held, Lease, NewDelivery, NewEvent, Rank
from gateway.store.sqlite.session import Role, SqliteSession

FRESH, BEHIND, LEASED, LAST = (int(rank) for rank in (Rank.FRESH, Rank.BEHIND, Rank.LEASED, Rank.LAST))
_COLUMNS: Final = "id, variant, held, seal, source, type, subject, received_at, fingerprint, body, raw, raw_type, routing, trust, supersedes, trace, cause"
# Plain marks, because Python 3.12.0 to 3.12.3 takes a numbered one for a name and warns. Of plain values, because to insert
# what a SELECT gives takes SQLite twice as long: whatever it would ask is asked before.
_EVENT: Final = f"""INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id, source, variant) DO NOTHING"""  # noqa: S608
_DELIVERY: Final = """INSERT INTO deliveries (event, sink, state, rank, due_at, token, attempts, since_at, first_at,
    stalled, order_key, owner, source, weak, group_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event, sink) DO NOTHING"""
_ARM: Final = """SELECT d.id, d.rank, d.token FROM deliveries d WHERE d.sink = :sink AND d.rank = :rank
  AND d.state IN ('waiting','sending') AND d.due_at <= :now
  ORDER BY d.due_at, d.id LIMIT :most"""
_ARM_OF_GROUP: Final = _ARM.replace("d.sink = :sink", OF_GROUP)


def _by_position(text: str, names: Sequence[str]) -> tuple[str, Callable[[Sequence[object]], Columns]]:
    """The statement with plain marks, and what picks its values out of a row of `names`: SQLite looks every name of a
    statement up at every run."""
    wanted = [names.index(name) for name in _NAME.findall(text)]
    return _NAME.sub("?", text), itemgetter(*wanted)


_NAME: Final = re.compile(r"(?<!:):([a-z][a-z_]*)")
_SETTLE, _SETTLE_VALUES = _by_position(sql.SETTLE, (*SettleIn._fields, "now"))
_ATTEMPT, _ATTEMPT_VALUES = _by_position(sql.ATTEMPT, (*SettleIn._fields, "now"))
# The same for a delivery that is there for certain, of plain values.
_OWN_ATTEMPT, _OWN_ATTEMPT_VALUES = _by_position(
    sql.ATTEMPT.partition("SELECT")[0]
    + "VALUES (:id, :token, :started, :took, :outcome, :status, :detail)\n  ON CONFLICT"
    + sql.ATTEMPT.partition("ON CONFLICT")[2],
    SettleIn._fields,
)
_SEALED, _SEALED_VALUES = _by_position(sql.SEALED, ("seal", "fingerprint", "most"))
_THESE: Final = "IN (SELECT value FROM json_each(:these))"
_REMEMBERED: Final = f"SELECT r.id, r.source FROM remembered r WHERE r.id {_THESE}"  # noqa: S608
# RETURNING makes a table of its own at each run of a statement, which costs from 6 to 100 µs as the heap happens to lie.
# So what it would return is asked for once for all rows. Nobody comes in between: this connection writes alone.
_HELD: Final = (
    f"SELECT d.id, d.token, d.sink, d.order_key FROM deliveries d WHERE d.id {_THESE} AND d.rank = {Rank.LEASED}"  # noqa: S608
)
_TAKE: Final = sql.TAKE.partition("RETURNING ")[0]
_TAKEN: Final = f"""SELECT d.id, d.event, d.token, d.attempts, d.round, d.replay, d.first_at, d.stalled, d.due_at,
    d.order_key, d.memo, e.body, e.raw, e.raw_type, e.variant, e.supersedes, e.trace, e.source, e.id
  FROM deliveries d JOIN events e ON e.seq = d.event WHERE d.id {_THESE} ORDER BY d.id"""  # noqa: S608


class _LeasedRow(NamedTuple):
    """`_HELD`: a delivery that is in flight."""

    id: int
    token: int
    sink: str
    order_key: str | None


class SqliteBulk(SqliteSession):
    """The writer's connection."""

    one_transaction = True

    def __init__(self, path: Path, clock: Clock, role: Role = "writer") -> None:
        super().__init__(path, role, clock)
        self.tally = Tally()
        self.damaged: set[int] = set()
        self.groups = Groups()

    def insert(self, rows: Sequence[EventIn], owner: str) -> Sequence[Kept | None]:
        now = self.now()
        gates = {name: (shut, stalled) for name, shut, stalled in self.rows(_GATES, {"now": now})}
        kept: list[Kept | None] = []
        remembered = self._remembered([row.new.event.id for row in rows if not row.forced])
        for row in rows:
            held, new = row.held, row.new
            bounded = new.seal is not None and new.seal_most > 0 and (new.seal_ranks or not row.forced)
            over = bounded and self._is_over_sealed(new)
            weak = over and new.seal_ranks
            known = remembered and not row.forced and (new.event.id, new.event.source) in remembered
            seq = None if known or (over and not weak) else self._insert_event(row, held)
            if seq is None:
                kept.append(None)
            elif held is not None or not row.new.deliveries:
                kept.append(Kept(held, weak, (), ()))
            else:
                kept.append(self._insert_deliveries(row.new, seq, now, gates, owner, weak))
        return kept

    def _remembered(self, ids: Sequence[str]) -> Collection[Columns]:
        """Of these ids, (id, source) of those whose events are gone and still known."""
        return frozenset(self._of(_REMEMBERED, ids)) if ids else ()

    def _is_over_sealed(self, new: NewEvent) -> bool:
        """`seals.over_sealed`, asked in the way that is fast here."""
        values = _SEALED_VALUES((new.seal, new.fingerprint, new.seal_most))
        ((others,),) = self.connection.execute(_SEALED, values)
        return bool(others >= new.seal_most)

    def _insert_event(self, row: EventIn, held: Held | None) -> int | None:
        new = row.new
        event = new.event
        key = EventKey(event.source, event.id, row.variant)
        values: tuple[object, ...] = (
            event.id,
            row.variant,
            None if held is None else held.value,
            new.seal,
            event.source,
            event.type,
            event.subject,
            int(event.received_at.timestamp() * 1000),
            new.fingerprint,
            encrypt_body(self, key, new.body),
            encrypt_raw(self, key, event.raw),
            new.raw_type,
            encrypt_routing(self, key, new.routing),
            event.trust.rank,
            event.supersedes or None,
            new.trace,
            None if event.cause is None else event.cause.id,
        )
        cursor = self.connection.execute(_EVENT, values)
        return cursor.lastrowid if cursor.rowcount else None

    def _insert_deliveries(
        self, new: NewEvent, seq: int, now: int, gates: dict[str, tuple[int, int]], owner: str, weak: bool
    ) -> Kept:
        leases: list[Lease] = []
        waiting: list[str] = []
        for delivery in new.deliveries:
            sink, key = delivery.sink, delivery.order_key
            shut, stalled = gates.get(sink, (0, 0))
            rank = self._rank(delivery, shut, weak)
            due = now + (delivery.lease or 0) if rank == LEASED else now
            values: tuple[object, ...]
            if rank == LEASED:
                values = (seq, sink, "sending", rank, due, 1, 1, now, now, stalled, key, owner)
            else:
                values = (seq, sink, "waiting", rank, due, 0, 0, now, None, 0, key, None)
            cursor = self.connection.execute(
                _DELIVERY, (*values, new.event.source, weak, self.groups.key_of(sink, new.event))
            )
            if not cursor.rowcount:
                continue
            self.tally.open(new.event.source)
            if rank == LEASED:
                leases.append(
                    first_lease(
                        cursor.lastrowid or 0,
                        sink,
                        new.event,
                        at=now,
                        stalled=stalled,
                        until=due,
                        order_key=key,
                        trace=new.trace,
                    )
                )
            elif rank != BEHIND:
                waiting.append(sink)
        self.tally.waiting.update(waiting)
        return Kept(None, weak, tuple(leases), tuple(waiting))

    def _rank(self, delivery: NewDelivery, shut: int, weak: bool) -> int:
        if delivery.order_key is not None and self.rows(sql.HEAD, {"sink": delivery.sink, "key": delivery.order_key}):
            return BEHIND
        if weak:
            return LAST
        return LEASED if delivery.lease is not None and not shut else FRESH

    def settle(self, rows: Sequence[SettleIn], *, locked: bool) -> Sequence[bool | None]:
        now = self.now()
        values = [(*row, now) for row in rows]
        held = {row.id: row for row in map(_LeasedRow._make, self._of(_HELD, [row.id for row in rows]))}
        mine = [row.id in held and held[row.id].token == row.token for row in rows]
        self.connection.executemany(_SETTLE, map(_SETTLE_VALUES, itertools.compress(values, mine)))
        done = [kept or bool(self.rows(sql.SETTLED, row._asdict())) for kept, row in zip(mine, rows, strict=True)]
        self.connection.executemany(_OWN_ATTEMPT, map(_OWN_ATTEMPT_VALUES, itertools.compress(rows, mine)))
        if not all(mine):
            others = [row for row, kept in zip(values, mine, strict=True) if not kept]
            self.connection.executemany(_ATTEMPT, map(_ATTEMPT_VALUES, others))
        for row in itertools.compress(rows, mine):
            if row.final:
                self.tally.ended += 1
                _, _, sink, key = held[row.id]
                if key is not None and self.change(sql.PROMOTE, {"sink": sink, "key": key}):
                    self.tally.freed.add(sink)
        return done

    def lease_due(
        self,
        sink: str,
        most: int,
        lease: int,
        first: int,
        running: Collection[int],
        owner: str,
        group: str | None = None,
    ) -> Sequence[Lease]:
        now = self.now()
        gate = gate_of(self, sink)
        if gate.paused or gate.open_until is not None:
            return ()
        skip = frozenset(running)
        gone = self._front(sink, LEASED, now, most, skip, group)
        left = most - len(gone)
        one = self._front(sink, first, now, (left + 1) // 2, skip, group)
        other = self._front(sink, 1 - first, now, left - len(one), skip, group)
        if len(one) == (left + 1) // 2 and len(one) + len(other) < left:  # the other had too few: more of the first
            one = self._front(sink, first, now, left - len(other), skip, group)
        left -= len(one) + len(other)
        last = self._front(sink, LAST, now, left, skip, group) if left > 0 else ()
        picked = sorted((*gone, *one, *other, *last))
        if not picked:
            return ()
        for row in gone:
            self.change(sql.LOST, {"id": row.id, "token": row.token, "now": now})
        taken = {"now": now, "lease": lease, "owner": owner, "stalled": gate.stalled}
        values = [{**taken, **row._asdict()} for row in picked]
        self.connection.executemany(_TAKE, values)
        lost = {row.id for row in gone}
        behind = {row.id for row in last}
        rows = [ClaimedRow._make((id_, *more, id_ in lost, gate.stalled)) for id_, *more in self._taken(picked)]
        rows.sort(key=lambda row: (row.id in behind, row.id))
        return leases_of(self, sink, rows, lease)

    def _taken(self, picked: Sequence[DueRow]) -> Sequence[Columns]:
        """What was leased, with its events; those on a damaged page are set aside, and keep no other back."""
        for row in picked:
            if row.id in self.damaged:
                self.tally.unreadable.append((row.id, row.token + 1, "a page of the file is damaged"))
        ids = [row.id for row in picked if row.id not in self.damaged]
        try:
            return self._of(_TAKEN, ids)
        except sqlite3.DatabaseError as error:
            if self.trouble(error) is Trouble.DAMAGED:
                self._find_damaged(ids)
            raise  # the transaction is over; the next run of the same work knows them

    def _find_damaged(self, ids: Sequence[int]) -> None:
        look = SqliteSession(self.path, "reader", self._clock)
        try:
            for id_ in ids:
                try:
                    look.rows(_TAKEN, {"these": json.dumps([id_])})
                except sqlite3.DatabaseError as error:
                    if look.trouble(error) is not Trouble.DAMAGED:
                        raise
                    self.damaged.add(id_)
        finally:
            look.close()

    def _front(
        self, sink: str, rank: int, now: int, most: int, skip: Collection[int], group: str | None
    ) -> Sequence[DueRow]:
        """The first due rows of a rank, and of a group, that this process has not in hand already."""
        values: dict[str, object] = {"sink": sink, "rank": rank, "now": now, "most": most + len(skip)}
        if group is not None:
            values["group"] = group
        rows = self.connection.execute(_ARM if group is None else _ARM_OF_GROUP, values)
        front = list(itertools.islice((row for row in map(DueRow._make, rows) if row.id not in skip), most))
        rows.close()
        return front

    def _of(self, text: str, these: Sequence[int] | Sequence[str]) -> Sequence[Columns]:
        """The rows of one statement over many ids."""
        return self.rows(text, {"these": json.dumps(these)})


_GATES: Final = """SELECT name, paused_at IS NOT NULL OR open_until IS NOT NULL,
    stalled_ms + CASE WHEN stalled_since IS NULL OR stalled_since > :now THEN 0 ELSE :now - stalled_since END FROM sinks"""
