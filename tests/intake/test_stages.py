"""Callbacks that come together go from stage to stage together, and what is stored is told, whoever still waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.intake import intake
from gateway.testing import running

CONFIG = """
version: 1
sources: {live: {type: huawei-live, keys: [0123456789abcdef0123456789abcdef]}}
sinks: {app: {type: recorder}}
routes: [{to: [app]}]
"""
TOGETHER = 5


async def test_a_stage_is_done_for_all_that_came_together_before_the_next_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stages: list[str] = []

    def noting(name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **named: Any) -> Any:
            stages.append(name)
            return stage(*args, **named)

        return noted

    for name in ("verify", "normalise", "_rendered"):
        monkeypatch.setattr(intake, name, noting(name, getattr(intake, name)))
    async with running(CONFIG) as gateway:
        answers = await asyncio.gather(*[gateway.send(settle=False) for _ in range(TOGETHER)])
        assert [answer.status for answer in answers] == [200] * TOGETHER
    assert stages == [name for name in ("verify", "normalise", "_rendered") for _ in range(TOGETHER)]


async def test_an_event_whose_caller_went_away_before_the_commit_is_told_and_delivered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(CONFIG) as gateway:
        store = gateway.gateway.store
        queued: list[asyncio.Future[Any]] = []
        accept = store.accept

        def noted(new: Any) -> asyncio.Future[Any]:
            queued.append(accept(new))
            sending.cancel()
            return queued[-1]

        monkeypatch.setattr(store, "accept", noted)
        with capture_logs() as lines:
            sending = asyncio.create_task(gateway.send(settle=False))
            with contextlib.suppress(asyncio.CancelledError):
                await sending
            assert sending.cancelled()
            (accepted,) = await queued[0]
            await gateway.settle()
        assert [line["id"] for line in lines if line["event"] == "event"] == [accepted.id]
        assert len(gateway.delivered("app")) == 1
