"""`gateway listen` where something is away: the gateway, what it could hand out, the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.cli import listen_loop, pull_client
from gateway.cli.local_post import LocalPost
from gateway.cli.pull_client import PulledEvent
from gateway.errors import GatewayError
from tests.cli.listen_run import ListenRun, states
from tests.patience import PATIENCE_S
from tests.running import SECRET, Receiver, receiving
from tests.web.admin_api import ask, post, serve
from tests.web.doors import Served
from tests.web.pull_api import PULLING, leave_nothing, put


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("listen"), config=PULLING) as served:
        yield served
        served.ask()
        served.result()


@pytest.fixture(autouse=True)
def _empty(served: Served) -> Iterator[None]:
    yield
    leave_nothing(served)


@pytest.fixture
def local() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


async def test_what_cannot_be_handed_back_is_said(
    served: Served, local: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    put(served)
    local.delay = 3.0
    running = ListenRun(served, local.url)
    await running.until(lambda: local.connections)
    number = ask(served, "/deliveries?sink=q").json()["items"][0]["id"]
    assert post(served, f"/deliveries/{number}/cancel").status == 200
    await running.end()
    assert "could not be handed back" in capsys.readouterr().err


async def test_a_gateway_that_is_away_is_asked_again_and_again_and_said_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen_loop, "RETRY_SECONDS", (0.001, 0.002))
    with receiving(502) as away:
        running = ListenRun(away.url, "http://127.0.0.1:9")
        await running.until(lambda: len(away.requests) > 2)
        await running.end()
    said = capsys.readouterr().err
    assert said.count("trying again") == 1
    assert f"no answer from {away.url}" in said


async def test_why_nothing_comes_is_said_once(
    served: Served, local: Receiver, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_client, "WAIT_SECONDS", 0)
    assert post(served, "/sinks/q/pause").status == 200
    put(served)
    running = ListenRun(served, local.url)
    said: list[str] = []
    await running.until(lambda: said.append(capsys.readouterr().err) or "handed out" in "".join(said))
    assert post(served, "/sinks/q/resume").status == 200
    await running.until(lambda: local.requests)
    await running.end()
    assert "".join(said).count("nothing is handed out: paused") == 1


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where to write what somebody presses; standard input is a terminal meanwhile."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield ours
    with contextlib.suppress(OSError):
        os.close(ours)


async def test_q_ends_it_and_r_has_nothing_to_send_before_something_came(
    served: Served, local: Receiver, keyboard: int, capsys: pytest.CaptureFixture[str]
) -> None:
    running = ListenRun(served, local.url)
    await running.until(lambda: "q ends" in capsys.readouterr().err)
    os.write(keyboard, b"r")
    await running.until(lambda: "nothing came yet" in capsys.readouterr().err)
    os.write(keyboard, b"q")
    async with asyncio.timeout(PATIENCE_S):
        await running.task
    assert local.requests == []


async def test_it_goes_on_where_its_terminal_was_closed(
    served: Served, local: Receiver, keyboard: int, capsys: pytest.CaptureFixture[str]
) -> None:
    running = ListenRun(served, local.url)
    await running.until(lambda: "q ends" in capsys.readouterr().err)
    os.close(keyboard)
    put(served)
    await running.until(lambda: states(served)[0][0] == "delivered")
    await running.end()


async def test_an_address_that_forward_cannot_post_to_ends_it_at_once(served: Served) -> None:
    for to, said in (
        ("http://localhost:3000/{{", "url: expected .*cannot be filled in"),
        ("http://localhost:3000/a b", "url: expected"),
    ):
        with pytest.raises(GatewayError, match=said):
            await ListenRun(served, to).task


async def test_an_event_of_a_newer_gateway_is_said_to_be_one(local: Receiver) -> None:
    fetched = PulledEvent(receipt="r", attempt=1, replay=False, document={"specversion": "9"})
    async with LocalPost(local.url, SECRET, timedelta(seconds=5)) as post:
        with pytest.raises(GatewayError, match="is the gateway a newer one"):
            await post.post(fetched)
    assert local.requests == []


async def test_a_reload_of_the_gateway_is_a_rest_and_no_end(
    local: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen_loop, "RETRY_SECONDS", (0.001, 0.002))
    with serve(tmp_path, config=PULLING) as served:
        lane = served.behind.dispatcher.lanes["q"]  # type: ignore[attr-defined]
        running = ListenRun(served, local.url)
        await running.until(lambda: lane._waiters)
        path = tmp_path / "gateway.yaml"
        path.write_text(path.read_text().replace("concurrency: 100", "concurrency: 1"))
        assert post(served, "/reload").status == 200
        await running.until(lambda: "the gateway stops or was reloaded; trying again" in capsys.readouterr().err)
        put(served)
        await running.until(lambda: local.requests)
        await running.end()
        served.ask()
        served.result()
