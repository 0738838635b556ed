"""A command that is a fork of a process with its imports behind it is, to whoever looks, one that was started."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.marks import starts_process
from tests.patience import PATIENCE_S
from tests.running import COMMAND, KEY, Running

CONFIG = f"sources: {{live: {{type: huawei-live, keys: [{KEY}]}}}}\n"
PLUGIN = """
import json, os, random, sys
from gateway import hookimpl
facts = {
    "cwd": os.getcwd(), "own": os.environ.get("OWN"), "home": os.environ.get("HOME"), "path": sys.path[:2],
    "open": sorted(int(n) for n in os.listdir("/proc/self/fd"))[:3], "group": os.getpgid(0),
    "modules": sorted(n for n in sys.modules if n.startswith(("pytest", "tests."))),
    "interrupt": str(__import__("signal").getsignal(2)), "threads": __import__("threading").active_count(),
}
print(json.dumps(facts))
"""


def test_it_is_told_everything_that_the_command_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "gateway.yaml").write_text("version: 1\nplugins: [./mine.py]\n")
    environ = {"PATH": os.environ["PATH"], "OWN": "here", "PYTHONPATH": f"/one{os.pathsep}/two"}
    environ |= {name: text for name, text in os.environ.items() if name.startswith(warm.AT_START)} | environ
    assert warm.fits(environ)
    ours = warm.run(["check"], cwd=tmp_path, environ=environ)
    theirs = subprocess.run(
        [COMMAND, "check"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    begins = f'"path": ["{Path(COMMAND).parent}", "/one"]'  # of a script, its own folder: a fork has none
    told = theirs.stderr.replace(begins, '"path": ["/one", "/two"]')
    assert told != theirs.stderr, "what a plugin prints is no part of the answer"
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, told)


@pytest.mark.parametrize(
    ("arguments", "given", "code"),
    [(["--version"], "", 0), (["no-such-command"], "", 2), (["check"], "", 2), (["route", "-"], "{}", None)],
    ids=["well", "wrong use", "no", "standard input"],
)
def test_its_answer_is_that_of_the_command(tmp_path: Path, arguments: list[str], given: str, code: int | None) -> None:
    ours = warm.run(arguments, cwd=tmp_path, environ=os.environ, input=given)
    theirs = subprocess.run(
        [COMMAND, *arguments],
        cwd=tmp_path,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)
    assert code in (None, ours.returncode)


def test_one_that_ended_at_once_has_its_exit_code_too() -> None:
    status, theirs = os.pipe()
    os.write(theirs, b"77\n")
    os.write(theirs, str(2 << 8).encode())
    os.close(theirs)
    ended = warm.Process(status)
    assert (ended.pid, ended.poll(), ended.wait(PATIENCE_S)) == (77, 2, 2)


def test_it_lives_and_ends_like_a_child(tmp_path: Path) -> None:
    with Running(tmp_path / "served", CONFIG) as served:
        process = served.process
        assert isinstance(process, warm.Process)
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
        assert process.poll() == -signal.SIGKILL
        process.send_signal(signal.SIGTERM)  # to nobody
        assert served.start().stop() == 0


def test_it_ends_as_a_python_does_that_takes_itself_apart(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import atexit, threading\natexit.register(print, 'at exit')\nthreading.Timer(0.1, print, ['thread']).start()\n"
    )
    (tmp_path / "gateway.yaml").write_text("version: 1\nplugins: [./mine.py]\n")
    command = [COMMAND, "check"]
    ours = warm.run(["check"], cwd=tmp_path, environ=os.environ)
    theirs = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert ours.stdout.splitlines()[-2:] == ["thread", "at exit"]
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)


@pytest.mark.parametrize("arguments", [["--version"], ["schema"], ["check"]], ids=" ".join)
def test_what_cannot_be_written_is_said_as_by_any_python(tmp_path: Path, arguments: list[str]) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no device that is full")
    with full.open("wb") as out, open(os.devnull, "rb") as nothing, (tmp_path / "said").open("w+b") as said:
        ends: dict[str, Any] = {"stdin": nothing.fileno(), "stdout": out.fileno()}
        began = warm.start(arguments, cwd=tmp_path, environ=os.environ, stderr=said.fileno(), **ends)
        ours = began.wait(PATIENCE_S)
        theirs = subprocess.run(
            [COMMAND, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, check=False, timeout=PATIENCE_S, **ends
        )
        said.seek(0)
        assert (ours, said.read()) == (theirs.returncode, theirs.stderr)


@pytest.mark.parametrize("new_session", [False, True])
def test_it_has_a_session_of_its_own_where_that_is_asked_for(tmp_path: Path, new_session: bool) -> None:
    (tmp_path / "mine.py").write_text("import os; print(os.getsid(0) == os.getpid())\n")
    (tmp_path / "gateway.yaml").write_text("version: 1\nplugins: [./mine.py]\n")
    with (tmp_path / "out").open("wb") as out, open(os.devnull, "rb") as nothing:
        began = warm.start(
            ["check"], cwd=tmp_path, environ=os.environ, new_session=new_session,
            stdin=nothing.fileno(), stdout=out.fileno(), stderr=out.fileno(),
        )  # fmt: skip
        began.wait(PATIENCE_S)
    assert str(new_session) in (tmp_path / "out").read_text().splitlines()


def test_what_only_a_python_reads_that_starts_is_left_to_one(tmp_path: Path) -> None:
    assert warm.fits(os.environ)
    assert warm.fits({**os.environ, "OWN": "1", "PYTHONPATH": "/x"})
    for name in ("PYTHONWARNINGS", "LC_ALL", "COVERAGE_PROCESS_CONFIG"):
        assert not warm.fits({**os.environ, name: "x"})
    served = Running(tmp_path / "served", CONFIG, environ={"PYTHONWARNINGS": "error"})
    with served:
        assert isinstance(served.process, subprocess.Popen)


def test_whoever_uses_one_starts_a_process() -> None:
    assert starts_process(warm.run)
