"""`gateway sinks` and `gateway store` beside a real store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.model import Progress
from gateway.store.store import Store
from tests.cli.conftest import CONFIG, Cli
from tests.cli.stocked import accept, an_event, settle, stock, wanted

SINK_FIELDS = [
    "dead",
    "delivered",
    "name",
    "oldest_waiting_at",
    "probe_after",
    "reason",
    "sending",
    "state",
    "type",
    "under_way",
    "waiting",
]
STATUS_FIELDS = [
    "dead",
    "details",
    "events",
    "held",
    "oldest_waiting_at",
    "refused",
    "schema",
    "size_bytes",
    "url",
    "waiting",
]


@pytest.fixture
def stocked(configured: Path) -> Path:
    async def work(store: Store) -> None:
        await accept(store, wanted(an_event(number=1)), wanted(an_event(number=2), ["old"]))
        await settle(store, "screen", "delivered")
        await store.trip("lines", 60_000, "token revoked \x1b[31m")

    stock(configured, work)
    return configured


def _sinks(cli: Cli) -> dict[str, dict[str, object]]:
    return {one["name"]: one for one in json.loads(cli("sinks", "list", "--json").stdout)}


def test_every_sink_is_listed_with_its_state(stocked: Path, cli: Cli) -> None:
    found = _sinks(cli)
    assert list(found) == ["lines", "screen", "old"]
    assert all(sorted(one) == SINK_FIELDS for one in found.values())
    assert (found["screen"]["state"], found["screen"]["delivered"]) == ("ready", 1)
    assert (found["lines"]["state"], found["lines"]["waiting"]) == ("circuit open", 1)
    assert (found["old"]["state"], found["old"]["type"], found["old"]["waiting"]) == ("not configured", None, 1)
    lines = cli("sinks", "list", "--all").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == list(found)
    said = cli("sinks", "list").stdout
    assert "circuit open" in said
    assert "token revoked \\x1b[31m" in said


def test_a_sink_that_is_gone_and_holds_nothing_is_not_listed(configured: Path, cli: Cli) -> None:
    async def work(store: Store) -> None:
        await store.trip("gone", 60_000, "unreachable")

    stock(configured, work)
    assert list(_sinks(cli)) == ["lines", "screen"]


def test_a_sink_is_paused_and_resumed(stocked: Path, cli: Cli) -> None:
    assert cli("sinks", "pause", "screen").stdout == "screen: paused\n"
    assert _sinks(cli)["screen"]["state"] == "paused"
    assert "already" in cli("sinks", "pause", "screen").stdout
    assert cli("sinks", "resume", "screen").stdout == "screen: goes on\n"
    assert "was not paused" in cli("sinks", "resume", "screen").stdout
    assert _sinks(cli)["screen"]["state"] == "ready"
    assert "did you mean 'screen'" in cli("sinks", "pause", "scren", code=2).stderr


def test_a_configuration_without_sinks_says_so(stocked: Path, cli: Cli, configured: Path) -> None:
    (configured / "gateway.yaml").write_text("version: 1\nstore: sqlite:///empty.db\n")

    async def nothing(store: Store) -> None: ...

    (configured / "empty").mkdir()
    stock(configured / "empty", nothing)
    (configured / "empty/gateway.db").rename(configured / "empty.db")
    assert "no sinks" in cli("sinks", "list").stderr


def test_the_store_is_seen_at_a_glance(stocked: Path, cli: Cli) -> None:
    found = json.loads(cli("store", "status", "--json").stdout)
    assert sorted(found) == STATUS_FIELDS
    assert (found["events"], found["waiting"], found["dead"]) == (2, 2, 0)
    assert found["size_bytes"] > 0
    said = cli("store", "status").stdout
    assert "gateway.db" in said
    assert "bytes" in said


def test_the_tables_can_be_made_before_the_start(configured: Path, cli: Cli) -> None:
    assert "schema" in cli("store", "migrate").stdout
    assert "already" in cli("store", "migrate").stdout
    assert json.loads(cli("events", "list", "--json").stdout) == []


def test_what_needs_no_secret_runs_without_them(stocked: Path, cli: Cli) -> None:
    (stocked / "gateway.yaml").write_text(CONFIG.replace("keys: [", "keys: ['${UNSET_KEY}', "))
    assert "2" in cli("store", "status").stdout
    assert len(json.loads(cli("events", "list", "--json").stdout)) == 2
    assert "UNSET_KEY" in cli("send", "--print", code=1).stderr
    (stocked / "gateway.yaml").write_text(CONFIG.replace("sqlite:///gateway.db", "${UNSET_STORE}"))
    assert "UNSET_STORE" in cli("store", "status", code=1).stderr


def test_it_is_the_same_on_postgresql(configured: Path, cli: Cli, postgres_url: str) -> None:
    (configured / "gateway.yaml").write_text(CONFIG.replace("sqlite:///gateway.db", f"'{postgres_url}'"))
    assert "gateway store migrate" in cli("events", "list", code=1).stderr
    assert "schema 0 to" in cli("store", "migrate").stdout
    assert json.loads(cli("store", "status", "--json").stdout)["events"] == 0
    assert cli("sinks", "pause", "screen").stdout == "screen: paused\n"
    assert _sinks(cli)["screen"]["state"] == "paused"
    assert "sink screen: opens" in cli("check", "--connect").stderr


def test_a_database_that_is_not_there_is_said_without_its_password(configured: Path, cli: Cli) -> None:
    canary = "canary-7f3a9b2c5d8e1f04"
    for store in (
        f"postgresql://gateway:{canary}@127.0.0.1:1/gateway",
        f"{{url: 'postgresql://gateway@127.0.0.1:1/gateway', password: {canary}}}",
    ):
        (configured / "gateway.yaml").write_text(CONFIG.replace("sqlite:///gateway.db", store))
        for arguments in (["store", "status"], ["events", "list"], ["check", "--connect"]):
            result = cli(*arguments, code=1)
            assert "127.0.0.1" in result.stderr
            assert canary not in result.output


@pytest.mark.parametrize(
    "entry",
    ['{type: "${KIND:?}"}', '{type: forward, directory: {file: owners.csv, key: "${KIND:?}"}}'],
    ids=["type", "key of a directory"],
)
def test_a_sink_that_depends_on_what_the_shell_has_not_is_not_said_to_be_none(
    configured: Path, cli: Cli, entry: str
) -> None:
    path = configured / "gateway.yaml"
    path.write_text(path.read_text().replace("sinks:\n", f"sinks:\n  people: {entry}\n"))
    (configured / "owners.csv").write_text("owner,url\nanna,https://a.example\n")
    assert "${KIND} unset or empty" in cli("sinks", "pause", "people", code=1).stderr
    assert "did you mean 'screen'" in cli("sinks", "pause", "scren", code=2).stderr


def test_a_long_delivery_is_shown_with_how_far_it_is(configured: Path, cli: Cli) -> None:
    async def work(store: Store) -> None:
        await accept(store, wanted(an_event(), ["lines"]))
        [lease] = await store.claim("lines", 1, 30_000)
        await store.keep_alive(
            lease.delivery, lease.token, 30_000, {}, Progress(5, 10, "half https://x/a?token=canary")
        )

    stock(configured, work)
    listed = cli("sinks", "list")
    assert listed.stdout.splitlines()[-1].startswith("lines [#####     ] 50% 5 B of 10 B, half https://x/a?")
    (lines,) = [one for one in json.loads(cli("sinks", "list", "--json").stdout) if one["name"] == "lines"]
    assert [(one["done"], one["total"]) for one in lines["under_way"]] == [(5, 10)]
    assert "canary" not in str(lines)
