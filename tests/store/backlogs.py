"""Stores with a backlog, and the work of the hot path on them."""

from __future__ import annotations

from collections.abc import Callable

from gateway.store.engine.batch import Bulk, settle_in
from gateway.store.outbox import queues, settle
from gateway.store.outbox.accept import accept
from gateway.store.outbox.counts import due, sinks
from gateway.store.outbox.group_claim import claim_group
from gateway.store.outbox.pulled import peek
from gateway.store.records import Claim
from gateway.store.sqlite.batch import SqliteBulk
from tests.store.kit import LEASE, new, settlement

EVENTS = """WITH RECURSIVE n(i) AS (SELECT {start} UNION ALL SELECT i + 1 FROM n WHERE i < {start} + {many} - 1)
  INSERT INTO events (id, source, type, subject, received_at, fingerprint, body, raw, raw_type, routing)
  SELECT 'filler ' || i, 's', 't', 'x', 0, {fingerprint}, CAST(:body AS text), {fingerprint}, 't', '[]' FROM n"""
DELIVERIES = """INSERT INTO deliveries (event, sink, state, rank, due_at, token, attempts, since_at, order_key, group_key)
  SELECT e.seq, 'app', {state}, {rank}, e.seq, 1, 1, 0, {key}, CASE e.seq % 500 WHEN 0 THEN 'alone app' ELSE 'g' || (e.seq % 50) END FROM events e
  WHERE e.id LIKE 'filler %' AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.seq)"""


def filled(session: Bulk, many: int, start: int) -> None:
    """Add `many` rows fresh, again, held behind a head, leased, dead and delivered."""
    blob = "x'00'" if session.backend == "sqlite" else "'\\x00'::bytea"
    kinds = [("waiting", 0, "NULL"), ("waiting", 1, "NULL"), ("sending", 3, "NULL"), ("dead", 1, "NULL")]
    kinds += [("delivered", 1, "NULL"), ("waiting", 2, "'k'"), ("waiting", 4, "NULL")]
    with session.atomic():
        for n, (state, rank, key) in enumerate(kinds):
            at = start + n * many
            session.change(EVENTS.format(start=at, many=many, fingerprint=blob), {"body": new(1).body})
            session.change(DELIVERIES.format(state=f"'{state}'", rank=rank, key=key), {})


def jobs_of(lite: SqliteBulk) -> dict[str, Callable[[], object]]:
    return {
        "claim": lambda: lite.lease_due(Claim("app", 32, LEASE, 0, "me")),
        "settle": lambda: lite.settle([settle_in(settlement((id_, 1))) for id_ in range(1, 33)], locked=True),
        "accept": lambda: accept(lite, [[new(n, "app", key="k")] for n in range(32)], "me"),
        "due": lambda: due(lite),
        "queue": lambda: queues.join(lite, "app", "k", [(id_, 1) for id_ in range(1, 33)], 0),
        "group": lambda: claim_group(lite, Claim("app", 32, LEASE, 0, "me", ()), 1),
        "release": lambda: settle.release(lite, [(id_, 1) for id_ in range(1, 33)], 0),
        "sinks": lambda: sinks(lite),
        "peek": lambda: peek(lite, "app", 3),
    }


def steps(session: SqliteBulk, work: Callable[[], object]) -> int:
    """Steps of SQLite's machine that some work takes; the work is undone."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    session.change("BEGIN IMMEDIATE")
    session.connection.set_progress_handler(tick, 10)
    try:
        work()
    finally:
        session.connection.set_progress_handler(None, 0)
        session.rollback()
    return count
