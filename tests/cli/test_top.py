"""`gateway top`: drawn in place on a terminal, repeated elsewhere, and the terminal is given back in any case."""

from __future__ import annotations

import itertools
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.commands.top import _drawn
from gateway.cli.output import Times
from gateway.cli.screen import RESIZED
from gateway.errors import StoreUnavailable
from tests.cli.conftest import Cli
from tests.cli.overviews import an_overview
from tests.cli.stocked import accept, an_event, stock, wanted
from tests.cli.terminal import FRAME, Terminal


@pytest.mark.plain_rows
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


@pytest.mark.plain_rows
def test_it_can_be_suspended_and_brought_back(configured: Path) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event())))
    top = Terminal(configured, ["top"])
    top.frame()
    top.process.send_signal(signal.SIGTSTP)
    top.until(lambda text: "\x1b[?1049l" in text)
    top.until_stopped()
    top.process.send_signal(signal.SIGCONT)
    assert len(top.frame()) == 24
    top.press("q")
    assert top.end() == 0
    assert top.text.count("\x1b[?1049h") == top.text.count("\x1b[?1049l") == 2


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

    monkeypatch.setattr("gateway.admin.glance.Glance.overview", overview)
    monkeypatch.setattr("gateway.cli.commands.top.sleep", lambda seconds: None)
    said = cli("top", "--times", "3")
    assert said.stderr == "it is locked\n"
    assert said.stdout.count("needs a person") == 2


def test_what_never_answered_ends_it_because_it_is_more_likely_a_mistake(
    cli: Cli, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("it is locked")

    stock(configured, lambda store: accept(store, wanted(an_event())))
    monkeypatch.setattr("gateway.admin.glance.Glance.overview", away)
    assert cli("top", "--times", "3", code=1).stderr == "Error: it is locked\n"


class Glass:
    """In a terminal's place: keeps what is drawn, and has keys pressed one after the other."""

    size = (79, 24)

    def __init__(self, *keys: str) -> None:
        self.keys = list(keys)
        self.frames: list[list[str]] = []

    def draw(self, lines: list[str]) -> None:
        self.frames.append([re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines])

    def wait(self, seconds: float) -> str:
        return self.keys.pop(0)


class Looks:
    """In the place of what is asked."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def overview(self, window: str) -> object:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_on_a_terminal_what_was_seen_last_stays_with_the_reason_why_it_is_not_newer() -> None:
    glass: Any = Glass("x", "x", "x")
    looks: Any = Looks(StoreUnavailable("it is locked\nand more"), an_overview(), StoreUnavailable("gone"))
    assert _drawn(looks, glass, Times(), range(3), 60.0) is False
    nothing, seen, old = glass.frames
    assert nothing == ["it is locked", nothing[-1]]
    assert seen[-1] == nothing[-1]
    assert old == ["not now: gone", *seen[1:]]


def test_held_still_it_is_looked_at_no_more_until_a_key_says_so() -> None:
    glass: Any = Glass("p", RESIZED, "x", "p", RESIZED, "q")
    looks: Any = Looks(an_overview(), an_overview("later"))
    assert _drawn(looks, glass, Times(), itertools.count(), 60.0) is False
    assert ["held still" in frame[-1] for frame in glass.frames] == [False, True, True, True, False, False]
    assert ["later" in "".join(frame) for frame in glass.frames] == [False] * 4 + [True] * 2


@pytest.mark.parametrize("every", ["1ms", "2d", "soon"])
def test_how_often_is_within_reason(cli: Cli, configured: Path, every: str) -> None:
    assert "--every" in cli("top", "--every", every, code=2).stderr
