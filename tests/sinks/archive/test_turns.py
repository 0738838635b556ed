"""Turns and bandwidth: the most urgent first, no place lost, and no more bytes than are paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from gateway import Http
from gateway.testing import NOW, FrozenClock
from plugins.sinks.archive.turns import Bandwidth, Turns
from tests.patience import PATIENCE_S


async def test_whoever_is_cancelled_takes_no_place_with_him() -> None:
    turns, order = Turns(1), list[int]()
    begun, go = asyncio.Event(), asyncio.Event()
    waiting: list[asyncio.Future[None]] = []

    async def hold() -> None:
        async with turns.turn(None):
            begun.set()
            await go.wait()
        waiting[3].cancel()  # it was just given the place

    async def work(number: int) -> None:
        async with turns.turn(NOW + timedelta(hours=number)):
            order.append(number)

    first = asyncio.ensure_future(hold())
    await begun.wait()
    waiting += [asyncio.ensure_future(work(number)) for number in (5, 3, 1, 2)]
    await asyncio.sleep(0)
    waiting[2].cancel()  # while it waits
    go.set()
    await asyncio.gather(first, *waiting, return_exceptions=True)
    await asyncio.wait_for(work(7), PATIENCE_S)
    assert order == [3, 5, 7]


async def test_bytes_are_paid_for_in_time_and_a_pause_saves_no_more_than_a_second() -> None:
    clock = FrozenClock()
    bandwidth = Bandwidth(1000, Http(clock=clock))
    await bandwidth.spend(1000)  # the burst
    paid = asyncio.ensure_future(bandwidth.spend(500))
    for step, done in ((0.4, False), (0.2, True)):
        clock.advance(step)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert paid.done() is done
    clock.advance(3600)
    await bandwidth.spend(1000)
    assert not await _at_once(bandwidth.spend(1))


async def _at_once(work: Coroutine[Any, Any, object]) -> bool:
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    done: bool = task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return done
