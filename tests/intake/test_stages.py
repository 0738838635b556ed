"""Callbacks that come together go from stage to stage together, and what is stored is told, whoever still waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.intake import intake, pipeline
from gateway.store.engine.commit_waiters import ToldWaiter
from gateway.store.records import NewEvent
from gateway.testing import running

CONFIG = """
version: 1
sources: {live: {type: huawei-live, keys: [0123456789abcdef0123456789abcdef]}}
sinks: {app: {type: recorder}}
routes: [{to: [app]}]
"""
TOGETHER = 5


def _note(monkeypatch: pytest.MonkeyPatch, stages: list[str], *names: str) -> None:
    def noting(name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **named: Any) -> Any:
            stages.append(name)
            return stage(*args, **named)

        return noted

    for name in names:
        monkeypatch.setattr(intake, name, noting(name, getattr(intake, name)))


async def test_a_stage_is_done_for_all_that_came_together_before_the_next_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stages: list[str] = []
    _note(monkeypatch, stages, "verify", "normalise", "render")
    async with running(CONFIG) as gateway:
        answers = await asyncio.gather(*[gateway.send(settle=False) for _ in range(TOGETHER)])
        assert [answer.status for answer in answers] == [200] * TOGETHER
    assert stages == [name for name in ("verify", "normalise", "render") for _ in range(TOGETHER)]


async def test_an_event_whose_caller_went_away_before_the_commit_is_told_and_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(CONFIG) as gateway:
        store = gateway.gateway.store
        queued: list[Sequence[NewEvent]] = []
        accept_together = store.accept_together

        def noted(callbacks: Sequence[tuple[Sequence[NewEvent], ToldWaiter[Any]]]) -> None:
            queued.extend(events for events, _ in callbacks)
            accept_together(callbacks)
            sending.cancel()

        monkeypatch.setattr(store, "accept_together", noted)
        with capture_logs() as lines:
            sending = asyncio.create_task(gateway.send(settle=False))
            with contextlib.suppress(asyncio.CancelledError):
                await sending
            assert sending.cancelled()
            await gateway.settle()
        assert [line["id"] for line in lines if line["event"] == "event"] == [queued[0][0].event.id]
        assert len(gateway.delivered("app")) == 1


@pytest.mark.parametrize("raised", [ValueError("a bug"), SystemExit(1), asyncio.CancelledError()], ids=repr)
async def test_one_that_fails_stops_none_of_those_that_came_with_it(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    real, calls = pipeline.normalise, 0

    def normalise(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise raised
        return real(*args, **named)

    async with running(CONFIG) as gateway:
        with monkeypatch.context() as patch:
            patch.setattr(intake, "normalise", normalise)
            answers = await asyncio.gather(*[gateway.send(settle=False) for _ in range(TOGETHER)])
        assert sorted(answer.status for answer in answers) == [200] * (TOGETHER - 1) + [500]
        await gateway.settle()
        assert len(gateway.delivered("app")) == TOGETHER - 1


async def test_a_crowd_goes_in_parts_so_that_the_loop_turns_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "TOGETHER_MAX", 2)
    stages: list[str] = []
    _note(monkeypatch, stages, "verify", "normalise")
    async with running(CONFIG) as gateway:
        answers = await asyncio.gather(*[gateway.send(settle=False) for _ in range(TOGETHER)])
        assert [answer.status for answer in answers] == [200] * TOGETHER
    assert stages == [name for part in (2, 2, 1) for name in ("verify", "normalise") for _ in range(part)]


async def test_what_a_turn_without_memory_left_behind_goes_with_the_next_callback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = []

    def without_memory(self: intake.Intake) -> None:
        failed.append(self)
        monkeypatch.undo()
        raise MemoryError

    async with running(CONFIG) as gateway:
        monkeypatch.setattr(intake.Intake, "_carry_arrived", without_memory)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        left = asyncio.ensure_future(gateway.send(settle=False))
        while not failed:
            await asyncio.sleep(0)
        monkeypatch.setattr(intake, "CALL_SECONDS_MAX", -1.0)  # the call that did not come is long ago
        answers = [await gateway.send(settle=False), await left]
        asyncio.get_running_loop().set_exception_handler(None)
        assert [answer.status for answer in answers] == [200, 200]
