"""Work costs the same with a thousand rows waiting as with twenty thousand: no statement scans, sorts or counts a backlog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.engine.batch import SettleIn, settle_in
from gateway.store.engine.migrations import migrate
from gateway.store.outbox import group_claim, queues, retention, settle
from gateway.store.outbox import statements as sql
from gateway.store.outbox.accept import accept
from gateway.store.outbox.counts import due
from gateway.store.outbox.group_claim import claim_group
from gateway.store.postgres.batch import PostgresBulk
from gateway.store.records import Claim
from gateway.store.sqlite import batch, leases
from gateway.store.sqlite.batch import USED, SqliteBulk
from gateway.text.store_address import parse_address
from tests.store.backlogs import filled, jobs_of, steps
from tests.store.kit import LEASE, new, settlement
from tests.store.plan_nodes import nodes


@pytest.fixture
def post(postgres_url: str, clock: FrozenClock) -> Iterator[PostgresBulk]:
    session = PostgresBulk(parse_address(postgres_url), clock)
    migrate(session, "x")
    yield session
    session.close()


# Every statement of the hot path, and which index it must live on.
VALUES: dict[str, Any] = {
    "sink": "app",
    "group": "g",
    "key": "k",
    "now": 10**15,
    "most": 32,
    "these": "[5]",
    "id": 5,
    "seq": 5,
    "owner": "o",
    "state": "waiting",
    "outcome": "retry",
    "detail": "",
    "upto": 50,
    "at": 10**15,
    "source": "live",
    "ref": "r",
    "variant": b"v",
    "seal": b"s",
    "seals": b"s",
    "each": "[0]",
    "size": 1,
    "fingerprint": b"f",
    **dict.fromkeys(
        ["token", "lease", "delay", "longest", "pause", "mark", "gap", "delivered", "dead", "unrouted", "remember"], 1
    ),
    **dict.fromkeys(["memo", "reason", "note", "error", "status"], None),
    **dict.fromkeys(["rank", "stalled", "unburnt", "started", "took", "after", "replay"], 0),
}
HOT = {
    "claim": leases._ARMS[0],
    "claim of a group": leases._ARMS_OF_GROUP[0],
    "head": group_claim.HEADS[0],
    "head of a group": group_claim.HEADS_OF_GROUP[0],
    "take": sql.TAKE,
    "take many": sql.TAKE.partition("RETURNING ")[0],
    "taken": leases._TAKEN,
    "leased": leases._LEASED,
    "remembered": batch._REMEMBERED,
    "lost": sql.LOST,
    "content": sql.CONTENT,
    "settle": sql.SETTLE,
    "attempt": sql.ATTEMPT,
    "settled": sql.SETTLED,
    "renew": sql.RENEW,
    "release": sql.RELEASE,
    "cancel": sql.CANCEL,
    "again": sql.NEW_ROUND,
    "head of a key": sql.HEAD,
    "promote": sql.PROMOTE,
    "contents": sql.CONTENTS,
    "conflict": sql.CONFLICT,
    "supersede": sql.SUPERSEDE,
    "sealed": sql.SEALED,
    "used seals": USED,
    "probe last": sql.PROBE_LAST,
    "probe fresh": sql.PROBE_FRESH,
    "due": sql.DUE,
    "oldest": sql.WAITING_SINCE,
    "count rank": sql.COUNTS[0],
    "PEEK": sql.PEEKS[0],
    "suspects": sql.SUSPECTS,
    "count dead": sql.COUNT_DEAD,
    **{name: getattr(sql, name) for name in ("PULL", "PULL_OWN", "LIVE_LEASES", "LEASED", "ENDED_AS")},
    **{name: getattr(sql, name) for name in ("JOIN_QUEUE", "LEAVE_QUEUE")},
    **{name: getattr(retention, name) for name in ("_WINDOW", "_REMEMBER", "_DELETE", "_FORGET")},
}


@pytest.mark.parametrize("name", HOT)
@pytest.mark.parametrize("analysed", [False, True])
def test_on_sqlite_no_hot_statement_scans_or_sorts(lite: SqliteBulk, name: str, analysed: bool) -> None:
    filled(lite, 20, 0)
    if analysed:
        lite.change("ANALYZE")
    plan = [row[3] for row in lite.rows("EXPLAIN QUERY PLAN " + HOT[name], VALUES)]
    tables = ("events", "deliveries", "attempts", "remembered", " d", " o", " h", " e", " a", " r")
    scans = [line for line in plan if line.startswith("SCAN") and line.endswith(tables)]
    assert scans == []
    if name in (
        "claim",
        "claim of a group",
        "head",
        "head of a group",
        "probe fresh",
        "due",
        "oldest",
        "promote",
        "PEEK",
    ):
        assert not [line for line in plan if "TEMP B-TREE" in line]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (sql.SETTLE, VALUES), (sql.ATTEMPT, VALUES), (sql.TAKE.partition("RETURNING")[0], VALUES),
        (leases._SETTLE, ()), (batch._DELIVERY, ()), (sql.RENEW, VALUES), (sql.RELEASE, VALUES), (batch._EVENT, ()), (leases._OWN_ATTEMPT, ()),
    ],
    ids=["settle", "attempt", "take", "settle by position", "delivery", "renew", "release", "event", "own attempt"],
)  # fmt: skip
def test_on_sqlite_a_write_of_a_row_makes_no_table_of_its_own(lite: SqliteBulk, text: str, values: Any) -> None:
    if isinstance(values, tuple):
        values = (None,) * text.count("?")
    steps = [row[1] for row in lite.connection.execute("EXPLAIN " + text, values)]
    assert "OpenEphemeral" not in steps, "a CHECK with a list of more than two does, for each row"


def test_the_settlement_by_position_is_the_one_by_name() -> None:
    row = (*SettleIn(*range(14)), "now")
    named = dict(zip((*SettleIn._fields, "now"), row, strict=True))
    for text, by_position, pick in (
        (sql.SETTLE, leases._SETTLE, leases._SETTLE_VALUES),
        (sql.ATTEMPT, leases._ATTEMPT, leases._ATTEMPT_VALUES),
    ):
        given = pick(row)
        assert by_position.count("?") == len(given)
        for value in given:
            by_position = by_position.replace("?", f"<{value}>", 1)
        for name, value in sorted(named.items(), reverse=True):
            text = text.replace(f":{name}", f"<{value}>")
        assert by_position == text


def test_on_sqlite_a_claim_searches_the_due_index_with_all_three_terms(lite: SqliteBulk) -> None:
    plan = [row[3] for row in lite.rows("EXPLAIN QUERY PLAN " + leases._ARMS[0], VALUES)]
    assert any("USING COVERING INDEX deliveries_due" in line or "USING INDEX deliveries_due" in line for line in plan)
    assert any("(sink=? AND rank=? AND due_at<?)" in line for line in plan)


def test_on_sqlite_work_takes_as_many_steps_with_twenty_times_the_backlog(lite: SqliteBulk) -> None:
    jobs = {name: job for name, job in jobs_of(lite).items() if name not in {"sinks", "peek"}}
    filled(lite, 1_000, 0)
    before = {name: steps(lite, job) for name, job in jobs.items()}
    filled(lite, 19_000, 100_000)
    after = {name: steps(lite, job) for name, job in jobs.items()}
    for name, count in before.items():
        assert after[name] <= count * 1.25 + 5, name


def touched(session: PostgresBulk, work: Any) -> dict[str, tuple[int, int]]:
    """By table: rows that sequential scans read, pages of it and its indexes that were looked at; the work is undone."""
    session.connection.execute("BEGIN")
    try:
        before = counters(session)
        work()
        after = counters(session)
        return {name: (after[name][0] - before[name][0], after[name][1] - before[name][1]) for name in after}
    finally:
        session.connection.execute("ROLLBACK")


def counters(session: PostgresBulk) -> dict[str, tuple[int, int]]:
    query = """SELECT c.relname, coalesce(pg_stat_get_xact_tuples_returned(c.oid), 0),
        coalesce(pg_stat_get_xact_blocks_fetched(c.oid), 0)
          + (SELECT coalesce(sum(pg_stat_get_xact_blocks_fetched(i.indexrelid)), 0) FROM pg_index i WHERE i.indrelid = c.oid)
      FROM pg_class c WHERE c.relname IN ('deliveries', 'events', 'attempts')"""
    return {name: (rows, int(pages)) for name, rows, pages in session.rows(query)}


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("analysed", [False, True])
def test_on_postgresql_no_work_reads_the_backlog(post: PostgresBulk, plans: str, analysed: bool) -> None:
    filled(post, 3_500, 0)
    post.change("ANALYZE" if analysed else "SELECT 1")
    post.change(f"SET plan_cache_mode = {plans}")
    ids = [id_ for (id_,) in post.rows("SELECT id FROM deliveries WHERE rank = 3 ORDER BY id LIMIT 32")]
    ended = [settle_in(settlement((id_, 1))) for id_ in ids]
    # Each with a bound of pages for one row: a descent of a tree is 2 or 3, a row has 4 indexes, and triggers look too.
    jobs = {
        "claim": (lambda: post.lease_due(Claim("app", 32, LEASE, 0, "me", (1, 2))), 32),
        "settle": (lambda: post.settle(ended, locked=False), 32),
        "renew": (lambda: [settle.renew(post, id_, 1, LEASE) for id_ in ids], 32),
        "release": (lambda: settle.release(post, [(id_, 1) for id_ in ids], 0), 32),
        "join": (lambda: queues.join(post, "app", "k", [(id_, 1) for id_ in ids], 0), 32),
        "accept": (lambda: accept(post, [[new(n, "app")] for n in range(32)], "me"), 32),
        "ordered": (lambda: accept(post, [[new(n, "app", key="k")] for n in range(8)], "me"), 8),
        "due": (lambda: due(post), 4),
        "group": (lambda: claim_group(post, Claim("app", 32, LEASE, 0, "me", (1, 2)), 1), 32),
    }
    for name, (work, many) in jobs.items():
        for _ in range(7):  # past psycopg's threshold for preparing
            seen = touched(post, work)
        for table, (rows, pages) in seen.items():
            assert rows == 0, (name, table, rows)
            assert pages <= many * 40, (name, table, pages)


def test_on_postgresql_a_claim_is_index_scans_on_the_due_index(post: PostgresBulk) -> None:
    from gateway.store.postgres.batch import _TAKE

    filled(post, 3_500, 0)
    post.change("ANALYZE")
    values = {"sink": "app", "most": 32, "lease": LEASE, "first": 0, "running": [1], "owner": "me"}
    with_plan = b"EXPLAIN (FORMAT JSON) " + _TAKE
    found = post.connection.execute(with_plan, {"now": post.now(), **values}).fetchone()
    assert found is not None
    scans = [
        (node.get("Relation Name"), node.get("Index Name"), node["Node Type"])
        for node in nodes(found[0])
        if "Node Type" in node
    ]
    assert [index for _, index, _ in scans if index == "deliveries_due"] == ["deliveries_due"] * 5
    assert {relation for relation, _, kind in scans if kind == "Seq Scan"} <= {"sinks"}
    assert {"deliveries_pkey", "events_pkey"} <= {index for _, index, _ in scans}
