"""`gateway top`: drawn in place on a terminal, repeated elsewhere, and the terminal is given back in any case."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

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

    monkeypatch.setattr("gateway.admin.beside_store.BesideStore.overview", overview)
    monkeypatch.setattr("gateway.cli.commands.top.sleep", lambda seconds: None)
    said = cli("top", "--times", "3")
    assert said.stderr == "it is locked\n"
    assert said.stdout.count("needs a person") == 2


@pytest.mark.parametrize("every", ["1ms", "2d", "soon"])
def test_how_often_is_within_reason(cli: Cli, configured: Path, every: str) -> None:
    assert "--every" in cli("top", "--every", every, code=2).stderr
