"""Whatever becomes of a callback, the slots that were reserved for its deliveries come back."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import ItemRefused, Problem, StoreBusy, StoreError, StoreFull, StoreUnavailable
from gateway.intake import intake
from gateway.store.engine.commit_waiters import ToldWaiter
from gateway.testing import RunningGateway, running

CONFIG = """
version: 1
sources: {live: {type: huawei-live, keys: [0123456789abcdef0123456789abcdef]}}
sinks: {app: {type: recorder, delivery: {rate: 1000/s}}, other: {type: recorder}}
routes: [{to: [app, other]}]
"""
ROUNDS = 20  # more than any lane has slots

REFUSALS: dict[str, Exception] = {
    "busy": StoreBusy("busy"),
    "full": StoreFull("full"),
    "unavailable": StoreUnavailable("gone"),
    "any trouble": StoreError("trouble"),
    "refused by the database": ItemRefused("no"),
    "a bug": RuntimeError("a bug"),
    "another bug": KeyError("a bug"),
}


def _held(gateway: RunningGateway) -> int:
    lanes = gateway.gateway.dispatcher.lanes.values()
    return sum(lane.occupied for lane in lanes) + sum(lane.pace._taken for lane in lanes if lane.pace is not None)


async def _goes_on(gateway: RunningGateway) -> None:
    await gateway.settle()
    assert _held(gateway) == 0
    assert (await gateway.send()).status == 200
    assert len(gateway.delivered("app")) == len(gateway.delivered("other")) == 1
    assert len(gateway.attempts("app")) == 1
    assert _held(gateway) == 0


async def _posted(gateway: RunningGateway) -> None:
    with contextlib.suppress(Problem, RuntimeError, KeyError), capture_logs():  # the door turns what is none into a 500
        answer = await gateway.send(settle=False)
        assert answer.status in (500, 503)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "at the commit"])
@pytest.mark.parametrize("why", REFUSALS)
async def test_an_accept_that_fails_gives_its_slots_back(monkeypatch: pytest.MonkeyPatch, why: str, late: bool) -> None:
    async with running(CONFIG) as gateway:
        with monkeypatch.context() as patch:

            def accept_together(callbacks: Sequence[tuple[Any, ToldWaiter[Any]]]) -> None:
                if not late:
                    raise copy.copy(REFUSALS[why])
                for _, told in callbacks:
                    asyncio.get_running_loop().call_soon(told.set_exception, copy.copy(REFUSALS[why]))

            patch.setattr(gateway.gateway.store, "accept_together", accept_together)
            for _ in range(ROUNDS):
                await _posted(gateway)
        await _goes_on(gateway)


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), KeyError("x"), MemoryError("x")], ids=repr)
async def test_an_event_that_cannot_be_made_gives_its_slots_back(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async with running(CONFIG) as gateway:
        with monkeypatch.context() as patch:

            def new_event(*args: Any, **kw: Any) -> Any:
                raise error

            patch.setattr(intake, "new_event", new_event)
            for _ in range(ROUNDS):
                with contextlib.suppress(MemoryError):
                    await _posted(gateway)
        await _goes_on(gateway)


async def test_a_caller_that_goes_away_gives_its_slots_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(CONFIG) as gateway:
        with monkeypatch.context() as patch:
            waiting: list[ToldWaiter[Any]] = []

            def accept_together(callbacks: Sequence[tuple[Any, ToldWaiter[Any]]]) -> None:
                waiting.extend(told for _, told in callbacks)

            patch.setattr(gateway.gateway.store, "accept_together", accept_together)
            for number in range(ROUNDS):
                posting = asyncio.create_task(gateway.send(settle=False))
                while len(waiting) <= number:
                    await asyncio.sleep(0)
                posting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await posting
                waiting[-1].set_exception(StoreUnavailable("gone"))
                await asyncio.sleep(0)
        await _goes_on(gateway)
