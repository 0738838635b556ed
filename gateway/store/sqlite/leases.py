"""SQLite's way with leases: many claimed or settled by prepared statements inside the writer's one transaction."""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Final

from gateway.store.engine.batch import ClaimedRow, DueRow, SettleIn, Tally, leases_of
from gateway.store.engine.session import Columns, Trouble
from gateway.store.outbox import statements as sql
from gateway.store.outbox.gates import gate_of
from gateway.store.outbox.group_claim import OF_GROUP
from gateway.store.records import Claim, Lease, Rank
from gateway.store.sqlite.session import SqliteSession


def by_position(text: str, names: Sequence[str]) -> tuple[str, Callable[[Sequence[object]], Columns]]:
    """The statement with plain marks, and what picks its values out of a row of `names`: SQLite looks every name of a
    statement up at every run."""
    wanted = [names.index(name) for name in _NAME.findall(text)]
    return _NAME.sub("?", text), itemgetter(*wanted)


_NAME: Final = re.compile(r"(?<!:):([a-z][a-z_]*)")
_SETTLE, _SETTLE_VALUES = by_position(sql.SETTLE, (*SettleIn._fields, "now"))
ALIKE_ROWS_MIN: Final = 3  # rows that one statement ends, because for fewer it costs more than one each
# What `_SETTLE` does to a delivery that came to its end at once, as nearly all do; those of one receipt are one statement.
_DELIVERED: Final = f"""UPDATE deliveries SET state = 'delivered', due_at = ?, rank = {Rank.AGAIN}, owner = NULL, memo = NULL,
    reason = NULL, note = ? WHERE id IN (SELECT value FROM json_each(?))"""  # noqa: S608
_ATTEMPT, _ATTEMPT_VALUES = by_position(sql.ATTEMPT, (*SettleIn._fields, "now"))
# The same for a delivery that is there for certain, of plain values.
_OWN_ATTEMPT, _OWN_ATTEMPT_VALUES = by_position(
    sql.ATTEMPT.partition("SELECT")[0]
    + "VALUES (:id, :token, :started, :took, :outcome, :status, :detail)\n  ON CONFLICT"
    + sql.ATTEMPT.partition("ON CONFLICT")[2],
    SettleIn._fields,
)
_ARMS: Final = sql.by_rank("""SELECT d.id, d.rank, d.token FROM deliveries d WHERE d.sink = :sink AND d.rank = :rank
  AND d.state IN ('waiting','sending') AND d.due_at <= :now
  ORDER BY d.due_at, d.id LIMIT :most""")
_ARMS_OF_GROUP: Final = {rank: arm.replace("d.sink = :sink", OF_GROUP) for rank, arm in _ARMS.items()}
# RETURNING makes a table of its own at each run of a statement, which costs from 6 to 100 µs as the heap happens to lie.
# So what it would return is asked for once for all rows. Nobody comes in between: this connection writes alone. The list
# leads, because `IN (SELECT …)` makes such a table too.
_THESE: Final = "json_each(:these) AS j CROSS JOIN deliveries d ON d.id = j.value"
_LEASED: Final = f"SELECT d.id, d.token, d.sink, d.order_key FROM {_THESE} WHERE d.rank = {Rank.LEASED}"  # noqa: S608
_TAKE, _TAKE_VALUES = by_position(
    sql.TAKE.partition("RETURNING ")[0], (*DueRow._fields, "now", "lease", "owner", "stalled")
)
_TAKEN: Final = f"""SELECT d.id, d.event, d.token, d.attempts, d.round, d.replay, d.first_at, d.stalled, d.due_at,
    d.order_key, d.memo, e.body, e.raw, e.raw_type, e.variant, e.supersedes, e.trace, e.source, e.id
  FROM {_THESE} CROSS JOIN events e ON e.seq = d.event"""  # noqa: S608


class SqliteLeases(SqliteSession):
    """A part of the writer's connection."""

    tally: Tally
    damaged: set[int]

    def settle(self, rows: Sequence[SettleIn], *, locked: bool) -> Sequence[bool | None]:
        now = self.now()
        leased = {id_: row for id_, *row in self.of_these(_LEASED, [row.id for row in rows])}
        mine = [row.id in leased and leased[row.id][0] == row.token for row in rows]
        kept = [*itertools.compress(rows, mine)]
        self._end_leases(kept, now)
        done = mine
        if len(kept) < len(rows):
            done = [own or bool(self.rows(sql.SETTLED, row._asdict())) for own, row in zip(mine, rows, strict=True)]
            others = [(*row, now) for row, own in zip(rows, mine, strict=True) if not own]
            self.connection.executemany(_ATTEMPT, map(_ATTEMPT_VALUES, others))
        self.connection.executemany(_OWN_ATTEMPT, map(_OWN_ATTEMPT_VALUES, kept))
        for row in kept:
            if row.state != "waiting":
                self.tally.ended += 1
                _, sink, key = leased[row.id]
                if key is not None and self.change(sql.PROMOTE, {"sink": sink, "key": key}):
                    self.tally.freed.add(sink)
        return done

    def _end_leases(self, rows: Sequence[SettleIn], now: int) -> None:
        """These, which are in flight under their tokens for certain."""
        alike: dict[str | None, list[SettleIn]] = {}
        for row in rows:
            plain = row.state == "delivered" and row.error is None and not row.unburnt
            alike.setdefault(row.note if plain else None, []).append(row)
        for note, those in alike.items():
            if note is None or len(those) < ALIKE_ROWS_MIN:
                self.connection.executemany(_SETTLE, [_SETTLE_VALUES((*row, now)) for row in those])
            else:
                self.connection.execute(_DELIVERED, (now, note, json.dumps([row.id for row in those])))

    def lease_due(self, claim: Claim) -> Sequence[Lease]:
        sink, most, lease, group = claim.sink, claim.most, claim.lease, claim.group
        now = self.now()
        gate = gate_of(self, sink)
        if gate.paused or gate.open_until is not None:
            return ()
        skip = frozenset(claim.running)
        gone = self._front(sink, Rank.LEASED, now, most, skip, group)
        left = most - len(gone)
        lead, second = Rank(claim.first), Rank(1 - claim.first)
        one = self._front(sink, lead, now, (left + 1) // 2, skip, group)
        other = self._front(sink, second, now, left - len(one), skip, group)
        if len(one) == (left + 1) // 2 and len(one) + len(other) < left:  # the other had too few: more of the first
            one = self._front(sink, lead, now, left - len(other), skip, group)
        left -= len(one) + len(other)
        last = self._front(sink, Rank.LAST, now, left, skip, group) if left > 0 else ()
        picked = sorted((*gone, *one, *other, *last))
        if not picked:
            return ()
        for row in gone:
            self.change(sql.LOST, {"id": row.id, "token": row.token, "now": now})
        taken = (now, lease, claim.owner, gate.stalled)
        self.connection.executemany(_TAKE, [_TAKE_VALUES((*row, *taken)) for row in picked])
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
            return self.of_these(_TAKEN, ids)
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
        self, sink: str, rank: Rank, now: int, most: int, skip: Collection[int], group: str | None
    ) -> Sequence[DueRow]:
        """The first due rows of a rank, and of a group, that this process has not in hand already."""
        values: dict[str, object] = {"sink": sink, "now": now, "most": most + len(skip)}
        if group is not None:
            values["group"] = group
        rows = self.connection.execute((_ARMS if group is None else _ARMS_OF_GROUP)[rank], values)
        front = list(itertools.islice((row for row in map(DueRow._make, rows) if row.id not in skip), most))
        rows.close()
        return front

    def of_these(self, text: str, these: Sequence[int] | Sequence[str]) -> Sequence[Columns]:
        """The rows of one statement over many ids."""
        return self.rows(text, {"these": json.dumps(these)})
