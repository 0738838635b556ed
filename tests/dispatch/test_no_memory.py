"""No memory at any line of the dispatcher, for that line or for a while: what was acknowledged is delivered all the same."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

import gateway.dispatch
from gateway.errors import Retry
from gateway.model import Delivery
from tests.ready_stores import file_at
from tests.shortage import Shortage

from .conftest import Build, House, Scripted, event

FEW, MANY = 127, 11  # each so-manieth line is tried: every day, and by the slow test
NOWHERE = sys.maxsize  # a line that is never come to
CONCURRENCY = 2


async def _carry_some(build: Build, shortage: Shortage, folder: Path, first: int, lines: int) -> House:
    """Two that are handed over, one of which is to be tried again, and two that are claimed, as far as the door takes them."""
    failed: set[str] = set()

    async def script(delivery: Delivery) -> None:
        if delivery.event.id == event(2).id and not failed:
            failed.add(delivery.event.id)
            raise Retry("once")

    waits = {"concurrency": CONCURRENCY, "timeout": "5s", "retry": {"initial": "1s", "max": "1s"}}
    (folder / f"{first}").mkdir()
    house = await build(Scripted("app", script), delivery=waits, url=file_at(folder / f"{first}/gateway.db"))
    with shortage.on(first, lines):
        for numbers, reserved in (((1, 2), True), ((3, 4), False)):
            with suppress(MemoryError):
                await house.put(*map(event, numbers), reserve=reserved)
                house.dispatcher.wake("app")
            with shortage.spares_this_task():
                await house.calm()
        with shortage.spares_this_task():
            await house.later(2)
    return house


def _is_over(house: House) -> bool:
    """Everything is delivered, and nothing is held."""
    lane = house.dispatcher.lanes["app"]
    return set(house.rows()) <= {"delivered"} and not lane.occupied and not house.dispatcher._settler.pending


async def _tried_at(build: Build, folder: Path, lines: int, step: int) -> None:
    shortage = Shortage(gateway.dispatch)
    with shortage.watching():
        house = await _carry_some(build, shortage, folder, NOWHERE, 0)
        assert house.rows() == ["delivered"] * 4
        await house.close(0.05)
        for first in range(1, shortage.seen, step):
            house = await _carry_some(build, shortage, folder, first, lines)
            for _ in range(60):
                if _is_over(house):
                    break
                await house.later(2)
            occupied = house.dispatcher.lanes["app"].occupied
            assert _is_over(house), f"{house.rows()}, {occupied} held: there was no memory at {shortage.hit}"
            assert len(house.dispatcher.lanes["app"].workers._workers) == CONCURRENCY, shortage.hit
            await house.close(0.05)


LENGTHS = pytest.mark.parametrize("lines", [1, 60], ids=["one line", "sixty lines"])
DIES = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # whatever died says so


@DIES
@LENGTHS
async def test_no_memory_for_a_moment_costs_no_delivery_and_no_slot(build: Build, tmp_path: Path, lines: int) -> None:
    await _tried_at(build, tmp_path, lines, FEW)


@DIES
@LENGTHS
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_no_memory_at_any_line_costs_no_delivery_and_no_slot(build: Build, tmp_path: Path, lines: int) -> None:
    await _tried_at(build, tmp_path, lines, MANY)


def test_nothing_is_traced_afterwards() -> None:
    """Else each later test of the process would be several times as slow."""
    before = sys.gettrace(), sys.getprofile()
    with Shortage(gateway.dispatch).watching():
        assert sys.gettrace() != before[0]
    assert (sys.gettrace(), sys.getprofile()) == before
