"""What people do to events and deliveries from the command line, one by one and in bulk."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from gateway.cli.bulk_progress import ANSWERS_SHOWN_MAX, finish
from gateway.store.admin.bulk import ItemResult, Total
from gateway.store.store import Store
from tests.cli.conftest import CONFIG, Cli
from tests.cli.stocked import accept, an_event, stock, wanted


def _held(folder: Path) -> str:
    """The same id with other content: its reference."""

    async def work(store: Store) -> None:
        first = an_event(number=9)
        await accept(store, wanted(first), wanted(an_event(number=9, id=first.id, app="other")))

    stock(folder, work)
    return json.loads(Cli()("events", "list", "--held", "--json").stdout)[0]["ref"]


def _states(cli: Cli) -> dict[tuple[str, str], str]:
    return {
        (one["event_id"], one["sink"]): one["state"] for one in json.loads(cli("deliveries", "list", "--json").stdout)
    }


def test_a_dead_delivery_is_tried_again_by_id_and_by_sink(stocked: list[str], cli: Cli) -> None:
    [dead] = json.loads(cli("deliveries", "list", "--json", "--state", "dead").stdout)
    assert cli("deliveries", "retry", str(dead["id"])).stdout.startswith(f"{dead['id']}: ")
    assert _states(cli)[stocked[0], "lines"] == "waiting"
    cli("deliveries", "cancel", str(dead["id"]))
    assert _states(cli)[stocked[0], "lines"] == "dead"
    cli("deliveries", "retry", "--sink", "lines")
    assert _states(cli)[stocked[0], "lines"] == "waiting"
    assert "no dead deliveries" in cli("deliveries", "retry", "--sink", "lines").stderr


def test_one_that_fails_does_not_stop_the_others(stocked: list[str], cli: Cli) -> None:
    [dead] = json.loads(cli("deliveries", "list", "--json", "--state", "dead").stdout)
    result = cli("deliveries", "retry", "4711", str(dead["id"]), code=1)
    assert "4711" in result.stderr
    assert _states(cli)[stocked[0], "lines"] == "waiting"


def test_a_whole_sink_is_cancelled_only_after_asking(stocked: list[str], cli: Cli) -> None:
    assert "Aborted" in cli("deliveries", "cancel", "--sink", "lines", input="n\n", code=1).stderr
    assert _states(cli)[stocked[1], "lines"] == "waiting"
    cli("deliveries", "cancel", "--sink", "lines", "--yes")
    assert _states(cli)[stocked[1], "lines"] == "dead"


def test_which_deliveries_must_be_said_one_way(stocked: list[str], cli: Cli) -> None:
    for command in ("retry", "cancel"):
        cli("deliveries", command, code=2)
        cli("deliveries", command, "1", "--sink", "lines", code=2)


def test_what_waits_for_one_sink_is_moved_to_another(stocked: list[str], cli: Cli, configured: Path) -> None:
    (configured / "gateway.yaml").write_text(CONFIG.replace("lines", "archive"))
    orphans = [one for one in json.loads(cli("deliveries", "list", "--json").stdout) if one["held"] == "orphaned"]
    assert [one["sink"] for one in orphans] == ["lines"]
    said = cli("deliveries", "move", "lines", "--to", "archive", input="n\n", code=1).stderr
    assert "1 of 1 waiting deliveries will move from lines to archive; 0 will be cancelled" in said
    assert "nothing was done" in cli("deliveries", "move", "lines", "--to", "archive", "--dry-run").stdout
    assert _states(cli)[stocked[1], "lines"] == "waiting"
    said = cli("deliveries", "move", "lines", "--to", "archive", "--yes").stdout
    assert said == "1 moved from lines to archive, 0 cancelled\n"
    assert _states(cli)[stocked[1], "archive"] == "waiting"
    assert "did you mean" in cli("deliveries", "move", "lines", "--to", "archiv", code=2).stderr
    cli("deliveries", "move", "archive", "--to", "archive", code=2)


def test_a_replay_goes_where_it_went_the_first_time(stocked: list[str], cli: Cli) -> None:
    said = cli("events", "replay", stocked[0]).stdout
    assert "screen" in said
    assert "lines" in said
    assert _states(cli)[stocked[0], "screen"] == "waiting"
    assert _states(cli)[stocked[0], "lines"] == "waiting"
    assert "nothing to do" in cli("events", "replay", stocked[0]).stdout


def test_a_replay_can_name_its_sinks_or_ask_todays_routes(stocked: list[str], cli: Cli, configured: Path) -> None:
    assert cli("events", "replay", "--to", "screen", stocked[0]).stdout.endswith("to screen\n")
    assert _states(cli)[stocked[0], "lines"] == "dead"
    (configured / "gateway.yaml").write_text(CONFIG + "  - {event: {type: recording.ended}, expect: [lines]}\n")
    (configured / "gateway.yaml").write_text(
        CONFIG.replace(
            "  - name: files", "  - {name: starts, match: {type: recording.started}, to: [lines]}\n  - name: files"
        )
    )
    assert cli("events", "replay", stocked[2]).stdout.endswith("to lines\n")
    assert "starts: matched" in cli("events", "show", stocked[2], "--why").stdout
    assert "did you mean" in cli("events", "replay", "--to", "scren", stocked[0], code=2).stderr
    cli("events", "replay", "--to", "screen", "--reroute", stocked[0], code=2)


def test_many_are_replayed_from_a_listing(stocked: list[str], cli: Cli) -> None:
    listing = cli("events", "list", "--all", "--type", "recording.failed").stdout
    result = cli("events", "replay", "--to", "screen", "-", input=f"{listing}\n{stocked[2]}\n")
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [stocked[1], stocked[0], stocked[2]]
    assert "neither" in cli("events", "replay", "-", input="{broken\n", code=2).stderr
    assert "ffffffff" in cli("events", "replay", "ffffffff", stocked[0], code=1).stderr


def test_a_held_event_is_shown_and_released(configured: Path, cli: Cli) -> None:
    ref = _held(configured)
    assert "held: conflict" in cli("events", "list", "--held").stdout
    said = cli("events", "show", ref).stdout
    assert f"gateway events release {ref}" in said
    assert "beside it" in said
    assert "what it says otherwise" in said
    assert re.search(r'^  -\s+"app": "live",$', said, re.M)
    assert re.search(r'^  \+\s+"app": "other",$', said, re.M)
    assert "`gateway events release` it" in cli("events", "replay", ref, code=1).stderr
    result = cli("events", "release", ref)
    assert "released" in result.stdout
    assert json.loads(cli("events", "list", "--held", "--json").stdout) == []
    assert "not held" in cli("events", "release", ref, code=1).stderr


def test_a_bulk_act_says_first_how_many_it_would_be_done_to(stocked: list[str], cli: Cli) -> None:
    for act, count in (("retry", "1 dead delivery to lines will be tried again"), ("cancel", "1 waiting delivery to")):
        assert count in cli("deliveries", act, "--sink", "lines", "--dry-run").stdout
    assert cli("audit", "list", "--json").stdout == "[]\n"
    assert "1 event will be delivered once more" in cli("events", "replay", stocked[0], "-n").stdout
    cli("deliveries", "cancel", "--sink", "lines", input="", code=1)  # it takes something away: a script says --yes


def test_bulk_acts_choose_by_what_events_say(stocked: list[str], cli: Cli) -> None:
    assert "no dead deliveries, stream nobody" in cli("deliveries", "retry", "--stream", "nobody").stderr
    assert "1 dead delivery" in cli("deliveries", "retry", "--type", "recording.*", "--since", "999d", "-n").stdout
    assert "did you mean 'recording.failed'?" in cli("deliveries", "retry", "--type", "recording.faild", code=2).stderr
    assert "did you mean 'lines'?" in cli("deliveries", "list", "--sink", "line", code=2).stderr
    assert "did you mean 'live'?" in cli("events", "list", "--source", "lve", code=2).stderr
    assert "90m or 2d" in cli("deliveries", "list", "--since", "yesterday", code=2).stderr


def test_what_people_did_is_listed_with_who_and_on_how_many(stocked: list[str], cli: Cli) -> None:
    from gateway.store.admin.audit import Actor

    cli("deliveries", "retry", "--sink", "lines", "--yes")
    cli("events", "erase", stocked[0], "--yes")
    erased, retried = json.loads(cli("audit", "list", "--json").stdout)
    here = Actor.here()
    assert (retried["act"], retried["target"], retried["done"]) == ("deliveries retry", "lines", 1)
    assert (erased["who"], erased["from"], erased["target"]) == (here.name, here.place, stocked[0])
    assert [one["act"] for one in json.loads(cli("audit", "list", "--act", "events *", "--json").stdout)] == [
        "events erase"
    ]
    assert "deliveries retry" in cli("audit", "list", "--target", "lines").stdout
    assert json.loads(cli("audit", "list", "--since", "2999-01-01", "--json").stdout) == []


def test_what_became_of_many_is_said_in_numbers_and_by_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    many = [ItemResult(str(n), "no", n % 10 != 0) for n in range(ANSWERS_SHOWN_MAX + 1)]
    failed = sum(not one.well for one in many)
    finish(Total(matched=3, answers=many[1:4]))
    assert capsys.readouterr() == ("", "")
    with pytest.raises(click.exceptions.Exit):
        finish(Total(matched=len(many), answers=many))
    assert capsys.readouterr().out == f"{len(many) - failed} done, {failed} could not be\n"
    with pytest.raises(click.exceptions.Exit):
        finish(Total(matched=9, answers=many[1:4], stopped=True))
    assert capsys.readouterr().err.startswith("stopped: 3 of 9 done and kept, the rest is as it was;")


def test_ctrl_c_stops_a_bulk_act_after_what_is_under_way(capsys: pytest.CaptureFixture[str]) -> None:
    import os
    import signal

    from gateway.cli.bulk_progress import watched

    before = signal.getsignal(signal.SIGINT)
    with watched(100, "cancelling") as watcher:
        assert not watcher.stopping()
        os.kill(os.getpid(), signal.SIGINT)
        assert watcher.stopping()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "once more to stop at once" in capsys.readouterr().err
