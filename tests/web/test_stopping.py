"""What a stop lets end, what a second stop does not wait for, and what a signal is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.web import listeners
from tests.patience import PATIENCE_S, until
from tests.web.doors import Answer, Behind, Served, post, settings

BY_THE_APPLICATION = "Content-Type: text/plain; charset=latin-1\r\n"  # which only its body can prove wrong


def test_a_stop_lets_a_request_end_and_tells_the_others() -> None:
    behind = Behind()
    release, closing = threading.Event(), threading.Event()

    async def slowly(callback: Any) -> Any:
        await asyncio.to_thread(release.wait, 10)
        return Answer()

    async def close() -> None:
        closing.set()
        await asyncio.to_thread(release.wait, 10)

    behind.answer, behind.closing = slowly, close
    with Served(behind) as served, served.public() as begun, served.public() as kept:
        kept.send(post(path="/hooks/no")).reply()
        begun.send(post())
        until(lambda: behind.taken)
        served.ask()
        assert closing.wait(PATIENCE_S)
        reply = served.post()  # a new connection, while deliveries end
        assert (reply.status, reply.json()["code"]) == (503, "stopping")
        assert served.get("/readyz").status == 503
        assert served.get("/healthz").status == 200
        release.set()
        assert begun.reply().status == 200
        assert begun.closed()
        assert kept.closed()
        ended = served.result()
    assert (ended.code, ended.clean) == (0, True)


@pytest.mark.parametrize("more", ["", BY_THE_APPLICATION], ids=["whole", "by the application"])
def test_a_second_stop_waits_for_nothing(more: str) -> None:
    behind = Behind()

    async def never() -> Any:
        await asyncio.Event().wait()

    async def taking(callback: Any) -> Any:
        await asyncio.Event().wait()

    behind.answer, behind.closing = taking, never
    with Served(behind) as served, served.public() as begun:
        begun.send(post(more=more))
        until(lambda: behind.taken)
        served.ask()
        began = time.monotonic()
        served.ask(signal.SIGINT)
        ended = served.result()
        assert time.monotonic() - began < 2
        assert begun.closed()
    assert (ended.code, ended.clean) == (130, False)


def test_what_does_not_end_within_the_grace_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "CLOSING_SECONDS", 0.1)
    behind = Behind(settings(server={"shutdown_grace": timedelta(seconds=0.3)}))

    async def never() -> Any:
        await asyncio.Event().wait()

    behind.closing = never
    with Served(behind) as served:
        served.ask()
        began = time.monotonic()
        ended = served.result()
        assert time.monotonic() - began < 2.5
    assert (ended.code, ended.clean) == (1, False)


def test_an_answer_that_never_comes_does_not_keep_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "ANSWERING_SECONDS", 0.1)
    behind = Behind(settings(server={"shutdown_grace": timedelta(0)}))

    async def taking(callback: Any) -> Any:
        await asyncio.Event().wait()

    behind.answer = taking
    with Served(behind) as served, served.public() as begun:
        begun.send(post())
        until(lambda: behind.taken)
        served.ask()
        assert served.result().clean
        assert begun.closed()
    assert behind.life == ["open", "close"]


PROGRAM = """
import asyncio, gc, sys
from tests.web.doors import Behind
from gateway.runtime import logs
from gateway.web import listeners

class Told(Behind):
    async def open(self):
        await super().open()
        asyncio.get_running_loop().call_later(0.2, print, "open", type(asyncio.get_running_loop()).__module__)
    async def close(self, grace=None):
        print("closing", sys.getswitchinterval(), gc.get_threshold()[0], gc.get_freeze_count() > 10_000)
        if "stuck" in sys.argv:
            await asyncio.Event().wait()

logs.configure()
sys.stdout.reconfigure(line_buffering=True)
code = listeners.serve(Told())
print("code", code)
sys.exit(code)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_process_politely(number: int) -> None:
    with _program() as process:
        assert process.stdout is not None
        assert process.stdout.readline().split() == ["open", "uvloop"]
        process.send_signal(number)
        assert process.stdout.readline().split() == ["closing", "0.0005", "10000", "True"]
        assert process.wait(PATIENCE_S) == 0
        assert "code 0" in process.stdout.read()


def test_a_second_signal_ends_the_process_at_once() -> None:
    with _program("stuck") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline().startswith("closing")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 143


@contextlib.contextmanager
def _program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    root = Path(listeners.__file__).parents[2]
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=dict(os.environ)
    ) as process:
        try:
            yield process
        finally:
            process.kill()
