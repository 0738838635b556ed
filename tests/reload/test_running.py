"""A running gateway takes another configuration whole, or keeps the one it has and says why."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE_S, until
from tests.reload.served import SOURCE, TOKEN, ask, config, running_with_tokens, write
from tests.running import Player, Running, receiving


def ready(running: Running) -> dict[str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{running.admin}/readyz", timeout=PATIENCE_S) as answer:
        parts: dict[str, str] = json.loads(answer.read())
        return parts


def test_a_saved_file_is_taken_without_being_asked(tmp_path: Path) -> None:
    with receiving() as receiver, Running(tmp_path, config(receiver)) as running:
        player = Player()
        running.post(player.body())
        assert receiver.wait_for(lambda seen: len(seen.requests) == 1)
        write(running, "to: [app]", "to: [archive]")
        assert until(lambda: running.metric('recording_gateway_config_reloads_total{result="done"}') == 1)
        [moved] = running.post(player.body())[1]["events"]
        assert until(
            lambda: (tmp_path / "archive.jsonl").exists() and moved in (tmp_path / "archive.jsonl").read_text()
        )
        assert len(receiver.requests) == 1


def test_a_mounted_folder_that_swaps_its_symlink_is_noticed(tmp_path: Path) -> None:
    with receiving() as receiver:
        running = Running(tmp_path, config(receiver))
        for version in ("one", "two"):
            (tmp_path / version).mkdir()
            (tmp_path / version / "gateway.yaml").write_text(running.path.read_text())
            (tmp_path / version / "gateway.yaml").chmod(0o600)
        text = running.path.read_text().replace("to: [app]", "to: [archive]")
        (tmp_path / "two" / "gateway.yaml").write_text(text)
        running.path.unlink()
        (tmp_path / "..data").symlink_to("one")
        running.path.symlink_to("..data/gateway.yaml")
        with running:
            (tmp_path / "..data_tmp").symlink_to("two")
            os.replace(tmp_path / "..data_tmp", tmp_path / "..data")
            assert until(lambda: running.metric('recording_gateway_config_reloads_total{result="done"}') == 1)


def test_sighup_and_the_command_reload_and_say_what_changed(tmp_path: Path) -> None:
    with receiving() as receiver, running_with_tokens(tmp_path, config(receiver)) as running:
        assert running.process is not None
        running.process.send_signal(signal.SIGHUP)
        assert until(lambda: running.metric('recording_gateway_config_reloads_total{result="done"}') == 1)
        assert running.cli("reload").strip() == "unchanged"
        write(running, "  archive:", "  screen: {type: console}\n  archive:")
        said = running.cli("reload")
        assert "sinks added: screen" in said
        status, answer = ask(running)
        assert (status, answer["status"]) == (200, "unchanged")
        running.path.write_text(running.path.read_text() + "\nlocale: {timezone: Asia/Shanghai}\n")
        assert running.cli("reload").split("\n")[:2] == ["reloaded", "  settings changed: locale"]


def test_a_file_with_mistakes_keeps_the_old_one_and_says_so_everywhere(tmp_path: Path) -> None:
    with receiving() as receiver, running_with_tokens(tmp_path, config(receiver)) as running:
        write(running, "to: [app]", "to: [ap]")
        status, answer = ask(running)
        assert (status, answer["code"]) == (422, "configuration_invalid")
        assert [problem["hint"] for problem in answer["problems"]] == ["did you mean app?"]
        failed = running.cli("reload", check=False)
        assert until(lambda: "did you mean" in running.log)
        assert "ap" in failed
        assert ready(running)["configuration"].startswith("not what runs")
        assert running.metric("recording_gateway_config_current") == 0
        running.post(Player().body())
        assert receiver.wait_for(lambda seen: len(seen.requests) == 1)
        write(running, "to: [ap]", "to: [app]")
        assert ask(running)[0] == 200
        assert ready(running)["configuration"] == "ok"


def test_a_file_that_was_emptied_does_not_empty_the_gateway(tmp_path: Path) -> None:
    with receiving() as receiver, running_with_tokens(tmp_path, config(receiver)) as running:
        text = running.path.read_text()
        kept = [
            line for line in text.splitlines() if line.startswith(("version:", "server:", "admin:", "store:", "log:"))
        ]
        write(running, text, "\n".join(kept) + "\n")
        status, answer = ask(running)
        assert (status, answer["code"]) == (409, "restart_needed")
        assert "configures nothing" in answer["detail"]
        running.post(Player().body())
        assert receiver.wait_for(lambda seen: len(seen.requests) == 1)


def test_a_route_test_that_fails_keeps_the_old_one(tmp_path: Path) -> None:
    with receiving() as receiver, running_with_tokens(tmp_path, config(receiver)) as running:
        write(running, "routes:", "tests:\n  - {event: {type: recording.failed}, expect: [archive]}\nroutes:")
        assert ask(running)[0] == 422
        failed = running.cli("reload", check=False)
        assert "hint: what the routes said" in failed
        assert ": : " not in failed


def test_the_command_says_what_to_do_where_the_token_itself_has_changed(tmp_path: Path) -> None:
    with receiving() as receiver, running_with_tokens(tmp_path, config(receiver)) as running:
        write(running, TOKEN, TOKEN[::-1])
        assert "SIGHUP" in running.cli("reload", check=False)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("server: {", "server: {max_body: 1MiB, ", "server"),
        ("admin: {", "admin: {uds_mode: '0600', ", "admin"),
        ("gateway.db", "other.db", "store"),
        ("log: {", "log: {level: debug, ", "log"),
    ],
)
def test_what_needs_a_restart_is_refused_with_that_word(tmp_path: Path, old: str, new: str, named: str) -> None:
    with receiving() as receiver, running_with_tokens(tmp_path, config(receiver)) as running:
        write(running, old, new)
        status, answer = ask(running)
        assert (status, answer["code"]) == (409, "restart_needed")
        assert "restart" in answer["detail"]
        assert named in answer["detail"]


def test_edited_python_is_refused_and_new_python_is_taken(tmp_path: Path) -> None:
    sink = 'from gateway import Sink\n\nclass Quiet(Sink):\n    """Nothing."""\n    type = "{}"\n    async def deliver(self, delivery):\n        return None\n'
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(sink.format(name))
        (tmp_path / f"{name}.py").chmod(0o600)
    with (
        receiving() as receiver,
        running_with_tokens(
            tmp_path, "plugins: [./one.py]\n" + config(receiver, sinks="  extra: {type: one}\n")
        ) as running,
    ):
        write(running, "plugins: [./one.py]", "plugins: [./one.py, ./two.py]")
        write(running, "  extra: {type: one}", "  extra: {type: two}")
        assert ask(running)[1]["sinks"]["changed"] == ["extra"]
        (tmp_path / "one.py").write_text(sink.format("one") + "# edited\n")
        status, answer = ask(running)
        assert (status, answer["code"]) == (409, "restart_needed")
        assert "one.py" in answer["detail"]


def test_a_sink_that_cannot_be_opened_keeps_the_old_configuration(tmp_path: Path) -> None:
    broken = (
        'from gateway import Sink, Unavailable\n\nclass Shut(Sink):\n    """Never opens."""\n    type = "shut"\n'
        "    async def open(self):\n        raise Unavailable('no such place')\n    async def deliver(self, delivery):\n        return None\n"
    )
    (tmp_path / "shut.py").write_text(broken)
    (tmp_path / "shut.py").chmod(0o600)
    with receiving() as receiver, running_with_tokens(tmp_path, config(receiver)) as running:
        write(running, "sources:", "plugins: [./shut.py]\nsources:")
        write(running, "  archive:", "  shut: {type: shut}\n  archive:")
        status, answer = ask(running)
        assert (status, answer["code"]) == (409, "sink_not_opened")
        assert "no such place" in answer["detail"]
        running.post(Player().body())
        assert receiver.wait_for(lambda seen: len(seen.requests) == 1)


def test_a_plugin_that_fails_while_it_is_made_keeps_the_old_configuration(tmp_path: Path) -> None:
    broken = (
        'from gateway import Sink\n\nclass Odd(Sink):\n    """Can be made once."""\n    type = "odd"\n    made = []\n'
        "    def __init__(self, *parts, **more):\n        super().__init__(*parts, **more)\n        self.made.append(1 if more['http'] else 0)\n"
        "        if sum(self.made) > 1:\n            raise RuntimeError('no more')\n"
        "    async def deliver(self, delivery):\n        return None\n"
    )
    (tmp_path / "odd.py").write_text(broken)
    (tmp_path / "odd.py").chmod(0o600)
    text = "plugins: [./odd.py]\n" + config_of_odd()
    with running_with_tokens(tmp_path, text) as running:
        write(running, "concurrency: 1", "concurrency: 2")
        status, answer = ask(running)
        assert (status, answer["code"]) == (409, "reload_failed")
        assert until(lambda: "no more" in running.log)  # a thread writes it, after the answer perhaps
        assert running.post(Player().body())[0] == 200


def config_of_odd() -> str:
    return SOURCE + "sinks:\n  odd: {type: odd, delivery: {concurrency: 1}}\nroutes:\n  - {name: all, to: [odd]}\n"


def test_deliveries_of_a_sink_that_left_wait_for_it_and_move_elsewhere(tmp_path: Path) -> None:
    with receiving(503) as receiver, running_with_tokens(tmp_path, config(receiver, to="app, archive")) as running:
        player = Player()
        [first] = running.post(player.body())[1]["events"]
        assert receiver.wait_for(lambda seen: len(seen.requests) >= 1)
        write(running, "to: [app, archive]", "to: [archive]")
        write(running, "  app: {", "  later: {")
        assert ask(running)[0] == 200

        def waiting() -> list[dict[str, Any]]:
            return [row for row in running.listing("deliveries", "list") if row["sink"] == "app"]

        assert until(lambda: [row["held"] for row in waiting()] == ["orphaned"])
        receiver.answer = 200
        receiver.requests.clear()
        write(running, "  later: {", "  app: {")
        assert ask(running)[0] == 200
        assert receiver.wait_for(lambda seen: first in seen.ids)
        assert until(lambda: [row["state"] for row in waiting()] == ["delivered"])
