"""Beside a refused configuration the store can be looked at and steered: that is when a person needs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from gateway.admin.attention import attention
from gateway.admin.overview_results import Now
from gateway.cli.invocation import Invocation
from gateway.cli.root import gateway as root
from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.model import RELOAD_REFUSED
from gateway.store.admin.shown_rows import StandingAlarm
from gateway.store.store import Store
from tests.cli.conftest import Cli
from tests.cli.stocked import a_refusal, stock

UNKNOWN_KEY = "\nsinkz: {}\n"
NO_YAML = "\nalarms: [\n"
REFUSED = [pytest.param(UNKNOWN_KEY, id="unknown key"), pytest.param(NO_YAML, id="no YAML")]
ANSWERED = [
    "audit list",
    "deliveries cancel 4 --yes",
    "deliveries list --sink screen",
    "deliveries retry --sink lines --yes",
    "deliveries retry 1",
    "deliveries show 1",
    "events list --source live",
    "events list --since 90d --json",
    "events show {event}",
    "recordings list",
    "refused list --source live",
    "refused show 1",
    "sinks list",
    "sinks pause lines",
    "sinks resume lines",
    "sources list",
    "sources show live",
    "store backup {folder}/kept.db",
    "store doctor",
    "store export {folder}/kept.jsonl",
    "store migrate",
    "store status",
    "store verify",
]
DECIDED = [  # by the routes, the keys or the types that the configuration has
    "deliveries move lines --to screen --yes",
    "events erase {event} --yes",
    "events release {event}",
    "events replay {event}",
    "events replay {event} --to lines",
    "refused retry 1",
    "route --type recording.failed",
    "serve",
    "sinks preview lines",
    "sinks test lines",
]


@pytest.fixture
def refuse(configured: Path, stocked: list[str]) -> Callable[[str], str]:
    """Break the configuration of a store with events and a refused callback; the name of an event."""

    async def work(store: Store) -> None:
        store.keep_refusal(a_refusal(b"{}"))

    stock(configured, work)
    file = configured / "gateway.yaml"
    whole = file.read_text()

    def broken(mistake: str) -> str:
        file.write_text(whole + mistake)
        return stocked[0]

    return broken


@pytest.mark.parametrize("command", ANSWERED)
@pytest.mark.parametrize("mistake", REFUSED)
def test_what_looks_at_the_store_and_steers_it_goes_on(
    cli: Cli, configured: Path, refuse: Callable[[str], str], mistake: str, command: str
) -> None:
    words = [word.format(event=refuse(mistake), folder=configured) for word in command.split()]
    done = cli(*words)
    lines = [line for line in done.stderr.splitlines() if "the configuration is refused" in line]
    assert len(lines) <= 1
    for line in lines:
        assert "gateway.yaml:2" in line
        assert "gateway check" in line


@pytest.mark.parametrize("command", DECIDED)
@pytest.mark.parametrize("mistake", REFUSED)
def test_what_the_configuration_decides_is_not_done(
    cli: Cli, refuse: Callable[[str], str], mistake: str, command: str
) -> None:
    name = refuse(mistake)
    before = cli("events", "list", "--json").stdout
    done = cli(*(word.format(event=name) for word in command.split()), code=1)
    assert "gateway.yaml:2" in done.stderr
    assert "What follows is of the store alone" not in done.stderr
    assert cli("events", "list", "--json").stdout == before


@pytest.mark.parametrize("mistake", REFUSED)
def test_status_says_where_what_and_what_to_do(cli: Cli, refuse: Callable[[str], str], mistake: str) -> None:
    refuse(mistake)
    done = cli("status", code=1)
    assert not done.stderr
    said = done.stdout
    assert "lines " in said
    assert "1 delivery to lines is dead" in said
    assert "the configuration is refused: gateway.yaml:2" in said
    assert "no gateway starts with it" in said
    assert "\n  gateway check\n" in said
    assert "not configured" not in said  # of no sink, because nobody can know that now
    needs = json.loads(cli("status", "--json", code=1).stdout)["attention"]
    assert [one["kind"] for one in needs] == ["gateway.stopped", "configuration.refused", "delivery.dead"]
    assert cli("status", "--quiet", code=1).output == ""


def test_beside_a_gateway_that_runs_it_stands_before_what_that_one_told() -> None:
    refused = ConfigError(
        [Diagnostic(file="gateway.yaml", line=7, column=1, path="sinkz", found="an unknown key", hint="sinks")]
    )
    standing = StandingAlarm(type=RELOAD_REFUSED, about="configuration", detail="an unknown key", since=0)
    now = Now(waiting=0, sending=0, dead=0, held=0, oldest_waiting_at=None)
    first, second = attention(now, [], 0, alarms=[standing], refused=refused)
    assert (first.kind, second.kind) == ("configuration.refused", "reload.refused")
    assert first.text == (
        "the configuration is refused: gateway.yaml:7:1: sinkz: an unknown key (hint: sinks); "
        "a gateway that runs goes on with the one before"
    )


@pytest.mark.parametrize("mistake", REFUSED)
def test_top_draws_the_same(cli: Cli, refuse: Callable[[str], str], mistake: str) -> None:
    refuse(mistake)
    said = cli("top", "--times", "1").stdout
    assert "the configuration is refused: gateway.yaml:2" in said


@pytest.mark.parametrize("mistake", REFUSED)
def test_the_shell_completes_names_still(cli: Cli, refuse: Callable[[str], str], mistake: str) -> None:
    refuse(mistake)
    completed = ShellComplete(root, {}, "gateway", "_GATEWAY_COMPLETE").get_completions
    assert [one.value for one in completed(["sinks", "pause"], "")] == ["lines", "screen"]
    assert [one.value for one in completed(["sources", "show"], "l")] == ["live"]


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_consumer_still_finds_the_listener_and_its_token(configured: Path, mistake: str) -> None:
    tokens = "admin: {port: 9091, tokens: [{name: here, role: pull, sinks: [later], token: 0123456789abcdef0123456789abcdef}]}"
    file = configured / "gateway.yaml"
    text = (
        file.read_text().replace("admin: {port: 9090}", tokens).replace("\nsinks:", "\nsinks:\n  later: {type: pull}")
    )
    file.write_text(text + mistake)
    listener = Invocation().private_listener()
    assert listener.port == 9091
    assert listener.tokens[0].sinks == ("later",)
    for broken in (
        text.replace("port: 9091", "prot: 9091") + mistake,
        "sinks: [\n" + tokens,
        "admin: {port: 1}\n" + text + mistake,
        text.replace("9091, ", "9091, [") + mistake,
    ):
        file.write_text(broken)
        with pytest.raises(ConfigError):
            Invocation().private_listener()


def test_a_sink_that_nobody_knows_is_still_a_misspelt_one(cli: Cli, refuse: Callable[[str], str]) -> None:
    refuse(NO_YAML)
    assert "did you mean 'lines'" in cli("sinks", "pause", "linse", code=2).stderr
    assert "no sink" in cli("deliveries", "list", "--sink", "nobody", code=2).stderr


def test_where_the_store_is_cannot_be_read_is_said_with_the_way_out(
    cli: Cli, configured: Path, refuse: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse("")
    (configured / "gateway.yaml").write_text("sinks: [\nstore: sqlite:///gateway.db\n")
    assert "GATEWAY_STORE" in cli("status", code=1).stderr
    monkeypatch.setenv("GATEWAY_STORE", "sqlite:///gateway.db")
    assert "1 delivery to lines is dead" in cli("status", code=1).stdout
    assert "paused" in cli("sinks", "pause", "lines").stdout
