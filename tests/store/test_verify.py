"""`store verify`: what keeps the promises is left alone, and whatever breaks one is found and named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.engine.session import Session
from gateway.store.engine.tables import schema
from gateway.store.outbox import statements as sql
from gateway.store.sqlite.session import SqliteSession
from gateway.store.store import Store
from gateway.store.verify import verifier
from gateway.store.verify.rules import RULES, SMALL
from gateway.store.verify.violations import SHOWN_OF_A_RULE_MAX, Findings, Violation
from tests.store.kit import LEASE, act, beside, event, new, other, settlement, take


def violations(url: str, clock: FrozenClock) -> list[Violation]:
    with StoreAdmin(url, clock=clock) as admin:
        return list(admin.violations())


@contextmanager
def unguarded(url: str, clock: FrozenClock) -> Iterator[Session]:
    """A session in which no constraint holds, because a violation is what no gateway writes."""
    with beside(url, clock) as session:
        if isinstance(session, SqliteSession):
            session.rows("PRAGMA ignore_check_constraints=1")
            session.rows("PRAGMA foreign_keys=0")
        else:
            for table, name in session.rows(_CONSTRAINTS):
                session.change(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        yield session


_CONSTRAINTS = """SELECT CAST(CAST(conrelid AS regclass) AS text), conname FROM pg_constraint
  WHERE contype IN ('c', 'f') AND connamespace = CAST(current_schema() AS regnamespace)"""


def planted(session: Session, *statements: str) -> list[Violation]:
    """What is found after these statements, which are taken back."""
    session.rows("BEGIN")
    try:
        for statement in statements:
            session.change(statement)
        return list(verifier.violations(lambda question: question(session)))
    finally:
        session.rows("ROLLBACK")


async def fill(store: Store, url: str, clock: FrozenClock) -> None:
    """Deliveries in every state, other contents, refusals, an open circuit and a pause."""
    await store.serving(("app", "ordered", "down"))
    ordered = (new(event(n, stream="k"), "ordered", key="live push.example.com/live/k") for n in (5, 6))
    await take(store, *(new(n, "app") for n in range(1, 5)), *ordered)
    await take(store, new(7), other(1), new(8, "down"))
    for lease, state in zip(await store.claim("app", 3, LEASE), ("delivered", "dead", "waiting"), strict=True):
        await store.settle([settlement(lease, state, delay=5_000 if state == "waiting" else 0)])
    await store.claim("app", 1, LEASE)
    await store.trip("down", 60_000, "down")
    act(url, clock, sql.PAUSE, sink="app", by="somebody")


async def test_a_store_that_was_used_breaks_nothing(store: Store, url: str, clock: FrozenClock) -> None:
    await fill(store, url, clock)
    assert violations(url, clock) == []


# rule -> the statement that breaks it, and the row that is named ('' where it is of the whole)
PLANTED: Sequence[tuple[str, str, str]] = (
    ("state", "UPDATE deliveries SET state = 'lost', rank = 1 WHERE id = 2", "deliveries 2"),
    ("rank", "UPDATE deliveries SET rank = 0 WHERE state = 'sending'", "deliveries 4"),
    ("rank", "UPDATE deliveries SET rank = 2 WHERE id = 1", "deliveries 1"),
    ("rank", "UPDATE deliveries SET rank = 0 WHERE id = 2", "deliveries 2"),
    ("order", "UPDATE deliveries SET order_key = 'live other' WHERE id = 5", "deliveries 5"),
    ("order", "UPDATE deliveries SET order_key = 'elsewhere k' WHERE id = 6", "deliveries 6"),
    ("lease", "UPDATE deliveries SET due_at = due_at + 100000000 WHERE id = 4", "deliveries 4"),
    ("due", "UPDATE deliveries SET due_at = due_at + 100000000 WHERE id = 3", "deliveries 3"),
    ("token", "UPDATE deliveries SET attempts = 9 WHERE id = 3", "deliveries 3"),
    ("reason", "UPDATE deliveries SET reason = NULL WHERE id = 2", "deliveries 2"),
    ("reason", "UPDATE deliveries SET reason = 'expired' WHERE id = 1", "deliveries 1"),
    ("receipt", "DELETE FROM attempts WHERE delivery = 1", "deliveries 1"),
    ("stuck", "UPDATE deliveries SET state = 'dead', rank = 1, reason = 'refused' WHERE id = 5", "deliveries 6"),
    ("held", "UPDATE deliveries SET event = (SELECT max(seq) FROM events WHERE held IS NOT NULL) WHERE id = 7", "deliveries 7"),
    ("source", "UPDATE deliveries SET source = 'elsewhere' WHERE id = 7", "deliveries 7"),
    ("fenced", "UPDATE deliveries SET token = 0, attempts = 0 WHERE id = 3", "attempts 3"),
    ("outcome", "UPDATE attempts SET outcome = 'fine' WHERE delivery = 2", "attempts 2"),
    ("fingerprint", "UPDATE events SET fingerprint = raw WHERE id LIKE '%3'", "events "),
    ("event", "UPDATE events SET body = '{' WHERE id LIKE '%3'", "events "),
    ("event", "UPDATE events SET id = 'other' WHERE id LIKE '%3'", "events "),
    ("event", "UPDATE events SET type = 'recording.failed' WHERE id LIKE '%3'", "events "),
    ("event", "UPDATE events SET source = 'other' WHERE id LIKE '%3'", "events "),
    ("event", "UPDATE events SET subject = 'other' WHERE id LIKE '%3'", "events "),
    ("event", "UPDATE events SET trust = trust + 1 WHERE id LIKE '%3'", "events "),
    ("event", "UPDATE events SET received_at = received_at + 1000 WHERE id LIKE '%3'", "events "),
    ("routed", """UPDATE events SET routing = '[{"route":"r","held":[],"to":["a"]}]' WHERE id LIKE '%7'""", "events "),
    ("routed", "UPDATE events SET routing = 'x' WHERE id LIKE '%7'", "events "),
    ("reference", "DELETE FROM events WHERE seq = 1", "deliveries 1"),
    ("reference", "INSERT INTO attempts SELECT 99, token, started_at, took_ms, outcome, status, detail FROM attempts WHERE delivery = 1", "attempts 99"),
    ("probe", "UPDATE sinks SET probe_until = 1 WHERE name = 'app'", "sinks app"),
    ("stalled", "UPDATE sinks SET paused_at = NULL WHERE name = 'app'", "sinks app"),
    ("index", "DROP INDEX deliveries_due", ""),
    ("numbers", "UPDATE events SET seq = 1000 WHERE id LIKE '%7'", "events 1000"),
)  # fmt: skip


async def test_every_violation_is_found_by_its_rule_and_named_by_its_row(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await fill(store, url, clock)
    with unguarded(url, clock) as session:
        for rule, statement, row in PLANTED:
            found = planted(session, statement)
            assert [one for one in found if one.rule == rule and one.row.startswith(row)], f"{statement}: {found}"
            assert all(one.text and "{" not in one.text for one in found)
        # what an index keeps apart as long as it is there
        twice = planted(session, "DROP INDEX deliveries_head", "UPDATE deliveries SET rank = 0 WHERE id = 6")
        assert Counter(one.rule for one in twice) == {"heads": 2, "index": 1}
        assert planted(session) == []


def test_every_rule_has_a_planted_violation() -> None:
    names = (
        {rule.name for rule in RULES}
        | {name for name, _, _ in SMALL}
        | {"event", "routed", "reference", "numbers", "index"}
    )
    assert names - {rule for rule, _, _ in PLANTED} == {"heads", "contents"}  # these two need more than one statement


@pytest.mark.plain_rows
async def test_too_many_that_are_held_under_one_id_are_found(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1), other(1))
    columns = [name for name in schema().tables["events"].columns if name not in ("seq", "variant")]
    copy = f"INSERT INTO events (variant, {', '.join(columns)}) SELECT {{}}, {', '.join(columns)} FROM events WHERE held IS NOT NULL ORDER BY seq LIMIT 1"
    blob = "CAST('{}' AS blob)" if url.startswith("sqlite") else "CAST('{}' AS bytea)"
    with unguarded(url, clock) as session:
        assert planted(session, *(copy.format(blob.format(n)) for n in range(9))) == []
        found = planted(session, *(copy.format(blob.format(n)) for n in range(10)))
        assert [one.rule for one in found] == ["contents"] * 11


async def test_of_a_rule_that_many_rows_break_the_first_are_told_and_the_others_counted(
    store: Store, url: str, clock: FrozenClock
) -> None:
    many = SHOWN_OF_A_RULE_MAX + 5
    await take(store, *(new(n, "app") for n in range(1, many + 1)))
    with unguarded(url, clock) as session:
        findings = Findings()
        told = list(findings.first_of(planted(session, "UPDATE deliveries SET reason = 'expired'")))
    assert len(told) == SHOWN_OF_A_RULE_MAX
    assert findings.counts == {"reason": many}
    assert findings.untold == {"reason": 5}
