"""`gateway events` and `gateway deliveries` beside a real store."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.store.store import Store
from tests.cli.conftest import CONFIG, Cli
from tests.cli.stocked import a_refusal, accept, an_event, settle, stock, wanted

EVENT_FIELDS = ["deliveries", "held", "id", "received_at", "ref", "source", "subject", "type"]


DELIVERY_FIELDS = ["attempts", "event_id", "event_ref", "finished_at", "held", "id", "last_error", "next_attempt_at",
                   "reason", "round", "sink", "state"]  # fmt: skip


def test_events_are_listed_newest_first(stocked: list[str], cli: Cli) -> None:
    lines = cli("events", "list").stdout.splitlines()
    assert lines[0].split() == ["ID", "AGE", "SOURCE", "TYPE", "SUBJECT", "DELIVERIES"]
    assert [line.split()[0] for line in lines[1:]] == [id[:8] for id in stocked[::-1]]
    assert re.search(r" \d+ d ", lines[1])
    assert lines[1].endswith("no route")
    assert "1 delivered" in lines[3]
    assert "1 dead" in lines[3]


def test_events_have_the_documented_fields(stocked: list[str], cli: Cli) -> None:
    found = json.loads(cli("events", "list", "--json").stdout)
    assert [one["id"] for one in found] == stocked[::-1]
    assert all(sorted(one) == EVENT_FIELDS for one in found)
    assert found[2]["deliveries"] == {"delivered": 1, "dead": 1} | {
        state: count for state, count in found[2]["deliveries"].items() if not count
    }
    assert found[0]["received_at"] == "2026-01-01T12:00:03.000Z"
    lines = cli("events", "list", "--all").stdout.splitlines()
    assert [json.loads(line) for line in lines] == found


def test_events_are_found_by_source_type_and_subject(stocked: list[str], cli: Cli) -> None:
    def ids(*arguments: str) -> list[str]:
        return [one["id"] for one in json.loads(cli("events", "list", "--json", *arguments).stdout)]

    assert ids("--type", "recording.start*") == [stocked[2]]
    assert ids("--subject", "*/stream-1") == [stocked[0]]
    assert ids("--source", "live") == stocked[::-1]
    cli("events", "list", "--source", "other", code=2)  # a name that is misspelt would match nothing
    assert ids("--stream", "stream-1") == [stocked[0]]
    assert ids("--since", "2026-01-01T12:00:03") == [stocked[2]]
    assert ids("--held") == []
    assert ids("--limit", "1") == [stocked[2]]


def test_times_are_those_of_the_configured_zone(stocked: list[str], cli: Cli, configured: Path) -> None:
    (configured / "gateway.yaml").write_text(CONFIG + "locale: {timezone: Asia/Shanghai}\n")
    assert "2026-01-01 20:00:03" in cli("events", "show", stocked[2]).stdout


def test_an_event_is_shown_with_why_and_what_came_of_it(stocked: list[str], cli: Cli) -> None:
    said = cli("events", "show", stocked[0][:8]).stdout
    assert stocked[0] in said
    assert '"recording.failed"' in said
    assert "failures: matched, to screen, lines" in said
    assert "400 \\x1b[31mno such thing" in said
    assert "\x1b" not in said
    assert "canary" not in said


def test_why_alone_names_the_clause_that_did_not_hold(stocked: list[str], cli: Cli) -> None:
    said = cli("events", "show", stocked[2], "--why").stdout
    assert 'type is "recording.started", wanted "recording.failed"' in said
    assert "{" not in said


def test_an_event_is_shown_to_programs_whole(stocked: list[str], cli: Cli) -> None:
    said = json.loads(cli("events", "show", stocked[0], "--json").stdout)
    assert said["event"]["specversion"] == "1.0"
    assert said["event"]["id"] == said["id"] == stocked[0]
    assert said["routes"][0]["route"] == "failures"
    assert sorted(one["state"] for one in said["deliveries"]) == ["dead", "delivered"]
    assert said["beside"] == []


def test_the_vendors_bytes_come_out_untouched(stocked: list[str], cli: Cli) -> None:
    assert cli("events", "show", stocked[0], "--raw").stdout_bytes == b'{"auth_sign": "canary", "n": 1}'


def test_what_is_not_there_is_exit_1(stocked: list[str], cli: Cli) -> None:
    assert "ffffffff" in cli("events", "show", "ffffffff", code=1).stderr
    assert "Error" in cli("deliveries", "show", "4711", code=1).stderr
    cli("events", "show", stocked[0], "--why", "--raw", code=2)


def test_a_store_that_was_never_made_is_exit_1_and_is_not_made(configured: Path, cli: Cli) -> None:
    assert "gateway.db" in cli("events", "list", code=1).stderr
    assert not (configured / "gateway.db").exists()


def test_deliveries_have_the_documented_fields(stocked: list[str], cli: Cli) -> None:
    found = json.loads(cli("deliveries", "list", "--json").stdout)
    assert all(sorted(one) == DELIVERY_FIELDS for one in found)
    by = {(one["event_id"], one["sink"]): one for one in found}
    assert by[stocked[0], "screen"]["state"] == "delivered"
    dead = by[stocked[0], "lines"]
    assert (dead["state"], dead["reason"], dead["attempts"]) == ("dead", "refused", 1)
    assert "no such thing" in dead["last_error"]
    again = by[stocked[1], "screen"]
    assert (again["state"], again["held"]) == ("waiting", "retry")
    assert again["next_attempt_at"].endswith("Z")
    fresh = by[stocked[1], "lines"]
    assert (fresh["state"], fresh["held"], fresh["attempts"]) == ("waiting", None, 0)


def test_deliveries_are_found_by_event_sink_and_state(stocked: list[str], cli: Cli) -> None:
    def sinks(*arguments: str) -> list[str]:
        return [one["sink"] for one in json.loads(cli("deliveries", "list", "--json", *arguments).stdout)]

    assert sinks("--state", "dead") == ["lines"]
    assert sorted(sinks("--event", stocked[1][:10])) == ["lines", "screen"]
    assert sinks("--sink", "screen", "--state", "waiting") == ["screen"]
    cli("deliveries", "list", "--state", "lost", code=2)


def test_a_table_of_deliveries_says_what_each_waits_for(stocked: list[str], cli: Cli) -> None:
    said = cli("deliveries", "list").stdout
    assert "dead (refused)" in said
    assert "waiting (retry)" in said
    assert "\x1b" not in said


def test_a_delivery_is_shown_with_every_attempt(stocked: list[str], cli: Cli) -> None:
    [dead] = json.loads(cli("deliveries", "list", "--json", "--state", "dead").stdout)
    said = cli("deliveries", "show", str(dead["id"])).stdout
    assert "dead (refused)" in said
    assert "0.012 s" in said
    assert "400" in said
    whole = json.loads(cli("deliveries", "show", str(dead["id"]), "--json").stdout)
    assert sorted(whole) == sorted([*DELIVERY_FIELDS, "history"])
    [attempt] = whole["history"]
    assert (attempt["outcome"], attempt["status"], attempt["seconds"]) == ("refused", 400, 0.012)


@pytest.mark.parametrize("width", [80, 72, 100])
def test_listings_fit_the_terminal_with_states_ids_and_headings_whole(
    configured: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("gateway.cli.table.available", lambda: width)

    async def work(store: Store) -> None:
        for number in range(4):
            event = an_event("recording.file.completed", number=number, app="a-very-long-name" * 3)
            await accept(store, wanted(event, ["screen", "lines"]))
        await settle(store, "screen", "dead", reason="cancelled", detail="the target said a great many things " * 9)
        await settle(store, "lines", "waiting", detail="busy")
        await settle(store, "lines", "delivered")
        store.keep_refusal(a_refusal(b"{}", code="domain_not_allowed"))
        await store.ping()

    stock(configured, work)
    cli("deliveries", "cancel", "--sink", "screen", "--yes")
    headings = {
        ("events", "list"): "ID AGE SOURCE TYPE SUBJECT DELIVERIES",
        ("deliveries", "list"): "ID EVENT TYPE STREAM SINK STATE",
        ("refused", "list"): "ID AGE SOURCE CODE FROM",
        ("sinks", "list"): "SINK TYPE STATE WAITING SENDING DELIVERED DEAD OLDEST",
        ("audit", "list"): "AGE WHO ACT",
        ("plugins", "list"): "KIND TYPE FROM",
    }
    for command, heading in headings.items():
        lines = cli(*command).stdout.splitlines()
        assert all(len(line) <= width for line in lines), (command, lines)
        assert " ".join(lines[0].split()).startswith(heading), command
    said = cli("deliveries", "list").stdout
    assert "dead (cancelled)" in said
    assert "waiting (retry)" in said
    assert "…" in said


def test_a_short_id_names_one_event_wherever_an_event_is_named(configured: Path, cli: Cli) -> None:
    ids = [f"{'ab' * 5}{digit}{'0' * 21}" for digit in "0123"]

    async def work(store: Store) -> None:
        await accept(store, *[wanted(an_event(number=n, id=id)) for n, id in enumerate(ids)])

    stock(configured, work)
    shown = [line.split()[0] for line in cli("events", "list").stdout.splitlines()[1:]]
    assert shown == [id[:11] for id in reversed(ids)]
    for short, id in zip(shown, reversed(ids), strict=True):
        assert json.loads(cli("events", "show", short, "--json").stdout)["id"] == id
        assert {
            one["event_id"] for one in json.loads(cli("deliveries", "list", "--event", short, "--json").stdout)
        } == {id}
    ambiguous = cli("events", "show", ids[0][:10], code=1).stderr
    assert all(id in ambiguous for id in ids)
    assert shown[0] in cli("deliveries", "list").stdout


def test_an_event_that_came_through_another_gateway_has_a_short_id_too(configured: Path, cli: Cli) -> None:
    hexes = [f"{digit}{'ab' * 5}{'0' * 21}" for digit in "0123"]
    ids = [f"{hexes[0]}~other", f"{hexes[1]}~a~b-2", hexes[2], f"{hexes[2]}~other"]

    async def work(store: Store) -> None:
        await accept(store, *[wanted(an_event(number=n, id=id)) for n, id in enumerate(ids)])

    stock(configured, work)
    shown = [line.split()[0] for line in cli("events", "list").stdout.splitlines()[1:]]
    assert shown == [ids[3], ids[2], hexes[1][:8], hexes[0][:8]]  # as far as one name means one event
    for short, id in zip(shown, reversed(ids), strict=True):
        assert json.loads(cli("events", "show", short, "--json").stdout)["id"] == id


def test_an_event_is_erased_after_asking(stocked: list[str], cli: Cli) -> None:
    assert "Aborted" in cli("events", "erase", stocked[0], input="n\n", code=1).stderr
    cli("events", "erase", stocked[0], "--yes")
    cli("events", "show", stocked[0], code=1)
    assert len(json.loads(cli("events", "list", "--json").stdout)) == 2


def test_events_are_erased_by_what_they_are(stocked: list[str], cli: Cli) -> None:
    everything = json.loads(cli("events", "list", "--json").stdout)
    assert "name events by their ids, or say which" in cli("events", "erase", "--yes", code=2).stderr
    assert "or say which" in cli("events", "erase", stocked[0], "--stream", "x", "--yes", code=2).stderr
    assert "did you mean" in cli("events", "erase", "--source", "liev", "--yes", code=2).stderr
    assert "no event fits" in cli("events", "erase", "--stream", "nothing-*", "--yes").stdout
    assert "1 event will be erased" in cli("events", "erase", "--stream", "stream-1", "--dry-run").stdout
    assert len(json.loads(cli("events", "list", "--json").stdout)) == len(everything)
    cli("events", "erase", "--stream", "stream-1", "--yes")
    left = [row["subject"] for row in json.loads(cli("events", "list", "--json").stdout)]
    assert left == [row["subject"] for row in everything if not row["subject"].endswith("stream-1")]
    (erased, *_) = json.loads(cli("audit", "list", "--json").stdout)
    assert erased["filter"].startswith("hmac-sha256:")
    cli("events", "erase", "--since", "2026-01-01", "--until", "2026-01-01T12:00", "--yes")
    assert len(json.loads(cli("events", "list", "--json").stdout)) == len(left)  # `until` itself is not meant
    cli("events", "erase", "--source", "live", "--until", "1s", "--yes")
    assert json.loads(cli("events", "list", "--json").stdout) == []


def test_the_shell_completes_event_ids_types_and_states(stocked: list[str], cli: Cli) -> None:
    from click.shell_completion import ShellComplete

    from gateway.cli.root import gateway

    def completed(*words: str) -> list[str]:
        *before, incomplete = words
        found = ShellComplete(gateway, {}, "gateway", "_GATEWAY_COMPLETE").get_completions(list(before), incomplete)
        return [one.value for one in found]

    assert completed("events", "show", stocked[0][:4]) == [stocked[0]]
    assert (
        completed("--config", "none.yaml", "events", "show", "") == []
    )  # a key that is pressed is answered with no error
    assert completed("events", "replay", "") == stocked[::-1]
    assert completed("deliveries", "list", "--event", stocked[1][:5]) == [stocked[1]]
    assert "recording.failed" in completed("events", "list", "--type", "recording.f")
    assert completed("deliveries", "list", "--state", "wai") == ["waiting"]
    assert [completed(name[:-1]) for name in ("status", "top", "tail", "mcp")] == [
        ["status"],
        ["top"],
        ["tail"],
        ["mcp"],
    ]
    assert completed("tail", "--sink", "li") == ["lines"]
    assert completed("events", "list", "--fol") == ["--follow"]


@pytest.mark.parametrize(
    "command",
    [("events", "--stream", "stream-1"), ("events", "--subject", "*-1"), ("deliveries", "--stream", "stream-1")],
)
def test_a_listing_that_would_look_through_everything_says_how_far_it_came(
    stocked: list[str], cli: Cli, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    what, *asked = command
    assert "looked through" not in cli(what, "list", *asked).stderr
    monkeypatch.setattr("gateway.store.admin.search_budget.LISTING_ROWS_MAX", 1)
    monkeypatch.setattr("gateway.store.admin.pages._WINDOW_ROWS", 1)
    cut = cli(what, "list", *asked)
    assert cut.stdout == ""
    assert "only the newest 1 were looked through; --all looks through all of them" in cut.stderr
    assert stocked[0] in cli(what, "list", *asked, "--all").stdout


def test_a_listing_that_finds_enough_says_nothing_of_how_far_it_came(
    stocked: list[str], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.admin.search_budget.LISTING_ROWS_MAX", 1)
    found = cli("events", "list", "--stream", "stream-*", "--limit", "2")
    assert "looked through" not in found.stderr
    assert len(found.stdout.splitlines()) == 3
