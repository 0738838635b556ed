"""A gateway elsewhere: every command says the same there as beside its store, and a token is never an argument."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.cli.remote_admin import RemoteAdmin
from gateway.cli.remote_client import Remote
from gateway.store.admin.bulk import Total, Watcher
from gateway.store.admin.delivery_filter import DeliveryFilter
from tests import patience
from tests.cli.conftest import Cli
from tests.running import Player
from tests.web.admin_api import OPERATE, READ, ask, post, serve_filled, until
from tests.web.doors import Served

COMMANDS = [
    "events list",
    "events list --json",
    "events list --all --type recording.file.*",
    "events list --source nobody",
    "events list --source gateway",
    "events list --type recording.faild",
    "events show EVENT",
    "events show EVENT --why",
    "events show EVENT --json",
    "events show EVENT --raw",
    "events show nothing-like-it",
    "deliveries list",
    "deliveries list --json --sink file --state delivered --since 1h",
    "deliveries list --sink fil",
    "deliveries show DELIVERY",
    "deliveries show DELIVERY --json",
    "deliveries show 999999",
    "deliveries retry --sink file --yes",
    "deliveries cancel --sink file --dry-run",
    "deliveries move gone --to file --dry-run",
    "recordings list",
    "recordings list --stream nothing --json",
    "recordings list --source liv",
    "recordings show 999999",
    "refused list",
    "refused list --json",
    "refused show REFUSED",
    "refused show REFUSED --json",
    "refused retry REFUSED",
    "sources list",
    "sources list --json",
    "sources show live",
    "sources show liv",
    "sinks list",
    "sinks list --json",
    "sinks pause fil",
    "audit list --act reload",
    "store status --json",
    "route --type recording.failed --stream vip-7",
    "route --type recording.failed --json --expect file",
    "route --type recording.failed --expect gone",
]
CHANGES = [
    "sinks pause gone",
    "sinks pause gone",
    "sinks resume gone",
    "sinks resume gone",
    "events replay EVENT --to file",
    "events release EVENT",
    "deliveries cancel DELIVERY",
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("elsewhere")
    with serve_filled(folder) as served:
        (folder / "token").write_text(OPERATE + "\n")
        (folder / "read").write_text(READ)
        _wait_for_what_was_heard(folder)
        yield served


def _wait_for_what_was_heard(folder: Path) -> None:
    """When a source was last heard of is written every few seconds: what is read in the middle differs from what follows."""
    with closing(sqlite3.connect(folder / "gateway.db")) as file:
        patience.until(
            lambda: file.execute("SELECT count(*) FROM source_activity WHERE ignored = 0").fetchone() != (0,)
        )


def there(served: Served, token: str = "token") -> list[str]:
    folder: Path = served.folder  # type: ignore[attr-defined]
    return ["--url", f"http://127.0.0.1:{served.addresses.private.port}", "--token-file", str(folder / token)]


def words(served: Served, command: str) -> list[str]:
    names = {
        "EVENT": ask(served, "/events").json()["items"][-1]["ref"],
        "DELIVERY": str(ask(served, "/deliveries").json()["items"][-1]["id"]),
        "REFUSED": str(ask(served, "/refused").json()["items"][-1]["id"]),
    }
    return [names.get(word, word) for word in command.split()]


def at_rest(served: Served) -> None:
    """Nothing is on its way any more."""
    until(served, "/deliveries?state=waiting", lambda page: not page["items"])
    until(served, "/deliveries?state=sending", lambda page: not page["items"])


def told(text: str) -> str:
    """Without what differs by the clock alone, and without what the gateway in this process logs meanwhile."""
    text = re.sub(r"^\d{4}-\d\d-\d\d\S* \S*\s*\[\w+ *\].*\n", "", text, flags=re.MULTILINE)
    return re.sub(
        r"\b\d+ (s|m|ms)\b",
        "AGE",
        re.sub(r'"seen_at": "[^"]*"|webhook-timestamp: \d+|pinged.*|\d+ pages|[\d,]+ bytes', "", text),
    )


@pytest.mark.parametrize("command", [*COMMANDS, *CHANGES, "audit list --limit 3", "audit list --json"])
def test_a_command_says_the_same_here_and_there(served: Served, cli: Cli, command: str) -> None:
    here = ["--config", str(served.folder / "gateway.yaml")]  # type: ignore[attr-defined]
    said = words(served, command)
    if command in CHANGES[:2] or command in CHANGES[2:4]:
        post(served, f"/sinks/gone/{'resume' if 'pause' in command else 'pause'}")
    at_rest(served)
    local = cli(*here, *said, code=None)
    if command in CHANGES[:4]:
        post(served, f"/sinks/gone/{'resume' if 'pause' in command else 'pause'}")
    at_rest(served)
    remote = cli(*there(served), *said, code=None)
    assert (told(remote.output), remote.exit_code) == (told(local.output), local.exit_code)


def test_a_bulk_act_elsewhere_is_a_job_that_is_waited_for(served: Served, cli: Cli) -> None:
    post(served, "/sinks/gone/pause")
    events = ask(served, "/events").json()["items"]  # the three callbacks, and what the gateway itself had to tell
    for event in events:
        post(served, f"/events/{event['ref']}/replay", {"to": ["gone"]})
    said = cli(*there(served), "deliveries", "cancel", "--sink", "gone", "--yes").output
    assert said.count(": cancelled") == len(events)
    again = cli(*there(served), "deliveries", "retry", "--sink", "gone", "--yes").output
    assert again.count("a new round begins") == len(events)
    moved = cli(*there(served), "deliveries", "move", "gone", "--to", "file", "--yes").output
    assert "moved from gone to file, " in moved
    post(served, "/sinks/gone/resume")


def test_reload_and_a_test_message_reach_the_gateway_elsewhere(served: Served, cli: Cli) -> None:
    assert cli(*there(served), "reload").output.endswith("unchanged\n")
    lines = served.folder / "events.jsonl"  # type: ignore[attr-defined]
    before = lines.read_text().count("test-message")
    said = cli(*there(served), "sinks", "test", "file", "--type", "recording.failed").stdout
    assert re.search(r"^file: delivered in \d+ ms", said, re.MULTILINE)
    assert lines.read_text().count("test-message") > before
    assert re.search(
        r"Error: gone: not delivered in \d+ ms: 127\.0\.0\.1:9",
        cli(*there(served), "sinks", "test", "gone", code=1).stderr,
    )
    assert "has no directory" in cli(*there(served), "sinks", "test", "file", "--owner", "ann", code=1).stderr


def test_what_a_sink_would_send_is_shown_by_the_gateway_elsewhere(served: Served, cli: Cli, folder: Path) -> None:
    here = ["--config", str(served.folder / "gateway.yaml")]  # type: ignore[attr-defined]
    Path("event.json").write_text(json.dumps({"type": "recording.failed", "stream": "\x1b[31mred"}))
    command = ["sinks", "preview", "gone", "--event", "event.json"]
    shown = told(cli(*there(served), *command).stdout)
    assert shown == told(cli(*here, *command).stdout)
    assert "POST http://127.0.0.1:9/x" in shown
    assert "\x1b" not in shown
    assert "one event" in cli(*there(served), *command, "--type", "recording.failed", code=2).stderr
    assert "recording.failed" in cli(*there(served), "sinks", "preview", "gone", "--type", "recording.failed").stdout
    Path("callback.json").write_bytes(Player().body())  # the keys of a source do not leave their gateway
    callback = ["sinks", "preview", "gone", "--callback", "callback.json", "--source", "live"]
    assert "beside the configuration" in cli(*there(served), *callback, code=2).stderr


def test_who_may_only_read_is_refused_a_change(served: Served, cli: Cli) -> None:
    said = cli(*there(served, "read"), "sinks", "pause", "gone", code=1).output
    assert "may read" in said


def test_a_token_in_the_arguments_or_in_the_url_is_refused(served: Served, cli: Cli) -> None:
    url = there(served)[:2]
    assert cli(*url, "--token", OPERATE, "events", "list", code=2)
    assert "--token-file" in cli(*url, "events", "list", code=2).output
    said = cli("--url", f"http://x:{OPERATE}@127.0.0.1:1", "events", "list", code=2).output
    assert OPERATE not in said.replace(f"x:{OPERATE}", "") or "no credentials" in said


def test_the_environment_and_a_context_name_a_gateway_too(
    served: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    _, url, _, file = there(served)
    assert "no configuration" in cli("events", "list", code=2).output
    assert cli("context", "add", "live", "--url", url, "--token-file", file).output == f"live: {url}, in use\n"
    kept = tmp_path / "config/recording-gateway/contexts.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert OPERATE not in kept.read_text()
    assert json.loads(cli("events", "list", "--json").output)
    assert "live" in cli("context", "list").output
    cli("context", "use", "--none")
    assert cli("events", "list", code=2)
    cli("context", "use", "live")
    assert "did you mean 'live'" in cli("context", "use", "liv", code=2).output
    cli("context", "remove", "live")
    monkeypatch.setenv("GATEWAY_URL", url)
    monkeypatch.setenv("GATEWAY_TOKEN", OPERATE)
    assert json.loads(cli("events", "list", "--json").output)
    assert "beside the configuration" in cli("store", "migrate", code=2).output


@pytest.mark.parametrize("bounded", [True, False])
def test_a_listing_elsewhere_follows_few_pages_whose_time_was_up_unless_it_shows_all(bounded: bool) -> None:
    from gateway.admin.cursor import cursor
    from gateway.cli.remote_queries import CUT_PAGES_MAX, RemoteQueries
    from gateway.store.admin.search_budget import listing_budget

    asked: list[str] = []

    class Elsewhere:
        def get(self, path: str, **query: object) -> dict[str, object]:
            asked.append(path)
            left = 10 - len(asked)
            return {"items": [], "next": cursor("events", 1000 + left) if left else None}

    budget = listing_budget() if bounded else None
    assert RemoteQueries(Elsewhere()).events(limit=50, budget=budget, stream="nowhere") == []  # type: ignore[arg-type]
    assert len(asked) == (CUT_PAGES_MAX if bounded else 10)
    assert budget is None or budget.cut_at == 1000 + 10 - CUT_PAGES_MAX


class Stops(Watcher):
    """A person who wants it to end, once there is something to end."""

    def __init__(self, ready: Callable[[], object] = lambda: True) -> None:
        self._ready = ready

    def stopping(self) -> bool:
        self._ready()
        return True


def test_an_act_elsewhere_that_a_person_stops_says_what_was_done(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(served, "/sinks/gone/pause")
    refs = [event["ref"] for event in ask(served, "/events").json()["items"]]
    for ref in refs:
        post(served, f"/events/{ref}/replay", {"to": ["gone"]})
    admin = RemoteAdmin(Remote(there(served)[1], OPERATE))
    assert admin.replay_many(refs, watcher=Stops()) == Total(matched=len(refs), answers=[], stopped=True)
    monkeypatch.setattr("gateway.cli.remote_admin.RATE", "1/1m")
    chosen = admin.choose(DeliveryFilter(sink="gone", state="waiting"))
    with pytest.raises(TypeError, match="done where they are"):
        list(chosen)
    stopped = admin.cancel_many(chosen, watcher=Stops())
    assert (stopped.matched, stopped.stopped) == (len(refs), True)
    assert stopped.done <= 1
    monkeypatch.setattr("gateway.cli.remote_admin.RATE", "50/s")

    def all_ended() -> None:
        until(served, "/jobs", lambda page: all(one["finished_at"] for one in page["items"]))

    chosen = admin.choose(DeliveryFilter(sink="gone", state="waiting"))
    late = admin.cancel_many(chosen, watcher=Stops(all_ended))
    assert (late.stopped, late.done) == (False, len(chosen)), "it had ended when it was to be stopped"
    post(served, "/sinks/gone/resume")


def test_an_event_is_erased_elsewhere(served: Served, cli: Cli) -> None:
    assert served.post(Player().body(number=77)).status == 200
    at_rest(served)
    event = ask(served, "/events").json()["items"][0]
    assert cli(*there(served), "events", "erase", event["ref"], "--yes").output.endswith(": erased\n")
    assert ask(served, f"/events/{event['ref']}").status == 404


def test_a_context_in_use_is_passed_over_by_what_works_beside_a_configuration_alone(
    served: Served, cli: Cli, monkeypatch: pytest.MonkeyPatch, configured: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(configured / "config"))
    _, url, _, file = there(served)
    cli("context", "add", "live", "--url", url, "--token-file", file)
    assert "there is no store" in cli("store", "verify", code=1).stderr
    assert "name a context, or --none" in cli("context", "use", code=2).stderr
    kept = configured / "config/recording-gateway/contexts.json"
    for content in ("", "[]", '{"contexts": {"a": {"uri": 1}}}'):
        kept.write_text(content)
        assert f"{kept} cannot be read: mend it, or delete it" in cli("events", "list", code=1).stderr
