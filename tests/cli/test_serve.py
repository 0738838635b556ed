"""`gateway serve` in a process of its own, with the other commands beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import covered, warm
from tests.cli.conftest import CONFIG, ROOT, Cli, run
from tests.patience import PATIENCE_S, until
from tests.ports import free_port


@contextmanager
def _serving(folder: Path, *, fork: bool = True) -> Iterator[subprocess.Popen[bytes] | warm.Process]:
    """`gateway serve`, ready; killed in the end if it still runs. Without `fork` it has this process's umask and limits."""
    log = folder / "log"
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")} | {"PYTHONPATH": ROOT}
    with log.open("wb") as out:
        process: subprocess.Popen[bytes] | warm.Process
        if fork and warm.fits(environ):
            written = out.fileno()
            process = warm.start(["serve"], cwd=folder, environ=environ, stdin=0, stdout=written, stderr=written)
        else:
            command = [sys.executable, "-m", "gateway", "serve"]
            process = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=out)
    try:
        until(lambda: b"serving" in log.read_bytes() or process.poll() is not None, said=log.read_text)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        if process.poll() is None:
            covered.kill(process)
        process.wait(PATIENCE_S)


@pytest.fixture
def ports(folder: Path) -> tuple[int, int]:
    return free_port(), free_port()


def _config(ports: tuple[int, int], text: str = CONFIG) -> str:
    return text.replace("{port: 8080}", f"{{port: {ports[0]}}}").replace("{port: 9090}", f"{{port: {ports[1]}}}")


def _eventually(what: str, cli: Cli, found: object) -> None:
    until(lambda: {one["state"] for one in json.loads(cli(*what.split()).stdout)} == found)


def test_from_init_to_a_delivered_event(folder: Path, ports: tuple[int, int]) -> None:
    assert run(["init"], cwd=folder).returncode == 0
    path = folder / "gateway.yaml"
    text = path.read_text()
    head = f"\nserver: {{port: {ports[0]}}}\nadmin: {{port: {ports[1]}}}\n"
    for section in ("server", "admin"):
        text = re.sub(rf"^{section}:.*?(?=^\S)", "", text, flags=re.M | re.S)
    path.write_text(text.replace("version: 1\n", "version: 1" + head, 1))
    checked = run(["check"], cwd=folder)
    assert checked.returncode == 0, checked.stderr
    with _serving(folder, fork=False) as process:
        health = ["health", "--url", f"http://127.0.0.1:{ports[1]}"]
        assert run(health, cwd=folder).returncode == 0
        assert run([*health, "--ready"], cwd=folder).returncode == 0
        sent = run(["send"], cwd=folder)
        assert sent.returncode == 0, sent.stdout + sent.stderr
        assert len(json.loads(run(["events", "list", "--json"], cwd=folder).stdout)) == 5
        process.kill()
        process.wait(PATIENCE_S)
    assert run(health, cwd=folder).returncode == 1


def test_callbacks_good_and_bad_are_answered_as_they_should_be(folder: Path, ports: tuple[int, int], cli: Cli) -> None:
    (folder / "gateway.yaml").write_text(_config(ports))
    with _serving(folder):
        for arguments in (
            [],
            ["--tampered"],
            ["--expired"],
            ["--duplicate"],
            ["--count", "20", "--type", "RECORD_OVER"],
            ["--sign-type", "hmac-sha256-timestamp"],
        ):
            cli("send", *arguments)
        cli("send", "--sign-type", "md5", code=1)
        _eventually("deliveries list --json", cli, {"delivered"})
        codes = {one["code"] for one in json.loads(cli("refused", "list", "--json").stdout)}
        assert codes == {"signature_mismatch", "signature_expired"}


def test_it_stops_politely_and_tells_so(folder: Path, ports: tuple[int, int]) -> None:
    (folder / "gateway.yaml").write_text(_config(ports))
    with _serving(folder) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    assert all({"ts", "level", "event"} <= line.keys() for line in lines)
    assert [line["event"] for line in lines][-1] == "stopped"
    assert any(line["event"] == "config_warning" and "sign_type" in line["detail"] for line in lines)
    [called] = [line for line in lines if line["event"] == "callback_url"]
    assert called["url"].startswith(f"http://127.0.0.1:{ports[0]}/hooks/")
    [serving] = [line for line in lines if line["event"] == "serving"]
    [opening] = [line for line in lines if line["event"] == "opening"]
    assert serving["public"].endswith(f":{ports[0]}")
    assert opening["configuration"].endswith("gateway.yaml")
    assert opening["store"].startswith("sqlite:///")
    assert opening["sources"]["live"] == "huawei-live"
    assert opening["sinks"]


STUBBORN = """
import asyncio, threading, time
from pydantic import BaseModel
from gateway import Sink, hookimpl

class Options(BaseModel):
    thread: str

class Stubborn(Sink):
    type = "stubborn"
    Options = Options

    async def deliver(self, delivery):
        if self.options.thread == "its own":
            threading.Thread(target=time.sleep, args=(60,), name="my own").start()
            return
        if self.options.thread == "lent":
            await asyncio.to_thread(time.sleep, 60)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

@hookimpl
def register_sinks():
    return [Stubborn]
"""


@pytest.mark.parametrize(("thread", "left"), [("none", "lane screen"), ("lent", "threads"), ("its own", "my own")])
def test_a_plugin_that_does_not_let_itself_be_stopped_keeps_no_process(
    folder: Path, ports: tuple[int, int], cli: Cli, thread: str, left: str
) -> None:
    text = _config(ports).replace(f"port: {ports[0]}", f"port: {ports[0]}, shutdown_grace: 100ms")
    text = text.replace("{type: console}", f"{{type: stubborn, thread: {thread}}}")
    (folder / "stubborn.py").write_text(STUBBORN)
    (folder / "gateway.yaml").write_text(text + "plugins: [./stubborn.py]\n")
    with _serving(folder) as process:
        cli("send", "--type", "RECORD_FAILED", "--field", "stream=main")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    events = {line["event"]: line for line in map(json.loads, (folder / "log").read_text().splitlines())}
    assert left in events["left_behind"]["what"]


def test_what_it_writes_is_its_own(folder: Path, ports: tuple[int, int], cli: Cli) -> None:
    (folder / "gateway.yaml").write_text(_config(ports))
    before = os.umask(0)
    try:
        with _serving(folder, fork=False) as process:
            cli("send")
            _eventually("deliveries list --json", cli, {"delivered"})
            limits = Path(f"/proc/{process.pid}/limits").read_text()
    finally:
        os.umask(before)
    assert re.search(r"Max core file size +0 +0", limits)
    written = [path for path in folder.iterdir() if path.name.startswith(("gateway.db", "recordings"))]
    assert len(written) >= 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


def test_a_port_that_is_taken_is_exit_1_without_a_traceback(folder: Path, ports: tuple[int, int]) -> None:
    (folder / "gateway.yaml").write_text(_config(ports))
    with socket.create_server(("127.0.0.1", ports[0])):
        done = run(["serve"], cwd=folder)
    assert done.returncode == 1
    assert str(ports[0]) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_does_not_open_is_exit_1_and_one_error(folder: Path, ports: tuple[int, int]) -> None:
    (folder / "gateway.yaml").write_text(_config(ports))
    (folder / "gateway.db").write_text("this is no database, whatever its name says\n" * 9)
    done = run(["serve"], cwd=folder)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("Error: the store ")
    assert [line for line in lines if '"level":"error"' in line or "Traceback" in line] == []


CRASHING = """
import sys
from gateway.web import listeners

def serve(gateway, watch):
    canary = "".join(["canary-", "of-a-local-", "variable"])
    raise ValueError(f"crashed, and {len(canary)} characters stayed here")

listeners.serve = serve
sys.argv = ["gateway", "serve"]
from gateway.cli import main
main()
"""


def test_a_bug_is_told_as_everything_else_without_variables(folder: Path, ports: tuple[int, int]) -> None:
    (folder / "gateway.yaml").write_text(_config(ports))
    done = subprocess.run(
        [sys.executable, "-c", CRASHING],
        cwd=folder,
        env={"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert "canary-of-a-local-variable" not in done.stderr
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["level"], last["event"]) == ("error", "crashed")
    assert "ValueError: crashed, and 26 characters" in last["exception"]


def test_connecting_says_what_does_not_open(folder: Path, ports: tuple[int, int], cli: Cli) -> None:
    text = _config(ports, CONFIG.replace("path: recordings.jsonl", "path: nowhere/recordings.jsonl"))
    (folder / "gateway.yaml").write_text(text)
    found = json.loads(cli("check", "--connect", "--json", code=1).stdout)
    errors = {one["path"]: one["message"] for one in found if one["severity"] == "error"}
    assert set(errors) == {"store", "sinks.lines"}
    cli("store", "migrate")
    (folder / "gateway.yaml").write_text(_config(ports))
    assert "sink lines: opens" in cli("check", "--connect").stderr


def test_the_exit_code_is_that_of_the_listeners(configured: Path, cli: Cli, inside: list[object]) -> None:
    result = cli("serve", code=3)
    assert inside[0] == "hardened"
    assert inside[1].settings.server.port == 8080  # type: ignore[attr-defined]
    assert json.loads(result.stderr.splitlines()[0])["event"] == "config_warning"
    (configured / "gateway.yaml").write_text(CONFIG.replace("domains:", "sign_type: hmac-sha256-fields\n    domains:"))
    assert cli("serve", code=3).stderr == ""


def test_mistakes_are_said_before_anything_is_opened(configured: Path, cli: Cli, inside: list[object]) -> None:
    (configured / "gateway.yaml").write_text(CONFIG.replace("{port: 8080}", "{host: 0.0.0.0}"))
    assert "demo" in cli("serve", code=1).stderr
    assert inside == ["hardened"]


def test_what_the_listeners_say_is_for_people(
    configured: Path, cli: Cli, inside: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.errors import StoreInUse
    from gateway.web import listeners

    def held(gateway: object, *, watch: bool) -> int:
        raise StoreInUse("process 4711 holds gateway.db")

    def broken(gateway: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(listeners, "serve", held)
    assert cli("serve", code=1).stderr.splitlines()[-1] == "Error: process 4711 holds gateway.db"
    monkeypatch.setattr(listeners, "serve", broken)
    assert '"event":"crashed"' in cli("serve", code=1).stderr


def test_the_process_is_hardened() -> None:
    code = "import os, resource; from gateway.cli.commands.serve import harden; harden(); print(os.umask(0), resource.getrlimit(resource.RLIMIT_CORE))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": ROOT}, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{0o077} (0, 0)\n"
