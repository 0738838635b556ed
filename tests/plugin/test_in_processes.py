"""Plugins in real processes: three ways in, and bad ones that take neither the gateway nor an event with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import run
from tests.patience import until
from tests.running import KEY, Player, Running

GOOD = '''
from pathlib import Path
from gateway import ConfigPath, Delivery, Options, Sink

class {cls}(Sink):
    """Writes ids."""
    type = "{type}"
    class Options(Options):
        path: ConfigPath
    async def deliver(self, delivery: Delivery) -> None:
        with self.options.path.open("a") as file:
            print(delivery.event.id, file=file)
'''
LIVE = f"sources: {{live: {{type: huawei-live, keys: ['{KEY}']}}}}\n"


def written(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def test_a_file_and_a_module_on_the_path_deliver_side_by_side(tmp_path: Path) -> None:
    """The third way in, an installed package, is in tests/stranger."""
    folder, modules = tmp_path / "served", tmp_path / "modules"
    folder.mkdir()
    modules.mkdir()
    written(folder / "mine.py", GOOD.format(cls="Mine", type="mine"))
    written(modules / "acme_sinks.py", GOOD.format(cls="Theirs", type="theirs"))
    config = (
        LIVE
        + """
plugins: [./mine.py, acme_sinks]
sinks: {a: {type: mine, path: a.txt}, b: {type: theirs, path: b.txt}}
routes: [{to: [a, b]}]
"""
    )
    with Running(folder, config, environ={"PYTHONPATH": str(modules)}) as served:
        listed = {(row["type"], row["from"]) for row in served.listing("plugins", "list")}
        assert {("mine", str(folder / "mine.py")), ("theirs", "the module acme_sinks")} <= listed
        _, said = served.post(Player().body())
        for name in ("a.txt", "b.txt"):
            file = folder / name
            until(lambda file=file: file.exists() and file.read_text().split() == said["events"])  # type: ignore[misc]
        assert served.stop() == 0


def told(served: Running) -> list[dict[str, object]]:
    """The lines of its log that are whole."""
    return [json.loads(line) for line in served.log.split("\n")[:-1] if line.startswith("{")]


BAD = '''
import asyncio, time
from gateway import Delivery, Sink, hookimpl

class Hanging(Sink):
    """Never opens."""
    type = "hanging"
    async def open(self) -> None:
        await asyncio.Event().wait()
    async def deliver(self, delivery: Delivery) -> None: ...

class Failing(Sink):
    """Cannot be opened."""
    type = "failing"
    async def open(self) -> None:
        raise KeyError("no such thing")
    async def deliver(self, delivery: Delivery) -> None: ...

class Blocking(Sink):
    """Blocks the loop, once."""
    type = "blocking"
    async def deliver(self, delivery: Delivery) -> None:
        if not hasattr(self, "blocked"):
            self.blocked = time.sleep(1.6)

class Nonsense(Sink):
    """Takes several and answers for one."""
    type = "nonsense"
    async def deliver(self, delivery: Delivery) -> object:
        return await self.deliver_batch([delivery])
    async def deliver_batch(self, deliveries):
        return "ok"

class Leaving(Sink):
    """Tries to end the process."""
    type = "leaving"
    async def deliver(self, delivery: Delivery) -> None:
        raise SystemExit(1)

@hookimpl
def event_stored(event, sinks):
    raise RuntimeError("the watcher has a bug")

@hookimpl
def attempt_finished(delivery, attempt):
    raise SystemExit("the other watcher too")
'''


def test_bad_plugins_are_named_and_neither_stop_the_gateway_nor_lose_an_event(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    written(folder / "bad.py", BAD)
    written(folder / "mine.py", GOOD.format(cls="Mine", type="mine"))
    kinds = ("hanging", "failing", "blocking", "nonsense", "leaving")
    sinks = "".join(f"  {kind}: {{type: {kind}, delivery: {{timeout: 5s}}}}\n" for kind in kinds)
    config = (
        LIVE
        + f"""
plugins: [./bad.py, ./mine.py]
sinks:
{sinks}  good: {{type: mine, path: good.txt}}
  pairs: {{type: nonsense, delivery: {{batch: {{max: 2, window: 30s}}}}}}
routes: [{{to: [{", ".join(kinds)}, good, pairs]}}]
"""
    )
    player = Player()
    with Running(folder, config) as served:
        answers = [served.post(player.body()) for _ in range(4)]
        assert [status for status, _ in answers] == [200] * 4
        ids = {event for _, said in answers for event in said["events"]}
        until(lambda: (folder / "good.txt").exists() and set((folder / "good.txt").read_text().split()) == ids)
        file = str(folder / "bad.py")
        until(lambda: all(word in served.log for word in ("loop_blocked", "sink_not_opened", "SystemExit")))
        until(lambda: served.log.count("watch_hook_failed") == 2)
        until(lambda: any(line["event"] == "loop_blocked" and line.get("plugin") == file for line in told(served)))
        until(lambda: any(line.get("sink") == "pairs" and line.get("outcome") == "retry" for line in told(served)))
        lines = told(served)
        by_event: dict[str, list[dict[str, object]]] = {}
        for line in lines:
            by_event.setdefault(str(line["event"]), []).append(line)
        assert {line["plugin"] for line in by_event["watch_hook_failed"]} == {file}
        assert {line["sink"] for line in by_event["sink_not_opened"]} <= {"failing", "hanging"}
        assert {line["plugin"] for line in by_event["sink_not_opened"]} == {file}
        blocked = [
            line for line in by_event["loop_blocked"] if line.get("plugin") == file
        ]  # a busy machine blocks it too
        assert blocked
        assert all(file in str(line["at"]) for line in blocked)
        leaving = [line for line in by_event["attempt"] if line["sink"] == "leaving"]
        assert all(file in str(line["detail"]) and line["plugin"] == file for line in leaving)
        pairs = [line for line in by_event["attempt"] if line["sink"] == "pairs" and line["outcome"] == "retry"]
        assert pairs
        assert all(file in str(line["detail"]) for line in pairs)
        states = {(row["sink"], row["state"]) for row in served.listing("deliveries", "list", "--limit", "200")}
        assert ("good", "delivered") in states
        assert not [state for state in states if state[1] == "dead"]
        assert served.stop() == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0\n", "ZeroDivisionError"),
        ("from gateway import Sink\nclass Mine(Sink):\n    type = 'mine'\n    Options = dict\n", "Options is not a pydantic model"),
        ("from gateway import Sink\nclass Mine(Sink):\n    type = 'mine'\n    async def deliver(self): ...\n", "cannot be called with"),
        ("from gateway import hookimpl\n@hookimpl\ndef attempt_finnished(attempt): ...\n", "did you mean attempt_finished?"),
        (GOOD.format(cls="Mine", type="console"), "two plugins bring the sink type 'console': recording-gateway"),
        ("import sys; sys.exit(7)\n", "SystemExit"),
        (
            GOOD.format(cls="Mine", type="mine") + "    def __init__(self, name): ...\n",
            "the mine cannot be made: TypeError",
        ),
    ],
    ids=["import", "options", "signature", "hook", "duplicate", "exit", "init"],
)  # fmt: skip
def test_a_plugin_that_cannot_be_used_is_said_by_check_and_keeps_serve_from_starting(
    tmp_path: Path, text: str, said: str
) -> None:
    written(tmp_path / "mine.py", text)
    sinks = "sinks: {m: {type: mine, path: x}}\n" if "cannot be made" in said else ""
    written(tmp_path / "gateway.yaml", f"version: 1\nplugins: [./mine.py]\n{LIVE}{sinks}")
    for command in ("check", "serve"):
        done = run([command], cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        assert said in " ".join((done.stdout + done.stderr).split())
        assert "gateway.yaml:" in done.stderr + done.stdout
        assert "mine" in done.stderr + done.stdout
        assert "Traceback" not in done.stderr


def test_options_that_no_schema_can_show_are_said_by_show(tmp_path: Path) -> None:
    odd = "from gateway import Options, Sink\nfrom typing import Callable\nclass Mine(Sink):\n    type = 'mine'\n"
    odd += "    class Options(Options):\n        model_config = {'arbitrary_types_allowed': True}\n        call: Callable = print\n"
    odd += "    async def deliver(self, delivery): ...\n"
    written(tmp_path / "mine.py", odd)
    written(tmp_path / "gateway.yaml", f"version: 1\nplugins: [./mine.py]\n{LIVE}")
    done = run(["plugins", "show", "mine"], cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "mine.py") in done.stderr
    for command in (["schema"], ["check"]):
        done = run(command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
