"""Following goes on over what fails for a while, ends with what fails for good, and shows the news that were asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import pytest

from gateway.cli.news import BACK, LOST, NewsItem
from gateway.cli.remote_client import RefusedElsewhere
from gateway.cli.watch_loop import follow, kept_by
from gateway.errors import GatewayError, StoreUnavailable


class Feed:
    """News as a test has them: a list is what came, an exception what happened instead. Then a person ends it."""

    def __init__(self, *turns: Sequence[NewsItem] | Exception) -> None:
        self.turns = list(turns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def wait(self, seconds: float) -> Sequence[NewsItem]:
        if not self.turns:
            raise KeyboardInterrupt
        turn = self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return turn


class Shown:
    """Looks at a store in which nothing is, and keeps the news that are printed."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.looks = 0

    def newest(self, count: int | None) -> Sequence[Any]:
        return ()

    def fresh(self, now: float) -> Sequence[Any]:
        self.looks += 1
        return ()

    def news(self, item: NewsItem) -> None:
        self.kinds.append(item.kind)


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Shown]:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def run(*turns: Sequence[NewsItem] | Exception, elsewhere: bool = False, **more: Any) -> Shown:
        shown: Any = Shown()
        follow(shown, Feed(*turns), shown, shown, count=None, elsewhere=elsewhere, **more)
        return shown

    return run


def test_what_fails_for_a_while_is_said_once_until_it_is_over(
    followed: Callable[..., Shown], capsys: pytest.CaptureFixture[str]
) -> None:
    away = StoreUnavailable("the disk is away\nand more of it")
    paused = NewsItem("sink", {})
    shown = followed(away, away, [paused], away, [NewsItem("event", {})])
    assert shown.kinds == ["sink"]
    said = capsys.readouterr().err
    assert said.count("the disk is away; trying again") == 2
    assert "and more of it" not in said


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_gateway_elsewhere_refuses_for_good_ends_it(followed: Callable[..., Shown], status: int) -> None:
    with pytest.raises(GatewayError, match="no more"):
        followed(RefusedElsewhere("this token holds no more", status), elsewhere=True)
    followed(RefusedElsewhere("busy", 503), elsewhere=True)


def test_a_gateway_elsewhere_is_asked_for_events_when_it_says_that_there_are_some(
    followed: Callable[..., Shown],
) -> None:
    assert followed([], [NewsItem("sink", {})], elsewhere=True).looks == 0
    assert followed([], [NewsItem("event", {})], [NewsItem(BACK, {})], elsewhere=True).looks == 2
    assert followed([], []).looks == 2, "beside a store it is looked at each time"


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, ["attempt app", "attempt other", "sink app", LOST, BACK]),
        ({"sink": "app"}, ["attempt app", "sink app", LOST, BACK]),
        ({"stream": "s1"}, ["attempt app", LOST, BACK]),
        ({"stream": "s*"}, ["attempt app", "attempt other", LOST, BACK]),
        ({"subject": "push.example.com/live/s2"}, ["attempt other", LOST, BACK]),
        ({"held": True}, [LOST, BACK]),
    ],
)
def test_the_news_of_what_was_asked_for_are_kept_and_that_the_connection_was_lost(
    asked: dict[str, Any], kept: list[str]
) -> None:
    keeps = kept_by(**{"stream": None, "subject": None, "sink": None, "held": False, **asked})
    items = {
        "event": NewsItem("event", {"subject": "push.example.com/live/s1"}),
        "attempt app": NewsItem("attempt", {"sink": "app", "subject": "push.example.com/live/s1"}),
        "attempt other": NewsItem("attempt", {"sink": "other", "subject": "push.example.com/live/s2"}),
        "sink app": NewsItem("sink", {"sink": "app"}),
        LOST: NewsItem(LOST, {}),
        BACK: NewsItem(BACK, {}),
    }
    assert [name for name, item in items.items() if keeps(item)] == kept
