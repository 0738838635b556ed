"""`gateway top`: drawn in place on a terminal, repeated elsewhere, and the terminal is given back in any case."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from tests.cli.conftest import ROOT, Cli
from tests.cli.overviews import an_overview
from tests.cli.stocked import accept, an_event, stock, wanted

SECONDS_MAX = 20.0
FRAME = re.compile(r"\x1b\[\?2026h\x1b\[H(.*?)\x1b\[J\x1b\[\?2026l", re.DOTALL)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, folder: Path, arguments: list[str], columns: int = 80, rows: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        environ = {
            k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_") and k not in ("COLUMNS", "LINES")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=folder,
            env={**environ, "PYTHONPATH": ROOT, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, wanted: Callable[[str], bool]) -> str:
        """What is new, once it is what is wanted."""
        end = time.monotonic() + SECONDS_MAX
        text = ""
        while not wanted(text):
            assert time.monotonic() < end, text
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    text += os.read(self._ours, 65536).decode()
                except OSError:
                    break  # the other end is closed
        self.text += text
        return text

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def frame(self, wanted: Callable[[str], bool] = lambda frame: True) -> list[str]:
        """The lines of the next frame that is what is wanted."""
        text = self.until(lambda text: any(wanted(found) for found in FRAME.findall(text)))
        found = next(found for found in reversed(FRAME.findall(text)) if wanted(found))
        return [line.removesuffix("\x1b[K") for line in found.split("\r\n")]

    def end(self) -> int:
        """Its exit code; the terminal is as it was."""
        code = self.process.wait(SECONDS_MAX)
        if select.select([self._ours], [], [], 0)[0]:
            self.text += os.read(self._ours, 65536).decode()
        assert termios.tcgetattr(self.theirs) == self.before
        os.close(self._ours)
        os.close(self.theirs)
        return code


def test_on_a_terminal_it_is_drawn_in_place_and_obeys_keys_and_the_window(configured: Path) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event())))
    top = Terminal(configured, ["top", "--every", "500ms"])
    frame = top.frame()
    assert len(frame) == 24
    assert "no gateway runs here" in frame[0]
    top.press("p")
    assert "held still" in top.frame(lambda frame: "held still" in frame)[-1]
    top.resize(50, 10)
    top.process.send_signal(signal.SIGWINCH)
    assert len(top.frame(lambda frame: frame.count("\r\n") == 9)) == 10
    top.press("p")
    assert "every 0.5 s" in top.frame(lambda frame: "every" in frame)[-1]
    top.press("q")
    assert top.end() == 0
    assert top.text.count("\x1b[?1049h") == top.text.count("\x1b[?1049l") == 1
    assert top.text.endswith("\x1b[?25h\x1b[?1049l")
    between = FRAME.sub("", top.text).removeprefix("\x1b[?1049h\x1b[?25l").removesuffix("\x1b[?25h\x1b[?1049l")
    assert between == ""  # nothing is cleared between two frames, so nothing flickers


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_the_terminal_is_given_back(configured: Path, number: int, code: int) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event())))
    top = Terminal(configured, ["top"])
    top.frame()
    top.process.send_signal(number)
    assert top.end() == code
    assert top.text.endswith("\x1b[?25h\x1b[?1049l")
    assert "Traceback" not in top.text
    assert "Aborted" not in top.text


def test_elsewhere_the_screen_of_status_comes_again_and_again(
    cli: Cli, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event())))
    slept: list[float] = []
    monkeypatch.setattr("gateway.cli.commands.top.sleep", slept.append)
    said = cli("top", "--times", "3", "--every", "5s").stdout
    assert said.count("no gateway runs here") == 3
    assert said.count("\nat 20") == 2
    assert "\x1b" not in said
    assert slept == [5.0, 5.0]


def test_a_store_that_does_not_answer_for_a_moment_ends_nothing(
    cli: Cli, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event())))
    answers = iter([an_overview(), StoreUnavailable("it is locked"), an_overview()])

    def overview(*_: object) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr("gateway.admin.beside_store.BesideStore.overview", overview)
    monkeypatch.setattr("gateway.cli.commands.top.sleep", lambda seconds: None)
    said = cli("top", "--times", "3")
    assert said.stderr == "it is locked\n"
    assert said.stdout.count("needs a person") == 2


@pytest.mark.parametrize("every", ["1ms", "2d", "soon"])
def test_how_often_is_within_reason(cli: Cli, configured: Path, every: str) -> None:
    assert "--every" in cli("top", "--every", every, code=2).stderr
