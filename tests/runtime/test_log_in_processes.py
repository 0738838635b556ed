"""A gateway whose log cannot be written goes on: it answers, delivers, is ready, and ends."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S, until
from tests.running import KEY, SECRET, Player, Receiver, Running, receiving

PLUGIN = """
import asyncio, sys, threading, warnings
from gateway import hookimpl

@hookimpl
def event_stored(event, sinks):
    print("printed " * 2000)
    print("printed " * 2000, file=sys.stderr)
    warnings.warn("warned")
    threading.Thread(target=lambda: 1 / 0).start()
"""


def _nobody_reads(gateway: Running) -> tuple[int, ...]:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    gateway.output = writer
    return reader, writer


def _reader_gone(gateway: Running) -> tuple[int, ...]:
    reader, gateway.output = os.pipe()
    os.close(reader)
    return (gateway.output,)


def _terminal_gone(gateway: Running) -> tuple[int, ...]:
    master, gateway.output = pty.openpty()
    os.close(master)
    return (gateway.output,)


def _redirected(words: str) -> Callable[[Running], tuple[int, ...]]:
    def redirect(gateway: Running) -> tuple[int, ...]:
        gateway.redirection = words
        return ()

    return redirect


WAYS = {
    "a pipe that nobody reads": _nobody_reads,
    "a pipe whose reader is gone": _reader_gone,
    "a terminal that is gone": _terminal_gone,
    "a full disk": _redirected("> /dev/full 2>&1"),
    "closed": _redirected(">&- 2>&- <&-"),
}


@pytest.fixture(params=WAYS)
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Running, Receiver]]:
    (tmp_path / "prints.py").write_text(PLUGIN)
    with receiving() as receiver:
        config = f"""plugins: [prints.py]
sources:
  live: {{type: huawei-live, keys: [{KEY}]}}
sinks:
  app:
    type: forward
    url: {receiver.url}/in
    sign: {{scheme: standard-webhooks, secrets: ['{SECRET}']}}
routes:
  - {{name: all, to: [app]}}
"""
        running = Running(tmp_path, config)
        kept = WAYS[request.param](running)
        try:
            yield running, receiver
        finally:
            if running.process is not None:
                running.kill()
            for descriptor in kept:
                os.close(descriptor)


def test_a_log_that_cannot_be_written_stops_nothing(gateway: tuple[Running, Receiver]) -> None:
    running, receiver = gateway
    running.start()
    player = Player()
    for number in range(1, 16):
        assert running.post(player.body())[0] == 200
        assert receiver.wait_for(lambda came, number=number: len(came.requests) >= number, PATIENCE_S)
    for path in ("healthz", "readyz"):
        with urllib.request.urlopen(f"http://127.0.0.1:{running.admin}/{path}", timeout=PATIENCE_S) as answer:
            assert answer.status == 200
    if running.output is None:
        until(lambda: running.metric("recording_gateway_log_lines_dropped_total"), said=lambda: "nothing was counted")
    assert running.stop(PATIENCE_S) == 0


def test_signals_that_mean_nothing_here_do_nothing(tmp_path: Path) -> None:
    running = Running(
        tmp_path, f"sources:\n  live: {{type: huawei-live, keys: [{KEY}]}}\nsinks:\n  s: {{type: console}}\n"
    )
    running.start()
    try:
        assert running.process is not None
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            running.process.send_signal(number)
        assert running.post(Player().body())[0] == 200
        assert running.stop() == 0
    finally:
        if running.process is not None:
            running.kill()
