"""PostgreSQL's way with many rows: one statement a kind over arrays, its own commit, safe beside other gateways.

Parameters are binary (`%b`): as text every quote of the JSON in an array is escaped, at a third of the speed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.runtime.clock import Clock
from gateway.store.engine.batch import ClaimedRow, EventIn, Kept, SettleIn, Tally, first_lease, leases_of
from gateway.store.engine.encrypted_rows import EventKey, encrypt_body, encrypt_raw, encrypt_routing
from gateway.store.engine.reruns import rerun
from gateway.store.engine.session import Trouble
from gateway.store.outbox import statements as sql
from gateway.store.outbox.group_claim import OF_GROUP
from gateway.store.outbox.groups import Groups
from gateway.store.postgres import reduced
from gateway.store.postgres.damaged_front import set_damaged_aside
from gateway.store.postgres.session import PostgresSession
from gateway.store.records import Claim, Held, Lease, Rank
from gateway.text.store_address import StoreAddress

_NOW: Final = "coalesce(%(now)b::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)"
_OPEN: Final = "state IN ('waiting','sending')"

# `at` is one reading of the clock for the whole statement. A delivery is held (rank 2) if it is not the first of its
# key in this statement, or its key has a head; the keys were locked in a statement before, because a snapshot taken
# before the lock does not see the head that another gateway made. ORDER BY e.n: ids in order of arrival.
_INSERT: Final = f"""WITH at AS MATERIALIZED (SELECT {_NOW} AS now),
x AS MATERIALIZED (SELECT * FROM unnest(%(n)b::bigint[], %(id)b::text[], %(variant)b::bytea[], %(held)b::text[],
    %(seal)b::bytea[], %(most)b::bigint[], %(source)b::text[], %(type)b::text[], %(subject)b::text[],
    %(received_at)b::bigint[], %(fingerprint)b::bytea[], %(body)b::text[], %(raw)b::bytea[], %(raw_type)b::text[],
    %(routing)b::text[], %(forced)b::bool[], %(trust)b::bigint[], %(supersedes)b::text[], %(ranks)b::bool[], %(trace)b::text[],
    %(cause)b::text[])
  AS x (n, id, variant, held, seal, most, source, type, subject, received_at, fingerprint, body, raw, raw_type, routing,
    forced, trust, supersedes, ranks, trace, cause)),
y AS MATERIALIZED (SELECT x.*, x.most > 0 AND x.seal IS NOT NULL AND (SELECT count(*) FROM (SELECT DISTINCT
      o.fingerprint FROM events o WHERE o.seal = x.seal AND o.seal IS NOT NULL AND o.fingerprint <> x.fingerprint
      LIMIT x.most) AS here) + (SELECT count(*) FROM (SELECT DISTINCT r.fingerprint FROM remembered r WHERE r.seal = x.seal
      AND r.seal IS NOT NULL AND r.fingerprint <> x.fingerprint LIMIT x.most) AS gone)
    + row_number() OVER (PARTITION BY x.seal ORDER BY x.n) > x.most AS over FROM x),
ev AS (INSERT INTO events (id, variant, held, seal, source, type, subject, received_at, fingerprint, body, raw, raw_type,
    routing, trust, supersedes, trace, cause)
  SELECT y.id, y.variant, y.held, y.seal, y.source, y.type, y.subject, y.received_at, y.fingerprint, y.body, y.raw,
    y.raw_type, y.routing, y.trust, y.supersedes, y.trace, y.cause
  FROM y WHERE y.forced OR ((y.ranks OR NOT y.over)
    AND NOT EXISTS (SELECT 1 FROM remembered r WHERE r.id = y.id AND r.source = y.source))
  ORDER BY y.id, y.source ON CONFLICT (id, source, variant) DO NOTHING RETURNING seq, id, source, held),
e AS MATERIALIZED (SELECT y.n, ev.seq, ev.held, y.source, (y.over AND y.ranks)::int AS weak
  FROM ev JOIN y ON y.id = ev.id AND y.source = ev.source),
d AS MATERIALIZED (SELECT e.n, e.seq, e.source, e.weak, d.k, d.sink, d.key, d.lease, d.grp, s.shut, s.stalled,
    d.key IS NOT NULL AND (row_number() OVER (PARTITION BY d.sink, d.key ORDER BY d.k) > 1 OR EXISTS (SELECT 1
      FROM deliveries o WHERE o.sink = d.sink AND o.order_key = d.key AND o.order_key IS NOT NULL AND o.rank <> {Rank.BEHIND}
      AND o.{_OPEN})) AS behind
  FROM unnest(%(dn)b::bigint[], %(dsink)b::text[], %(dkey)b::text[], %(dlease)b::bigint[], %(dgroup)b::text[])
    WITH ORDINALITY AS d (n, sink, key, lease, grp, k)
  JOIN e ON e.n = d.n AND e.held IS NULL
  LEFT JOIN LATERAL (SELECT g.paused_at IS NOT NULL OR g.open_until IS NOT NULL AS shut, g.stalled_ms AS stalled
    FROM sinks g WHERE g.name = d.sink) AS s ON true),
l AS MATERIALIZED (SELECT d.*, CASE WHEN d.behind THEN {Rank.BEHIND} WHEN d.weak = 1 THEN {Rank.LAST} WHEN d.lease IS NOT NULL AND NOT coalesce(d.shut, false) THEN {Rank.LEASED}
    ELSE {Rank.FRESH} END AS rank FROM d),
ins AS (INSERT INTO deliveries (event, sink, state, rank, due_at, token, attempts, since_at, first_at, stalled, order_key,
    owner, source, weak, group_key)
  SELECT l.seq, l.sink, CASE l.rank WHEN {Rank.LEASED} THEN 'sending' ELSE 'waiting' END, l.rank,
    at.now + CASE l.rank WHEN {Rank.LEASED} THEN l.lease ELSE 0 END, (l.rank = {Rank.LEASED})::int, (l.rank = {Rank.LEASED})::int, at.now,
    CASE l.rank WHEN {Rank.LEASED} THEN at.now END, CASE l.rank WHEN {Rank.LEASED} THEN coalesce(l.stalled, 0) ELSE 0 END, l.key,
    CASE l.rank WHEN {Rank.LEASED} THEN %(owner)b END, l.source, l.weak, l.grp
  FROM l, at ORDER BY l.k ON CONFLICT (event, sink) DO NOTHING
  RETURNING id, event, first_at, stalled, due_at, order_key, sink, rank)
SELECT e.n, e.held, e.weak, ins.id, ins.first_at, ins.stalled, ins.due_at, ins.order_key, ins.sink, ins.rank FROM e LEFT JOIN ins ON ins.event = e.seq ORDER BY e.n, ins.id""".encode()  # noqa: S608
# The same where the numbers of rows are taken before, because a transaction that took them would keep others from theirs.
_INSERT_NUMBERED: Final = functools.reduce(
    lambda text, change: text.replace(*change),
    (
        (b"INSERT INTO events (id,", b"INSERT INTO events (seq, id,"),
        (b"SELECT y.id, y.variant,", b"SELECT %(events_before)b::bigint + 1 + y.n, y.id, y.variant,"),
        (b"INSERT INTO deliveries (event,", b"INSERT INTO deliveries (id, event,"),
        (b"SELECT l.seq, l.sink,", b"SELECT %(deliveries_before)b::bigint + l.k, l.seq, l.sink,"),
    ),
    _INSERT,
)

# G, the guard, is the join plus `= ANY`, which keeps the plan on the primary key whatever the planner guesses. It says
# `rank = 3`, which is the same as `state = 'sending'`: the words of a partial index would tempt the planner, while its
# statistics are old, to walk the whole of deliveries_due for each row (22 ms instead of 0.9 for 32 rows of 40,000).
_SETTLE: Final = f"""WITH at AS MATERIALIZED (SELECT {_NOW} AS now),
x AS MATERIALIZED (SELECT * FROM unnest(%(id)b::bigint[], %(token)b::bigint[], %(state)b::text[], %(delay)b::bigint[],
    %(unburnt)b::bigint[], %(memo)b::text[], %(reason)b::text[], %(note)b::text[], %(error)b::text[],
    %(started)b::bigint[], %(took)b::bigint[], %(outcome)b::text[], %(status)b::bigint[], %(detail)b::text[])
  AS x (id, token, state, delay, unburnt, memo, reason, note, error, started, took, outcome, status, detail)),
was AS MATERIALIZED (SELECT d.id, d.token, d.state, d.order_key, x.state <> 'waiting' AND d.order_key IS NOT NULL
    AND NOT %(locked)b AS later
  FROM deliveries d JOIN x ON x.id = d.id WHERE d.id = ANY (%(id)b::bigint[])),
up AS (UPDATE deliveries d SET state = x.state, due_at = (SELECT now FROM at) + x.delay,
    rank = CASE WHEN x.state = 'waiting' AND d.weak = 1 THEN {Rank.LAST} ELSE {Rank.AGAIN} END, attempts = d.attempts - x.unburnt, owner = NULL, memo = x.memo, reason = x.reason, note = coalesce(x.note, d.note),
    last_error = coalesce(x.error, d.last_error)
  FROM x JOIN was ON was.id = x.id
  WHERE d.id = x.id AND d.id = ANY (%(id)b::bigint[]) AND d.token = x.token AND d.rank = {Rank.LEASED} AND NOT was.later
  RETURNING d.id, d.sink, d.order_key),
att AS (INSERT INTO attempts (delivery, token, started_at, took_ms, outcome, status, detail)
  SELECT x.id, x.token, x.started, x.took, x.outcome, x.status, x.detail FROM x JOIN was ON was.id = x.id
  WHERE NOT was.later AND was.token >= x.token ORDER BY x.id, x.token
  ON CONFLICT (delivery, token) DO UPDATE SET started_at = excluded.started_at, took_ms = excluded.took_ms,
    outcome = excluded.outcome, status = excluded.status, detail = excluded.detail WHERE attempts.outcome = 'lost')
SELECT x.id, coalesce(was.later, false), up.id IS NOT NULL OR (was.token = x.token AND was.state <> 'sending' AND EXISTS (
    SELECT 1 FROM attempts a WHERE a.delivery = x.id AND a.token = x.token AND a.outcome = x.outcome
    AND a.started_at = x.started)), up.sink, up.order_key, x.state
FROM x LEFT JOIN was ON was.id = x.id LEFT JOIN up ON up.id = x.id""".encode()  # noqa: S608


def _arm(rank: str, most: str, but: str = "") -> str:
    return f"""(SELECT d.id, d.event FROM deliveries d WHERE d.sink = %(sink)b AND d.rank = {rank} AND d.{_OPEN}
    AND d.due_at <= (SELECT now FROM t) AND d.id <> ALL (%(running)b::bigint[]){but} ORDER BY d.due_at, d.id
    LIMIT {most} FOR UPDATE SKIP LOCKED)"""  # noqa: S608


# A row is due until somebody claims it: looked at again where it is taken, because not every server that takes the words
# SKIP LOCKED keeps others from what it skipped.
# Another gateway's ended lease is claimed once losses.count has looked whether that one died, and made it nobody's.
_COUNTED: Final = " AND (d.owner IS NULL OR d.owner = %(owner)b)"
_LEFT: Final = "%(most)b::bigint - (SELECT count(*) FROM gone)"
_TAKE: Final = f"""WITH t AS MATERIALIZED (SELECT {_NOW} AS now, coalesce(s.stalled_ms, 0) AS stalled
  FROM (SELECT 1) AS one LEFT JOIN sinks s ON s.name = %(sink)b WHERE s.paused_at IS NULL AND s.open_until IS NULL),
gone AS MATERIALIZED {_arm(f"{Rank.LEASED}", "%(most)b::bigint", _COUNTED)},
a AS MATERIALIZED {_arm("%(first)b::integer", f"({_LEFT} + 1) / 2")},
b AS MATERIALIZED {_arm("(1 - %(first)b::integer)", f"{_LEFT} - (SELECT count(*) FROM a)")},
c AS MATERIALIZED {
    _arm(
        "%(first)b::integer",
        f"{_LEFT} - (SELECT count(*) FROM a) - (SELECT count(*) FROM b)",
        " AND d.id <> ALL (ARRAY(SELECT id FROM a))",
    )
},
last AS MATERIALIZED {
    _arm(f"{Rank.LAST}", f"{_LEFT} - (SELECT count(*) FROM a) - (SELECT count(*) FROM b) - (SELECT count(*) FROM c)")
},
picked AS MATERIALIZED (SELECT id FROM gone UNION ALL SELECT id FROM a UNION ALL SELECT id FROM b
  UNION ALL SELECT id FROM c UNION ALL SELECT id FROM last),
taken AS (UPDATE deliveries d SET state = 'sending', rank = {
    Rank.LEASED
}, token = d.token + 1, attempts = d.attempts + 1,
    due_at = (SELECT now FROM t) + %(lease)b::bigint, owner = {
    sql.OWNER_AT_LEASE.format(losses="d.losses", owner="%(owner)b::text")
},
    first_at = CASE WHEN d.attempts = 0 THEN (SELECT now FROM t) ELSE d.first_at END,
    stalled = CASE WHEN d.attempts = 0 THEN (SELECT stalled FROM t) ELSE d.stalled END
  WHERE d.id = ANY (ARRAY(SELECT id FROM picked)) AND d.due_at <= (SELECT now FROM t)
  RETURNING d.id, d.event, d.token, d.attempts, d.round, d.replay, d.first_at, d.stalled, d.due_at, d.order_key, d.memo),
lost AS (INSERT INTO attempts (delivery, token, started_at, took_ms, outcome, status, detail)
  SELECT taken.id, taken.token - 1, (SELECT now FROM t), 0, 'lost', NULL, '' FROM taken
  WHERE taken.id = ANY (ARRAY(SELECT id FROM gone)) ON CONFLICT DO NOTHING)
SELECT taken.*, e.body, e.raw, e.raw_type, e.variant, e.supersedes, e.trace, e.source, e.id, taken.id = ANY (ARRAY(SELECT id FROM gone)) AS lost,
  (SELECT stalled FROM t) FROM taken JOIN events e ON e.seq = taken.event
  AND e.seq = ANY (ARRAY(SELECT event FROM taken))
ORDER BY taken.id = ANY (ARRAY(SELECT id FROM last)), taken.id""".encode()  # noqa: S608
_TAKE_OF_GROUP: Final = _TAKE.replace(
    b"d.sink = %(sink)b AND d.rank", re.sub(r":([a-z]+)", r"%(\1)b", OF_GROUP).encode() + b" AND d.rank"
)


class PostgresBulk(PostgresSession):
    """The writer's connection."""

    one_transaction = False

    def __init__(self, address: StoreAddress, clock: Clock | None) -> None:
        super().__init__(address, clock)
        self.tally = Tally()
        self.damaged: set[int] = set()
        self.groups = Groups()

    def insert(self, rows: Sequence[EventIn], owner: str) -> Sequence[Kept | None]:
        events = [row.new.event for row in rows]
        keys = [EventKey(row.new.event.source, row.new.event.id, row.variant) for row in rows]
        deliveries = [(n, delivery) for n, row in enumerate(rows) for delivery in row.new.deliveries]
        numbers = self._numbers({"events": len(rows), "deliveries": len(deliveries)})
        inserted = self.raw(
            _INSERT_NUMBERED if self.reduced else _INSERT,
            {
                **numbers,
                "n": list(range(len(rows))),
                "id": [event.id for event in events],
                "variant": [row.variant for row in rows],
                "held": [row.held and row.held.value for row in rows],
                "seal": [row.new.seal for row in rows],
                "most": [row.new.seal_most for row in rows],
                "source": [event.source for event in events],
                "type": [event.type for event in events],
                "subject": [event.subject for event in events],
                "received_at": [int(event.received_at.timestamp() * 1000) for event in events],
                "fingerprint": [row.new.fingerprint for row in rows],
                "body": [encrypt_body(self, key, row.new.body) for key, row in zip(keys, rows, strict=True)],
                "raw": [encrypt_raw(self, key, event.raw) for key, event in zip(keys, events, strict=True)],
                "raw_type": [row.new.raw_type for row in rows],
                "routing": [encrypt_routing(self, key, row.new.routing) for key, row in zip(keys, rows, strict=True)],
                "forced": [row.forced for row in rows],
                "trust": [event.trust.rank for event in events],
                "supersedes": [event.supersedes or None for event in events],
                "ranks": [row.new.seal_ranks for row in rows],
                "trace": [row.new.trace for row in rows],
                "cause": [None if event.cause is None else event.cause.id for event in events],
                "dn": [n for n, _ in deliveries],
                "dsink": [delivery.sink for _, delivery in deliveries],
                "dkey": [delivery.order_key for _, delivery in deliveries],
                "dlease": [delivery.lease for _, delivery in deliveries],
                "dgroup": [self.groups.key_of(delivery.sink, events[n]) for n, delivery in deliveries],
                "owner": owner,
            },
        )
        kept: list[Kept | None] = [None] * len(rows)
        groups: dict[int, tuple[str | None, bool, list[Lease], list[str]]] = {}
        for n, held, weak, id_, first_at, stalled, due, key, sink, rank in inserted:
            _, _, leases, waiting = groups.setdefault(n, (held, bool(weak), [], []))
            if id_ is None:
                continue
            self.tally.open(events[n].source)
            if rank == Rank.LEASED:
                leases.append(
                    first_lease(
                        id_,
                        sink,
                        events[n],
                        at=first_at,
                        stalled=stalled,
                        until=due,
                        order_key=key,
                        trace=rows[n].new.trace,
                    )
                )
            elif rank != Rank.BEHIND:
                waiting.append(sink)
        for n, (held, weak, leases, waiting) in groups.items():
            kept[n] = Kept(Held(held) if held else None, weak, tuple(leases), tuple(waiting))
            self.tally.waiting.update(waiting)
        return kept

    def _numbers(self, counts: Mapping[str, int]) -> Mapping[str, int]:
        """Where the database has no sequences."""
        if not self.reduced:
            return {}
        return {f"{table}_before": number for table, number in reduced.take_numbers(self, counts).items()}

    def settle(self, rows: Sequence[SettleIn], *, locked: bool) -> Sequence[bool | None]:
        columns: dict[str, object] = {name: [getattr(row, name) for row in rows] for name in SettleIn._fields}
        done: dict[int, bool | None] = {}
        free: set[tuple[str, str]] = set()
        for id_, later, settled, sink, key, state in self.raw(_SETTLE, {**columns, "locked": locked}):
            done[id_] = None if later else settled
            if sink is not None and state != "waiting":
                self.tally.ended += 1
                if key is not None:
                    free.add((sink, key))
        for sink, key in sorted(free):
            if self.change(sql.PROMOTE, {"sink": sink, "key": key}):
                self.tally.freed.add(sink)
        return [done[row.id] for row in rows]

    def lease_due(self, claim: Claim) -> Sequence[Lease]:
        sink, lease, running, owner = claim.sink, claim.lease, list(claim.running), claim.owner
        values = {
            "sink": sink,
            "most": claim.most,
            "lease": lease,
            "first": claim.first,
            "running": running,
            "owner": owner,
        }
        if claim.group is not None:
            values["group"] = claim.group
        take = _TAKE if claim.group is None else _TAKE_OF_GROUP
        try:
            return leases_of(self, sink, map(ClaimedRow._make, self.raw(take, values)), lease)
        except Exception as error:
            if self.trouble(error) is not Trouble.DAMAGED or self.under_way:  # whose transaction that is comes again
                raise
        set_damaged_aside(self, sink, lease, running, owner)

        def taken() -> Sequence[tuple[object, ...]]:
            with self.along_keys():
                return self.raw(take, values, prepare=False)  # a prepared plan may be older than the setting

        rows = rerun(self, taken)
        return leases_of(self, sink, map(ClaimedRow._make, rows), lease)
