"""A program that is ended: nothing of it is left running, and nothing of it holds an attempt up."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.testing import delivery
from plugins.sinks.exec import child as child_module
from tests.patience import PATIENCE_S, until
from tests.sinks.programs import PYTHON, program_sink


def _pid(path: Path) -> int:
    until(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # nobody may be there to reap an orphan


GRANDCHILD = (
    "import os,subprocess,sys,time;"
    "p=subprocess.Popen([sys.executable,'-c','import time; time.sleep(600)']);"
    "open('pid.new','w').write(str(p.pid)); os.rename('pid.new','pid');"
)


async def test_after_the_timeout_neither_it_nor_its_children_live(tmp_path: Path) -> None:
    sink = program_sink(GRANDCHILD + "time.sleep(600)", cwd=str(tmp_path))
    task = asyncio.create_task(sink.deliver(delivery()))
    pid = await asyncio.to_thread(_pid, tmp_path / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(PATIENCE_S):  # each of them sleeps ten minutes
            await task
    await asyncio.to_thread(_wait_gone, pid)


async def test_what_an_ended_program_leaves_behind_is_ended_and_holds_nothing_up(tmp_path: Path) -> None:
    sink = program_sink(GRANDCHILD, cwd=str(tmp_path))
    async with asyncio.timeout(PATIENCE_S):
        assert await sink.deliver(delivery()) == "exit 0"
    await asyncio.to_thread(_wait_gone, int((tmp_path / "pid").read_text()))


def _wait_gone(pid: int) -> None:
    until(lambda: not _alive(pid), said=lambda: "a grandchild lives on")


async def test_what_escaped_its_group_does_not_hold_an_attempt_up(tmp_path: Path) -> None:
    code = GRANDCHILD.replace("time.sleep(600)'])", "time.sleep(600)'], start_new_session=True)") + "print('done')"
    sink = program_sink(code, cwd=str(tmp_path))
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await sink.deliver(delivery()) == "exit 0: done"
    finally:
        os.kill(int((tmp_path / "pid").read_text()), 9)


def test_one_that_was_cancelled_before_it_began_never_begins(tmp_path: Path) -> None:
    child = child_module.Child([PYTHON, "-c", "open('ran','w')"], cwd=tmp_path, environ={}, stdin=b"")
    child.kill()
    assert child.run_to_end().code == -9
    assert not list(tmp_path.iterdir())


def test_one_that_was_cancelled_in_the_moment_it_began_is_ended_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import time; open('ran','w'); time.sleep(60)"
    child = child_module.Child([PYTHON, "-c", code], cwd=tmp_path, environ={}, stdin=b"")
    begin = subprocess.Popen

    def beginning(*given: Any, **named: Any) -> Any:
        process = begin(*given, **named)
        child.kill()  # by the event loop, between the two steps of the thread
        return process

    monkeypatch.setattr(subprocess, "Popen", beginning)
    assert child.run_to_end().code == -9
