"""`events list --follow` and `tail`: none twice, none left out, elsewhere as here, and an end that is one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import news as news_module
from tests.cli.conftest import ROOT, Cli
from tests.cli.stocked import accept, an_event, stock, wanted
from tests.cli.terminal import Terminal
from tests.cli.test_elsewhere import told
from tests.patience import PATIENCE_S
from tests.running import Player
from tests.web.admin_api import serve_filled
from tests.web.doors import Served

# -- beside a store, and elsewhere


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_filled(tmp_path_factory.mktemp("follow")) as served:
        yield served


def way_to(served: Served, way: str) -> list[str]:
    folder: Path = served.folder  # type: ignore[attr-defined]
    if way == "here":
        return ["--config", str(folder / "gateway.yaml")]
    return ["--url", f"http://127.0.0.1:{served.addresses.private.port}", "--token-file", str(folder / "token")]


@contextlib.contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], bool | None]) -> Iterator[None]:
    """Between two waits of a command that follows: each act until it says that it is done, then Ctrl-C."""
    left = list(acts)
    end = time.monotonic() + PATIENCE_S
    for name in ("NewsBeside", "NewsElsewhere", "OnlyPauses"):
        one = getattr(news_module, name)

        def wait(self: Any, seconds: float, ask: Any = one.wait) -> Any:
            assert time.monotonic() < end
            if not left:
                raise KeyboardInterrupt
            if left[0]() is not False:
                left.pop(0)
            return ask(self, min(seconds, 0.1))

        monkeypatch.setattr(one, "wait", wait)
    yield
    assert left == []


@pytest.mark.parametrize("way", ["here", "there"])
def test_events_that_come_are_listed_as_they_come(
    served: Served, cli: Cli, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = {"here": 100, "there": 200}[way]

    def come() -> None:
        for n in range(3):
            assert served.post(Player().body(number=number + n)).status == 200

    rest = [lambda: None] * 12  # looks
    with meanwhile(monkeypatch, come, *rest):
        said = cli(
            *way_to(served, way), "events", "list", "--follow", "--json", "--limit", "1", "--type", "recording.file.*"
        )
    rows = [json.loads(line) for line in told(said.stdout).splitlines() if line.startswith("{")]
    assert [row["subject"].rpartition("-")[2] for row in rows[1:]] == [str(number + n) for n in range(3)]
    assert len({row["ref"] for row in rows}) == 4
    assert set(rows[0]) == {"ref", "id", "source", "type", "subject", "received_at", "held", "deliveries"}


@pytest.mark.parametrize("way", ["here", "there"])
def test_tail_tells_of_events_and_of_what_came_of_them(
    served: Served, cli: Cli, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = {"here": 300, "there": 400}[way]
    activity = served.behind.metrics.activity

    def come() -> bool:
        if not activity.watched:
            return False
        assert served.post(Player().body(number=number)).status == 200
        return True

    with meanwhile(monkeypatch, come, *[lambda: None] * 25):
        said = cli(*way_to(served, way), "tail", "-n", "0", "--json", "--stream", "stream-*")
    items = [json.loads(line) for line in told(said.stdout).splitlines() if line.startswith("{")]
    assert [(item["kind"], item.get("outcome")) for item in items] == [("event", None), ("attempt", "delivered")]
    assert items[0]["subject"].endswith(f"-{number}")
    assert items[1]["sink"] == "file"
    assert items[1]["at"].endswith("Z")


def test_it_begins_with_the_newest_and_filters_as_a_listing_does(
    cli: Cli, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [wanted(an_event(number=n)) for n in range(12)] + [wanted(an_event("recording.started", number=20))]
    stock(configured, lambda store: accept(store, *events))

    def shown(*arguments: str) -> list[str]:
        with meanwhile(monkeypatch):
            lines = cli("tail", *arguments).stdout.splitlines()
        return [line.rpartition("stream-")[2] for line in lines]

    assert shown() == [str(n) for n in (*range(3, 12), 20)]
    assert shown("-n", "2") == ["11", "20"]
    assert shown("-n", "0") == []
    assert shown("-n", "2", "--type", "recording.failed") == ["10", "11"]
    assert shown("--since", "2025-12-31", "--stream", "stream-1*") == ["1", "10", "11"]
    assert shown("--since", "1s") == []
    with meanwhile(monkeypatch):
        assert "did you mean" in cli("tail", "--source", "liv", code=2).stderr


@pytest.mark.plain_rows
def test_whoever_reads_it_may_leave(configured: Path) -> None:
    stock(configured, lambda store: accept(store, *[wanted(an_event(number=n)) for n in range(3)]))
    environ = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "tail"],
        cwd=configured,
        env={**environ, "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        assert b"stream-0" in tail.stdout.readline()
        tail.stdout.close()  # as `head -1` does; nothing else happens on this store
        assert tail.wait(PATIENCE_S) in (0, 1)
        assert tail.stderr.read() == b""


@pytest.mark.plain_rows
def test_a_terminal_that_is_closed_ends_it(configured: Path) -> None:
    stock(configured, lambda store: accept(store, wanted(an_event())))
    for command in (["tail"], ["top"]):
        there = Terminal(configured, command)
        there.until(lambda text: "  live  " in text or "no gateway runs" in text)
        there.hang_up()
        assert there.process.wait(PATIENCE_S) != 0 or command == ["tail"]
