"""Whatever people ask, no answer reads a whole table: the plan of every statement behind every list, on both databases."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.events.cloudevents import to_json
from gateway.store.admin import free_jobs, pages, recording_pages
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.queries import StoreQueries
from gateway.store.engine.session import Session
from gateway.store.postgres.session import PostgresSession
from gateway.store.sqlite.session import SqliteSession
from tests import store_urls
from tests.store.kit import beside, event
from tests.store.old_events import fill
from tests.store.plan_nodes import nodes
from tests.web.admin_api import OPERATE, ask, serve
from tests.web.doors import Served

url = store_urls.url
ROWS = 6_000  # past what fits a few pages, so that a planner has a reason to choose
LARGE = {"events", "deliveries", "attempts", "recording_events", "recording_sessions", "remembered", "file_places"}
FILTERS = {
    "/events": (
        *(
            "type=recording.file.completed",
            "type=recording.f*",
            "source=live",
            "stream=s7",
            "subject=*7",
            "domain=push.*",
        ),
        *("app=live", "trust=none", "state=waiting", "state=dead", "state=delivered", "state=unrouted", "held=true"),
        *("held=conflict", "since=1h", "until=20d", "q=ab", "after=5000", "type=recording.file.completed&state=dead"),
        *("file=lecture", "file=lecture&type=recording.f*&state=dead"),
    ),
    "/deliveries": (
        *("type=recording.file.completed", "source=live", "stream=s7", "since=1h", "until=20d", "event={ref}"),
        *("sink=file", "sink=gone", "state=waiting", "state=sending", "state=dead", "state=delivered"),
        *("held=retry", "held=orphaned", "reason=refused", "sink=file&state=dead", "sink=file&state=delivered"),
    ),
    "/recordings": (
        *("source=live", "stream=s7", "domain=push.*", "app=live", "state=open", "state=ended", "missing=true"),
        *("since=1h", "until=20d"),
    ),
    "/audit": ("act=sinks*", "who=ops", "target=x", "since=1h"),
    "/refused": ("source=live",),
}
SINGLE = (
    *("/overview", "/overview?window=7d", "/jobs", "/sinks", "/sinks/file", "/sources", "/sources/live"),
    *("/events/{ref}", "/events/{part}", "/events/{ref}/raw", "/deliveries/5", "/recordings/5", "/config"),
)
EXACT = ("/store", "/sinks?exact=true")  # these count all that there is, in pieces along the key
# What the command line asks of a store beside that.
BESIDE: dict[str, Callable[[StoreQueries], object]] = {
    "sinks": lambda queries: queries.sinks(),
    "sink names": lambda queries: queries.sink_names(),
    "loads": lambda queries: queries.loads(),
    "held": lambda queries: queries.held_events(),
    "sources": lambda queries: queries.sources(),
    "jobs": lambda queries: [queries.jobs(), queries.ask(lambda session: free_jobs.free(session, "me"))],
    "status": lambda queries: [queries.status(), queries.serving(), queries.cipher_keys()],
    "a source": lambda queries: [queries.knows_source("live"), queries.knows_source("nobody")],
    "short ids": lambda queries: queries.short_refs([("live", row.id, row.ref) for row in queries.events(limit=20)]),
    "chosen": lambda queries: queries.choose(DeliveryFilter(state="dead", sink="file")),
    "already there": lambda queries: queries.already_there([1, 2, 3], "gone"),
}
WINDOW_ROWS = 60  # of a search: a hundredth of what there is, so that no planner finds it better to read all
COUNTED_ROWS = 300  # of one piece: as small a part of the whole as of a million in use


@pytest.fixture
def served(url: str, tmp_path: Path) -> Iterator[Served]:
    """A gateway whose store has some thousand old events."""
    with beside(url) as session:
        fill(session, ROWS, days=(40.0, 1.0), body=to_json(event()), sink="file")
        session.change("ANALYZE")
    with serve(tmp_path, store=url) as served:
        yield served
        served.ask()
        served.result()


def paths(url: str) -> list[str]:
    with beside(url) as session:
        ((ref,),) = session.rows("SELECT id FROM events WHERE seq = 3000")
    lists = [f"{path}?{query}" for path, queries in FILTERS.items() for query in (*queries, "limit=20")]
    return [path.format(ref=ref, part=str(ref)[:8]) for path in (*lists, *SINGLE, *EXACT)]


class Heard:
    """The statements of every connection, with their values."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: dict[str, Any] = {}
        run, execute = SqliteSession._run_statement, PostgresSession._execute

        def run_heard(session: SqliteSession, sql: str, values: Mapping[str, Any] | None) -> Any:
            self.statements[sql] = {"now": session.now(), **(values or {})} if ":now" in sql else values or {}
            return run(session, sql, values)

        def execute_heard(session: PostgresSession, text: Any, values: Any = None, **more: Any) -> Any:
            self.statements[text.decode() if isinstance(text, bytes) else text] = values
            return execute(session, text, values, **more)

        monkeypatch.setattr(SqliteSession, "_run_statement", run_heard)
        monkeypatch.setattr(PostgresSession, "_execute", execute_heard)

    def taken(self) -> dict[str, Any]:
        found, self.statements = self.statements, {}
        return {text: values for text, values in found.items() if re.match(r"\s*(SELECT|WITH)\b", text)}


def scanned(session: Session, text: str, values: Any) -> set[str]:
    """The large tables that a statement reads whole."""
    if isinstance(session, SqliteSession):
        few = {
            name
            for (name,) in session.rows("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'")
        }
        lines = [str(row[3]) for row in session.connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
        scans = [line for line in lines if line.startswith("SCAN") and line.split()[-1] not in few]
        named = {alias: table for table, alias in re.findall(rf"\b({'|'.join(sorted(LARGE))}) (?:AS )?(\w+)", text)}
        return {named.get(line.split()[1], line.split()[1]) for line in scans} & LARGE
    assert isinstance(session, PostgresSession)
    plan = session._execute(f"EXPLAIN (FORMAT JSON) {text}".encode(), values).fetchone()
    assert plan is not None
    return {node["Relation Name"] for node in nodes(plan[0]) if node.get("Node Type") == "Seq Scan"} & LARGE


@pytest.mark.wide
def test_no_list_and_no_page_of_the_api_reads_a_table_whole(
    served: Served, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages.ranges, "__defaults__", (COUNTED_ROWS,))
    for room in (pages, recording_pages):
        monkeypatch.setattr(room, "_WINDOW_ROWS", WINDOW_ROWS)
    heard = Heard(monkeypatch)
    asked: dict[str, dict[str, Any]] = {}
    for path in paths(url):
        heard.taken()
        reply = ask(served, path, OPERATE)
        assert reply.status == 200, (path, reply.json())
        asked[path] = heard.taken()
    with StoreQueries(url, configured=("file", "gone")) as queries:
        for name, question in BESIDE.items():
            heard.taken()
            question(queries)
            asked[name] = heard.taken()
        assert [queries.knows_source(name) for name in ("live", "nobody")] == [True, False]
    monkeypatch.undo()
    with beside(url) as session:
        found = {
            (path, text, table)
            for path, statements in asked.items()
            for text, values in statements.items()
            for table in scanned(session, text, values)
        }
    assert found == set(), found


def test_every_list_of_the_api_is_asked_with_every_filter() -> None:
    document = json.loads((Path(__file__).resolve().parents[2] / "docs/openapi.json").read_text())
    for path, queries in FILTERS.items():
        parameters = {one["name"] for one in document["paths"][f"/api/v1{path}"]["get"]["parameters"]}
        said = {part.partition("=")[0] for query in queries for part in query.split("&")}
        assert parameters - said == {"limit", "cursor"}, path
