"""A terminal that is drawn in place gives keys and what signals mean, and never holds who draws up."""

from __future__ import annotations

import os
import pty
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gateway.cli.screen import ENDED, ENTER, LEAVE, RESIZED, Screen
from tests.patience import PATIENCE_S


class Ends:
    """Both ends of a terminal."""

    def __init__(self, ours: int, theirs: int) -> None:
        self.ours, self.theirs = ours, theirs


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    """A terminal of its own as this process's standard input and output."""
    ours, theirs = pty.openpty()
    with ExitStack() as stack:
        stack.callback(os.close, ours)
        monkeypatch.setattr(sys, "stdin", stack.enter_context(os.fdopen(theirs, "r")))
        monkeypatch.setattr(sys, "stdout", stack.enter_context(os.fdopen(os.dup(theirs), "w")))
        yield Ends(ours, theirs)
        monkeypatch.undo()


def test_keys_are_given_one_by_one_and_nothing_after_a_while(terminal: Ends) -> None:
    with Screen() as screen:
        assert screen.wait(0.0) == ""
        os.write(terminal.ours, b"p")
        assert screen.wait(PATIENCE_S) == "p"


def test_signals_are_given_in_order_also_those_of_one_moment(terminal: Ends) -> None:
    with Screen() as screen:
        signal.raise_signal(signal.SIGWINCH)
        signal.raise_signal(signal.SIGTERM)
        assert [screen.wait(PATIENCE_S) for _ in range(2)] == [RESIZED, ENDED]
        assert screen.wait(0.0) == ""


def test_a_flood_of_signals_before_a_look_holds_nothing_up(terminal: Ends) -> None:
    with Screen() as screen:
        for _ in range(70_000):  # more than its pipe holds
            signal.raise_signal(signal.SIGWINCH)
        assert screen.wait(PATIENCE_S) == RESIZED


def test_a_terminal_that_is_gone_ends_it(terminal: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    with Screen() as screen:
        os.close(terminal.ours)
        try:
            assert screen.wait(PATIENCE_S) == ENDED
        finally:
            terminal.ours = os.open(os.devnull, os.O_RDONLY)


def test_without_a_keyboard_it_is_drawn_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with Screen() as screen:
            assert screen.size == (79, 23 + 1)
            screen.draw(["one", "two"])
            assert screen.wait(0.0) == ""
    said = capfd.readouterr().out
    assert said.startswith(ENTER)
    assert "one\x1b[K\r\ntwo" in said
    assert said.endswith(LEAVE)
