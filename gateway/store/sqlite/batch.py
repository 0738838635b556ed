"""SQLite's way with many rows: prepared statements in a loop inside the writer's one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from gateway.runtime.clock import Clock
from gateway.store.engine.batch import EventIn, Kept, Tally, first_lease
from gateway.store.engine.encrypted_rows import EventKey, encrypt_body, encrypt_raw, encrypt_routing
from gateway.store.engine.session import Columns, Session
from gateway.store.outbox import statements as sql
from gateway.store.outbox.groups import Groups
from gateway.store.records import Held, Lease, NewDelivery, NewEvent, Rank
from gateway.store.sqlite.leases import SqliteLeases, by_position
from gateway.store.sqlite.session import SessionRole

FRESH, BEHIND, LEASED, LAST = (int(rank) for rank in (Rank.FRESH, Rank.BEHIND, Rank.LEASED, Rank.LAST))
_KEPT: Final = Kept(None, False, (), ())  # as most that go nowhere
_COLUMNS: Final = "id, variant, held, seal, source, type, subject, received_at, fingerprint, body, raw, raw_type, routing, trust, supersedes, trace, cause"
_PLACE: Final = "substr(:seals, :size * j.key + 1, :size)"  # blobs cannot stand in JSON, so they lie side by side
USED: Final = f"""SELECT j.key FROM json_each(:each) j
  WHERE EXISTS (SELECT 1 FROM events o WHERE o.seal = {_PLACE} AND o.seal IS NOT NULL)
  OR EXISTS (SELECT 1 FROM remembered r WHERE r.seal = {_PLACE} AND r.seal IS NOT NULL)"""  # noqa: S608  constants
# Plain marks, because Python 3.12.0 to 3.12.3 takes a numbered one for a name and warns. Of plain values, because to insert
# what a SELECT gives takes SQLite twice as long: whatever it would ask is asked before.
_EVENT: Final = f"""INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (id, source, variant) DO NOTHING"""  # noqa: S608
_DELIVERY: Final = """INSERT INTO deliveries (event, sink, state, rank, due_at, token, attempts, since_at, first_at,
    stalled, order_key, owner, source, weak, group_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event, sink) DO NOTHING"""
_SEALED, _SEALED_VALUES = by_position(sql.SEALED, ("seal", "fingerprint", "most"))
_REMEMBERED: Final = "SELECT r.id, r.source FROM json_each(:these) AS j CROSS JOIN remembered r ON r.id = j.value"
_GATES: Final = """SELECT name, paused_at IS NOT NULL OR open_until IS NOT NULL,
    stalled_ms + CASE WHEN stalled_since IS NULL OR stalled_since > :now THEN 0 ELSE :now - stalled_since END FROM sinks"""


class SqliteBulk(SqliteLeases):
    """The writer's connection."""

    one_transaction = True

    def __init__(self, path: Path, clock: Clock, role: SessionRole = "writer") -> None:
        super().__init__(path, role, clock)
        self.tally = Tally()
        self.damaged: set[int] = set()
        self.groups = Groups()

    def insert(self, rows: Sequence[EventIn], owner: str) -> Sequence[Kept | None]:
        now = self.now()
        gates: dict[str, tuple[int, int]] = {}
        if any(row.new.deliveries for row in rows):
            gates = {name: (shut, stalled) for name, shut, stalled in self.rows(_GATES, {"now": now})}
        kept: list[Kept | None] = []
        remembered = self._remembered([row.new.event.id for row in rows if not row.forced])
        seals = [_bounded_seal(row) for row in rows]
        used = used_seals(self, [seal for seal in seals if seal is not None])
        for row, seal in zip(rows, seals, strict=True):
            held, new = row.held, row.new
            over = False
            if seal is not None:
                over = seal in used and self._is_over_sealed(new)
                used.add(seal)
            weak = over and new.seal_ranks
            known = remembered and not row.forced and (new.event.id, new.event.source) in remembered
            seq = None if known or (over and not weak) else self._insert_event(row, held)
            if seq is None:
                kept.append(None)
            elif held is not None or not row.new.deliveries:
                kept.append(_KEPT if held is None and not weak else Kept(held, weak, (), ()))
            else:
                kept.append(self._insert_deliveries(row.new, seq, now, gates, owner, weak))
        return kept

    def _remembered(self, ids: Sequence[str]) -> Collection[Columns]:
        """Of these ids, (id, source) of those whose events are gone and still known."""
        return frozenset(self.of_these(_REMEMBERED, ids)) if ids else ()

    def _is_over_sealed(self, new: NewEvent) -> bool:
        """`seals.over_sealed`, asked in the way that is fast here."""
        values = _SEALED_VALUES((new.seal, new.fingerprint, new.seal_most))
        ((others,),) = self.connection.execute(_SEALED, values)
        return bool(others >= new.seal_most)

    def _insert_event(self, row: EventIn, held: Held | None) -> int | None:
        new = row.new
        event = new.event
        body, raw, routing = new.body, event.raw, new.routing
        if self.cipher is not None:
            key = EventKey(event.source, event.id, row.variant)
            body = encrypt_body(self, key, body)
            raw = encrypt_raw(self, key, raw)
            routing = encrypt_routing(self, key, routing)
        # Plain texts and arrays: of anything else the driver asks at each run whether somebody adapts it.
        values: tuple[object, ...] = (
            str(event.id),
            bytearray(row.variant),
            None if held is None else held.value,
            None if new.seal is None else bytearray(new.seal),
            event.source,
            event.type,
            event.subject,
            int(event.received_at.timestamp() * 1000),
            bytearray(new.fingerprint),
            body,
            bytearray(raw),
            new.raw_type,
            routing,
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


class SqliteAdminBulk(SqliteBulk):
    """Writes like the writer, but never checkpoints: see `SqliteSession`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock, "admin")
        self.connection.execute("PRAGMA secure_delete=ON").fetchall()  # because what a person erases is to be gone


def _bounded_seal(row: EventIn) -> bytes | None:
    """The seal of this row, where it may hold it or rank it last."""
    new = row.new
    return new.seal if new.seal_most > 0 and (new.seal_ranks or not row.forced) else None


def used_seals(session: Session, seals: Collection[bytes]) -> set[bytes]:
    """Those of `seals` under which a content came before, deleted ones included."""
    used: set[bytes] = set()
    for size, alike in groupby(sorted(seals, key=len), len):  # ours are all of one length
        side_by_side = list(alike)
        each = f"[0{',0' * (len(side_by_side) - 1)}]"
        rows = session.rows(USED, {"each": each, "seals": b"".join(side_by_side), "size": size})
        used.update([side_by_side[at] for (at,) in rows])
    return used
